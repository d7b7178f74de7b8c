"""The verbs of suggestions: list, dismiss, apply; and how one ends."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations import service as allocations
from gpu_management.allocations.models import Allocation
from gpu_management.auth import service as auth
from gpu_management.auth.access import Permission, check, may_see, visible_team
from gpu_management.auth.principals import Principal
from gpu_management.core.database import MICROS
from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.devices import service as devices
from gpu_management.events import service as events
from gpu_management.optimization.errors import SuggestionEnded, SuggestionNotFound
from gpu_management.optimization.models import Status, Suggestion, SuggestionType

REASON = "idle"
"""Why an allocation was released that lay idle."""
CONDITION = "Idle"
SAVED_FOR = timedelta(days=1)
"""A release is said to save at most so much: nobody knows what would have been later."""
CONFIDENCE = 0.94
"""Precision of the idle rule on a day of production pods; see `idle`."""
_SORTS = {"createdAt": Suggestion.created_at, "status": Suggestion.status, "id": Suggestion.id}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which suggestions are asked for; None asks for all."""

    status: Status | None = None
    type: SuggestionType | None = None
    team_id: str | None = None
    namespace: str | None = None
    allocation_id: str | None = None


def list_suggestions(
    session: Session, asked: Filter, *, principal: Principal, page: Page
) -> Listing:
    """Return the suggestions the caller may see, newest first unless asked otherwise."""
    query = select(Suggestion, Allocation).join(
        Allocation, Allocation.allocation_id == Suggestion.allocation_id
    )
    for name in ("status", "type", "team_id", "namespace", "allocation_id"):
        value = getattr(asked, name)
        if value is not None:
            query = query.where(getattr(Suggestion, name) == value)
    team = visible_team(principal)
    if team is not None:
        mine = or_(Suggestion.team_id == team, Allocation.user_id == (principal.user or ""))
        query = query.where(mine)
    wanted = Page(page.limit, page.cursor, page.sort or "-createdAt")
    found = list_rows(session, query, sorts=_SORTS, key=Suggestion.id, page=wanted)
    rows = [shown(row[0], row[1]) for row in found.rows]
    return Listing(rows, found.total, found.next_cursor)


def describe(session: Session, suggestion_id: int, *, principal: Principal) -> dict[str, Any]:
    """Return one suggestion as the wire shows it.

    Raises:
        SuggestionNotFound: there is none, or it is another team's.
    """
    return shown(*_find(session, suggestion_id, principal))


def dismiss(
    session: Session, suggestion_id: int, note: str | None, *, principal: Principal, now: datetime
) -> dict[str, Any]:
    """Say no: the allocation is left alone from now on, and a notice withdrawn.

    Raises:
        SuggestionNotFound: there is none, or it is another team's.
        SuggestionEnded: something became of it already.
    """
    row, allocation = _turn(session, suggestion_id, principal)
    end(session, row, allocation, status=Status.DISMISSED, by=principal, reason=note, now=now)
    return shown(row, allocation)


def apply(
    session: Session, suggestion_id: int, *, principal: Principal, now: datetime
) -> dict[str, Any]:
    """Do what is suggested: release the allocation, and its pods.

    Raises:
        SuggestionNotFound: there is none, or it is another team's.
        SuggestionEnded: something became of it already.
    """
    row, allocation = _turn(session, suggestion_id, principal)
    release(session, row, allocation, by=principal, now=now)
    return shown(row, allocation)


def release(
    session: Session,
    row: Suggestion,
    allocation: Allocation,
    *,
    by: Principal,
    now: datetime,
) -> None:
    """Release an idle allocation and write down what that saves; the caller has the turn."""
    row.saved, row.saved_until = _saved(allocation, now)
    end(session, row, allocation, status=Status.APPLIED, by=by, reason=None, now=now)
    allocations.release(
        session, allocation.allocation_id, principal=by, reason=REASON, now=now, ends_pods=True
    )


