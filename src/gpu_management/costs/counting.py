"""Add holds and days to the budgets they fall under: what is spent, and what is promised. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from gpu_management.core.database import MICROS, AnyRow
from gpu_management.costs import budgeting
from gpu_management.costs.budgeting import Span
from gpu_management.costs.grouping import Added
from gpu_management.costs.ledger import Held
from gpu_management.costs.models import Budget, BudgetAction, BudgetPeriod, BudgetScope, BudgetUnit
from gpu_management.costs.queries import Pricer, second

Scope = tuple[BudgetScope, str]

Owner = tuple[str, str | None, str | None, str | None]
"""Cluster, team, namespace and user."""

_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Known:
    """A budget as the rules need it; `amount` in its finest unit."""

    id: int
    scope: Scope
    unit: BudgetUnit
    period: BudgetPeriod
    amount: int
    action: BudgetAction
    thresholds_pct: tuple[int, ...]

    @classmethod
    def of(cls, row: Budget) -> "Known":
        """Return what a row says."""
        return cls(
            id=row.id,
            scope=(row.scope, row.scope_name),
            unit=row.unit,
            period=row.period,
            amount=budgeting.figure(row.amount, row.unit),
            action=row.action,
            thresholds_pct=tuple(row.thresholds_pct),
        )


@dataclass(slots=True)
class Sums:
    """One budget's period so far, in its finest unit.

    `promised` is what runs will use to its end; `growing` is what things without an end use in an
    hour: their end moves on with time.
    """

    span: Span
    spent: int = 0
    promised: int = 0
    growing: int = 0


def scopes_of(
    cluster: str, team: str | None, namespace: str | None, user: str | None
) -> list[Scope]:
    """Return the scopes that something belongs to."""
    named = zip(
        (BudgetScope.CLUSTER, BudgetScope.TEAM, BudgetScope.NAMESPACE, BudgetScope.USER),
        (cluster, team, namespace, user),
        strict=True,
    )
    return [(scope, name) for scope, name in named if name is not None]


def owner_of(row: AnyRow) -> Owner:
    """Return whom a hold belongs to."""
    return row.cluster_name, row.team_id, row.namespace, row.user_id


@dataclass(slots=True)
class Counter:
    """The sums of several budgets at a moment, as holds and days are added to them."""

    budgets: Sequence[Known]
    pricer: Pricer
    zone: ZoneInfo
    now: datetime
    sums: dict[int, Sums] = field(default_factory=dict)
    by_scope: dict[Scope, list[Known]] = field(default_factory=lambda: defaultdict(list))
    by_owner: dict[Owner, list[Known]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start every budget at nothing."""
        for budget in self.budgets:
            self.by_scope[budget.scope].append(budget)
            self.sums[budget.id] = Sums(budgeting.span_of(budget.period, self.now, self.zone))

    def since(self) -> datetime:
        """Return where the longest of the periods begins."""
        return min((sums.span.since for sums in self.sums.values()), default=self.now)

    def budgets_of(self, owner: Owner) -> list[Known]:
        """Return the budgets that something falls under."""
        found = self.by_owner.get(owner)
        if found is None:
            scopes = scopes_of(*owner)
            found = [budget for scope in scopes for budget in self.by_scope.get(scope, ())]
            self.by_owner[owner] = found
        return found

    def add_days(self, added: Added) -> None:
        """Add what was spent, by owner and day: periods begin with a day."""
        for (cluster, team, namespace, user, day), figures in added.items():
            for budget in self.budgets_of((cluster, team, namespace, user)):
                sums = self.sums[budget.id]
                if day >= sums.span.first:
                    is_money = budget.unit is BudgetUnit.MONEY
                    sums.spent += figures.micros if is_money else figures.milli_seconds

    def add_spent(self, rows: Iterable[AnyRow], *, since: datetime) -> None:
        """Add what holds used from `since` up to now."""
        for row in rows:
            held = self.pricer.held(row)
            for budget in self.budgets_of(owner_of(row)):
                sums = self.sums[budget.id]
                starts = second(max(sums.span.since, since))
                sums.spent += _use(held, budget.unit, starts, second(self.now))

    def add_promised(self, rows: Iterable[AnyRow]) -> None:
        """Add what holds that go on will use, until they end or a cost limit ends them."""
        together: dict[tuple[Known, str], list[AnyRow]] = defaultdict(list)
        for row in rows:
            if row.ended_at is None:
                for budget in self.budgets_of(owner_of(row)):
                    together[budget, row.allocation_id].append(row)
        for (budget, _allocation), rows_of_one in together.items():
            self._promise(budget, rows_of_one)

    def _promise(self, budget: Known, rows: Sequence[AnyRow]) -> None:
        sums, first = self.sums[budget.id], rows[0]
        starts = max(self.now, *(row.started_at for row in rows))
        now, until = second(self.now), budgeting.end_of_use(starts, first.expires_at, sums.span)
        held = [self.pricer.held(row) for row in rows]
        promised = sum(_use(one, budget.unit, now, second(until)) for one in held)
        if budget.unit is BudgetUnit.MONEY and first.cost_limit is not None:
            left = int(first.cost_limit * MICROS) - sum(one.micros(now) for one in held)
            promised = min(promised, max(0, left))
        sums.promised += promised
        if first.expires_at is None:
            hour = second(starts) + _HOUR
            sums.growing += sum(_use(one, budget.unit, second(starts), hour) for one in held)

    def add_newer(self, rows: Iterable[AnyRow]) -> None:
        """Add all that holds will use from their start on, as promised: at most that is spent."""
        for row in rows:
            held = self.pricer.held(row)
            for budget in self.budgets_of(owner_of(row)):
                sums = self.sums[budget.id]
                ends = row.ended_at or budgeting.end_of_use(
                    row.started_at, row.expires_at, sums.span
                )
                most = _use(held, budget.unit, held.since, second(ends))
                if budget.unit is BudgetUnit.MONEY and row.cost_limit is not None:
                    most = min(most, int(row.cost_limit * MICROS))
                sums.promised += most
                if row.ended_at is None and row.expires_at is None:
                    sums.growing += _use(held, budget.unit, held.since, held.since + _HOUR)


def _use(held: Held, unit: BudgetUnit, since: int, until: int) -> int:
    """Return what [since, until) of a hold uses; without a price it uses no money."""
    since = max(since, held.since)
    until = until if held.until is None else min(until, held.until)
    if until <= since:
        return 0
    if unit is BudgetUnit.GPU_HOURS:
        return (until - since) * held.milli
    return held.micros(until) - held.micros(since)
