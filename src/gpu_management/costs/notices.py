"""Warnings about budgets: each threshold, and the run rate, once a period."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gpu_management.core.clock import wire_time
from gpu_management.costs import budgeting
from gpu_management.costs.budgeting import RUN_RATE, Standing
from gpu_management.costs.budgets import Purse
from gpu_management.costs.counting import Known
from gpu_management.costs.models import Budget, BudgetNotice, BudgetScope
from gpu_management.costs.tally import Snapshot
from gpu_management.events import service as events

_NOT_FOR_ALL = "*"
"""A namespace that nobody has: what belongs to no team and no namespace is shown to everybody."""


@dataclass(frozen=True, slots=True)
class Due:
    """Warnings that hold now and were not given yet; the last mark is the weightiest."""

    budget: Known
    standing: Standing
    marks: tuple[str, ...]


def due(session: Session, snapshot: Snapshot, *, now: datetime) -> list[Due]:
    """Return the warnings to give, by budget."""
    known = [Known.of(row) for row in session.scalars(select(Budget).order_by(Budget.id))]
    given = {
        (budget_id, period_start, mark)
        for budget_id, period_start, mark in session.execute(
            select(BudgetNotice.budget_id, BudgetNotice.period_start, BudgetNotice.mark)
        )
    }
    found = []
    for budget in known:
        sums = snapshot.sums.get(budget.id)
        if sums is None:
            continue
        standing = Standing(budget.amount, sums.spent, sums.span, now)
        marks = tuple(
            mark
            for mark in standing.marks(budget.thresholds_pct)
            if (budget.id, sums.span.first, mark) not in given
        )
        if marks:
            found.append(Due(budget, standing, marks))
    return found


def give(session: Session, purse: Purse, warnings: Sequence[Due], *, now: datetime) -> int:
    """Write down warnings and tell of the weightiest of each budget; return how many were told.

    Whoever writes a mark first tells of it: two replicas never warn twice.
    """
    told = 0
    for warning in warnings:
        written = [mark for mark in warning.marks if _write(session, purse, warning, mark, now)]
        if written:
            _tell(session, purse, warning, written[-1], now)
            told += 1
    return told


def _write(session: Session, purse: Purse, warning: Due, mark: str, now: datetime) -> bool:
    budget, standing = warning.budget, warning.standing
    row = BudgetNotice(
        budget_id=budget.id,
        period_start=standing.span.first,
        mark=mark,
        spent=budgeting.amount_of(standing.spent, budget.unit),
        details=_details(purse, warning, mark),
        noticed_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:  # another replica was faster, or the budget is gone
        return False
    return True


def _tell(session: Session, purse: Purse, warning: Due, mark: str, now: datetime) -> None:
    scope, name = warning.budget.scope
    is_team, is_namespace = scope is BudgetScope.TEAM, scope is BudgetScope.NAMESPACE
    kind = "budget.run-rate" if mark == RUN_RATE else "budget.threshold"
    events.record(
        session,
        kind,
        subject_kind="budget",
        subject_id=str(warning.budget.id),
        data=_details(purse, warning, mark),
        now=now,
        team=name if is_team else None,
        namespace=None if is_team else (name if is_namespace else _NOT_FOR_ALL),
    )


def _details(purse: Purse, warning: Due, mark: str) -> dict[str, Any]:
    budget, standing = warning.budget, warning.standing
    scope, name = budget.scope
    projected = standing.projected
    return {
        "budgetId": budget.id,
        "scope": scope.value,
        "scopeName": name,
        "unit": budget.unit.value,
        "currency": purse.currency,
        "period": budget.period.value,
        "mark": mark,
        "amount": float(budgeting.amount_of(budget.amount, budget.unit)),
        "spent": float(budgeting.amount_of(standing.spent, budget.unit)),
        "projected": None
        if projected is None
        else float(budgeting.amount_of(projected, budget.unit)),
        "periodEnd": wire_time(standing.span.until),
    }
