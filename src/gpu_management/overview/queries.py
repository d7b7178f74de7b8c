"""Devices and nodes as people see them, read in a fixed number of queries."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold
from gpu_management.auth.access import visible_team
from gpu_management.auth.principals import Principal
from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.devices.models import Device, DeviceState, DeviceStatus, Model, Node
from gpu_management.devices.status import status_of
from gpu_management.mig.models import MigInstance

_IN_ONE_QUERY = 500
_UNMEASURED = dict.fromkeys(
    ("memory_used_mb", "temperature", "gpu_utilization", "power_draw_w"), None
)

_NODE_FIELDS = (
    "node_name",
    "cluster_name",
    "ip",
    "zone",
    "node_pool",
    "driver_version",
    "cuda_version",
    "kubelet_version",
    "labels",
    "cpu_total_milli",
    "memory_total_mib",
    "last_seen_at",
)

DEVICE_SORTS = {
    "deviceId": Device.device_id,
    "nodeName": Node.node_name,
    "modelId": Device.model_id,
    "heldMilli": Device.held_milli,
    "registeredAt": Device.registered_at,
}


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices are asked for; None asks for all."""

    node_name: str | None = None
    status: DeviceStatus | None = None
    model_id: str | None = None
    mig_mode: bool | None = None


def device_rows() -> AnySelect:
    """Return the query of live devices with node and model."""
    return (
        select(
            Device.id,
            Device.device_id,
            Device.uuid,
            Node.node_name,
            Node.node_pool,
            Device.cluster_name,
            Device.model_id,
            Model.model_name,
            Model.memory_gb,
            Model.mig_geometry,
            Device.device_index,
            Device.pci_bus_id,
            Device.serial_number,
            Device.state,
            Device.state_reason,
            Device.mig_enabled,
            Device.held_milli,
            Device.memory_total_mib.label("memory_total_mb"),
            Device.driver_version,
            Device.vbios,
            Device.power_limit_w,
            Device.numa_node,
            Device.nvlink_peers,
            Device.installed_at,
            Device.warranty_until,
            Device.registered_at,
            Device.last_seen_at,
            Device.edition,
        )
        .join(Node, Node.id == Device.node_id)
        .join(Model, Model.model_id == Device.model_id)
        .where(Device.live_id.is_not(None))
    )


_DEVICE_KEYS = tuple(device_rows().selected_columns.keys())


def list_devices(
    session: Session, asked: DeviceFilter, *, principal: Principal, page: Page
) -> Listing:
    """Return the devices of the fleet with holders and MIG summary."""
    query = _filtered(device_rows(), asked)
    listing = list_rows(session, query, sorts=DEVICE_SORTS, key=Device.id, page=page)
    shown = show_devices(session, listing.rows, principal=principal)
    return Listing(shown, listing.total, listing.next_cursor)


def _filtered(query: AnySelect, asked: DeviceFilter) -> AnySelect:
    if asked.node_name is not None:
        query = query.where(Node.node_name == asked.node_name)
    if asked.model_id is not None:
        query = query.where(Device.model_id == asked.model_id)
    if asked.mig_mode is not None:
        query = query.where(Device.mig_enabled.is_(asked.mig_mode))
    return query if asked.status is None else query.where(_has_status(asked.status))


def _has_status(status: DeviceStatus) -> Any:
    if status is DeviceStatus.MAINTENANCE:
        return Device.state.in_([DeviceState.MAINTENANCE, DeviceState.RECONFIGURING])
    if status.value in DeviceState.__members__:
        return Device.state == DeviceState(status.value)
    ready = Device.state == DeviceState.READY
    if status is DeviceStatus.MIG:
        return and_(ready, Device.mig_enabled.is_(True))
    whole = and_(ready, Device.mig_enabled.is_(False))
    held = Device.held_milli > 0
    return and_(whole, held if status is DeviceStatus.ALLOCATED else ~held)


def show_devices(
    session: Session, rows: Sequence[AnyRow], *, principal: Principal
) -> list[dict[str, Any]]:
    """Return device rows as the wire shows them."""
    held = [row.id for row in rows if row.held_milli]
    cut = [row.id for row in rows if row.mig_enabled]
    holders = _holders(session, held, principal=principal)
    summaries = _summaries(session, cut)
    shown = []
    for row in rows:
        fields = device_fields(row)
        pk = fields["id"]
        fields["allocations"] = holders.get(pk, [])
        fields["mig_summary"] = summaries.get(pk)
        shown.append(fields)
    return shown


def device_fields(row: AnyRow) -> dict[str, Any]:
    """Return the fields of one device without holders and slices."""
    fields: dict[str, Any] = dict(zip(_DEVICE_KEYS, row, strict=False))
    fields.update(_UNMEASURED)
    state, held_milli = fields["state"], fields["held_milli"]
    is_ready = state is DeviceState.READY
    fields["status"] = status_of(state, mig_enabled=fields["mig_enabled"], held_milli=held_milli)
    fields["health"] = "OK" if is_ready else state.value
    fields["free_milli"] = 1000 - held_milli if is_ready else 0
    fields["mig_supported"] = fields["mig_geometry"] is not None
    return fields


