"""The verbs of allocations: request, release, extend, and the queue."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations import ending, enforcement, holding, journal
from gpu_management.allocations.admission import ask_quota
from gpu_management.allocations.errors import (
    AllocationContended,
    AllocationEnded,
    AllocationInvalid,
    AllocationNotFound,
    GpuNotAvailable,
    IdempotencyKeyReused,
)
from gpu_management.allocations.models import Allocation, HoldKind, IdempotencyKey, Phase
from gpu_management.allocations.office import Office, admit
from gpu_management.allocations.placer import Place, Refused
from gpu_management.allocations.queue import Waiting, outranks
from gpu_management.allocations.request import MAX_HOURS, Ask, check
from gpu_management.auth import teams
from gpu_management.auth.access import Permission, check_acts_for, may_see
from gpu_management.auth.access import check as check_access
from gpu_management.auth.principals import Principal
from gpu_management.core.problems import FieldError, Problem
from gpu_management.core.trips import Answer, one_trip, send
from gpu_management.devices import service as devices
from gpu_management.devices.errors import StaleDecision
from gpu_management.mig.errors import MigNotSupported

ATTEMPTS = 3
"""How often a decision is made again when a device changed under it."""
RETRY_AFTER_SECONDS = 30
_LAST = "~"
"""Sorts after every allocation id: among equals, who waits already goes first."""

_KEPT = select(
    Allocation.allocation_id,
    Allocation.priority,
    Allocation.requested_at,
    Allocation.reserved_node,
).where(Allocation.phase == Phase.PENDING, Allocation.reserved_node.is_not(None))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What would become of a request now."""

    place: Place | None
    refused: Refused | None
    cost_per_hour: Decimal | None


def request(
    session: Session,
    office: Office,
    ask: Ask,
    *,
    principal: Principal,
    now: datetime,
    idempotency_key: str | None = None,
) -> Allocation:
    """Decide and hold, in the caller's transaction; with `wait_seconds` queue when nothing fits.

    Raises:
        AllocationInvalid: the request can never be served.
        GpuNotAvailable: nothing fits now; the facts say what each candidate lacked.
        IdempotencyKeyReused: the key came with another request.
        AllocationContended: devices changed faster than we could decide.
    """
    check_access(principal, Permission.ALLOCATIONS_WRITE)
    check(ask)
    ask = on_behalf(session, ask, principal)
    if idempotency_key is not None:
        devices.lock(session, office.placer.cluster_name)  # the same key may be on its way
        answered = _answered(session, ask, principal=principal, key=idempotency_key)
        if answered is not None:
            return answered
    allocation = _decide_and_hold(session, office, ask, principal=principal, now=now)
    if idempotency_key is not None:
        session.flush()
        session.add(
            IdempotencyKey(
                principal=principal.name,
                key=idempotency_key,
                fingerprint=ask.fingerprint(),
                allocation_id=allocation.allocation_id,
                created_at=now,
            )
        )
    return allocation


def on_behalf(session: Session, ask: Ask, principal: Principal) -> Ask:
    """Return `ask` with whose it is: as told, else the caller's own, else the namespace's team.

    Raises:
        Forbidden: a USER asks for a team or a user that is not its own.
    """
    user = ask.user_id or principal.user
    team = ask.team_id or principal.team
    check_acts_for(principal, team=team, user=None if ask.team_id else user)
    if team is None and principal.sees_all:
        team = teams.team_of_namespace(session, ask.namespace)
    return replace(ask, user_id=user, team_id=team)


def _answered(session: Session, ask: Ask, *, principal: Principal, key: str) -> Allocation | None:
    known = session.get(IdempotencyKey, (principal.name, key))
    if known is None:
        return None
    if known.fingerprint != ask.fingerprint():
        raise IdempotencyKeyReused(
            "this Idempotency-Key already came with a different request; use a new key"
        )
    return session.get_one(Allocation, known.allocation_id)


