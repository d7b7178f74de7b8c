"""The verbs of allocations: request, release, extend, and the queue."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations.errors import (
    AllocationContended,
    AllocationEnded,
    AllocationInvalid,
    AllocationNotFound,
    GpuNotAvailable,
    IdempotencyKeyReused,
)
from gpu_management.allocations.models import (
    Allocation,
    Hold,
    HoldKind,
    HoldSource,
    IdempotencyKey,
    Phase,
)
from gpu_management.allocations.placer import Part, Place, Placer, Refused
from gpu_management.allocations.queue import Waiting, outranks
from gpu_management.allocations.request import MAX_HOURS, Ask, check
from gpu_management.auth import service as auth
from gpu_management.auth.access import Permission, check_acts_for, may_see
from gpu_management.auth.access import check as check_access
from gpu_management.auth.principals import Principal
from gpu_management.core.clock import whole_second
from gpu_management.core.problems import FieldError
from gpu_management.devices import service as devices
from gpu_management.devices.errors import StaleDecision
from gpu_management.devices.models import Device, Node
from gpu_management.events import service as events
from gpu_management.mig import service as mig
from gpu_management.mig.errors import MigNotSupported
from gpu_management.mig.geometry import load_geometries

ATTEMPTS = 3
"""How often a decision is made again when a device changed under it."""
RETRY_AFTER_SECONDS = 30

AdmissionCheck = Callable[[Session, Ask, Decimal | None, datetime], None]
"""Asked before anything is held; raises a Problem to refuse."""


@dataclass(frozen=True, slots=True)
class Office:
    """What a process brings to every request: the placer and the rules of the house."""

    placer: Placer
    checks: Sequence[AdmissionCheck] = ()
    aging_seconds: int = 600


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
    check_acts_for(principal, team=ask.team_id, user=ask.user_id)
    check(ask)
    if idempotency_key is not None:
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


def request_all(
    session: Session,
    office: Office,
    asks: Sequence[Ask],
    *,
    principal: Principal,
    now: datetime,
) -> list[Allocation]:
    """Serve every request, or none: one refusal refuses them all.

    Raises:
        GpuNotAvailable: one of them does not fit beside the others; the facts say which.
    """
    made: list[Allocation] = []
    try:
        for number, ask in enumerate(asks):
            made.append(
                _one_of(session, office, ask, number, len(asks), principal=principal, now=now)
            )
    finally:
        office.placer.forget()  # its view saw holds that are not committed yet
    return made


def _one_of(
    session: Session,
    office: Office,
    ask: Ask,
    number: int,
    count: int,
    *,
    principal: Principal,
    now: datetime,
) -> Allocation:
    try:
        made = request(session, office, ask, principal=principal, now=now)
    except GpuNotAvailable as refusal:
        raise GpuNotAvailable(
            f"request {number + 1} of {count}: {refusal.detail}; nothing was held",
            headers=refusal.headers,
            **{**refusal.facts, "failedRequest": number},
        ) from refusal
    session.flush()
    return made


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
        revision = devices.lock(session, office.placer.cluster_name)
        outcome = _decide(session, office, ask, now=now)
        if outcome.place is None:
            return _refuse_or_queue(session, office, ask, outcome, principal=principal, now=now)
        for admit in office.checks:
            admit(session, ask, outcome.cost_per_hour, now)
        try:
            with session.begin_nested():
                allocation = _new(office, ask, principal=principal, now=now)
                session.add(allocation)
                _hold(session, allocation, outcome, revision=revision, now=now)
            _audit(session, principal, "allocation.create", allocation, now=now)
            return allocation
        except StaleDecision:
            office.placer.forget()
    raise AllocationContended(
        f"devices changed {ATTEMPTS} times while deciding; nothing was held, try again",
        headers={"Retry-After": "1"},
    )


def _decide(session: Session, office: Office, ask: Ask, *, now: datetime) -> Outcome:
    placer = office.placer
    placer.refresh(session)
    kept = _kept_nodes(session, office, ask, now=now)
    found = placer.place(ask, kept_nodes=kept)
    if isinstance(found, Refused):
        return Outcome(None, found, None)
    return Outcome(found, None, placer.cost_per_hour(found, now=now))


def _kept_nodes(session: Session, office: Office, ask: Ask, *, now: datetime) -> frozenset[str]:
    """Return the nodes kept for waiting requests that go before this one."""
    query = select(
        Allocation.allocation_id,
        Allocation.priority,
        Allocation.requested_at,
        Allocation.reserved_node,
    ).where(Allocation.phase == Phase.PENDING, Allocation.reserved_node.is_not(None))
    newcomer = Waiting("", ask.priority, now)
    return frozenset(
        node
        for name, priority, since, node in session.execute(query)
        if not outranks(
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
    check_acts_for(principal, team=ask.team_id, user=ask.user_id)
    check(ask)
    outcome = _decide(session, office, ask, now=now)
    if outcome.place is not None:
        for admit in office.checks:
            admit(session, ask, outcome.cost_per_hour, now)
    return outcome


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
    if refused.never:
        kind = MigNotSupported if refused.no_mig else AllocationInvalid
        fault = FieldError("requiredMemoryGb", "capacity", refused.detail, ask.required_memory_gb)
        raise kind(refused.detail, errors=[fault], **refused.facts)
    if ask.wait_seconds is None:
        raise refusal_problem(refused)
    allocation = _new(office, ask, principal=principal, now=now)
    allocation.message = f"waiting: {refused.detail}"
    allocation.decision = dict(refused.facts)
    allocation.wait_until = now + timedelta(seconds=ask.wait_seconds)
    session.add(allocation)
    session.flush()
    say(session, "allocation.queued", allocation, now=now)
    _audit(session, principal, "allocation.queue", allocation, now=now)
    return allocation


def refusal_problem(refused: Refused) -> GpuNotAvailable:
    """Return the problem that tells a caller what each class of candidates lacked."""
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
        user_id=ask.user_id or principal.user,
        team_id=ask.team_id or principal.team,
        model_preference=list(ask.model_preference),
        node_selector=dict(ask.node_selector),
        priority=ask.priority,
        max_duration_hours=ask.max_duration_hours,
        cost_limit=ask.cost_limit,
        resources=[],
        phase=Phase.PENDING,
        conditions=[],
        requested_at=now,
        requested_by=principal.name,
        edition=1,
    )


def _hold(
    session: Session, allocation: Allocation, outcome: Outcome, *, revision: int, now: datetime
) -> None:
    """Write the holds of a decision and what they take.

    Raises:
        StaleDecision: a device or an instance changed since the decision.
    """
    place = outcome.place
    assert place is not None  # noqa: S101 - only called for a placement
    rows = []
    names = []
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
                "started_at": whole_second(now),
            }
        )
    devices.hold_host(
        session,
        place.node_pk,
        cpu_milli=allocation.cpu_milli,
        memory_mib=allocation.memory_mib,
        revision=revision,
    )
    _mark_allocated(allocation, place, names, cost=outcome.cost_per_hour, now=now)
    session.flush()
    session.execute(insert(Hold), rows)
    say(session, "allocation.created", allocation, now=now)


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
) -> Allocation:
    """End an allocation; without a cluster the devices are free when this returns.

    An ended allocation is answered as it is: a repeated release changes nothing.

    Raises:
        AllocationNotFound: there is none, or it belongs to another team.
    """
    check_access(principal, Permission.ALLOCATIONS_WRITE)
    allocation = find(session, allocation_id, principal=principal)
    revision = devices.lock(session, allocation.cluster_name)
    session.refresh(allocation)
    if allocation.phase in {Phase.RELEASED, Phase.FAILED}:
        return allocation
    end_holds(session, allocation, revision=revision, now=now)
    allocation.phase = Phase.RELEASED
    allocation.released_at = now
    allocation.release_reason = reason
    allocation.reserved_node = None
    allocation.message = f"released: {reason}"
    allocation.conditions = marks.ended(allocation.conditions, reason=reason, now=now)
    allocation.edition += 1
    say(session, "allocation.released", allocation, now=now)
    _audit(session, principal, "allocation.release", allocation, now=now)
    return allocation


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
    say(session, "allocation.extended", allocation, now=now)
    _audit(session, principal, "allocation.extend", allocation, now=now)
    return allocation


def _bad_hours(message: str, hours: int) -> AllocationInvalid:
    return AllocationInvalid(message, errors=[FieldError("hours", "range", message, hours)])


def place_waiting(
    session: Session, office: Office, allocation: Allocation, place: Place, *, now: datetime
) -> None:
    """Give a queued allocation the place that was found for it.

    Raises:
        StaleDecision: a device changed; the queue tries again.
    """
    revision = devices.lock(session, allocation.cluster_name)
    cost = office.placer.cost_per_hour(place, now=now)
    allocation.edition += 1
    _hold(session, allocation, Outcome(place, None, cost), revision=revision, now=now)


def fail(
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
    say(session, "allocation.failed", allocation, now=now)


def say(session: Session, kind: str, allocation: Allocation, *, now: datetime) -> None:
    """Write an event about an allocation in the transaction of the deed."""
    events.record(
        session,
        kind,
        subject_kind="allocation",
        subject_id=allocation.allocation_id,
        data=_event_data(allocation),
        now=now,
        team=allocation.team_id,
        namespace=allocation.namespace,
    )


def _event_data(allocation: Allocation) -> dict[str, Any]:
    cost = allocation.cost_per_hour
    return {
        "allocationId": allocation.allocation_id,
        "phase": allocation.phase.value,
        "namespace": allocation.namespace,
        "podName": allocation.pod_name,
        "teamId": allocation.team_id,
        "nodeName": allocation.node_name,
        "allocatedResource": allocation.allocated_resource,
        "costPerHour": None if cost is None else float(cost),
        "message": allocation.message,
    }


def _audit(
    session: Session, principal: Principal, action: str, allocation: Allocation, *, now: datetime
) -> None:
    auth.record(
        session,
        principal,
        action=action,
        target_kind="allocation",
        target_id=allocation.allocation_id,
        after={"phase": allocation.phase.value, "resource": allocation.allocated_resource},
        now=now,
    )
