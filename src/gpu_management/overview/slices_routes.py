"""HTTP for MIG instances with their holders: /api/v1/gpu/mig/instances."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Hold
from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import Paging, ReadSession, WireRoute, page_of, problems
from gpu_management.core.paging import Listing, list_rows
from gpu_management.devices.models import Device
from gpu_management.mig import queries, schemas, service
from gpu_management.mig.errors import MigInstanceNotFound
from gpu_management.mig.models import MigInstance

router = APIRouter(prefix="/api/v1/gpu/mig/instances", tags=["mig"], route_class=WireRoute)

Reader = Annotated[Principal, Depends(requires(Permission.MIG_READ))]


@router.get(
    "",
    response_model=list[schemas.Instance],
    operation_id="listMigInstances",
    summary="MIG instances",
    responses=problems(),
)
def list_instances(
    _principal: Reader,
    session: ReadSession,
    page: Paging,
    request: Request,
    response: Response,
    device_id: Annotated[str | None, Query(alias="deviceId", max_length=270)] = None,
    profile: Annotated[str | None, Query(max_length=24)] = None,
    status: Annotated[str | None, Query(pattern="^(AVAILABLE|ALLOCATED)$")] = None,
) -> Any:
    """List the slices of the fleet with their place and holder."""
    query = queries.instance_rows()
    if device_id is not None:
        query = query.where(Device.live_id == device_id)
    if profile is not None:
        query = query.where(MigInstance.profile_name == profile)
    if status is not None:
        query = query.where(MigInstance.held.is_(status == "ALLOCATED"))
    sorts = {"migId": MigInstance.mig_id, "profileName": MigInstance.profile_name}
    listing = list_rows(session, query, sorts=sorts, key=MigInstance.id, page=page)
    shown = _shown(session, listing.rows)
    return page_of(request, response, Listing(shown, listing.total, listing.next_cursor))


@router.get(
    "/{mig_id}",
    response_model=schemas.Instance,
    operation_id="getMigInstance",
    summary="One MIG instance",
    responses=problems(MigInstanceNotFound),
)
def get_instance(
    mig_id: Annotated[str, Path(max_length=320)], _principal: Reader, session: ReadSession
) -> Any:
    """Return a slice with its place and holder."""
    found = service.find_instance(session, mig_id)
    rows = session.execute(queries.instance_rows().where(MigInstance.id == found.id)).all()
    return _shown(session, rows)[0]


def _shown(session: Session, rows: Any) -> list[dict[str, Any]]:
    owners = select(Hold.mig_instance_id, Hold.allocation_id).where(
        Hold.ended_at.is_(None), Hold.mig_instance_id.is_not(None)
    )
    is_held = any(row.held for row in rows)
    by_slice = dict(session.execute(owners).all()) if is_held else {}
    return [queries.shown(row, by_slice.get(row.id)) for row in rows]