def _decide_and_hold(
    session: Session, office: Office, ask: Ask, *, principal: Principal, now: datetime
) -> Allocation:
    for _attempt in range(ATTEMPTS):
        found = _take_turn(session, office, ask)
        kept = _kept_nodes(found.heads, office, ask, now=now)
        outcome = _decide(office, ask, kept, now=now)
        if outcome.place is None:
            return _refuse_or_queue(session, office, ask, outcome, principal=principal, now=now)
        place = admit(session, office, ask, outcome.place, now=now, quota=found.quota)
        outcome = replace(outcome, place=place)
        try:
            with _undoing(session, place):
                allocation = _new(office, ask, principal=principal, now=now)
                keep(session, allocation, outcome, revision=found.revision, now=now, by=principal)
                enforcement.intend(session, office.enforcement, allocation, place, now=now)
        except StaleDecision:
            office.placer.forget()
        else:
            return allocation
    raise AllocationContended(
        f"devices changed {ATTEMPTS} times while deciding; nothing was held, try again",
        headers={"Retry-After": "1"},
    )


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a request finds when its turn comes; nobody else decides before it commits."""

    revision: int
    heads: Sequence[Any]
    quota: Answer | None


def _take_turn(session: Session, office: Office, ask: Ask) -> _Turn:
    """Take the cluster's turn and read, in the same trip, what a decision depends on."""
    placer = office.placer
    with one_trip(session):
        # What need not be read under the lock is asked before it: others wait for us there.
        prices = placer.ask_book(session)
        heads = send(session, _KEPT, {})
        turn = devices.ask_turn(session, placer.cluster_name)
        news = placer.ask_news(session)
        quota = ask_quota(session, ask)
    placer.refresh_book(session, prices)
    placer.follow(session, news)
    return _Turn(devices.revision_of(turn), heads.rows, quota)


def _undoing(session: Session, place: Place) -> AbstractContextManager[object]:
    """Return a savepoint where slices are taken, and maybe carved; cards are taken in one trip."""
    if any(part.kind is HoldKind.MIG for part in place.parts):
        return session.begin_nested()
    return nullcontext()


def _decide(office: Office, ask: Ask, kept: frozenset[str], *, now: datetime) -> Outcome:
    placer = office.placer
    found = placer.place(ask, kept_nodes=kept)
    if isinstance(found, Refused):
        return Outcome(None, found, None)
    return Outcome(found, None, placer.cost_per_hour(found, now=now))


def _kept_nodes(heads: Sequence[Any], office: Office, ask: Ask, *, now: datetime) -> frozenset[str]:
    """Return the nodes kept for waiting requests that go before this one."""
    newcomer = Waiting(_LAST, ask.priority, now)
    return frozenset(
        node
        for name, priority, since, node in heads
        if node is not None
        and not outranks(
            newcomer,
            Waiting(name, priority, since),
            now=now,
            aging_seconds=office.aging_seconds,
        )
    )


def preview(
    session: Session, office: Office, ask: Ask, *, principal: Principal, now: datetime
) -> Outcome:
    """Say what `request` would decide now; nothing is held.

    Raises:
        AllocationInvalid: the request can never be served.
    """
    check_access(principal, Permission.ALLOCATIONS_WRITE)
    check(ask)
    ask = on_behalf(session, ask, principal)
    office.placer.refresh(session)
    kept = _kept_nodes(send(session, _KEPT, {}).rows, office, ask, now=now)
    outcome = _decide(office, ask, kept, now=now)
    if outcome.place is None:
        return outcome
    return replace(outcome, place=admit(session, office, ask, outcome.place, now=now))


def _refuse_or_queue(
    session: Session,
    office: Office,
    ask: Ask,
    outcome: Outcome,
    *,
    principal: Principal,
    now: datetime,
) -> Allocation:
    refused = outcome.refused
    assert refused is not None  # noqa: S101 - only called for a refusal
    if refused.never or ask.wait_seconds is None:
        raise refusal_problem(refused, ask)
    allocation = _new(office, ask, principal=principal, now=now)
    allocation.message = f"waiting: {refused.detail}"
    allocation.decision = dict(refused.facts)
    allocation.wait_until = now + timedelta(seconds=ask.wait_seconds)
    session.add(allocation)
    session.flush()
    journal.say(session, "allocation.queued", allocation, now=now)
    journal.audit(session, principal, "allocation.queue", allocation, now=now)
    return allocation


def refusal_problem(refused: Refused, ask: Ask) -> Problem:
    """Return the problem that tells a caller what each class of candidates lacked."""
    if refused.never:
        kind = MigNotSupported if refused.no_mig else AllocationInvalid
        fault = FieldError("requiredMemoryGb", "capacity", refused.detail, ask.required_memory_gb)
        return kind(refused.detail, errors=[fault], **refused.facts)
    return GpuNotAvailable(
        refused.detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)}, **refused.facts
    )


def _new(office: Office, ask: Ask, *, principal: Principal, now: datetime) -> Allocation:
    return Allocation(
        allocation_id=str(uuid4()),
        cluster_name=office.placer.cluster_name,
        namespace=ask.namespace,
        pod_name=ask.pod_name,
        workload_type=ask.workload_type,
        required_memory_gb=ask.required_memory_gb,
        use_mig=ask.use_mig,
        gpu_count=ask.count,
        gpu_milli=ask.gpu_milli,
        cpu_milli=ask.cpu_milli,
        memory_mib=ask.memory_mib,
        user_id=ask.user_id,
        team_id=ask.team_id,
        model_preference=list(ask.model_preference),
        model_ids=list(ask.model_ids),
        node_selector=dict(ask.node_selector),
        priority=ask.priority,
        max_duration_hours=ask.max_duration_hours,
        cost_limit=ask.cost_limit,
        movable=ask.movable,
        resources=[],
        phase=Phase.PENDING,
        conditions=[],
        requested_at=now,
        requested_by=principal.name,
        edition=1,
    )