def end(  # noqa: PLR0913 - one flat line at every call site says what became of what
    session: Session,
    row: Suggestion,
    allocation: Allocation,
    *,
    status: Status,
    by: Principal,
    reason: str | None,
    now: datetime,
) -> None:
    """End a suggestion for good; where its owner had been told, tell that it goes on."""
    was_told = row.noticed_at is not None
    row.status, row.open_key = status, None
    row.ended_at, row.ended_by, row.ended_reason = now, by.name[:120], reason
    row.release_at = None if status is not Status.APPLIED else row.release_at
    session.flush()
    if was_told and status is not Status.APPLIED:
        spare(session, allocation, now=now)
    if status in {Status.APPLIED, Status.DISMISSED}:
        _audit(session, row, by, now)


def spare(session: Session, allocation: Allocation, *, now: datetime) -> None:
    """Tell the owner that an allocation goes on after all."""
    if not marks.has(allocation.conditions, CONDITION):
        return
    allocation.conditions = marks.without(allocation.conditions, CONDITION)
    allocation.edition += 1
    data = {"message": "the notice is withdrawn; it goes on"}
    events.record(
        session,
        "allocation.spared",
        subject_kind="allocation",
        subject_id=allocation.allocation_id,
        data=facts_of(allocation) | data,
        now=now,
        team=allocation.team_id,
        namespace=allocation.namespace,
    )


def facts_of(allocation: Allocation) -> dict[str, Any]:
    """Return what events tell of an allocation."""
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
    }


def _saved(allocation: Allocation, now: datetime) -> tuple[Decimal | None, datetime]:
    """What the allocation would have cost until its end, a day at most."""
    until = min(allocation.expires_at or now + SAVED_FOR, now + SAVED_FOR)
    if allocation.cost_per_hour is None:
        return None, until
    seconds = max(0, int((until - now).total_seconds()))
    micros = int(allocation.cost_per_hour * MICROS) * seconds // 3600
    return Decimal(micros) / MICROS, until


def _find(
    session: Session, suggestion_id: int, principal: Principal
) -> tuple[Suggestion, Allocation]:
    row = session.get(Suggestion, suggestion_id)
    if row is not None:
        allocation = session.get_one(Allocation, row.allocation_id)
        if may_see(principal, team=row.team_id, user=allocation.user_id):
            return row, allocation
    raise SuggestionNotFound(f"there is no suggestion {suggestion_id}")


def _turn(
    session: Session, suggestion_id: int, principal: Principal
) -> tuple[Suggestion, Allocation]:
    """Return an open suggestion that nobody else changes before this transaction ends."""
    check(principal, Permission.ALLOCATIONS_WRITE)
    row, allocation = _find(session, suggestion_id, principal)
    devices.lock(session, allocation.cluster_name)
    session.refresh(row)
    session.refresh(allocation)
    if not row.status.is_open:
        raise SuggestionEnded(f"suggestion {suggestion_id} is {row.status.value} already")
    return row, allocation


def _audit(session: Session, row: Suggestion, by: Principal, now: datetime) -> None:
    auth.record(
        session,
        by,
        action=f"suggestion.{row.status.value}",
        target_kind="allocation",
        target_id=row.allocation_id,
        after={"suggestionId": row.id, "reason": row.ended_reason},
        now=now,
    )


_SAME = tuple(column.key for column in Suggestion.__table__.columns if column.key != "open_key")


def shown(row: Suggestion, allocation: Allocation) -> dict[str, Any]:
    """Return the fields of the wire shape (DTO-14)."""
    cost = row.current_cost
    return {
        **{name: getattr(row, name) for name in _SAME},
        "pod_name": allocation.pod_name,
        "projected_cost": None if cost is None else Decimal(0),
        "saving": cost,
        "confidence": CONFIDENCE,
        "effort": "low",
        "risk": "low" if allocation.pod_uid is None else "medium",
        "target": f"{row.namespace}/{allocation.pod_name}",
    }