def _holders(
    session: Session, device_pks: Sequence[int], *, principal: Principal
) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    team = visible_team(principal)
    query = (
        select(
            Hold.device_id,
            Hold.kind,
            Hold.milli,
            Hold.started_at.label("since"),
            Allocation.allocation_id,
            Allocation.namespace,
            Allocation.pod_name,
            Allocation.team_id,
            MigInstance.mig_id,
        )
        .join(Allocation, Allocation.allocation_id == Hold.allocation_id)
        .outerjoin(MigInstance, MigInstance.id == Hold.mig_instance_id)
        .where(Hold.ended_at.is_(None))
        .order_by(Hold.id)
    )
    for some in _parts(device_pks):
        for row in session.connection().execute(
            query.where(Hold.device_id.in_(some)) if some else query
        ):
            if team is None or row.team_id == team:
                found[row.device_id].append(dict(row._mapping))
    return found


def _summaries(session: Session, device_pks: Sequence[int]) -> dict[int, dict[str, Any]]:
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    held: Counter[int] = Counter()
    query = select(MigInstance.device_id, MigInstance.profile_name, MigInstance.held).where(
        MigInstance.destroyed_at.is_(None)
    )
    for some in _parts(device_pks):
        for pk, profile, is_held in session.execute(
            query.where(MigInstance.device_id.in_(some)) if some else query
        ):
            counts[pk][profile] += 1
            held[pk] += is_held
    return {pk: _summary(counts[pk], held[pk]) for pk in device_pks}


def _summary(profiles: Mapping[str, int], allocated: int) -> dict[str, Any]:
    total = sum(profiles.values())
    return {
        "total": total,
        "available": total - allocated,
        "allocated": allocated,
        "profiles": dict(profiles),
    }


def _parts(keys: Sequence[int]) -> list[Sequence[int]]:
    """Cut keys into lists a database takes; many keys mean nearly all rows: no list at all."""
    if not keys:
        return []
    return [keys] if len(keys) <= _IN_ONE_QUERY else [()]


def list_nodes(session: Session, cluster_name: str, *, page: Page) -> Listing:
    """Return the nodes with their capacity."""
    query = select(Node).where(Node.cluster_name == cluster_name)
    sorts = {"nodeName": Node.node_name}
    listing = list_rows(session, query, sorts=sorts, key=Node.id, page=page)
    nodes = [row[0] for row in listing.rows]
    capacity = _capacity(session, [node.id for node in nodes])
    shown = [node_fields(node, capacity.get(node.id, [])) for node in nodes]
    return Listing(shown, listing.total, listing.next_cursor)


def _capacity(session: Session, node_pks: Sequence[int]) -> dict[int, list[AnyRow]]:
    found: dict[int, list[AnyRow]] = defaultdict(list)
    query = select(
        Device.node_id,
        Device.model_id,
        Device.state,
        func.count().label("number"),
        func.sum(1000 - Device.held_milli).label("free_milli"),
        func.count().filter(Device.held_milli == 0).label("idle"),
    ).where(Device.live_id.is_not(None))
    query = query.group_by(Device.node_id, Device.model_id, Device.state)
    for some in _parts(node_pks):
        for row in session.execute(query.where(Device.node_id.in_(some)) if some else query):
            found[row.node_id].append(row)
    return found


def node_fields(node: Node, capacity: Sequence[AnyRow]) -> dict[str, Any]:
    """Return a node as the wire shows it."""
    ready = [row for row in capacity if row.state is DeviceState.READY]
    count = sum(row.number for row in capacity)
    fields: dict[str, Any] = {name: getattr(node, name) for name in _NODE_FIELDS}
    return fields | {
        "node_id": node.id,
        "status": "READY" if node.is_schedulable else "CORDONED",
        "schedulable": node.is_schedulable,
        "gpu_count": count,
        "gpu_models": sorted({row.model_id for row in capacity}),
        "gpu_total_milli": count * 1000,
        "gpu_free_milli": int(sum(row.free_milli for row in ready)),
        "gpu_available": sum(row.idle for row in ready),
        "cpu_free_milli": _less(node.cpu_total_milli, node.cpu_held_milli),
        "memory_free_mib": _less(node.memory_total_mib, node.memory_held_mib),
    }


def node_capacity(session: Session, node: Node) -> list[AnyRow]:
    """Return the GPUs of one node, counted by model and state."""
    return _capacity(session, [node.id]).get(node.id, [])


def _less(total: int | None, held: int) -> int | None:
    return None if total is None else total - held
