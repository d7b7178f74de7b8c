"""HTTP for what people look at: overview, devices, nodes, slices."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.auth import service as auth
from gpu_management.auth.access import Permission, roles_of
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
from gpu_management.core.paging import Listing
from gpu_management.core.problems import PreconditionFailed
from gpu_management.costs.routes import DeskDep
from gpu_management.devices import service as devices
from gpu_management.devices.errors import (
    DeviceExists,
    DeviceInUse,
    DeviceNotFound,
    ModelNotFound,
    NodeNotFound,
)
from gpu_management.devices.models import Device as DeviceRow
from gpu_management.devices.models import DeviceStateInterval, DeviceStatus
from gpu_management.devices.routes import DeviceId, IfMatch, NodeName
from gpu_management.devices.schemas import DeviceCreate, DeviceUpdate
from gpu_management.metrics import health as health_of
from gpu_management.metrics.routes import LatestDep
from gpu_management.mig import queries as mig_queries
from gpu_management.mig import service as mig
from gpu_management.mig.errors import MigNotSupported
from gpu_management.mig.geometry import Placement, load_geometries
from gpu_management.mig.models import MigInstance
from gpu_management.overview import measured, queries, schemas, service, workloads
from gpu_management.overview.board import Board
from gpu_management.rates.book import Priced

router = APIRouter(prefix="/api/v1/gpu", route_class=WireRoute)

Viewer = Annotated[Principal, Depends(requires(Permission.OVERVIEW_READ))]
General = Annotated[Principal, Depends(requires(Permission.GENERAL_READ))]
Lister = Annotated[Principal, Depends(requires(Permission.DEVICES_LIST))]
Reader = Annotated[Principal, Depends(requires(Permission.DEVICES_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.DEVICES_WRITE))]


async def board_of(request: Request) -> Board:
    """Return what this process keeps of the overview."""
    found: Board = request.app.state.board
    return found


@router.get(
    "/overview",
    tags=["overview"],
    response_model=schemas.Overview,
    operation_id="getOverview",
    summary="The fleet in one answer",
    responses=problems(),
)
def overview(
    _principal: Viewer,
    session: ReadSession,
    board: Annotated[Board, Depends(board_of)],
    now: Now,
    *,
    nodes: Annotated[bool, Query(description="Count by node as well.")] = True,
) -> Any:
    """Return devices, slices, memory, allocations and money of the whole fleet."""
    body = board.overview(session, with_nodes=nodes, now=now)
    return Response(body, media_type="application/json")


@router.get(
    "/statistics",
    tags=["overview"],
    response_model=schemas.Statistics,
    operation_id="getStatistics",
    summary="Devices in figures",
    responses=problems(),
)
def statistics(_principal: General, session: ReadSession, latest: LatestDep, now: Now) -> Any:
    """Return the totals of the devices by status, model and node."""
    figures = measured.statistics(latest.gpus(session, now=now))
    return service.statistics(session, now=now) | figures


@router.get(
    "/workload-profiles",
    tags=["overview"],
    response_model=list[schemas.WorkloadProfile],
    operation_id="listWorkloadProfiles",
    summary="What each kind of work asks for",
    responses=problems(),
)
def workload_profiles(
    principal: General,
    session: ReadSession,
    desk: DeskDep,
    now: Now,
    request: Request,
    response: Response,
    *,
    days: Annotated[int, Query(ge=1, le=365, description="Days up to now.")] = 90,
) -> Any:
    """Return typical memory and duration by workload type, and the cheapest place that holds it."""
    found = workloads.profiles(session, desk, days=days, principal=principal, now=now)
    return page_of(request, response, Listing(found, len(found), None))


@router.get(
    "/devices",
    tags=["devices"],
    response_model=list[schemas.Device],
    operation_id="listDevices",
    summary="List devices",
    responses=problems(),
)
def list_devices(
    principal: Lister,
    session: ReadSession,
    latest: LatestDep,
    now: Now,
    page: Paging,
    request: Request,
    response: Response,
    node_name: Annotated[str | None, Query(alias="nodeName", max_length=253)] = None,
    status: Annotated[DeviceStatus | None, Query()] = None,
    model_id: Annotated[str | None, Query(alias="modelId", max_length=63)] = None,
    mig_mode: Annotated[bool | None, Query(alias="migMode")] = None,
) -> Any:
    """List the GPUs; the whole fleet unless `limit` is given."""
    asked = queries.DeviceFilter(node_name, status, model_id, mig_mode)
    listing = queries.list_devices(session, asked, principal=principal, page=page)
    measured.fill(listing.rows, latest.gpus(session, now=now))
    return page_of(request, response, listing)


@router.post(
    "/devices",
    tags=["devices"],
    status_code=201,
    response_model=schemas.Device,
    operation_id="registerDevice",
    summary="Register a device",
    responses=problems(DeviceExists, ModelNotFound, MigNotSupported),
)
def register(
    body: DeviceCreate,
    principal: Writer,
    session: WriteSession,
    cluster: ClusterName,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Put a device into the fleet; an unknown node is created with it."""
    note_unknown(request, response, body)
    facts = devices.NodeFacts()
    node = devices.ensure_node(session, cluster, body.node_name, facts=facts, now=now)
    device = devices.register(session, node, body.device_index, facts=body.told(), now=now)
    if body.mig_enabled:
        mig.enable(session, device, now=now)
    _note(session, principal, "device.register", device.device_id, now=now)
    session.flush()
    response.headers["Location"] = f"{request.url.path}/{device.device_id}"
    return _shown(session, device.device_id, principal, response)


