"""HTTP that changes the inventory; how devices look to people is told by `overview`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from sqlalchemy import select

from gpu_management.auth import service as auth
from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import (
    ClusterName,
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
from gpu_management.core.problems import Conflict, PreconditionFailed
from gpu_management.devices import library, schemas, service
from gpu_management.devices.errors import (
    DeviceExists,
    DeviceNotFound,
    ModelNotFound,
    NodeNotFound,
)
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval, Model

router = APIRouter(prefix="/api/v1/gpu", route_class=WireRoute)

Lister = Annotated[Principal, Depends(requires(Permission.GENERAL_READ))]
Reader = Annotated[Principal, Depends(requires(Permission.DEVICES_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.DEVICES_WRITE))]
DeviceId = Annotated[
    str, Path(max_length=270, description="`<nodeName>-GPU-<nn>`", examples=["gpu-worker-1-GPU-00"])
]
NodeName = Annotated[str, Path(max_length=253, examples=["gpu-worker-1"])]
IfMatch = Annotated[str | None, Header(description="`ETag` of the copy you changed.")]


@router.get(
    "/models",
    tags=["inventory"],
    response_model=list[schemas.Model],
    operation_id="listModels",
    summary="GPU models",
    responses=problems(),
)
def list_models(
    _principal: Lister, session: ReadSession, page: Paging, request: Request, response: Response
) -> Any:
    """List the packaged catalogue and the models that were added."""
    sorts = {"modelId": Model.model_id, "modelName": Model.model_name, "memoryGb": Model.memory_gb}
    listing = list_rows(session, select(Model), sorts=sorts, key=Model.model_id, page=page)
    rows = [row[0] for row in listing.rows]
    return page_of(request, response, Listing(rows, listing.total, listing.next_cursor))


@router.get(
    "/models/{model_id}",
    tags=["inventory"],
    response_model=schemas.Model,
    operation_id="getModel",
    summary="One GPU model",
    responses=problems(ModelNotFound),
)
def get_model(
    model_id: Annotated[str, Path(max_length=63)], _principal: Lister, session: ReadSession
) -> Any:
    """Return what is known about a model."""
    return library.find_model(session, model_id)


@router.post(
    "/models",
    tags=["inventory"],
    status_code=201,
    response_model=schemas.Model,
    operation_id="createModel",
    summary="Add a GPU model",
    responses=problems(DeviceExists),
)
def create_model(
    body: schemas.ModelCreate,
    principal: Writer,
    session: WriteSession,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Add a model that the catalogue does not have."""
    note_unknown(request, response, body)
    model = library.add_model(session, body.model_dump(include=set(type(body).model_fields)))
    auth.record(
        session,
        principal,
        action="model.create",
        target_kind="model",
        target_id=model.model_id,
        now=now,
    )
    return model


