"""How budgets stand, kept for a moment: every request for GPUs asks.

A snapshot counts what is committed. Later holds are added as they come; what ended since is still
counted as if it went on, so a snapshot tells too much rather than too little: an acceptance may
rest on it. A refusal is counted from the snapshot's spending and the holds as they are now.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold
from gpu_management.allocations.queries import hold_facts
from gpu_management.core.clock import whole_second
from gpu_management.core.database import AnySelect, Database
from gpu_management.costs.closed_rows import Terms
from gpu_management.costs.counting import Counter, Known, Scope, Sums
from gpu_management.costs.grouping import Dimension, Question, added_up
from gpu_management.costs.models import Budget, BudgetScope
from gpu_management.costs.queries import Pricer
from gpu_management.devices.models import Device
from gpu_management.rates.book import Book
from gpu_management.rates.service import BookKeeper

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
_HAS_ASKED = "budgets_asked"
"""Marks a session whose transaction asked before: it may see holds of its own by now."""


@dataclass(slots=True)
class Snapshot:
    """Every budget's sums at a moment, with all holds up to `newest` in them."""

    at: datetime
    book: Book
    newest: int
    counter: Counter

    @property
    def sums(self) -> Mapping[int, Sums]:
        """Return the sums by the budget's number."""
        return self.counter.sums

    def is_good(self, now: datetime, *, fresh: timedelta) -> bool:
        """Say whether it is young, and every period that it tells of still runs."""
        still = all(sums.span.until > now for sums in self.sums.values())
        return still and timedelta(0) <= now - self.at < fresh


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
        self._lock = Lock()

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

    def snapshot(self, session: Session, budgets: Sequence[Known], *, now: datetime) -> Snapshot:
        """Return the last snapshot, or a new one where it is old or does not know `budgets`."""
        known = self._snapshot
        if (
            known is None
            or not known.is_good(now, fresh=self._fresh)
            or any(budget.id not in known.sums for budget in budgets)
            or self._keeper.book(session) is not known.book
        ):
            return self.refresh(now=now)
        return known

    def count(self, session: Session, budgets: Sequence[Known], *, now: datetime) -> Snapshot:
        """Count the periods of `budgets` as `session` sees the ledger."""
        now = whole_second(now)
        book = self._keeper.book(session)
        counter = Counter(budgets, Pricer(book), self._zone, now)
        newest = session.scalar(_NEWEST) or 0
        if budgets:
            asked = Question(counter.since(), now, groups=_OWNER_AND_DAY)
            counter.add_days(added_up(session, Terms(self._zone, book), asked))
            running = _HOLDS.where(Hold.ended_at.is_(None))
            counter.add_promised(session.connection().execute(running))
        return Snapshot(now, book, newest, counter)

    def newer(
        self, session: Session, snapshot: Snapshot, budgets: Sequence[Known], *, now: datetime
    ) -> Mapping[int, Sums]:
        """Add the holds that came after the snapshot to it; return what cannot be kept there.

        That is what this very transaction holds: it may be rolled back.
        """
        with self._lock:
            rows = session.connection().execute(_HOLDS.where(Hold.id > snapshot.newest)).all()
            if not session.info.get(_HAS_ASKED):
                session.info[_HAS_ASKED] = True
                snapshot.counter.add_newer(rows)
                snapshot.newest = max([snapshot.newest, *(row.id for row in rows)])
                rows = []
        counter = Counter(budgets, snapshot.counter.pricer, self._zone, whole_second(now))
        counter.add_newer(rows)
        return counter.sums

    def present(
        self, session: Session, snapshot: Snapshot, budgets: Sequence[Known], *, now: datetime
    ) -> Mapping[int, Sums]:
        """Return what is spent and promised now: what the snapshot spent, and holds since then."""
        scopes = {budget.scope for budget in budgets}
        query = _HOLDS.where(
            or_(Hold.ended_at.is_(None), Hold.ended_at > snapshot.at), or_(*map(_within, scopes))
        )
        rows = session.connection().execute(query).all()
        counter = Counter(budgets, snapshot.counter.pricer, self._zone, whole_second(now))
        counter.add_spent(rows, since=snapshot.at)
        counter.add_promised(rows)
        for number, sums in counter.sums.items():
            sums.spent += snapshot.sums[number].spent
        return counter.sums


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
