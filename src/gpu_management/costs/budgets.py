"""The verbs of budgets: set, change, read how they stand, and weigh requests against them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import delete, event, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gpu_management.auth import service as auth
from gpu_management.auth.access import Permission, check, visible_team
from gpu_management.auth.principals import Principal
from gpu_management.core.clock import wire_time
from gpu_management.core.database import AnySelect
from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.core.problems import FieldError, PreconditionFailed
from gpu_management.costs import budgeting
from gpu_management.costs.budgeting import Standing
from gpu_management.costs.counting import Known, Sums
from gpu_management.costs.errors import (
    BudgetExists,
    BudgetInvalid,
    BudgetNotFound,
)
from gpu_management.costs.models import (
    Budget,
    BudgetAction,
    BudgetNotice,
    BudgetPeriod,
    BudgetScope,
    BudgetUnit,
)
from gpu_management.costs.tally import Tally

SORTS = {"scopeName": Budget.scope_name, "createdAt": Budget.created_at, "period": Budget.period}
_TELLING = (BudgetPeriod.MONTH, BudgetPeriod.QUARTER, BudgetPeriod.WEEK, BudgetPeriod.DAY)
MOST_PCT = 1000
"""The highest threshold of a warning."""


@dataclass(frozen=True, slots=True)
class Purse:
    """What budgets need to know of the house: how they stand, where, and in which currency."""

    tally: Tally
    cluster_name: str
    currency: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What of a budget may be changed; `amount` in its unit."""

    amount: Decimal
    action: BudgetAction
    thresholds_pct: tuple[int, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Whose:
    """Whom a budget is for, in which unit and period: what it is known by."""

    scope: BudgetScope
    scope_name: str | None
    unit: BudgetUnit
    period: BudgetPeriod


@dataclass(frozen=True, slots=True)
class BudgetFilter:
    """Which budgets are asked for; None asks for any."""

    scope: BudgetScope | None = None
    scope_name: str | None = None


def create(
    session: Session,
    purse: Purse,
    *,
    whose: Whose,
    terms: Changes,
    principal: Principal,
    now: datetime,
) -> Budget:
    """Set a budget.

    Raises:
        BudgetInvalid: no name for the scope, a foreign cluster, or unfit thresholds.
        BudgetExists: that scope has one of this unit and period.
    """
    check(principal, Permission.BILLING_WRITE)
    row = Budget(
        scope=whose.scope,
        scope_name=_scope_name(purse, whose),
        unit=whose.unit,
        period=whose.period,
        amount=terms.amount,
        action=terms.action,
        thresholds_pct=_thresholds(terms),
        note=terms.note,
        created_at=now,
        created_by=principal.name[:120],
        edition=1,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as taken:
        raise BudgetExists(
            f"{row.scope.value} {row.scope_name} has a {row.period.value} budget in"
            f" {row.unit.value}; change that one"
        ) from taken
    _record(session, principal, "budget.create", row=row, before=None, now=now)
    _forget_after_commit(session, purse.tally)
    return row


def _scope_name(purse: Purse, whose: Whose) -> str:
    name = whose.scope_name
    if whose.scope is BudgetScope.CLUSTER:
        if name not in {None, purse.cluster_name}:
            message = f"this control plane manages {purse.cluster_name}, not {name}"
            raise BudgetInvalid(message, errors=[FieldError("scopeName", "known", message, name)])
        return purse.cluster_name
    if not name:
        message = f"say which {whose.scope.value}: scopeName is missing"
        raise BudgetInvalid(message, errors=[FieldError("scopeName", "required", message)])
    return name


def _thresholds(terms: Changes) -> list[int]:
    chosen = sorted(set(terms.thresholds_pct))
    if chosen and not 1 <= chosen[0] <= chosen[-1] <= MOST_PCT:
        message = f"thresholdsPct lie between 1 and {MOST_PCT}; got {chosen}"
        raise BudgetInvalid(message, errors=[FieldError("thresholdsPct", "range", message)])
    return chosen


def find(session: Session, budget_id: int, *, principal: Principal) -> Budget:
    """Return a budget that the caller may see.

    Raises:
        BudgetNotFound: there is none, or it is another team's.
    """
    query = _visible(select(Budget), principal).where(Budget.id == budget_id)
    found: Budget | None = session.scalars(query).one_or_none()
    if found is None:
        raise BudgetNotFound(f"no budget has the number {budget_id}")
    return found


def list_budgets(
    session: Session, asked: BudgetFilter, *, principal: Principal, page: Page
) -> Listing:
    """Return the budgets the caller may see."""
    query = _visible(select(Budget), principal)
    if asked.scope is not None:
        query = query.where(Budget.scope == asked.scope)
    if asked.scope_name is not None:
        query = query.where(Budget.scope_name == asked.scope_name)
    found = list_rows(session, query, sorts=SORTS, key=Budget.id, page=page)
    return replace(found, rows=[row[0] for row in found.rows])


def _visible(query: AnySelect, principal: Principal) -> AnySelect:
    """Limit a query to what the caller may read: every budget, or those of its team and user."""
    team = visible_team(principal, Permission.COST_READ)
    if team is None:
        return query
    own_team = (Budget.scope == BudgetScope.TEAM) & (Budget.scope_name == team)
    own_user = (Budget.scope == BudgetScope.USER) & (Budget.scope_name == (principal.user or ""))
    return query.where(or_(own_team, own_user))


def lock(session: Session, budget_id: int, *, principal: Principal, if_match: str | None) -> Budget:
    """Return a budget that nobody else changes before this transaction ends.

    Raises:
        BudgetNotFound: there is none.
        PreconditionFailed: `if_match` names another edition.
    """
    check(principal, Permission.BILLING_WRITE)
    row = session.get(Budget, budget_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise BudgetNotFound(f"no budget has the number {budget_id}")
    if if_match not in {None, "*", f'"{row.edition}"'}:
        raise PreconditionFailed(
            f"your copy is edition {if_match}, the present one is {row.edition}; read it again"
        )
    return row


def change(
    session: Session,
    row: Budget,
    *,
    purse: Purse,
    changes: Changes,
    principal: Principal,
    now: datetime,
) -> Budget:
    """Replace amount, action, thresholds and note; a new amount starts its warnings afresh.

    Raises:
        BudgetInvalid: unfit thresholds.
    """
    before = shown(row)
    if row.amount != changes.amount:
        session.execute(delete(BudgetNotice).where(BudgetNotice.budget_id == row.id))
    row.amount, row.action, row.note = changes.amount, changes.action, changes.note
    row.thresholds_pct = _thresholds(changes)
    row.edition += 1
    session.flush()
    _record(session, principal, "budget.update", row=row, before=before, now=now)
    _forget_after_commit(session, purse.tally)
    return row


def remove(
    session: Session, row: Budget, *, purse: Purse, principal: Principal, now: datetime
) -> None:
    """Remove a budget with its warnings."""
    before = shown(row)
    session.execute(delete(BudgetNotice).where(BudgetNotice.budget_id == row.id))
    session.delete(row)
    session.flush()
    _record(session, principal, "budget.delete", row=row, before=before, now=now)
    _forget_after_commit(session, purse.tally)


def notices(session: Session, budget_id: int, *, principal: Principal) -> Sequence[BudgetNotice]:
    """Return the warnings that were given about a budget, newest first."""
    find(session, budget_id, principal=principal)
    query = select(BudgetNotice).where(BudgetNotice.budget_id == budget_id)
    return session.scalars(query.order_by(BudgetNotice.id.desc())).all()


def standing_of(budget: Known, sums: Sums, now: datetime) -> Standing:
    """Return how a budget stands."""
    return Standing(budget.amount, sums.spent, sums.span, now)


def describe(
    session: Session, purse: Purse, rows: Sequence[Budget], *, now: datetime
) -> list[dict[str, Any]]:
    """Return budgets as the wire shows them, with how they stand now."""
    known = [Known.of(row) for row in rows]
    sums = purse.tally.count(session, known, now=now).sums
    return [
        shown(row) | {"currency": purse.currency, "status": _status(one, sums[one.id], now)}
        for row, one in zip(rows, known, strict=True)
    ]


def bounding(
    session: Session, purse: Purse, *, team: str | None, now: datetime
) -> dict[str, Any] | None:
    """Return the money budget of a team, or of the cluster where `team` is None.

    That of the month, else of the next longer or shorter period; None where none is set.
    """
    scope = BudgetScope.CLUSTER if team is None else BudgetScope.TEAM
    name = purse.cluster_name if team is None else team
    query = select(Budget).where(
        Budget.scope == scope, Budget.scope_name == name, Budget.unit == BudgetUnit.MONEY
    )
    found = sorted(session.scalars(query), key=lambda row: _TELLING.index(row.period))
    return describe(session, purse, found[:1], now=now)[0] if found else None


def shown(row: Budget) -> dict[str, Any]:
    """Return the fields of a budget that the wire and the audit log show, as JSON has them."""
    return {
        "id": row.id,
        "scope": row.scope.value,
        "scope_name": row.scope_name,
        "unit": row.unit.value,
        "period": row.period.value,
        "amount": float(row.amount),
        "action": row.action.value,
        "thresholds_pct": list(row.thresholds_pct),
        "note": row.note,
        "created_at": wire_time(row.created_at),
        "created_by": row.created_by,
    }


def _status(budget: Known, sums: Sums, now: datetime) -> dict[str, Any]:
    standing = standing_of(budget, sums, now)
    projected = standing.projected
    return {
        "period_start": sums.span.since,
        "period_end": sums.span.until,
        "spent": budgeting.amount_of(sums.spent, budget.unit),
        "promised": budgeting.amount_of(sums.promised, budget.unit),
        "remaining": budgeting.amount_of(standing.remaining, budget.unit),
        "pct": standing.pct,
        "projected": None if projected is None else budgeting.amount_of(projected, budget.unit),
        "state": _state(budget, standing),
    }


def _state(budget: Known, standing: Standing) -> str:
    if standing.spent >= budget.amount:
        return "exceeded"
    return "warning" if standing.marks(budget.thresholds_pct) else "ok"


def _record(
    session: Session,
    principal: Principal,
    action: str,
    *,
    row: Budget,
    before: dict[str, Any] | None,
    now: datetime,
) -> None:
    auth.record(
        session,
        principal,
        action=action,
        target_kind="budget",
        target_id=str(row.id),
        before=before,
        after=None if action == "budget.delete" else shown(row),
        now=now,
    )


def _forget_after_commit(session: Session, tally: Tally) -> None:
    event.listen(session, "after_commit", lambda _session: tally.forget(), once=True)