def keep(
    session: Session,
    allocation: Allocation,
    outcome: Outcome,
    *,
    revision: int,
    now: datetime,
    by: Principal | None = None,
) -> None:
    """Hold what was decided, and tell about it; `by` is who asked, if that was just now.

    Raises:
        StaleDecision: a device or an instance changed since the decision.
    """
    assert outcome.place is not None  # noqa: S101 - only called for a placement
    place = outcome.place
    slices = holding.take_slices(session, place, revision=revision, now=now)
    holding.mark_allocated(allocation, place, cost_per_hour=outcome.cost_per_hour, now=now)
    with one_trip(session):
        holding.hold(session, allocation, place, slices=slices, revision=revision, now=now)
        journal.say(session, "allocation.created", allocation, now=now)
        if by is not None:
            journal.audit(session, by, "allocation.create", allocation, now=now)


def find(session: Session, allocation_id: str, *, principal: Principal) -> Allocation:
    """Return an allocation that the caller may see.

    Raises:
        AllocationNotFound: there is none, or it belongs to another team.
    """
    found = session.get(Allocation, allocation_id)
    if found is None or not may_see(principal, team=found.team_id, user=found.user_id):
        raise AllocationNotFound(f"no allocation has the id {allocation_id[:60]}")
    return found


def release(
    session: Session,
    allocation_id: str,
    *,
    principal: Principal,
    reason: str,
    now: datetime,
    ends_pods: bool = False,
) -> Allocation:
    """End an allocation; without a cluster the devices are free when this returns.

    Where the cluster holds the devices it is asked to let go, and the allocation ends when it has;
    with `ends_pods` the pods that use them are evicted. An ended allocation is answered as it is:
    a repeated release changes nothing.

    Raises:
        AllocationNotFound: there is none, or it belongs to another team.
    """
    check_access(principal, Permission.ALLOCATIONS_WRITE)
    allocation = find(session, allocation_id, principal=principal)
    revision = devices.lock(session, allocation.cluster_name)
    session.refresh(allocation)
    if allocation.phase in {Phase.RELEASED, Phase.FAILED}:
        return allocation
    was_asked = enforcement.is_releasing(allocation)
    if not enforcement.begin_release(
        session, allocation, reason=reason, now=now, ends_pods=ends_pods
    ):
        ending.end(session, allocation, reason=reason, revision=revision, now=now)
    if not was_asked:
        journal.audit(session, principal, "allocation.release", allocation, now=now)
    return allocation


def extend(
    session: Session, allocation_id: str, hours: int, *, principal: Principal, now: datetime
) -> Allocation:
    """Let an allocation run longer.

    Raises:
        AllocationEnded: it has ended.
        AllocationInvalid: it has no end, or would pass a week.
    """
    check_access(principal, Permission.ALLOCATIONS_WRITE)
    allocation = find(session, allocation_id, principal=principal)
    devices.lock(session, allocation.cluster_name)
    session.refresh(allocation)
    if enforcement.is_releasing(allocation):
        raise AllocationEnded(f"{allocation_id} is being released; request a new one")
    if allocation.phase is not Phase.ALLOCATED or allocation.allocated_at is None:
        raise AllocationEnded(f"{allocation_id} is {allocation.phase.value}; request a new one")
    if allocation.max_duration_hours is None:
        raise _bad_hours("it has no maxDurationHours, so it does not expire", hours)
    total = allocation.max_duration_hours + hours
    if total > MAX_HOURS:
        most = MAX_HOURS - allocation.max_duration_hours
        raise _bad_hours(f"asked for {hours} h more; at most {most} h are left of a week", hours)
    allocation.max_duration_hours = total
    allocation.expires_at = allocation.allocated_at + timedelta(hours=total)
    allocation.conditions = marks.without(allocation.conditions, "Expiring")
    allocation.edition += 1
    journal.say(session, "allocation.extended", allocation, now=now)
    journal.audit(session, principal, "allocation.extend", allocation, now=now)
    return allocation


def _bad_hours(message: str, hours: int) -> AllocationInvalid:
    return AllocationInvalid(message, errors=[FieldError("hours", "range", message, hours)])
