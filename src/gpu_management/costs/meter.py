"""What has been spent today, this month and ever: closed days, and the open rest kept in step.

What closed days charged is kept with them, by day and in all. A hold of the rest that ended costs
the same for ever, so it is added up once; holds that go on are costed together, model by model, in
whole millionths as `rates.pricing` defines them.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from threading import Lock
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Hold, HoldCorrection
from gpu_management.allocations.queries import effective, hold_facts_of_any, priced
from gpu_management.core.clock import whole_second
from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.costs.closed_rows import Closed, Terms
from gpu_management.costs.closing import closed
from gpu_management.costs.days import day_start, next_day
from gpu_management.costs.differences import differences
from gpu_management.costs.ledger import steps_of
from gpu_management.costs.models import DayTotal
from gpu_management.costs.pieces import micros
from gpu_management.devices.models import Device, Model
from gpu_management.rates.book import Priced, charged
from gpu_management.rates.service import BookKeeper

_LOOK_BACK = timedelta(minutes=10)
"""How long after its end a hold may become visible: clocks differ, transactions take time."""
_START_OVER = timedelta(hours=1)
"""After this time everything is read again, whatever happened meanwhile."""
_ALWAYS = datetime.min.replace(tzinfo=ZoneInfo("UTC"))

_REST: AnySelect = (
    select(
        Hold.id,
        Hold.milli,
        Hold.profile_name,
        Hold.node_pool,
        Hold.started_at,
        Hold.ended_at,
        Hold.corrects_id,
        Device.cluster_name,
        Device.model_id,
        Model.mig_geometry,
    )
    .join(Device, Device.id == Hold.device_id)
    .join(Model, Model.model_id == Device.model_id)
    .where(effective())
)
_OPEN_REST = _REST.where(or_(Hold.ended_at.is_(None), Hold.ended_at > bindparam("since")))
# Two statements: asked for either at once, and in order, SQLite reads every hold there ever was.
_NEW = _REST.where(Hold.id > bindparam("seen"))
_ENDED = _REST.where(Hold.ended_at >= bindparam("since"))
_NEWEST = select(func.max(Hold.id))
_BY_DAY = (
    select(DayTotal.day, func.sum(DayTotal.micros))
    .where(DayTotal.day >= bindparam("first"))
    .group_by(DayTotal.day)
)


@dataclass(frozen=True, slots=True)
class Spent:
    """Micros spent since midnight and since the first of the month, and ever charged."""

    today: int
    month: int
    ever: int


@dataclass(slots=True)
class _Group:
    """Open holds of the same thing: their starts, as seconds since 1970."""

    starts: dict[int, int] = field(default_factory=dict)
    array: NDArray[np.int64] | None = None

    def seconds(self) -> NDArray[np.int64]:
        if self.array is None:
            self.array = np.fromiter(self.starts.values(), np.int64, len(self.starts))
        return self.array


@dataclass(slots=True)
class _Sums:
    """Everything that is thrown away when a month or a price begins, or closed days change.

    `floor` is where closed days end; only what came after it is kept hold by hold.
    """

    terms: Terms
    revision: int
    month: date
    since: datetime
    floor: datetime
    seen: int
    read_at: datetime
    ever: int = 0
    by_day: dict[date, int] = field(default_factory=lambda: defaultdict(int))
    ended: set[int] = field(default_factory=set)
    open: dict[Priced, _Group] = field(default_factory=dict)


class Meter:
    """Adds up what holds cost; one per process, shared by its threads."""

    def __init__(self, zone: ZoneInfo, keeper: BookKeeper) -> None:
        """Count days and months in `zone`, at the prices that `keeper` knows."""
        self._zone = zone
        self._keeper = keeper
        self._sums: _Sums | None = None
        self._told = 0
        self._lock = Lock()

    def spent(self, session: Session, *, now: datetime) -> Spent:
        """Return what was spent up to `now`; costs a few small queries.

        What was ever charged does not fall, even where a clock or a late end takes seconds back.
        """
        with self._lock:
            sums = self._current(session, now)
            if not _read(sums, session, now):
                sums = self._sums = self._begin(session, now)
            found = _added_up(sums, now)
            self._told = max(self._told, found.ever)
            return Spent(found.today, found.month, self._told)

    def _current(self, session: Session, now: datetime) -> _Sums:
        sums = self._sums
        terms = Terms(self._zone, self._keeper.book(session))
        state = closed(session, terms)
        if (
            sums is None
            or sums.terms.book is not terms.book
            or sums.revision != _revision(state)
            or sums.month != _month(now, self._zone)
            or not timedelta(0) <= now - sums.since < _START_OVER
        ):
            sums = self._sums = self._begin(session, now)
        return sums

    def _begin(self, session: Session, now: datetime) -> _Sums:
        """Read closed days and the open rest."""
        terms = Terms(self._zone, self._keeper.book(session))
        state = closed(session, terms)
        connection = session.connection()
        sums = _Sums(
            terms,
            _revision(state),
            _month(now, self._zone),
            since=now,
            floor=_ALWAYS if state is None else state.until,
            seen=connection.execute(_NEWEST).scalar() or 0,
            read_at=now,
            ever=_credits(session, terms),
        )
        if state is not None:
            self._add_closed(session, sums, state)
        for row in connection.execute(_OPEN_REST, {"since": sums.floor}):
            _take(sums, row)
        return sums

    @staticmethod
    def _add_closed(session: Session, sums: _Sums, state: Closed) -> None:
        sums.ever += state.micros
        for day, spent in session.connection().execute(_BY_DAY, {"first": sums.month}):
            sums.by_day[day] += int(spent)
        for row in differences(session, sums.terms, state).daily:
            sums.ever += row["micros"]
            if row["day"] >= sums.month:
                sums.by_day[row["day"]] += row["micros"]


def _revision(state: Closed | None) -> int:
    return -1 if state is None else state.revision


def _month(now: datetime, zone: ZoneInfo) -> date:
    return now.astimezone(zone).date().replace(day=1)


def _credits(session: Session, terms: Terms) -> int:
    """Return what corrections took back: it was charged once, and a counter never falls."""
    made = select(HoldCorrection.hold_id)
    replaced = select(Hold.corrects_id).where(Hold.id.in_(made))
    query = hold_facts_of_any().add_columns(Hold.corrects_id)
    rows = session.execute(query.where(or_(Hold.id.in_(made), Hold.id.in_(replaced)))).all()
    costs = {row.id: _whole_cost(row, terms) for row in rows}
    return sum(
        max(0, costs[row.corrects_id] - costs[row.id]) for row in rows if row.corrects_id in costs
    )


def _whole_cost(row: AnyRow, terms: Terms) -> int:
    found = terms.book.cost_micros(priced(row), started_at=row.started_at, until=row.ended_at)
    return found or 0


def _read(sums: _Sums, session: Session, now: datetime) -> bool:
    """Read what changed; False where something changed that was added up already."""
    connection = session.connection()
    for row in connection.execute(_NEW, {"seen": sums.seen}).all():
        if row.corrects_id is not None or row.started_at < sums.floor or not _take(sums, row):
            return False
        sums.seen = max(sums.seen, row.id)
    for row in connection.execute(_ENDED, {"since": sums.read_at - _LOOK_BACK}):
        if not _take(sums, row):
            return False
    sums.read_at = now
    return True


def _take(sums: _Sums, row: AnyRow) -> bool:
    """Add a hold of the rest; False where it ended before closed days do, against all we knew."""
    if row.id in sums.ended:
        return True
    thing = priced(row)
    group = sums.open.get(thing) or sums.open.setdefault(thing, _Group())
    if row.ended_at is None:
        group.starts[row.id] = int(row.started_at.timestamp())
        group.array = None
        return True
    was_open = group.starts.pop(row.id, None) is not None
    if was_open:
        group.array = None
    if row.ended_at < sums.floor:
        return not was_open
    _close(sums, row, thing)
    return True


def _close(sums: _Sums, row: AnyRow, thing: Priced) -> None:
    sums.ended.add(row.id)
    zone, book = sums.terms.zone, sums.terms.book
    starts = max(row.started_at, sums.floor)
    while starts < row.ended_at:
        day = starts.astimezone(zone).date()
        ends = min(next_day(day, zone), row.ended_at)
        piece = book.piece_micros(thing, started_at=row.started_at, since=starts, until=ends) or 0
        sums.ever += piece
        if day >= sums.month:
            sums.by_day[day] += piece
        starts = ends


def _added_up(sums: _Sums, now: datetime) -> Spent:
    zone = sums.terms.zone
    today = now.astimezone(zone).date()
    moments = (sums.floor, day_start(today, zone), day_start(sums.month, zone))
    upto = _open_cost(sums, max(whole_second(now), sums.floor))
    ever, day, month = (upto - _open_cost(sums, max(moment, sums.floor)) for moment in moments)
    return Spent(
        today=sums.by_day.get(today, 0) + max(0, day),
        month=sum(sums.by_day.values()) + max(0, month),
        ever=sums.ever + ever,
    )


def _open_cost(sums: _Sums, moment: datetime) -> int:
    """Return the micros of what is open up to a moment."""
    if moment == _ALWAYS:
        return 0
    second, total = int(moment.timestamp()), 0
    for thing, group in sums.open.items():
        steps = steps_of(sums.terms.book.periods(thing))
        if steps and group.starts:
            starts = group.seconds()
            milli = np.full(len(starts), charged(thing))
            total += int(micros(steps, milli, starts, np.full(len(starts), second)).sum())
    return total
