"""Write the holds of a decision, and end them: what makes an allocation real."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations.models import Allocation, Hold, HoldKind, HoldSource, Phase
from gpu_management.allocations.placer import Part, Place
from gpu_management.core.clock import whole_second
from gpu_management.core.database import table_of
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device, Node
from gpu_management.mig import service as mig
from gpu_management.mig.geometry import load_geometries

_WRITE = insert(table_of(Hold))
_ENDED_AFTER = select(Hold.device_id, Hold.ended_at).where(Hold.ended_at > bindparam("moment"))


def hold(
    session: Session,
    allocation: Allocation,
    place: Place,
    *,
    cost_per_hour: Decimal | None,
    revision: int,
    now: datetime,
) -> None:
    """Write the holds of a decision and what they take.

    Raises:
        StaleDecision: a device or an instance changed since the decision.
    """
    rows = []
    names = []
    starts = _start(session, place, now=now)
    for part in place.parts:
        instance, name = _take_part(session, part, revision=revision, now=now)
        names.append(name)
        rows.append(
            {
                "allocation_id": allocation.allocation_id,
                "device_id": part.device_pk,
                "mig_instance_id": instance,
                "open_key": _open_key(part, instance),
                "kind": part.kind,
                "source": HoldSource.MANAGED,
                "milli": part.milli,
                "profile_name": part.profile,
                "started_at": starts,
            }
        )
    devices.hold_host(
        session,
        place.node_pk,
        cpu_milli=allocation.cpu_milli,
        memory_mib=allocation.memory_mib,
        revision=revision,
    )
    _mark_allocated(allocation, place, names, cost=cost_per_hour, now=now)
    session.add(allocation)
    session.flush()
    session.connection().execute(_WRITE, rows)


def _start(session: Session, place: Place, *, now: datetime) -> datetime:
    """Return the second a hold starts in: that of `now`, or the later end of a hold before it.

    Who takes its turn later may have asked earlier, or have a slower clock; holds never overlap.
    """
    moment = whole_second(now)
    wanted = {part.device_pk for part in place.parts}
    later = session.connection().execute(_ENDED_AFTER, {"moment": moment})
    return max((ended for device, ended in later if ended and device in wanted), default=moment)


def _take_part(
    session: Session, part: Part, *, revision: int, now: datetime
) -> tuple[int | None, str]:
    devices.take(session, devices.Grip(part.device_pk, part.version, part.milli), revision=revision)
    if part.kind is not HoldKind.MIG:
        return None, part.device_id
    instance = part.instance_pk
    if instance is None:
        instance = _carve(session, part, now=now)
    mig.take(session, instance)
    return instance, mig.name_of(part.device_id, part.profile or "", part.start or 0)


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


def _mark_allocated(
    allocation: Allocation,
    place: Place,
    names: Sequence[str],
    *,
    cost: Decimal | None,
    now: datetime,
) -> None:
    allocation.phase = Phase.ALLOCATED
    allocation.node_name = place.node_name
    allocation.resources = list(names)
    allocation.allocated_resource = ",".join(names)
    allocation.cost_per_hour = cost
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
        devices.give(session, hold.device_id, hold.milli, revision=revision)
        if hold.mig_instance_id is not None:
            mig.give(session, hold.mig_instance_id)
    if holds:
        node = select(Node.id).where(
            Node.cluster_name == allocation.cluster_name, Node.node_name == allocation.node_name
        )
        devices.hold_host(
            session,
            session.scalars(node).one(),
            cpu_milli=-allocation.cpu_milli,
            memory_mib=-allocation.memory_mib,
            revision=revision,
        )
