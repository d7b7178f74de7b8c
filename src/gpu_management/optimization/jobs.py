"""What the controller calls on a timer: look for idle allocations and do what the policy says.

Everything of one look is one transaction; killed in between, nothing happened, and the next look
finds the same. What is done is decided again under the cluster's turn.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations import enforcement
from gpu_management.allocations.models import Allocation, Hold, Phase
from gpu_management.allocations.observing import OBSERVER
from gpu_management.allocations.queries import effective
from gpu_management.auth.principals import SYSTEM
from gpu_management.core.clock import wire_time
from gpu_management.core.database import in_parts
from gpu_management.devices import service as devices
from gpu_management.events import service as events
from gpu_management.metrics.fleet import Only
from gpu_management.metrics.store import Store
from gpu_management.optimization import service
from gpu_management.optimization.exemptions import Exempt, now_exempt
from gpu_management.optimization.lookout import idle_now
from gpu_management.optimization.manners import Policies, Policy, Stand, Step, step
from gpu_management.optimization.models import Status, Suggestion, SuggestionType

AT_ONCE = 200
"""Allocations one look changes at most; the next goes on."""
_OPEN = (Status.OPEN, Status.NOTICED)

Evidence = Mapping[str, Sequence[dict[str, Any]]]
"""What was measured of each idle allocation, GPU by GPU."""


def look(session: Session, store: Store, *, interval_seconds: int, now: datetime) -> Evidence:
    """Return the allocations of which everything they hold lies idle, with the evidence.

    Raises:
        MetricsUnavailable: the backend did not answer.
    """
    idle: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in idle_now(session, store, only=Only(), interval_seconds=interval_seconds, now=now):
        idle[row["allocation_id"]].append(_kept(row))
    held = _held(session, sorted(idle))
    return {name: rows for name, rows in idle.items() if len(rows) == held.get(name)}


def is_due(session: Session, idle: Evidence, policies: Policies, *, now: datetime) -> bool:
    """Say whether `act` has something to do: asked without taking the writer's turn."""
    return bool(_due(session, idle, policies, now))


def act(session: Session, idle: Evidence, policies: Policies, *, now: datetime) -> int:
    """Suggest, give notice, withdraw it, release; return how many allocations that changed."""
    changed = 0
    for allocation_id, (planned, _, _) in sorted(_due(session, idle, policies, now).items()):
        if changed >= AT_ONCE:
            break
        allocation = session.get_one(Allocation, allocation_id)
        devices.lock(session, allocation.cluster_name)
        fresh = _due(session, idle, policies, now, only=allocation_id).get(allocation_id)
        if fresh is not None and fresh[0] is planned:
            _do(session, fresh, idle.get(allocation_id, ()), policies, now=now)
            changed += 1
    return changed


_Due = tuple[Step, Allocation, Suggestion | None]


def _due(
    session: Session,
    idle: Evidence,
    policies: Policies,
    now: datetime,
    *,
    only: str | None = None,
) -> dict[str, _Due]:
    """Return what is to be done about whom."""
    open_ones = _open_ones(session, only)
    wanted = {*idle, *open_ones} if only is None else {only}
    refused = _dismissed(session, sorted(wanted - set(open_ones)))
    exempt = now_exempt(session, now=now)
    found: dict[str, _Due] = {}
    for allocation in _allocations(session, sorted(wanted - refused)):
        name = allocation.allocation_id
        row = open_ones.get(name)
        what = _step(allocation, row, policies, is_idle=name in idle, exempt=exempt, now=now)
        if what is not Step.NOTHING:
            found[name] = (what, allocation, row)
    return found


def _step(
    allocation: Allocation,
    row: Suggestion | None,
    policies: Policies,
    *,
    is_idle: bool,
    exempt: Exempt,
    now: datetime,
) -> Step:
    policy = _policy(allocation, policies)
    stand = (
        Stand()
        if row is None
        else Stand(is_open=True, noticed_at=row.noticed_at, release_at=row.release_at)
    )
    is_held = allocation.phase is Phase.ALLOCATED and not enforcement.is_releasing(allocation)
    is_exempt = exempt.covers(allocation)
    return step(stand, policy, is_idle=is_idle and is_held, is_exempt=is_exempt, now=now)


def _policy(allocation: Allocation, policies: Policies) -> Policy:
    return policies.of(
        team=allocation.team_id,
        namespace=allocation.namespace,
        is_ours=allocation.requested_by != OBSERVER,
    )


def _do(
    session: Session,
    due: _Due,
    evidence: Sequence[dict[str, Any]],
    policies: Policies,
    *,
    now: datetime,
) -> None:
    what, allocation, row = due
    if row is None:
        _suggest(session, allocation, evidence, now=now)
        return
    if what is Step.WITHDRAW:
        _withdraw(session, row, allocation, policies, now=now)
        return
    row.evidence, row.judged_at = list(evidence), now
    if what is Step.NOTICE:
        ends = _policy(allocation, policies) is Policy.RELEASE
        row.release_at = now + policies.grace if ends else None
        _notice(session, row, allocation, now=now)
    elif what is Step.CALM:
        row.status, row.noticed_at, row.release_at = Status.OPEN, None, None
        service.spare(session, allocation, now=now)
    elif what is Step.RELEASE:
        service.release(session, row, allocation, by=SYSTEM, now=now)


