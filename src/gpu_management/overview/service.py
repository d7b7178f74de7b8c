"""The fleet in figures: a handful of grouped queries, whatever its size."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Integer, and_, case, cast, func, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Phase
from gpu_management.core.database import AnyRow
from gpu_management.costs import service as costs
from gpu_management.devices.models import Device, DeviceState, DeviceStatus, Model, Node
from gpu_management.devices.status import status_of
from gpu_management.mig.models import MigInstance


def fleet_groups(session: Session) -> Sequence[AnyRow]:
    """Return devices counted by model, state, MIG mode and whether they are held."""
    is_held = cast(case((Device.held_milli > 0, 1), else_=0), Integer)
    query = (
        select(
            Device.model_id,
            Device.state,
            Device.mig_enabled,
            is_held.label("is_held"),
            func.count().label("number"),
            func.sum(Device.held_milli).label("held_milli"),
        )
        .where(Device.live_id.is_not(None))
        .group_by(Device.model_id, Device.state, Device.mig_enabled, is_held)
    )
    return session.connection().execute(query).all()


def overview(
    session: Session,
    cluster_name: str,
    desk: costs.Desk,
    *,
    with_nodes: bool,
    now: datetime,
) -> dict[str, Any]:
    """Return the overview's fields (DTO-12)."""
    groups = fleet_groups(session)
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
        **costs.today_and_month(session, desk, now=now),
        "currency": desk.currency,
        "alerts": {},
        "by_model": _by_model(groups, models),
        "by_node": _by_node(session) if with_nodes else [],
        "generated_at": now,
    }


def _models() -> Any:
    return select(Model.model_id, Model.model_name, Model.memory_gb)


def _by_status(groups: Sequence[AnyRow]) -> Counter[DeviceStatus]:
    counts: Counter[DeviceStatus] = Counter()
    for group in groups:
        counts[_status(group)] += group.number
    return counts


def _status(group: AnyRow) -> DeviceStatus:
    return status_of(group.state, mig_enabled=group.mig_enabled, held_milli=group.is_held)


def _status_fields(status: Counter[DeviceStatus]) -> dict[str, int]:
    return {f"{one.value.lower()}_devices": status[one] for one in DeviceStatus}


def _held_memory(groups: Sequence[AnyRow], models: dict[str, AnyRow]) -> float:
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


def _by_model(groups: Sequence[AnyRow], models: dict[str, AnyRow]) -> list[dict[str, Any]]:
    found = []
    for model_id in sorted({g.model_id for g in groups}):
        mine = [g for g in groups if g.model_id == model_id]
        model = models[model_id]
        found.append(
            {
                "model_id": model_id,
                "model_name": model.model_name,
                "memory_gb": model.memory_gb,
                **_counts(mine),
            }
        )
    return found


def _by_node(session: Session) -> list[dict[str, Any]]:
    ready = Device.state == DeviceState.READY
    live = and_(Device.node_id == Node.id, Device.live_id.is_not(None))
    query = (
        select(
            Node.node_name,
            func.count(Device.id),
            func.count(Device.id).filter(ready, Device.held_milli == 0),
            func.count(Device.id).filter(Device.held_milli > 0),
            func.count(Device.id).filter(Device.state == DeviceState.FAILED),
            func.coalesce(func.sum(Device.held_milli), 0),
        )
        .outerjoin(Device, live)
        .group_by(Node.id, Node.node_name)
        .order_by(Node.node_name)
    )
    names = ("node_name", *_COUNTS)
    return [dict(zip(names, row, strict=True)) for row in session.connection().execute(query)]


_COUNTS = ("total", "available", "allocated", "failed", "held_milli")


def _add(count: dict[str, int], group: AnyRow) -> None:
    number = group.number
    count["total"] += number
    count["held_milli"] += int(group.held_milli)
    if group.is_held:
        count["allocated"] += number
    elif group.state is DeviceState.READY:
        count["available"] += number
    if group.state is DeviceState.FAILED:
        count["failed"] += number


def _counts(groups: Sequence[AnyRow]) -> dict[str, int]:
    count = dict.fromkeys(_COUNTS, 0)
    for group in groups:
        _add(count, group)
    return count


def statistics(session: Session, *, now: datetime) -> dict[str, Any]:
    """Return the totals of the devices by status, model and node (DTO-06)."""
    groups = fleet_groups(session)
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
        "by_node": {row["node_name"]: row["total"] for row in _by_node(session)},
        "allocation_rate_pct": round(held / (able * 10), 2) if able else None,
        "mig_share_pct": round(100 * cut / total, 2) if total else None,
        "memory_total_gb": sum(g.number * models[g.model_id].memory_gb for g in groups),
        "average_utilization": None,
        "p95_utilization": None,
        "generated_at": now,
    }