def _note(session: Session, principal: Principal, action: str, device_id: str, *, now: Now) -> None:
    auth.record(
        session, principal, action=action, target_kind="device", target_id=device_id, now=now
    )


def _shown(
    session: Session, device_id: str, principal: Principal, response: Response
) -> dict[str, Any]:
    row = session.execute(queries.device_rows().where(DeviceRow.live_id == device_id)).one_or_none()
    if row is None:
        devices.find_device(session, device_id)
        raise AssertionError(device_id)  # find_device has raised
    response.headers["ETag"] = f'"{row.edition}"'
    return queries.show_devices(session, [row], principal=principal)[0]


@router.get(
    "/devices/{device_id}",
    tags=["devices"],
    response_model=schemas.DeviceDetail,
    operation_id="getDevice",
    summary="One device",
    responses=problems(DeviceNotFound),
)
def get_device(
    device_id: DeviceId,
    principal: Reader,
    session: ReadSession,
    desk: DeskDep,
    latest: LatestDep,
    now: Now,
    response: Response,
) -> Any:
    """Return a device with its holders, its slices and what still fits."""
    shown = _shown(session, device_id, principal, response)
    measured.fill([shown], latest.gpus(session, now=now))
    place = (shown["cluster_name"], shown["node_pool"])
    priced = Priced(shown["model_id"], shown["mig_geometry"], None, 1000, *place)
    shown["cost_per_hour"] = desk.keeper.book(session).per_hour(priced, now)
    shown["mig"] = _mig(session, shown) if shown["mig_supported"] else None
    return shown


def _mig(session: Session, device: dict[str, Any]) -> dict[str, Any]:
    geometry = load_geometries()[device["mig_geometry"]]
    query = mig_queries.instance_rows().where(MigInstance.device_id == device["id"])
    rows = session.execute(query.order_by(MigInstance.placement_start)).all()
    holders = {h["mig_id"]: h["allocation_id"] for h in device["allocations"]}
    standing = [Placement(row.profile_name, row.placement_start) for row in rows]
    return {
        "device_id": device["device_id"],
        "mig_enabled": device["mig_enabled"],
        "geometry": geometry.key,
        "placement_units": geometry.placement_units,
        "instances": [mig_queries.shown(row, holders.get(row.mig_id)) for row in rows],
        "free_placements": mig_queries.free_placements(geometry, standing),
    }


