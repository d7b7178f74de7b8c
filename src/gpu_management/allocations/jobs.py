"""What the controller calls on a timer: expiry, warnings before it, and the queue."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations import enforcement, journal, service
from gpu_management.allocations.models import Allocation, Phase
from gpu_management.allocations.office import Office, admit
from gpu_management.allocations.placer import Place
from gpu_management.allocations.queue import Waiting, in_order, kept_node
from gpu_management.allocations.request import Ask
from gpu_management.auth.principals import SYSTEM
from gpu_management.core.problems import Problem
from gpu_management.devices import service as devices
from gpu_management.devices.errors import StaleDecision

WARN_BEFORE = timedelta(minutes=15)
"""How long before its end an allocation is marked as expiring."""
AT_ONCE = 200
"""Rows one run looks at; the next run goes on."""


def expire(session: Session, *, now: datetime) -> int:
    """Release allocations whose time is over; return how many."""
    due = (
        select(Allocation.allocation_id)
        .where(
            Allocation.phase == Phase.ALLOCATED,
            Allocation.expires_at <= now,
            Allocation.release_reason.is_(None),  # who is asked to let go is not asked again
        )
        .order_by(Allocation.expires_at)
        .limit(AT_ONCE)
    )
    ended = list(session.scalars(due))
    for allocation_id in ended:
        service.release(session, allocation_id, principal=SYSTEM, reason="expired", now=now)
    return len(ended)


def warn_expiring(session: Session, *, now: datetime) -> int:
    """Mark allocations that end soon and tell their owners once; return how many."""
    soon = (
        Allocation.phase == Phase.ALLOCATED,
        Allocation.expires_at > now,
        Allocation.expires_at <= now + WARN_BEFORE,
    )
    warned = 0
    for allocation in _locked(session, soon):
        if marks.has(allocation.conditions, "Expiring"):
            continue
        assert allocation.expires_at is not None  # noqa: S101 - the query says so
        message = f"ends at {allocation.expires_at:%Y-%m-%dT%H:%M:%SZ}; extend it to keep it"
        mark = marks.entry("Expiring", "True", reason="MaxDuration", message=message, now=now)
        allocation.conditions = marks.with_one(allocation.conditions, mark)
        allocation.edition += 1
        journal.say(session, "allocation.expiring", allocation, now=now)
        warned += 1
    return warned


def give_up_waiting(session: Session, *, now: datetime) -> int:
    """End queued requests that waited as long as they wanted to; return how many."""
    late = _locked(session, (Allocation.phase == Phase.PENDING, Allocation.wait_until <= now))
    for allocation in late:
        why = (allocation.message or "").removeprefix("waiting: ")
        message = f"nothing fitted while it waited; last: {why}"
        _fail(session, allocation, reason="wait-expired", message=message[:2000], now=now)
    return len(late)


def _locked(session: Session, which: Sequence[ColumnElement[bool]]) -> list[Allocation]:
    """Return allocations that nobody else changes before this transaction ends."""
    cluster = session.scalar(select(Allocation.cluster_name).where(*which).limit(1))
    if cluster is None:
        return []
    devices.lock(session, cluster)
    query = select(Allocation).where(*which).order_by(Allocation.requested_at).limit(AT_ONCE)
    return list(session.scalars(query, execution_options={"populate_existing": True}))


def serve_queue(session: Session, office: Office, *, now: datetime) -> bool:
    """Give one waiting request a place, the first in order that may have one.

    The head, the first that lacks room, keeps one node for itself; a later request is served only
    beside that node, so it cannot delay the head. Whom a rule of the house refuses keeps nothing.
    One transaction serves one request: call again while it returns True.
    """
    waiting = _waiting(session, office, now=now)
    if not waiting:
        return False
    office.placer.refresh(session)
    head: Allocation | None = None
    kept: frozenset[str] = frozenset()
    for number, allocation in enumerate(waiting, start=1):
        found = office.placer.place(ask_of(allocation), kept_nodes=kept)
        if isinstance(found, Place):
            if _place(session, office, allocation, found, now=now):
                return True
        else:
            why = f"waiting: number {number} in line; {found.detail}"
            _tell(allocation, why, {"line": number, **found.facts})
            if head is None:
                head, kept = allocation, _keep(office, allocation)
        if allocation is not head and allocation.reserved_node is not None:
            allocation.reserved_node = None  # it was the head until somebody passed it
    return False


def _waiting(session: Session, office: Office, *, now: datetime) -> list[Allocation]:
    """Return the first in line, in order, safe from changes by others."""
    query = select(Allocation.allocation_id, Allocation.priority, Allocation.requested_at)
    query = query.where(Allocation.phase == Phase.PENDING)
    if session.execute(query.limit(1)).first() is None:
        return []
    devices.lock(session, office.placer.cluster_name)
    everybody = [Waiting(*row) for row in session.execute(query)]
    order = in_order(everybody, now=now, aging_seconds=office.aging_seconds)[:AT_ONCE]
    first = select(Allocation).where(Allocation.allocation_id.in_(w.allocation_id for w in order))
    found = session.scalars(first, execution_options={"populate_existing": True})
    by_id = {allocation.allocation_id: allocation for allocation in found}
    return [by_id[waiting.allocation_id] for waiting in order]


def _place(
    session: Session,
    office: Office,
    allocation: Allocation,
    place: Place,
    *,
    now: datetime,
) -> bool:
    try:
        place = admit(session, office, ask_of(allocation), place, now=now)
        with session.begin_nested():
            _place_waiting(session, office, allocation, place, now=now)
    except StaleDecision:
        office.placer.forget()
        office.placer.refresh(session)
        return False
    except Problem as refused:
        _tell(allocation, f"waiting: {refused.detail}", {"code": refused.code, **refused.facts})
        return False
    return True


def _tell(allocation: Allocation, message: str, facts: Mapping[str, Any]) -> None:
    if allocation.message != message[:2000]:
        allocation.message = message[:2000]
        allocation.decision = dict(facts)


def _keep(office: Office, head: Allocation) -> frozenset[str]:
    node = kept_node(office.placer.nodes_for(ask_of(head)), present=head.reserved_node)
    if head.reserved_node != node:
        head.reserved_node = node
    return frozenset({node} if node else ())


def ask_of(allocation: Allocation) -> Ask:
    """Return the request that a queued allocation came with."""
    return Ask(
        namespace=allocation.namespace,
        pod_name=allocation.pod_name,
        workload_type=allocation.workload_type,
        required_memory_gb=allocation.required_memory_gb,
        use_mig=allocation.use_mig,
        count=allocation.gpu_count,
        gpu_milli=allocation.gpu_milli,
        cpu_milli=allocation.cpu_milli,
        memory_mib=allocation.memory_mib,
        user_id=allocation.user_id,
        team_id=allocation.team_id,
        model_preference=tuple(allocation.model_preference),
        model_ids=tuple(allocation.model_ids),
        node_selector=tuple(sorted(allocation.node_selector.items())),
        priority=allocation.priority,
        max_duration_hours=allocation.max_duration_hours,
        cost_limit=allocation.cost_limit,
        movable=allocation.movable,
    )


def _place_waiting(
    session: Session, office: Office, allocation: Allocation, place: Place, *, now: datetime
) -> None:
    """Give a queued allocation the place that was found for it.

    Raises:
        StaleDecision: a device changed; the queue tries again.
    """
    revision = devices.lock(session, allocation.cluster_name)
    cost = office.placer.cost_per_hour(place, now=now)
    allocation.edition += 1
    service.keep(
        session, allocation, service.Outcome(place, None, cost), revision=revision, now=now
    )
    enforcement.intend(session, office.enforcement, allocation, place, now=now)


def _fail(
    session: Session, allocation: Allocation, *, reason: str, message: str, now: datetime
) -> None:
    """End a queued allocation that could not be served."""
    changed = (
        update(Allocation)
        .where(Allocation.allocation_id == allocation.allocation_id)
        .values(
            phase=Phase.FAILED,
            failure_reason=reason,
            message=message,
            released_at=now,
            reserved_node=None,
            edition=Allocation.edition + 1,
        )
    )
    session.execute(changed)
    session.refresh(allocation)
    journal.say(session, "allocation.failed", allocation, now=now)
