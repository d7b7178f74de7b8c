"""The fleet in figures: a handful of grouped queries, whatever its size."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Integer, bindparam, case, cast, func, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Phase
from gpu_management.cluster.models import ClusterLink
from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.costs import service as costs
from gpu_management.devices.models import Device, DeviceState, DeviceStatus, Model, Node
from gpu_management.devices.status import status_of
from gpu_management.mig.models import MigInstance


class Group(NamedTuple):
    """Devices that are alike: how many, and how much of them is held."""

    model_id: str
    state: DeviceState
    mig_enabled: bool
    is_held: bool
    number: int
    held_milli: int


_ALIKE = (
    Device.model_id,
    Device.state,
    Device.mig_enabled,
    cast(case((Device.held_milli > 0, 1), else_=0), Integer).label("is_held"),
)
_GROUPS: AnySelect = (
    select(Device.node_id, *_ALIKE, func.count(), func.sum(Device.held_milli))
    .where(Device.live_id.is_not(None))
    .group_by(Device.node_id, *_ALIKE)
)


def fleet_groups(session: Session) -> tuple[list[Group], dict[int, dict[str, int]]]:
    """Return devices counted by what they are, and by the key of their node."""
    alike: dict[tuple[str, DeviceState, bool, bool], list[int]] = defaultdict(lambda: [0, 0])
    nodes: dict[int, dict[str, int]] = defaultdict(_none)
    rows = session.connection().execute(_GROUPS).all()
    for node, model, state, mig_enabled, is_held, number, held in rows:
        group = Group(model, state, mig_enabled, is_held, number, int(held))
        sums = alike[group[:4]]
        sums[0] += group.number
        sums[1] += group.held_milli
        _add(nodes[node], group)
    return [Group(*kind, sums[0], sums[1]) for kind, sums in alike.items()], nodes


_SIGHT = select(ClusterLink.synced_at, ClusterLink.stale_since).where(
    ClusterLink.cluster_name == bindparam("cluster")
)
_NODES = select(Node.id, Node.node_name).order_by(Node.node_name)


def overview(
    session: Session,
    cluster_name: str,
    desk: costs.Desk,
    *,
    with_nodes: bool,
    now: datetime,
) -> dict[str, Any]:
    """Return the overview's fields (DTO-12)."""
    groups, nodes = fleet_groups(session)
    models = {row.model_id: row for row in session.execute(_models())}
    status = _by_status(groups)
    total = sum(g.number for g in groups)
    held = int(sum(g.held_milli for g in groups))
    able = sum(g.number for g in groups if g.state is DeviceState.READY)
    held_able = int(sum(g.held_milli for g in groups if g.state is DeviceState.READY))
    slices, held_slices = _slices(session)
    phases = _phases(session)
    return {
        "cluster_name": cluster_name,
        "total_nodes": session.scalar(select(func.count()).select_from(Node)) or 0,
        "total_devices": total,
        **_status_fields(status),
        "total_milli": total * 1000,
        "held_milli": held,
        "free_milli": able * 1000 - held_able,
        "total_mig_instances": slices,
        "available_mig_instances": slices - held_slices,
        "allocated_mig_instances": held_slices,
        "total_memory_gb": sum(g.number * models[g.model_id].memory_gb for g in groups),
        "allocated_memory_gb": _held_memory(groups, models),
        "average_utilization": None,
        "average_temperature": None,
        "active_allocations": phases[Phase.ALLOCATED],
        "pending_allocations": phases[Phase.PENDING],
        "hourly_cost": _hourly(session),
        **money(session, desk, now=now),
        "currency": desk.currency,
        "alerts": {},
        "by_model": _by_model(groups, models),
        "by_node": _by_node(session, nodes) if with_nodes else [],
        **sight(session, cluster_name),
        "generated_at": now,
    }


def money(session: Session, desk: costs.Desk, *, now: datetime) -> dict[str, Decimal]:
    """Return what was spent today and this month: the fields that grow by the second."""
    return costs.today_and_month(session, desk, now=now)