@router.put(
    "/devices/{device_id}",
    tags=["devices"],
    response_model=schemas.Device,
    operation_id="updateDevice",
    summary="Tell about a device",
    responses=problems(DeviceNotFound, DeviceExists, PreconditionFailed),
)
def update_device(
    device_id: DeviceId,
    body: DeviceUpdate,
    principal: Writer,
    session: WriteSession,
    now: Now,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> Any:
    """Change what is told about a device; what is left out stays."""
    note_unknown(request, response, body)
    device = devices.find_device(session, device_id)
    devices.check_edition(session, device, if_match)
    devices.change(session, device, facts=body.facts(), now=now)
    _note(session, principal, "device.update", device_id, now=now)
    session.flush()
    return _shown(session, device_id, principal, response)


@router.delete(
    "/devices/{device_id}",
    tags=["devices"],
    status_code=204,
    operation_id="deleteDevice",
    summary="Remove a device",
    responses=problems(DeviceNotFound, DeviceInUse, PreconditionFailed),
)
def delete_device(
    device_id: DeviceId,
    principal: Writer,
    session: WriteSession,
    now: Now,
    if_match: IfMatch = None,
) -> None:
    """Take a device out of the fleet, idle slices included; its history stays."""
    device = devices.find_device(session, device_id)
    devices.check_edition(session, device, if_match)
    mig.remove_device(session, device, now=now)
    _note(session, principal, "device.delete", device_id, now=now)


@router.get(
    "/devices/{device_id}/health",
    tags=["devices"],
    response_model=schemas.Health,
    operation_id="getDeviceHealth",
    summary="A device's health",
    responses=problems(DeviceNotFound),
)
def health(
    device_id: DeviceId, _principal: Reader, session: ReadSession, latest: LatestDep, now: Now
) -> Any:
    """Return the state of a device and the stretches before it, and what its sensors tell now."""
    device = devices.find_device(session, device_id)
    told = latest.gpus(session, now=now).get(device.id)
    ecc_errors = None if told is None else told.ecc_double_bit
    query = (
        select(DeviceStateInterval)
        .where(DeviceStateInterval.device_id == device.id)
        .order_by(DeviceStateInterval.id.desc())
        .limit(20)
    )
    stretches = list(session.scalars(query))
    return {
        "device_id": device.device_id,
        "health": "OK" if device.state.value == "READY" else device.state.value,
        "state": device.state,
        "reason": device.state_reason,
        "since": stretches[0].started_at,
        "temperature": None if told is None else told.temperature_celsius,
        "ecc_errors": None if ecc_errors is None else int(ecc_errors),
        "xid_errors": None if told is None else told.last_xid,
        "history": stretches,
        **health_of.verdict_on(session, device.id),
    }


@router.get(
    "/nodes",
    tags=["inventory"],
    response_model=list[schemas.Node],
    operation_id="listNodes",
    summary="List nodes",
    responses=problems(),
)
def list_nodes(
    _principal: General,
    session: ReadSession,
    cluster: ClusterName,
    page: Paging,
    request: Request,
    response: Response,
) -> Any:
    """List the nodes with GPU, CPU and memory capacity, total and free."""
    return page_of(request, response, queries.list_nodes(session, cluster, page=page))


@router.get(
    "/nodes/{node_name}",
    tags=["inventory"],
    response_model=schemas.NodeDetail,
    operation_id="getNode",
    summary="One node",
    responses=problems(NodeNotFound),
)
def get_node(
    node_name: NodeName,
    principal: General,
    session: ReadSession,
    cluster: ClusterName,
    latest: LatestDep,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Return a node, with its GPUs for those who may list devices."""
    node = devices.find_node(session, cluster, node_name)
    response.headers["ETag"] = f'"{node.edition}"'
    fields = queries.node_fields(node, queries.node_capacity(session, node))
    readable = request.app.state.security.devices_readable
    listers = roles_of(Permission.DEVICES_LIST, devices_readable=readable)
    if not principal.roles & listers:
        return fields | {"devices": []}
    on_node = queries.device_rows().where(DeviceRow.node_id == node.id)
    rows = session.execute(on_node.order_by(DeviceRow.device_index)).all()
    shown = queries.show_devices(session, rows, principal=principal)
    measured.fill(shown, latest.gpus(session, now=now))
    return fields | {"devices": shown}
