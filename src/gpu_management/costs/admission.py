"""What a budget says to a request for GPUs: nothing, a warning, or a refusal with the numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from gpu_management.allocations.office import Admission, AdmissionCheck
from gpu_management.core.clock import wire_time
from gpu_management.core.database import MICROS
from gpu_management.costs import budgeting
from gpu_management.costs.budgeting import OPEN_ENDED, Weighing
from gpu_management.costs.budgets import Purse
from gpu_management.costs.counting import Known, Sums, scopes_of
from gpu_management.costs.errors import BudgetExceeded
from gpu_management.costs.models import BudgetAction, BudgetUnit
from gpu_management.costs.tally import Snapshot

_SECONDS_PER_HOUR = 3600


def admission(purse: Purse) -> AdmissionCheck:
    """Return the rule of the house that weighs every request against the budgets it falls under."""

    def admit(session: Session, request: Admission) -> str | None:
        ask = request.ask
        known = purse.tally.budgets(session, now=request.now)
        if not known:
            return None
        scopes = scopes_of(purse.cluster_name, ask.team_id, ask.namespace, ask.user_id)
        mine = [budget for scope in scopes for budget in known.get(scope, ())]
        return _weigh(session, purse, mine, request) if mine else None

    return admit


def _weigh(
    session: Session, purse: Purse, budgets: Sequence[Known], request: Admission
) -> str | None:
    """Let a request pass that stays within `budgets`; return a warning about one it may pass.

    Raises:
        BudgetExceeded: a budget that refuses would be passed.
    """
    tally, now = purse.tally, request.now
    snapshot = tally.snapshot(session, budgets, now=now)
    own = tally.newer(session, snapshot, budgets, now=now)
    doubtful = [one for one in budgets if _most(one, snapshot, own, request).passes_it]
    if not doubtful:
        return None
    present = tally.present(session, snapshot, doubtful, now=now)
    passed = [
        _Verdict(budget, present[budget.id], weighing)
        for budget in doubtful
        if (weighing := _exactly(budget, present[budget.id], request)).passes_it
    ]
    for verdict in sorted(passed, key=lambda one: one.weighing.left):
        if verdict.budget.action is BudgetAction.REFUSE:
            raise verdict.problem(purse.currency, request)
    return (
        "; ".join(f"warning: {verdict.sentence(purse.currency, request)}" for verdict in passed)
        or None
    )


def _most(
    budget: Known, snapshot: Snapshot, own: Mapping[int, Sums], request: Admission
) -> Weighing:
    """Weigh a request against the most that can have been spent and promised by now."""
    then, mine = snapshot.sums[budget.id], own[budget.id]
    seconds = int((request.now - snapshot.at).total_seconds()) + 1
    grown = -(-then.growing * seconds // _SECONDS_PER_HOUR)
    return Weighing(
        amount=budget.amount,
        spent=then.spent,
        promised=then.promised + mine.promised + grown,
        asked=_asked(budget, then, request),
    )


def _exactly(budget: Known, sums: Sums, request: Admission) -> Weighing:
    return Weighing(budget.amount, sums.spent, sums.promised, _asked(budget, sums, request))


def _asked(budget: Known, sums: Sums, request: Admission) -> int:
    """Return what a request would use within the period, at the present price.

    A cost limit ends it earlier. Without a price nobody knows: it uses no money.
    """
    until = budgeting.end_of_use(request.now, _expiry(request), sums.span)
    seconds = int((until - request.now).total_seconds())
    if budget.unit is BudgetUnit.GPU_HOURS:
        return seconds * request.milli
    if request.cost_per_hour is None:
        return 0
    asked = int(request.cost_per_hour * MICROS * seconds / _SECONDS_PER_HOUR)
    limit = request.ask.cost_limit
    return asked if limit is None else min(asked, int(limit * MICROS))


def _expiry(request: Admission) -> datetime | None:
    hours = request.ask.max_duration_hours
    return None if hours is None else request.now + timedelta(hours=hours)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """A budget that a request would pass, with the numbers."""

    budget: Known
    sums: Sums
    weighing: Weighing

    def sentence(self, currency: str, request: Admission) -> str:
        scope, name = self.budget.scope
        unit = currency if self.budget.unit is BudgetUnit.MONEY else "GPU-hours"
        weighing = self.weighing
        hours = request.ask.max_duration_hours
        taken = (
            f"{hours} h, its maxDurationHours"
            if hours is not None
            else f"{OPEN_ENDED // timedelta(hours=1)} h, as it has no maxDurationHours"
        )
        return (
            f"{scope.value} {name} has {self._told(weighing.amount)} {unit}"
            f" a {self.budget.period.value}: {self._told(weighing.spent)} spent,"
            f" {self._told(weighing.promised)} promised to what runs,"
            f" this asks {self._told(weighing.asked)} for {taken};"
            f" {self._told(weighing.left)} is left until {wire_time(self.sums.span.until)}"
        )

    def _told(self, figure: int) -> str:
        return f"{budgeting.amount_of(figure, self.budget.unit):.2f}"

    def problem(self, currency: str, request: Admission) -> BudgetExceeded:
        scope, name = self.budget.scope
        unit = self.budget.unit
        facts: dict[str, Any] = {
            part: float(budgeting.amount_of(getattr(self.weighing, part), unit))
            for part in ("amount", "spent", "promised", "asked")
        }
        return BudgetExceeded(
            self.sentence(currency, request),
            budgetId=self.budget.id,
            scope=scope.value,
            scopeName=name,
            unit=unit.value,
            remaining=float(budgeting.amount_of(self.weighing.left, unit)),
            periodEnd=wire_time(self.sums.span.until),
            **facts,
        )
