"""Write the holds of a decision, and end them: what makes an allocation real."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, func, insert, inspect, select
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from gpu_management.allocations import conditions as marks
from gpu_management.allocations.models import Allocation, Hold, HoldKind, HoldSource, Phase
from gpu_management.allocations.placer import Part, Place
from gpu_management.core.clock import whole_second
from gpu_management.core.database import UtcDateTime, table_of
from gpu_management.core.trips import send
from gpu_management.devices import grips
from gpu_management.devices.models import Device, Node
from gpu_management.mig import service as mig
from gpu_management.mig.geometry import load_geometries

_MOMENT = bindparam("moment", type_=UtcDateTime)
_LATEST_END = (
    select(func.max(Hold.ended_at))
    .where(Hold.device_id == bindparam("of_device"), Hold.ended_at > _MOMENT)
    .scalar_subquery()
)
"""When the hold before ended, if that is after the moment the new one would start."""
_HOLD = insert(table_of(Hold)).values(started_at=func.coalesce(_LATEST_END, _MOMENT)).inline()
_ALLOCATION = insert(table_of(Allocation))
_COLUMNS = tuple(column.key for column in table_of(Allocation).columns)


def take_slices(session: Session, place: Place, *, revision: int, now: datetime) -> list[int]:
    """Take the MIG instances of a decision, carved where need be; return their keys, part by part.

    Raises:
        StaleDecision: a device or an instance changed since the decision.
    """
    return [
        _take_slice(session, part, revision=revision, now=now)
        for part in place.parts
        if part.kind is HoldKind.MIG
    ]


def hold(
    session: Session,
    allocation: Allocation,
    place: Place,
    *,
    slices: Sequence[int],
    revision: int,
    now: datetime,
) -> None:
    """Write, in the open trip, the holds of a decision and what they take; `slices` are taken.

    Raises:
        StaleDecision: a device changed since the decision.
    """
    for part in place.parts:
        if part.kind is not HoldKind.MIG:
            grips.take(session, _grip(part), revision=revision)
    grips.hold_host(
        session,
        place.node_pk,
        cpu_milli=allocation.cpu_milli,
        memory_mib=allocation.memory_mib,
        revision=revision,
    )
    _write(session, allocation)
    for part, instance in zip(place.parts, slices or (None,) * len(place.parts), strict=True):
        send(session, _HOLD, _hold_row(allocation, place, part, instance=instance, now=now))


def _write(session: Session, allocation: Allocation) -> None:
    """Write a new allocation in the open trip; one that waited is written by its session."""
    if not inspect(allocation).transient:
        return

    def known() -> None:
        for name in _COLUMNS:
            if name not in allocation.__dict__:
                set_committed_value(allocation, name, None)
        make_transient_to_detached(allocation)
        session.add(allocation)

    send(session, _ALLOCATION, {name: getattr(allocation, name) for name in _COLUMNS}, then=known)


def _hold_row(
    allocation: Allocation, place: Place, part: Part, *, instance: int | None, now: datetime
) -> dict[str, Any]:
    """Return a hold; it starts in the second of `now`, or when the hold before it ended.

    Who takes its turn later may have asked earlier, or have a slower clock; holds never overlap.
    """
    return {
        "allocation_id": allocation.allocation_id,
        "device_id": part.device_pk,
        "mig_instance_id": instance,
        "open_key": _open_key(part, instance),
        "kind": part.kind,
        "source": HoldSource.MANAGED,
        "milli": part.milli,
        "profile_name": part.profile,
        "node_pool": place.node_pool,
        "of_device": part.device_pk,
        "moment": whole_second(now),
    }


def _grip(part: Part) -> grips.Grip:
    return grips.Grip(part.device_pk, part.version, part.milli)


def _take_slice(session: Session, part: Part, *, revision: int, now: datetime) -> int:
    grips.take(session, _grip(part), revision=revision)
    instance = part.instance_pk
    if instance is None:
        instance = _carve(session, part, now=now)
    mig.take(session, instance)
    return instance


def _carve(session: Session, part: Part, *, now: datetime) -> int:
    device = session.get_one(Device, part.device_pk, populate_existing=True)
    for idle in part.destroyed:
        mig.retire(session, idle, now=now)
    assert part.placement is not None and part.geometry is not None  # noqa: S101, PT018 - a carving has both
    geometry = load_geometries()[part.geometry]
    carved = mig.carve(session, device, geometry, part.placement, now=now)
    mig.record_layout(session, device, now=now)
    return carved.id


def _open_key(part: Part, instance: int | None) -> str | None:
    if part.kind is HoldKind.WHOLE:
        return f"gpu:{part.device_pk}"
    return f"mig:{instance}" if part.kind is HoldKind.MIG else None


def mark_allocated(
    allocation: Allocation, place: Place, *, cost_per_hour: Decimal | None, now: datetime
) -> None:
    """Tell an allocation where it is, and at what price; writes nothing."""
    names = place.names
    allocation.phase = Phase.ALLOCATED
    allocation.node_name = place.node_name
    allocation.resources = names
    allocation.allocated_resource = ",".join(names)
    allocation.cost_per_hour = cost_per_hour
    allocation.allocated_at = now
    allocation.reserved_node = None
    allocation.decision = place.decision
    allocation.message = place.summary
    if allocation.max_duration_hours is not None:
        allocation.expires_at = now + timedelta(hours=allocation.max_duration_hours)
    allocation.conditions = marks.standalone(now)


def end_holds(session: Session, allocation: Allocation, *, revision: int, now: datetime) -> None:
    """Close every open hold of an allocation and give back what it took."""
    query = select(Hold).where(
        Hold.allocation_id == allocation.allocation_id, Hold.ended_at.is_(None)
    )
    holds = list(session.scalars(query))
    for hold in holds:
        hold.ended_at = max(whole_second(now), hold.started_at)
        hold.open_key = None
        grips.give(session, hold.device_id, hold.milli, revision=revision)
        if hold.mig_instance_id is not None:
            mig.give(session, hold.mig_instance_id)
    if holds:
        node = select(Node.id).where(
            Node.cluster_name == allocation.cluster_name, Node.node_name == allocation.node_name
        )
        grips.hold_host(
            session,
            session.scalars(node).one(),
            cpu_milli=-allocation.cpu_milli,
            memory_mib=-allocation.memory_mib,
            revision=revision,
        )
