"""What each budget's scope has spent, and what runs there is promised: kept for a moment.

Every request for GPUs asks. A snapshot, taken from what is committed, is an upper bound until the
next: holds that ended since are counted as if they went on. So an acceptance may rest on it
together with the holds that came after it; a refusal is always counted afresh.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold
from gpu_management.allocations.queries import hold_facts, priced
from gpu_management.core.clock import whole_second
from gpu_management.core.database import MICROS, AnyRow, AnySelect, Database
from gpu_management.costs import budgeting
from gpu_management.costs.budgeting import Span
from gpu_management.costs.closed_rows import Terms
from gpu_management.costs.grouping import Added, Dimension, Question, added_up
from gpu_management.costs.models import (
    Budget,
    BudgetAction,
    BudgetPeriod,
    BudgetScope,
    BudgetUnit,
)
from gpu_management.devices.models import Device
from gpu_management.rates.book import Book
from gpu_management.rates.service import BookKeeper

Scope = tuple[BudgetScope, str]

Owner = tuple[str, str | None, str | None, str | None]
"""Cluster, team, namespace and user."""

_BUDGETS_LAST = timedelta(seconds=5)
_NEWEST = select(func.max(Hold.id))
_HOLDS: AnySelect = hold_facts().add_columns(Allocation.expires_at, Allocation.cost_limit)
_OWNER_AND_DAY = (
    Dimension.CLUSTER,
    Dimension.TEAM,
    Dimension.NAMESPACE,
    Dimension.USER,
    Dimension.DAY,
)


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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The sums of every budget at a moment, and the newest hold that is in them."""

    at: datetime
    book: Book
    newest: int
    sums: Mapping[int, Sums]

    def is_good(self, now: datetime, *, fresh: timedelta) -> bool:
        """Say whether it is young, and every period that it tells of still runs."""
        still = all(sums.span.until > now for sums in self.sums.values())
        return still and timedelta(0) <= now - self.at < fresh


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


@dataclass(slots=True)
class Counter:
    """Adds holds and closed days to the budgets they belong to."""

    budgets: Sequence[Known]
    book: Book
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

    def _budgets_of(self, owner: Owner) -> list[Known]:
        """Return the budgets that something falls under, by its cluster, team, namespace, user."""
        found = self.by_owner.get(owner)
        if found is None:
            scopes = scopes_of(*owner)
            found = [budget for scope in scopes for budget in self.by_scope.get(scope, ())]
            self.by_owner[owner] = found
        return found

    def add_days(self, added: Added) -> None:
        """Add what was spent, by owner and day: periods begin with a day."""
        for (*owner, day), figures in added.items():
            for budget in self._budgets_of((owner[0], owner[1], owner[2], owner[3])):
                sums = self.sums[budget.id]
                if day >= sums.span.first:
                    is_money = budget.unit is BudgetUnit.MONEY
                    sums.spent += figures.micros if is_money else figures.milli_seconds

    def add_spent(self, rows: Iterable[AnyRow]) -> None:
        """Add what holds used up to now."""
        for row in rows:
            for budget in self._budgets_of(_owner(row)):
                sums = self.sums[budget.id]
                starts = max(sums.span.since, row.started_at)
                ends = min(row.ended_at or self.now, self.now)
                sums.spent += self._piece(row, budget.unit, starts, ends)

    def add_promised(self, rows: Iterable[AnyRow]) -> None:
        """Add what holds that go on will use."""
        held: dict[tuple[Known, str], list[AnyRow]] = defaultdict(list)
        for row in rows:
            for budget in self._budgets_of(_owner(row)) if row.ended_at is None else ():
                held[budget, row.allocation_id].append(row)
        for (budget, _allocation), some in held.items():
            self._promise(budget, some)

    def _promise(self, budget: Known, held: Sequence[AnyRow]) -> None:
        """Count what an allocation will use until its end, or until its cost limit ends it."""
        sums, first = self.sums[budget.id], held[0]
        starts = max(self.now, *(row.started_at for row in held))
        until = budgeting.end_of_use(starts, first.expires_at, sums.span)
        promised = sum(self._piece(row, budget.unit, self.now, until) for row in held)
        if budget.unit is BudgetUnit.MONEY and first.cost_limit is not None:
            so_far = sum(
                self._piece(row, budget.unit, row.started_at, max(self.now, row.started_at))
                for row in held
            )
            promised = min(promised, max(0, int(first.cost_limit * MICROS) - so_far))
        sums.promised += promised
        if first.expires_at is None:
            hour = starts + timedelta(hours=1)
            sums.growing += sum(self._piece(row, budget.unit, starts, hour) for row in held)

    def _piece(self, row: AnyRow, unit: BudgetUnit, starts: datetime, ends: datetime) -> int:
        """Return what [starts, ends) of a hold uses; without a price it uses no money."""
        starts = max(starts, row.started_at)
        if ends <= starts:
            return 0
        if unit is BudgetUnit.GPU_HOURS:
            return int((ends - starts).total_seconds()) * int(row.milli)
        found = self.book.piece_micros(
            priced(row), started_at=row.started_at, since=starts, until=ends
        )
        return found or 0


