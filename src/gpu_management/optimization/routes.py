"""HTTP for what could be saved: /api/v1/gpu/metrics/idle."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from gpu_management.core.http import Now, Paging, ReadSession, WireRoute, page_of, problems
from gpu_management.core.paging import page_of_rows
from gpu_management.metrics.questions import Group
from gpu_management.metrics.routes import OnlyDep, Reader, StoreDep, intake_of, visible
from gpu_management.metrics.service import Intake
from gpu_management.metrics.store import MetricsUnavailable
from gpu_management.optimization import lookout, schemas

router = APIRouter(prefix="/api/v1/gpu/metrics", tags=["metrics"], route_class=WireRoute)


@router.get(
    "/idle",
    response_model=list[schemas.IdleHold],
    operation_id="getIdleDevices",
    summary="Held and idle GPUs",
    responses=problems(MetricsUnavailable),
)
def idle(
    principal: Reader,
    session: ReadSession,
    store: StoreDep,
    intake: Annotated[Intake, Depends(intake_of)],
    now: Now,
    only: OnlyDep,
    page: Paging,
    request: Request,
    response: Response,
) -> Any:
    """Return what is held and expected to stay idle, with the evidence, the dearest first."""
    seen = visible(only, principal, Group.ALLOCATION)
    rows = lookout.idle_now(
        session, store, only=seen, interval_seconds=intake.interval_seconds, now=now
    )
    return page_of(request, response, page_of_rows(rows, page))
