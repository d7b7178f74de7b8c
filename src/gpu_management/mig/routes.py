"""HTTP for MIG: profiles, instances, mode and layouts of a device."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.auth import service as auth
from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import (
    Now,
    Paging,
    ReadSession,
    WireRoute,
    WriteSession,
    note_unknown,
    page_of,
    problems,
)
from gpu_management.core.paging import Listing, list_rows
from gpu_management.devices import library
from gpu_management.devices import service as devices
from gpu_management.devices.errors import DeviceInUse, DeviceNotFound, ModelNotFound
from gpu_management.devices.models import Device
from gpu_management.mig import queries, schemas, service
from gpu_management.mig.errors import (
    MigInstanceInUse,
    MigInstanceNotFound,
    MigLayoutIllegal,
    MigNotEnabled,
    MigNotSupported,
)
from gpu_management.mig.geometry import Placement
from gpu_management.mig.models import MigLayout

router = APIRouter(prefix="/api/v1/gpu", tags=["mig"], route_class=WireRoute)

Reader = Annotated[Principal, Depends(requires(Permission.MIG_READ))]
DeviceReader = Annotated[Principal, Depends(requires(Permission.DEVICES_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.MIG_WRITE))]
DeviceId = Annotated[str, Path(max_length=270, examples=["gpu-worker-1-GPU-00"])]


@router.get(
    "/mig/profiles",
    response_model=list[schemas.Profile],
    operation_id="listMigProfiles",
    summary="MIG profiles",
    responses=problems(ModelNotFound),
)
def profiles(
    _principal: Reader,
    session: ReadSession,
    request: Request,
    response: Response,
    model_id: Annotated[str | None, Query(alias="modelId", max_length=63)] = None,
    device_id: Annotated[str | None, Query(alias="deviceId", max_length=270)] = None,
) -> Any:
    """List the profiles of each MIG model, with what is idle and what could be carved now."""
    if device_id is not None:
        model_id = devices.find_device(session, device_id).model_id
    elif model_id is not None:
        library.find_model(session, model_id)
    rows = queries.list_profiles(session, model_id)
    return page_of(request, response, Listing(rows, len(rows), None))


@router.delete(
    "/mig/instances/{mig_id}",
    status_code=204,
    operation_id="destroyMigInstance",
    summary="Destroy an idle instance",
    responses=problems(MigInstanceNotFound, MigInstanceInUse),
)
def destroy(
    mig_id: Annotated[str, Path(max_length=320)], principal: Writer, session: WriteSession, now: Now
) -> None:
    """Remove an instance that nobody holds."""
    service.destroy(session, service.find_instance(session, mig_id), now=now)
    auth.record(
        session,
        principal,
        action="mig.destroy",
        target_kind="mig-instance",
        target_id=mig_id,
        now=now,
    )


@router.post(
    "/devices/{device_id}/mig",
    status_code=204,
    operation_id="enableMig",
    summary="Switch MIG mode on",
    responses=problems(DeviceNotFound, DeviceInUse, MigNotSupported),
)
def enable(device_id: DeviceId, principal: Writer, session: WriteSession, now: Now) -> None:
    """Switch MIG mode on; the device must be idle."""
    service.enable(session, devices.find_device(session, device_id), now=now)
    _note(session, principal, "mig.enable", device_id, now=now)


@router.delete(
    "/devices/{device_id}/mig",
    status_code=204,
    operation_id="disableMig",
    summary="Switch MIG mode off",
    responses=problems(DeviceNotFound, DeviceInUse),
)
def disable(device_id: DeviceId, principal: Writer, session: WriteSession, now: Now) -> None:
    """Switch MIG mode off; idle instances go, held ones refuse it."""
    service.disable(session, devices.find_device(session, device_id), now=now)
    _note(session, principal, "mig.disable", device_id, now=now)


@router.post(
    "/devices/{device_id}/mig/instances",
    status_code=201,
    response_model=schemas.PlacementTold,
    operation_id="createMigInstance",
    summary="Carve an instance",
    responses=problems(DeviceNotFound, MigNotSupported, MigNotEnabled, MigLayoutIllegal),
)
def create(
    device_id: DeviceId,
    body: schemas.InstanceCreate,
    principal: Writer,
    session: WriteSession,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Carve one instance at a legal place."""
    note_unknown(request, response, body)
    device = devices.find_device(session, device_id)
    made = service.create(session, device, body.profile, start=body.start, now=now)
    _note(session, principal, "mig.create", device_id, now=now, after={"migId": made.mig_id})
    root = request.scope.get("root_path", "")
    response.headers["Location"] = f"{root}/api/v1/gpu/mig/instances/{made.mig_id}"
    return {"profile": made.profile_name, "start": made.placement_start}


@router.put(
    "/devices/{device_id}/mig/layout",
    response_model=schemas.LayoutChange,
    operation_id="applyMigLayout",
    summary="Apply a layout",
    responses=problems(
        DeviceNotFound, MigNotSupported, MigNotEnabled, MigLayoutIllegal, MigInstanceInUse
    ),
)
def apply_layout(
    device_id: DeviceId,
    body: schemas.LayoutApply,
    principal: Writer,
    session: WriteSession,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Give the device this layout; instances in both stay, instances in use are never touched."""
    note_unknown(request, response, body)
    device = devices.find_device(session, device_id)
    step = service.preview(session, device, body.wanted())
    shown = _shown(session, device, step, body)
    if not body.dry_run:
        service.apply_layout(session, device, body.wanted(), now=now)
        layout = [place.model_dump() for place in body.placements]
        _note(session, principal, "mig.layout", device_id, now=now, after={"layout": layout})
    return shown


def _shown(
    session: Session, device: Device, step: service.LayoutChange, body: schemas.LayoutApply
) -> dict[str, Any]:
    geometry = service.geometry_of(session, device)
    after = [Placement(i.profile_name, i.placement_start) for i in step.kept] + list(step.created)
    return {
        "applied": not body.dry_run,
        "kept": [instance.mig_id for instance in step.kept],
        "destroyed": [instance.mig_id for instance in step.destroyed],
        "created": step.created,
        "fits_after": {
            p.name: queries.how_many_fit(geometry, after, p.name) for p in geometry.profiles
        },
    }


@router.get(
    "/devices/{device_id}/mig/history",
    response_model=list[schemas.LayoutStretch],
    operation_id="getMigHistory",
    summary="A device's layouts",
    responses=problems(DeviceNotFound),
)
def history(
    device_id: DeviceId,
    _principal: DeviceReader,
    session: ReadSession,
    page: Paging,
    request: Request,
    response: Response,
) -> Any:
    """List the layouts the device has had, oldest first."""
    device = devices.find_device(session, device_id)
    query = select(MigLayout).where(MigLayout.device_id == device.id)
    sorts = {"startedAt": MigLayout.started_at}
    listing = list_rows(session, query, sorts=sorts, key=MigLayout.id, page=page)
    rows = [row[0] for row in listing.rows]
    return page_of(request, response, Listing(rows, listing.total, listing.next_cursor))


def _note(
    session: Session,
    principal: Principal,
    action: str,
    device_id: str,
    *,
    now: Now,
    after: Any = None,
) -> None:
    auth.record(
        session,
        principal,
        action=action,
        target_kind="device",
        target_id=device_id,
        after=after,
        now=now,
    )
