"""The fleet as the first screen draws it: each GPU, each kind of slice, and the funnel."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.core.database import AnyRow
from gpu_management.devices.models import Device, DeviceState, Node
from gpu_management.metrics.questions import Now
from gpu_management.mig.models import MigInstance

BUSY_PCT: Final = 5.0
"""A GPU that works less than this does nothing for its holder; as the rule of idle GPUs."""

_DEVICES = (
    select(
        Device.id,
        Node.node_name,
        Device.model_id,
        Device.device_index,
        Device.state,
        Device.held_milli,
    )
    .join(Node, Node.id == Device.node_id)
    .where(Device.live_id.is_not(None))
    .order_by(Node.node_name, Device.device_index)
)
_SLICES = (
    select(
        Device.model_id,
        MigInstance.profile_name,
        func.count().label("total"),
        func.count().filter(MigInstance.held.is_(True)).label("held"),
    )
    .join(Device, Device.id == MigInstance.device_id)
    .where(MigInstance.destroyed_at.is_(None), Device.live_id.is_not(None))
    .group_by(Device.model_id, MigInstance.profile_name)
    .order_by(Device.model_id, MigInstance.profile_name)
)

Figures = Mapping[int, Now]


def devices(session: Session) -> Sequence[AnyRow]:
    """Return every GPU of the fleet, by node and number."""
    return session.connection().execute(_DEVICES).all()


def slices(session: Session) -> list[dict[str, Any]]:
    """Return how many slices of each profile there are, and how many are held."""
    return [dict(row._mapping) for row in session.connection().execute(_SLICES)]


def nodes(rows: Sequence[AnyRow], figures: Figures) -> list[dict[str, Any]]:
    """Return the GPUs by node, as columns: thousands of them travel in few bytes."""
    found: dict[str, dict[str, Any]] = {}
    for pk, node, model, index, state, held in rows:
        told = figures.get(pk)
        busy = None if told is None or told.utilization_pct is None else told.utilization_pct
        one = found.get(node)
        if one is None:
            one = found[node] = {
                "node_name": node,
                "model_id": model,
                "indexes": [],
                "states": [],
                "held_milli": [],
                "utilization": [],
            }
        one["indexes"].append(index)
        one["states"].append(state)
        one["held_milli"].append(held)
        one["utilization"].append(None if busy is None else round(busy, 1))
    return list(found.values())


def funnel(rows: Sequence[AnyRow], figures: Figures) -> dict[str, int | None]:
    """Return what there is, can work, is held, is at work and is made use of."""
    able = [row for row in rows if row.state is DeviceState.READY]
    measured = active = 0
    effective = 0.0
    for row in able:
        told = figures.get(row.id)
        if told is None or told.utilization_pct is None or not row.held_milli:
            continue
        measured += row.held_milli
        effective += row.held_milli * told.utilization_pct / 100
        if told.utilization_pct >= BUSY_PCT:
            active += row.held_milli
    return {
        "total_milli": 1000 * len(rows),
        "healthy_milli": 1000 * len(able),
        "allocated_milli": sum(row.held_milli for row in able),
        "measured_milli": measured,
        "active_milli": active if measured else None,
        "effective_milli": round(effective) if measured else None,
    }


def newest(figures: Figures) -> datetime | None:
    """Return when the newest figure was measured."""
    moments = [one.at for one in figures.values()]
    return datetime.fromtimestamp(max(moments), UTC) if moments else None