@router.put(
    "/nodes/{node_name}",
    tags=["inventory"],
    status_code=204,
    operation_id="updateNode",
    summary="Tell about a node",
    responses=problems(NodeNotFound, PreconditionFailed),
)
def update_node(
    node_name: NodeName,
    body: schemas.NodeUpdate,
    principal: Writer,
    session: WriteSession,
    cluster: ClusterName,
    now: Now,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> None:
    """Change what is told about a node."""
    note_unknown(request, response, body)
    node = service.find_node(session, cluster, node_name)
    service.check_edition(session, node, if_match)
    labels = request.app.state.node_pool_labels
    service.change_node(session, node, facts=body.facts(), now=now, pool_labels=labels)
    auth.record(
        session,
        principal,
        action="node.update",
        target_kind="node",
        target_id=node_name,
        after=body.model_dump(mode="json", exclude_none=True),
        now=now,
    )


@router.post(
    "/nodes/{node_name}/maintenance",
    tags=["inventory"],
    status_code=204,
    operation_id="startNodeMaintenance",
    summary="Cordon a node",
    responses=problems(NodeNotFound),
)
def cordon(
    node_name: NodeName,
    body: schemas.MaintenanceStart,
    principal: Writer,
    session: WriteSession,
    cluster: ClusterName,
    now: Now,
) -> None:
    """Place nothing new on a node; what runs there goes on."""
    _set_schedulable(
        session, principal, (cluster, node_name), ok=False, reason=body.reason, now=now
    )


@router.delete(
    "/nodes/{node_name}/maintenance",
    tags=["inventory"],
    status_code=204,
    operation_id="endNodeMaintenance",
    summary="Uncordon a node",
    responses=problems(NodeNotFound),
)
def uncordon(
    node_name: NodeName, principal: Writer, session: WriteSession, cluster: ClusterName, now: Now
) -> None:
    """Place on the node again."""
    _set_schedulable(session, principal, (cluster, node_name), ok=True, reason=None, now=now)


def _set_schedulable(
    session: WriteSession,
    principal: Principal,
    where: tuple[str, str],
    *,
    ok: bool,
    reason: str | None,
    now: Now,
) -> None:
    node = service.find_node(session, *where)
    service.set_schedulable(session, node, is_schedulable=ok)
    auth.record(
        session,
        principal,
        action="node.uncordon" if ok else "node.cordon",
        target_kind="node",
        target_id=node.node_name,
        after={"reason": reason},
        now=now,
    )


@router.get(
    "/devices/{device_id}/history",
    tags=["devices"],
    response_model=list[schemas.StateStretch],
    operation_id="getDeviceHistory",
    summary="A device's states",
    responses=problems(DeviceNotFound),
)
def history(
    device_id: DeviceId,
    _principal: Reader,
    session: ReadSession,
    page: Paging,
    request: Request,
    response: Response,
) -> Any:
    """List the stretches in which the device was available or not, oldest first."""
    device = service.find_device(session, device_id)
    query = select(DeviceStateInterval).where(DeviceStateInterval.device_id == device.id)
    sorts = {"startedAt": DeviceStateInterval.started_at}
    listing = list_rows(session, query, sorts=sorts, key=DeviceStateInterval.id, page=page)
    rows = [row[0] for row in listing.rows]
    return page_of(request, response, Listing(rows, listing.total, listing.next_cursor))


@router.post(
    "/devices/{device_id}/state",
    tags=["devices"],
    status_code=204,
    operation_id="setDeviceState",
    summary="Report a device's state",
    responses=problems(DeviceNotFound),
)
def set_state(
    device_id: DeviceId,
    body: schemas.StateChange,
    principal: Writer,
    session: WriteSession,
    now: Now,
) -> None:
    """Say that a device failed, went offline or works again; holds go on."""
    _move(session, principal, device_id, state=DeviceState(body.state), reason=body.reason, now=now)


@router.post(
    "/devices/{device_id}/maintenance",
    tags=["devices"],
    status_code=204,
    operation_id="startMaintenance",
    summary="Start maintenance",
    responses=problems(DeviceNotFound),
)
def start_maintenance(
    device_id: DeviceId,
    body: schemas.MaintenanceStart,
    principal: Writer,
    session: WriteSession,
    now: Now,
) -> None:
    """Place nothing new on the device; what holds it goes on."""
    state = DeviceState.MAINTENANCE
    _move(session, principal, device_id, state=state, reason=body.reason, now=now)


@router.delete(
    "/devices/{device_id}/maintenance",
    tags=["devices"],
    status_code=204,
    operation_id="endMaintenance",
    summary="End maintenance",
    responses=problems(DeviceNotFound, Conflict),
)
def end_maintenance(
    device_id: DeviceId, principal: Writer, session: WriteSession, now: Now
) -> None:
    """Let the device work again."""
    device = service.find_device(session, device_id)
    before = device.state.value
    service.end_maintenance(session, device, actor=principal.name, now=now)
    _note_state(session, principal, device, before=before, now=now)


def _move(
    session: WriteSession,
    principal: Principal,
    device_id: str,
    *,
    state: DeviceState,
    reason: str,
    now: Now,
) -> None:
    device = service.find_device(session, device_id)
    before = device.state.value
    service.set_state(session, device, state, reason=reason, actor=principal.name, now=now)
    _note_state(session, principal, device, before=before, now=now)


def _note_state(
    session: WriteSession, principal: Principal, device: Device, *, before: str, now: Now
) -> None:
    auth.record(
        session,
        principal,
        action="device.state",
        target_kind="device",
        target_id=device.device_id,
        before={"state": before},
        after={"state": device.state.value, "reason": device.state_reason},
        now=now,
    )