def _suggest(
    session: Session, allocation: Allocation, evidence: Sequence[dict[str, Any]], *, now: datetime
) -> None:
    kind = SuggestionType.IDLE_RELEASE
    row = Suggestion(
        type=kind,
        status=Status.OPEN,
        open_key=f"{kind.value}:{allocation.allocation_id}",
        allocation_id=allocation.allocation_id,
        team_id=allocation.team_id,
        namespace=allocation.namespace,
        description=_sentence(allocation, evidence),
        evidence=list(evidence),
        current_cost=allocation.cost_per_hour,
        created_at=now,
        judged_at=now,
    )
    session.add(row)
    session.flush()


def _sentence(allocation: Allocation, evidence: Sequence[dict[str, Any]]) -> str:
    busiest = max(one["last_hour_pct"] for one in evidence)
    what = "its GPU" if len(evidence) == 1 else f"its {len(evidence)} GPUs"
    whose = f"{allocation.namespace}/{allocation.pod_name}"
    return f"Release {whose[:240]}: {what} did {busiest:.2g} % in the last hour."


def _notice(session: Session, row: Suggestion, allocation: Allocation, *, now: datetime) -> None:
    row.status, row.noticed_at = Status.NOTICED, now
    busiest = max(one["last_hour_pct"] for one in row.evidence)
    then = "nothing happens by itself"
    if row.release_at is not None:
        then = f"it is released at {row.release_at:%Y-%m-%dT%H:%M:%SZ} unless it is used"
    message = f"its GPUs did {busiest:.2g} % in the last hour; {then}"
    release_at = None if row.release_at is None else wire_time(row.release_at)
    facts = {"busiestPct": busiest, "releaseAt": release_at}
    mark = marks.entry(
        service.CONDITION, "True", reason="NotUsed", message=message, now=now, facts=facts
    )
    allocation.conditions = marks.with_one(allocation.conditions, mark)
    allocation.edition += 1
    session.flush()
    told = {"message": message, "suggestionId": row.id, "releaseAt": release_at}
    events.record(
        session,
        "allocation.idle",
        subject_kind="allocation",
        subject_id=allocation.allocation_id,
        data=service.facts_of(allocation) | told,
        now=now,
        team=allocation.team_id,
        namespace=allocation.namespace,
    )


def _withdraw(
    session: Session,
    row: Suggestion,
    allocation: Allocation,
    policies: Policies,
    *,
    now: datetime,
) -> None:
    status, reason = Status.WITHDRAWN, "it is used, or no longer measured"
    if allocation.phase is not Phase.ALLOCATED or enforcement.is_releasing(allocation):
        reason = "it has ended"
    elif now_exempt(session, now=now).covers(allocation):
        status, reason = Status.EXEMPT, "it is exempt"
    elif _policy(allocation, policies) is Policy.OFF:
        reason = "the policy is off"
    service.end(session, row, allocation, status=status, by=SYSTEM, reason=reason, now=now)


def _kept(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a finding is kept as evidence."""
    names = ("device_id", "gpu_instance_id", "recent_mean_pct", "last_hour_pct", "samples")
    return {name: row[name] for name in names} | {"judged_at": wire_time(row["judged_at"])}


def _held(session: Session, names: Sequence[str]) -> dict[str, int]:
    """Return how many GPUs and slices each allocation holds."""
    found: dict[str, int] = {}
    for some in in_parts(names):
        query = (
            select(Hold.allocation_id, func.count())
            .where(Hold.allocation_id.in_(some), Hold.ended_at.is_(None), effective())
            .group_by(Hold.allocation_id)
        )
        found |= {str(name): int(count) for name, count in session.execute(query)}
    return found


def _open_ones(session: Session, only: str | None) -> dict[str, Suggestion]:
    query = select(Suggestion).where(Suggestion.status.in_(_OPEN))
    if only is not None:
        query = query.where(Suggestion.allocation_id == only)
    rows = session.scalars(query, execution_options={"populate_existing": True})
    return {row.allocation_id: row for row in rows}


def _dismissed(session: Session, names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for some in in_parts(names):
        query = select(Suggestion.allocation_id).where(
            Suggestion.allocation_id.in_(some), Suggestion.status == Status.DISMISSED
        )
        found.update(session.scalars(query))
    return found


def _allocations(session: Session, names: Sequence[str]) -> list[Allocation]:
    found: list[Allocation] = []
    for some in in_parts(names):
        query = select(Allocation).where(Allocation.allocation_id.in_(some))
        found += session.scalars(query, execution_options={"populate_existing": True})
    return found
