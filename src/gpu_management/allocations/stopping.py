"""Stop the work of an allocation for a repartition plan, and start it on another slice.

In between it holds nothing: its old slice is cut away before the new one exists. It keeps its
name, its claim's name and its place in the ledger; what it held before and holds after are two
holds, and nobody is charged for the time between.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations import enforcement, journal, rehoming
from gpu_management.allocations.models import Allocation, Hold, HoldKind, HoldSource, Phase
from gpu_management.allocations.repricing import cost_per_hour
from gpu_management.cluster.models import ClaimIntent
from gpu_management.core.clock import whole_second, wire_time
from gpu_management.devices import grips
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device, Node
from gpu_management.mig import service as mig
from gpu_management.mig.models import MigInstance
from gpu_management.rates.book import Book

MOVING = "Moving"
"""Condition of an allocation that a plan stops, or is about to stop."""
_PARKED = timedelta(days=3650)
"""How long its claim is left alone: until it starts, or is released."""


def give_notice(session: Session, allocation_id: str, *, stops_at: datetime, now: datetime) -> None:
    """Tell an allocation's owner when it has to stop; telling again changes nothing."""
    allocation = session.get_one(Allocation, allocation_id, populate_existing=True)
    if allocation.phase is not Phase.ALLOCATED or marks.has(allocation.conditions, MOVING):
        return
    message = (
        f"a repartition plan stops it at {stops_at:%Y-%m-%dT%H:%M:%SZ} and starts it on another"
        " slice of its kind"
    )
    _mark(allocation, "Notice", message, now=now, facts={"stopsAt": wire_time(stops_at)})
    journal.say(session, "allocation.moving", allocation, now=now)


def stop(session: Session, allocation_id: str, source: MigInstance, *, now: datetime) -> None:
    """Let go of `source`, whose pods have ended; the claim is left alone until it starts."""
    allocation = session.get_one(Allocation, allocation_id, populate_existing=True)
    hold = rehoming.open_hold(session, allocation_id, source)
    if hold is None:
        return
    revision = devices.lock(session, allocation.cluster_name)
    device = session.get_one(Device, source.device_id, populate_existing=True)
    mig.give(session, source.id)
    hold.ended_at = max(whole_second(now), hold.started_at)
    hold.open_key = None
    device.held_milli -= hold.milli
    device.version += 1
    device.revision = revision
    session.flush()
    if not _open_holds(session, allocation_id):
        _hold_host(session, device, allocation, times=-1, revision=revision)
    _park(session, allocation_id, now=now)
    allocation.message = f"stopped by a repartition plan; {source.mig_id} is cut anew"
    _mark(allocation, "Stopped", allocation.message, now=now)
    journal.say(session, "allocation.stopped", allocation, now=now)


def is_stopped(session: Session, allocation_id: str) -> bool:
    """Say whether an allocation goes on and lacks a slice."""
    allocation = session.get(Allocation, allocation_id, populate_existing=True)
    if allocation is None or allocation.phase is not Phase.ALLOCATED:
        return False
    if enforcement.is_releasing(allocation):
        return False
    return _open_holds(session, allocation_id) < len(allocation.resources)


def start(
    session: Session,
    allocation_id: str,
    source: MigInstance,
    target: MigInstance,
    *,
    book: Book | None = None,
    now: datetime,
) -> None:
    """Let a stopped allocation that held `source` hold `target` from now on.

    Raises:
        StaleDecision: somebody holds `target`.
    """
    allocation = session.get_one(Allocation, allocation_id, populate_existing=True)
    revision = devices.lock(session, allocation.cluster_name)
    device = session.get_one(Device, target.device_id, populate_existing=True)
    is_first = not _open_holds(session, allocation_id)
    mig.take(session, target.id)
    device.held_milli += target.milli
    device.version += 1
    device.revision = revision
    node = session.get_one(Node, device.node_id)
    session.add(_hold(session, allocation_id, target, node, now=now))
    session.flush()
    if is_first:
        _hold_host(session, device, allocation, times=1, revision=revision)
    if book is not None:
        allocation.cost_per_hour = cost_per_hour(session, allocation, book, now=now)
    allocation.pod_uid = None
    allocation.conditions = marks.without(allocation.conditions, MOVING)
    if any(one["type"] == "Bound" for one in allocation.conditions):
        told = enforcement.used_by(())
        mark = marks.entry("Bound", "False", reason="NoPod", message=told, now=now)
        allocation.conditions = marks.with_one(allocation.conditions, mark)
    rehoming.tell(session, allocation, source, target, node=node, now=now)
    rehoming.repin(session, allocation, source, target, there=device, now=now)
    session.flush()


def left_slice(session: Session, allocation_id: str, profile: str) -> MigInstance | None:
    """Return the slice that an allocation was stopped on, whether it still exists or not.

    Until it starts again the allocation bears the slice's name.
    """
    allocation = session.get_one(Allocation, allocation_id, populate_existing=True)
    held = select(Hold.mig_instance_id).where(
        Hold.allocation_id == allocation_id,
        Hold.ended_at.is_(None),
        Hold.mig_instance_id.is_not(None),
    )
    query = (
        select(MigInstance)
        .join(Hold, Hold.mig_instance_id == MigInstance.id)
        .where(
            Hold.allocation_id == allocation_id,
            Hold.ended_at.is_not(None),
            MigInstance.mig_id.in_(allocation.resources),
            MigInstance.profile_name == profile,
            MigInstance.id.not_in(held),
        )
        .order_by(Hold.ended_at.desc(), Hold.id.desc())
        .limit(1)
    )
    return session.scalars(query).one_or_none()


def _open_holds(session: Session, allocation_id: str) -> int:
    query = select(func.count(Hold.id)).where(
        Hold.allocation_id == allocation_id, Hold.ended_at.is_(None)
    )
    return session.scalars(query).one()


def _hold(
    session: Session, allocation_id: str, target: MigInstance, node: Node, *, now: datetime
) -> Hold:
    """Return the hold of the new slice; it begins no earlier than the one before it ended."""
    latest = session.scalar(
        select(func.max(Hold.ended_at)).where(Hold.allocation_id == allocation_id)
    )
    moment = whole_second(now)
    return Hold(
        allocation_id=allocation_id,
        device_id=target.device_id,
        mig_instance_id=target.id,
        open_key=f"mig:{target.id}",
        kind=HoldKind.MIG,
        source=HoldSource.MANAGED,
        milli=target.milli,
        profile_name=target.profile_name,
        node_pool=node.node_pool,
        started_at=moment if latest is None else max(moment, latest),
    )


def _hold_host(
    session: Session, device: Device, allocation: Allocation, *, times: int, revision: int
) -> None:
    grips.hold_host(
        session,
        device.node_id,
        cpu_milli=times * allocation.cpu_milli,
        memory_mib=times * allocation.memory_mib,
        revision=revision,
    )


def _park(session: Session, allocation_id: str, *, now: datetime) -> None:
    intent = session.get(ClaimIntent, allocation_id, populate_existing=True)
    if intent is not None and intent.gone_at is None:
        intent.due_at = now + _PARKED


def _mark(
    allocation: Allocation,
    reason: str,
    message: str,
    *,
    now: datetime,
    facts: Mapping[str, Any] | None = None,
) -> None:
    mark = marks.entry(MOVING, "True", reason=reason, message=message[:1000], now=now, facts=facts)
    allocation.conditions = marks.with_one(allocation.conditions, mark)
    allocation.edition += 1
