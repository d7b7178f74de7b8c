"""Move an allocation from one slice to another of its kind: the ledger's part of a plan's move."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations import enforcement, journal
from gpu_management.allocations.models import Allocation, Hold, HoldSource, Phase
from gpu_management.allocations.repricing import cost_per_hour
from gpu_management.cluster.models import ClaimIntent
from gpu_management.core.clock import whole_second
from gpu_management.devices import grips
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device, Node
from gpu_management.mig import service as mig
from gpu_management.mig.models import MigInstance
from gpu_management.rates.book import Book


@dataclass(frozen=True, slots=True)
class Tenancy:
    """The slice that an allocation holds, and how."""

    slice: MigInstance
    is_ours: bool
    """We decided it; an observed hold ends with its pod, and nobody can be moved."""
    claim_name: str | None


def tenancy(
    session: Session, allocation_id: str, device_id: str, profile: str, start: int
) -> Tenancy | None:
    """Return what an allocation holds of a device, best at `start`; None where it does no longer.

    Who cuts a GPU may choose other starts than were planned.
    """
    query = (
        select(MigInstance, Hold.source)
        .join(Hold, Hold.mig_instance_id == MigInstance.id)
        .join(Device, Device.id == MigInstance.device_id)
        .where(
            Hold.allocation_id == allocation_id,
            Hold.ended_at.is_(None),
            Device.live_id == device_id,
            MigInstance.profile_name == profile,
        )
        .order_by(MigInstance.placement_start != start, MigInstance.placement_start)
    )
    found = session.execute(query).first()
    allocation = session.get(Allocation, allocation_id, populate_existing=True)
    if found is None or allocation is None or allocation.phase is not Phase.ALLOCATED:
        return None
    intent = session.get(ClaimIntent, allocation_id, populate_existing=True)
    has_claim = intent is not None and intent.gone_at is None
    name = allocation.claim_name if has_claim else None
    return Tenancy(found[0], found[1] is HoldSource.MANAGED, name)


def park_claim(session: Session, allocation_id: str, *, now: datetime, seconds: float) -> bool:
    """Leave an allocation's claim alone for a while, so that it can go and its pods with it.

    Return False where the allocation is being released: then its claim goes anyway.
    """
    allocation = session.get_one(Allocation, allocation_id, populate_existing=True)
    intent = session.get(ClaimIntent, allocation_id, populate_existing=True)
    if intent is None or enforcement.is_releasing(allocation):
        return False
    intent.due_at = now + timedelta(seconds=seconds)
    return True


def unpark_claim(session: Session, allocation_id: str, *, now: datetime) -> None:
    """Let an allocation's claim be made again, as it is pinned now."""
    intent = session.get(ClaimIntent, allocation_id, populate_existing=True)
    if intent is not None and intent.gone_at is None:
        intent.due_at = now


def rehome(
    session: Session,
    allocation_id: str,
    source: MigInstance,
    target: MigInstance,
    *,
    book: Book | None = None,
    now: datetime,
) -> None:
    """Let an allocation hold `target` instead of `source`, from one second to the next.

    The devices may be held back: that keeps others away from `target`, not the plan. With a price
    book it is told what it costs from now on.

    Raises:
        StaleDecision: somebody holds `target`.
    """
    allocation = session.get_one(Allocation, allocation_id, populate_existing=True)
    hold = open_hold(session, allocation_id, source)
    if hold is None:
        return
    revision = devices.lock(session, allocation.cluster_name)
    here = session.get_one(Device, source.device_id, populate_existing=True)
    there = session.get_one(Device, target.device_id, populate_existing=True)
    mig.take(session, target.id)
    mig.give(session, source.id)
    hold.ended_at = max(whole_second(now), hold.started_at)
    hold.open_key = None
    node = session.get_one(Node, there.node_id)
    session.add(_next_hold(hold, target, node))
    here.held_milli -= hold.milli
    there.held_milli += target.milli
    for device in {here, there}:
        device.version += 1
        device.revision = revision
    _move_host(session, allocation, here, there, revision=revision)
    session.flush()
    if book is not None:
        allocation.cost_per_hour = cost_per_hour(session, allocation, book, now=now)
    tell(session, allocation, source, target, node=node, now=now)
    repin(session, allocation, source, target, there=there, now=now)
    session.flush()


def open_hold(session: Session, allocation_id: str, instance: MigInstance) -> Hold | None:
    """Return the hold of a slice that an allocation has now."""
    query = select(Hold).where(
        Hold.allocation_id == allocation_id,
        Hold.mig_instance_id == instance.id,
        Hold.ended_at.is_(None),
    )
    return session.scalars(query).one_or_none()


def _next_hold(hold: Hold, target: MigInstance, node: Node) -> Hold:
    return Hold(
        allocation_id=hold.allocation_id,
        device_id=target.device_id,
        mig_instance_id=target.id,
        open_key=f"mig:{target.id}",
        kind=hold.kind,
        source=hold.source,
        milli=target.milli,
        profile_name=target.profile_name,
        node_pool=node.node_pool,
        started_at=hold.ended_at,
    )


def _move_host(
    session: Session, allocation: Allocation, here: Device, there: Device, *, revision: int
) -> None:
    """Take CPU and memory along to another node."""
    if here.node_id == there.node_id:
        return
    cpu, memory = allocation.cpu_milli, allocation.memory_mib
    grips.hold_host(session, here.node_id, cpu_milli=-cpu, memory_mib=-memory, revision=revision)
    grips.hold_host(session, there.node_id, cpu_milli=cpu, memory_mib=memory, revision=revision)


def tell(
    session: Session,
    allocation: Allocation,
    source: MigInstance,
    target: MigInstance,
    *,
    node: Node,
    now: datetime,
) -> None:
    """Write where an allocation is now, and tell its owner."""
    names = [target.mig_id if name == source.mig_id else name for name in allocation.resources]
    allocation.resources = names
    allocation.allocated_resource = ",".join(names)
    allocation.node_name = node.node_name
    allocation.message = f"moved from {source.mig_id} to {target.mig_id} by a repartition plan"
    allocation.edition += 1
    journal.say(session, "allocation.moved", allocation, now=now)


def repin(
    session: Session,
    allocation: Allocation,
    source: MigInstance,
    target: MigInstance,
    *,
    there: Device,
    now: datetime,
) -> None:
    """Have an allocation's claim made anew, pinned to the new slice."""
    intent = session.get(ClaimIntent, allocation.allocation_id, populate_existing=True)
    if intent is None or intent.gone_at is not None:
        return
    here = session.get_one(Device, source.device_id)
    old = (here.uuid, source.profile_name, source.placement_start)
    pin = {
        "uuid": there.uuid,
        "profile": target.profile_name,
        "start": target.placement_start,
    }
    intent.devices = [
        pin if (d["uuid"], d["profile"], d["start"]) == old else d for d in intent.devices
    ]
    intent.claim_uid = None
    intent.due_at = now
    intent.attempts = 0
    intent.failing_since = None
    message = f"claim {intent.claim_name} is being made for {target.mig_id}"
    mark = marks.entry(
        "Enforced",
        "False",
        reason="Moved",
        message=message[:1000],
        now=now,
        facts={"migId": target.mig_id},
    )
    allocation.conditions = marks.with_one(allocation.conditions, mark)
