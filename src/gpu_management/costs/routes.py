"""HTTP for cost: /api/v1/gpu/cost."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import Now, ReadSession, WireRoute, problems
from gpu_management.costs import schemas, service

router = APIRouter(prefix="/api/v1/gpu", tags=["cost"], route_class=WireRoute)

Days = Annotated[int, Query(ge=1, le=365, description="Days up to today.")]


async def desk_of(request: Request) -> service.Desk:
    """Return what costing knows of the house."""
    found: service.Desk = request.app.state.desk
    return found


DeskDep = Annotated[service.Desk, Depends(desk_of)]


@router.get(
    "/cost/analysis",
    response_model=schemas.Analysis,
    operation_id="getCostAnalysis",
    summary="Spending of the last days",
    responses=problems(),
)
def analysis(
    principal: Annotated[Principal, Depends(requires(Permission.COST_READ))],
    session: ReadSession,
    desk: DeskDep,
    now: Now,
    days: Days = 30,
) -> Any:
    """Return what was spent, by team, user, namespace, model, workload type and day."""
    reader = service.Reader(principal)
    return service.analysis(session, desk, days=days, reader=reader, now=now)


@router.get(
    "/me/cost",
    response_model=schemas.Analysis,
    operation_id="getOwnCost",
    summary="Spending of your own team",
    responses=problems(),
)
def own(
    principal: Annotated[Principal, Depends(requires(Permission.OWN_COST_READ))],
    session: ReadSession,
    desk: DeskDep,
    now: Now,
    days: Days = 30,
) -> Any:
    """Return what the caller's team spent (D-08)."""
    reader = service.Reader(principal, Permission.OWN_COST_READ)
    return service.analysis(session, desk, days=days, reader=reader, now=now)
