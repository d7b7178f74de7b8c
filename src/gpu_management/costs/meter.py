"""What has been spent today, this month and ever: closed days, and the open rest kept in step.

What closed days charged is kept with them, by day and in all. A hold of the rest that ended costs
the same for ever, so it is added up once; holds that go on are costed together, model by model, in
whole millionths as `rates.pricing` defines them.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Hold
from gpu_management.allocations.queries import effective
from gpu_management.core.clock import whole_second
from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.costs.closed_rows import Closed, Terms
from gpu_management.costs.closing import closed
from gpu_management.costs.credits import credits_of
from gpu_management.costs.days import day_start, next_day
from gpu_management.costs.differences import differences
from gpu_management.costs.ledger import steps_of
from gpu_management.costs.models import DayTotal
from gpu_management.costs.pieces import micros
from gpu_management.costs.queries import days_between, moment_of, second
from gpu_management.costs.sqltime import seconds_of
from gpu_management.devices.models import Device, Model
from gpu_management.rates.book import Priced, charged
from gpu_management.rates.service import BookKeeper

_LOOK_BACK = timedelta(minutes=10)
"""How long after its end a hold may become visible: clocks differ, transactions take time."""
_START_OVER = timedelta(hours=1)
"""After this time everything is read again, whatever happened meanwhile."""
_PRICED = 6
"""How many columns of a row say what is priced."""
_ALWAYS = datetime.min.replace(tzinfo=ZoneInfo("UTC"))

_REST: AnySelect = (
    select(
        *(
            Device.model_id,
            Model.mig_geometry,
            Hold.profile_name,
            Hold.milli,
            Device.cluster_name,
            Hold.node_pool,
        ),  # as `Priced` takes them
        Hold.id,
        Hold.corrects_id,
        seconds_of(Hold.started_at).label("since"),
        seconds_of(Hold.ended_at).label("until"),
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

    thing: Priced
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
    open: dict[tuple[Any, ...], _Group] = field(default_factory=dict)

    def group(self, key: tuple[Any, ...]) -> _Group:
        """Return the open holds of a thing, told by the parts of `Priced`."""
        found = self.open.get(key)
        if found is None:
            found = self.open[key] = _Group(Priced(*key))
        return found


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
            ever=credits_of(session, terms),
        )
        if state is not None:
            self._add_closed(session, sums, state)
        _take(sums, connection.execute(_OPEN_REST, {"since": sums.floor}).all())
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


def _read(sums: _Sums, session: Session, now: datetime) -> bool:
    """Read what changed; False where something changed that was added up already."""
    connection = session.connection()
    rows = connection.execute(_NEW, {"seen": sums.seen}).all()
    floor = second(sums.floor)
    if any(row.corrects_id is not None or row.since < floor for row in rows):
        return False
    if not _take(sums, rows):
        return False
    sums.seen = max([sums.seen, *(row.id for row in rows)])
    if not _take(sums, connection.execute(_ENDED, {"since": sums.read_at - _LOOK_BACK}).all()):
        return False
    sums.read_at = now
    return True


def _take(sums: _Sums, rows: Iterable[AnyRow]) -> bool:
    """Add holds of the rest; False where one ended before closed days do, against all we knew."""
    floor = second(sums.floor)
    ended: dict[tuple[Any, ...], list[tuple[int, int]]] = defaultdict(list)
    for row in rows:
        *_, pk, _, since, until = row
        if pk in sums.ended:
            continue
        group = sums.group(row[:_PRICED])
        if until is None:
            group.starts[pk] = since
            group.array = None
            continue
        if group.starts.pop(pk, None) is not None:
            group.array = None
            if until < floor:
                return False
        if until >= floor:
            sums.ended.add(pk)
            ended[row[:_PRICED]].append((since, until))
    for key, spans in ended.items():
        _close(sums, sums.group(key).thing, np.array(spans, np.int64))
    return True


def _close(sums: _Sums, thing: Priced, spans: NDArray[np.int64]) -> None:
    """Add what ended holds of one thing cost, day by day, after closed days."""
    steps = steps_of(sums.terms.book.periods(thing))
    starts, ends = spans[:, 0], spans[:, 1]
    opens = np.maximum(starts, second(sums.floor))
    milli = np.full(len(starts), charged(thing))
    told = micros(steps, milli, starts, opens)
    first, last = moment_of(int(opens.min())), moment_of(int(ends.max()))
    for day in days_between(first, last, sums.terms.zone):
        closes = second(next_day(day, sums.terms.zone))
        upto = micros(steps, milli, starts, np.minimum(ends, np.maximum(opens, closes)))
        piece = int((upto - told).sum())
        told = upto
        sums.ever += piece
        if day >= sums.month:
            sums.by_day[day] += piece


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
    total = 0
    for group in sums.open.values():
        steps = steps_of(sums.terms.book.periods(group.thing))
        if steps and group.starts:
            starts = group.seconds()
            milli = np.full(len(starts), charged(group.thing))
            until = np.full(len(starts), second(moment))
            total += int(micros(steps, milli, starts, until).sum())
    return total