class Tally:
    """Knows the budgets and how they stand; one per process, shared by its threads."""

    def __init__(
        self, database: Database, keeper: BookKeeper, zone: ZoneInfo, *, fresh_seconds: int = 15
    ) -> None:
        """Know nothing yet; budgets are read again after 5 s, sums after `fresh_seconds`."""
        self._database = database
        self._keeper = keeper
        self._zone = zone
        self._fresh = timedelta(seconds=fresh_seconds)
        self._budgets: tuple[datetime, dict[Scope, list[Known]]] | None = None
        self._snapshot: Snapshot | None = None

    def forget(self) -> None:
        """Read everything again at the next question."""
        self._budgets = None
        self._snapshot = None

    def budgets(self, session: Session, *, now: datetime) -> Mapping[Scope, Sequence[Known]]:
        """Return every budget by its scope; as of five seconds ago at most."""
        known = self._budgets
        if known is None or not timedelta(0) <= now - known[0] < _BUDGETS_LAST:
            by_scope: dict[Scope, list[Known]] = defaultdict(list)
            for row in session.scalars(select(Budget).order_by(Budget.id)):
                by_scope[row.scope, row.scope_name].append(Known.of(row))
            known = self._budgets = (now, dict(by_scope))
        return known[1]

    def refresh(self, *, now: datetime) -> Snapshot:
        """Take a new snapshot of what is committed."""
        with self._database.read() as session:
            known = self.budgets(session, now=now)
            every = [budget for some in known.values() for budget in some]
            snapshot = self.count(session, every, now=now)
        self._snapshot = snapshot
        return snapshot

    def snapshot(self, session: Session, *, now: datetime) -> Snapshot:
        """Return the last snapshot, or a new one where it is old or prices changed."""
        known = self._snapshot
        if known is None or not known.is_good(now, fresh=self._fresh):
            return self.refresh(now=now)
        return known if self._keeper.book(session) is known.book else self.refresh(now=now)

    def count(self, session: Session, budgets: Sequence[Known], *, now: datetime) -> Snapshot:
        """Count the periods of `budgets` as `session` sees the ledger."""
        now = whole_second(now)
        book = self._keeper.book(session)
        counter = Counter(budgets, book, self._zone, now)
        newest = session.scalar(_NEWEST) or 0
        if budgets:
            asked = Question(counter.since(), now, groups=_OWNER_AND_DAY)
            counter.add_days(added_up(session, Terms(self._zone, book), asked))
            running = _HOLDS.where(Hold.ended_at.is_(None))
            counter.add_promised(session.connection().execute(running))
        return Snapshot(now, book, newest, counter.sums)

    def since_then(
        self, session: Session, snapshot: Snapshot, budgets: Sequence[Known], *, now: datetime
    ) -> Mapping[int, Sums]:
        """Return what holds newer than the snapshot add, as `session` sees them."""
        scopes = {budget.scope for budget in budgets}
        query = _HOLDS.where(Hold.id > snapshot.newest, or_(*map(_within, scopes)))
        counter = Counter(budgets, snapshot.book, self._zone, whole_second(now))
        rows = session.connection().execute(query).all()
        counter.add_spent(rows)
        counter.add_promised(rows)
        return counter.sums


def _owner(row: AnyRow) -> Owner:
    return row.cluster_name, row.team_id, row.namespace, row.user_id


def _within(scope: Scope) -> ColumnElement[bool]:
    """Say in SQL that a hold belongs to a scope."""
    kind, name = scope
    if kind is BudgetScope.CLUSTER:
        return Device.cluster_name == name
    if kind is BudgetScope.TEAM:
        return Allocation.team_id == name
    if kind is BudgetScope.NAMESPACE:
        return Allocation.namespace == name
    return Allocation.user_id == name