def sight(session: Session, cluster_name: str) -> dict[str, datetime | None]:
    """Return how true it is what is shown of the cluster: fields that no revision tells of."""
    seen = session.connection().execute(_SIGHT, {"cluster": cluster_name}).one_or_none()
    seen_at, stale_since = (None, None) if seen is None else seen
    return {"cluster_seen_at": seen_at, "cluster_stale_since": stale_since}


def _models() -> Any:
    return select(Model.model_id, Model.model_name, Model.memory_gb)


def _by_status(groups: Sequence[Group]) -> Counter[DeviceStatus]:
    counts: Counter[DeviceStatus] = Counter()
    for group in groups:
        counts[_status(group)] += group.number
    return counts


def _status(group: Group) -> DeviceStatus:
    return status_of(group.state, mig_enabled=group.mig_enabled, held_milli=group.is_held)


def _status_fields(status: Counter[DeviceStatus]) -> dict[str, int]:
    return {f"{one.value.lower()}_devices": status[one] for one in DeviceStatus}


def _held_memory(groups: Sequence[Group], models: dict[str, AnyRow]) -> float:
    milli_gb = sum(int(g.held_milli) * models[g.model_id].memory_gb for g in groups)
    return float(milli_gb) / 1000


def _slices(session: Session) -> tuple[int, int]:
    live = MigInstance.destroyed_at.is_(None)
    held = func.count().filter(MigInstance.held.is_(True))
    row = session.execute(select(func.count(), held).where(live)).one()
    return row[0], row[1]


def _phases(session: Session) -> Counter[Phase]:
    open_phases = [Phase.ALLOCATED, Phase.PENDING]
    query = select(Allocation.phase, func.count()).where(Allocation.phase.in_(open_phases))
    return Counter(dict(session.execute(query.group_by(Allocation.phase)).all()))


def _hourly(session: Session) -> Decimal:
    query = select(func.sum(Allocation.cost_per_hour)).where(Allocation.phase == Phase.ALLOCATED)
    return session.scalar(query) or Decimal(0)


def _by_model(groups: Sequence[Group], models: dict[str, AnyRow]) -> list[dict[str, Any]]:
    counts: dict[str, dict[str, int]] = defaultdict(_none)
    for group in groups:
        _add(counts[group.model_id], group)
    return [
        {
            "model_id": model_id,
            "model_name": models[model_id].model_name,
            "memory_gb": models[model_id].memory_gb,
            **counts[model_id],
        }
        for model_id in sorted(counts)
    ]


def _by_node(session: Session, counts: dict[int, dict[str, int]]) -> list[dict[str, Any]]:
    nodes = session.connection().execute(_NODES).all()
    return [{"node_name": name, **counts[pk]} for pk, name in nodes]


def _none() -> dict[str, int]:
    return {"total": 0, "available": 0, "allocated": 0, "failed": 0, "held_milli": 0}


def _add(count: dict[str, int], group: Group) -> None:
    _model, state, _mig, is_held, number, held_milli = group
    count["total"] += number
    count["held_milli"] += held_milli
    if is_held:
        count["allocated"] += number
    elif state is DeviceState.READY:
        count["available"] += number
    if state is DeviceState.FAILED:
        count["failed"] += number


def statistics(session: Session, *, now: datetime) -> dict[str, Any]:
    """Return the totals of the devices by status, model and node (DTO-06)."""
    groups, nodes = fleet_groups(session)
    models = {row.model_id: row for row in session.execute(_models())}
    total = sum(g.number for g in groups)
    able = sum(g.number for g in groups if g.state is DeviceState.READY)
    held = sum(int(g.held_milli) for g in groups)
    cut = sum(g.number for g in groups if g.mig_enabled)
    by_model: Counter[str] = Counter()
    for group in groups:
        by_model[group.model_id] += group.number
    return {
        "total": total,
        "by_status": {one.value: count for one, count in _by_status(groups).items()},
        "by_model": dict(by_model),
        "by_node": {row["node_name"]: row["total"] for row in _by_node(session, nodes)},
        "allocation_rate_pct": round(held / (able * 10), 2) if able else None,
        "mig_share_pct": round(100 * cut / total, 2) if total else None,
        "memory_total_gb": sum(g.number * models[g.model_id].memory_gb for g in groups),
        "average_utilization": None,
        "p95_utilization": None,
        "generated_at": now,
    }
