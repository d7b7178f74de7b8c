"""What is left alone although it lies idle: an allocation, namespace or team, until a moment."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations import service as allocations
from gpu_management.allocations.models import Allocation
from gpu_management.auth import service as auth
from gpu_management.auth.access import Permission, check, check_acts_for, may_see, visible_team
from gpu_management.auth.principals import Principal
from gpu_management.core.clock import wire_time
from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.core.problems import FieldError, Forbidden
from gpu_management.optimization.errors import ExemptionInvalid, ExemptionNotFound
from gpu_management.optimization.models import Exemption, ExemptScope

LONGEST = timedelta(days=90)
"""How long an exemption may last; it can be set again."""
POD = "pod"
"""Who exempted what a label or annotation of a pod exempts."""
_SORTS = {"until": Exemption.until, "createdAt": Exemption.created_at}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be left alone, until when, and why."""

    scope: ExemptScope
    name: str
    until: datetime
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Exempt:
    """Everything that is exempt at a moment."""

    names: Container[tuple[ExemptScope, str]]

    def covers(self, allocation: Allocation) -> bool:
        """Return whether an allocation is left alone."""
        wanted = (
            (ExemptScope.ALLOCATION, allocation.allocation_id),
            (ExemptScope.NAMESPACE, allocation.namespace),
            (ExemptScope.TEAM, allocation.team_id or ""),
        )
        return any(one in self.names for one in wanted)


def now_exempt(session: Session, *, now: datetime) -> Exempt:
    """Return what is exempt now."""
    query = select(Exemption.scope, Exemption.scope_name).where(Exemption.until > now)
    return Exempt({(scope, name) for scope, name in session.execute(query)})


def list_exemptions(session: Session, *, principal: Principal, page: Page) -> Listing:
    """Return the exemptions the caller may see, also those that are over."""
    query = select(Exemption)
    team = visible_team(principal)
    if team is not None:
        own = select(Allocation.allocation_id).where(Allocation.team_id == team)
        query = query.where(
            or_(
                (Exemption.scope == ExemptScope.TEAM) & (Exemption.scope_name == team),
                (Exemption.scope == ExemptScope.ALLOCATION) & Exemption.scope_name.in_(own),
            )
        )
    found = list_rows(session, query, sorts=_SORTS, key=Exemption.id, page=page)
    return Listing([row[0] for row in found.rows], found.total, found.next_cursor)


def exempt(session: Session, wish: Wish, *, principal: Principal, now: datetime) -> Exemption:
    """Leave something alone until a moment; what was said of it before is replaced.

    Raises:
        ExemptionInvalid: the moment is past, or more than 90 days away.
        AllocationNotFound: there is no such allocation, or it is another team's.
        Forbidden: a USER exempts its own team and allocations only.
    """
    _check(session, wish, principal)
    if not now < wish.until <= now + LONGEST:
        message = f"an exemption ends within {LONGEST.days} days, in the future"
        fault = FieldError("until", "range", message, wire_time(wish.until))
        raise ExemptionInvalid(message, errors=[fault])
    before = select(Exemption).where(
        Exemption.scope == wish.scope, Exemption.scope_name == wish.name
    )
    row = session.scalars(before.with_for_update()).one_or_none()
    if row is None:
        row = Exemption(scope=wish.scope, scope_name=wish.name)
        session.add(row)
    row.until, row.note = wish.until, wish.note
    row.created_at, row.created_by = now, principal.name[:120]
    session.flush()
    _audit(session, principal, "idle.exempt", row, now)
    return row


def follow_pods(session: Session, told: Mapping[str, datetime], *, now: datetime) -> int:
    """Exempt the allocations whose pods say so, until the moment; return how many that changed.

    What pods said before and no longer say ends. What people said is left as it is.
    """
    query = select(Exemption).where(Exemption.scope == ExemptScope.ALLOCATION)
    known = {row.scope_name: row for row in session.scalars(query)}
    changed = 0
    for name, until in told.items():
        row = known.get(name)
        if row is None:
            row = Exemption(scope=ExemptScope.ALLOCATION, scope_name=name, created_by=POD)
            row.note, row.created_at, row.until = "its pod says so", now, until
            session.add(row)
            changed += 1
        elif row.created_by == POD and row.until != until:
            row.until = until
            changed += 1
    for name, row in known.items():
        if row.created_by == POD and name not in told:
            session.delete(row)
            changed += 1
    session.flush()
    return changed


def end(session: Session, exemption_id: int, *, principal: Principal, now: datetime) -> Exemption:
    """Remove an exemption; return what it was.

    Raises:
        ExemptionNotFound: there is none, or it is another team's.
    """
    row = session.get(Exemption, exemption_id)
    if row is None or not _is_own(session, row, principal):
        raise ExemptionNotFound(f"there is no exemption {exemption_id}")
    check(principal, Permission.ALLOCATIONS_WRITE)
    _audit(session, principal, "idle.unexempt", row, now)
    session.delete(row)
    session.flush()
    return row


def _check(session: Session, wish: Wish, principal: Principal) -> None:
    check(principal, Permission.ALLOCATIONS_WRITE)
    if wish.scope is ExemptScope.ALLOCATION:
        allocations.find(session, wish.name, principal=principal)
    elif wish.scope is ExemptScope.TEAM:
        check_acts_for(principal, team=wish.name)
    elif not principal.sees_all:
        raise Forbidden("a namespace is exempted by ADMIN or OPERATOR; exempt your team instead")


def _is_own(session: Session, row: Exemption, principal: Principal) -> bool:
    if row.scope is ExemptScope.TEAM:
        return may_see(principal, team=row.scope_name)
    if row.scope is ExemptScope.NAMESPACE:
        return principal.sees_all
    held = session.get(Allocation, row.scope_name)
    return held is not None and may_see(principal, team=held.team_id, user=held.user_id)


def _audit(
    session: Session, principal: Principal, action: str, row: Exemption, now: datetime
) -> None:
    auth.record(
        session,
        principal,
        action=action,
        target_kind=row.scope.value,
        target_id=row.scope_name,
        after={"until": wire_time(row.until), "note": row.note},
        now=now,
    )
