"""What has been spent today, this month and ever, kept in step with the holds.

A hold that ended costs the same for ever, so it is added up once; holds that go on are costed
together, model by model, in whole millionths as `rates.pricing` defines them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from threading import Lock
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Hold
from gpu_management.allocations.queries import priced
from gpu_management.core.clock import whole_second
from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.costs.days import day_start, next_day
from gpu_management.devices.models import Device, Model
from gpu_management.rates.book import Book, Priced, charged
from gpu_management.rates.pricing import RatePeriod
from gpu_management.rates.service import BookKeeper

_MILLI_SECONDS_PER_HOUR = 3_600_000
_LOOK_BACK = timedelta(minutes=10)
"""How long after its end a hold may become visible: clocks differ, transactions take time."""
_START_OVER = timedelta(hours=1)
"""After this time everything is read again, whatever happened meanwhile."""
_LARGEST = 2**62

_CHANGED: AnySelect = (
    select(
        Hold.id,
        Hold.milli,
        Hold.profile_name,
        Hold.node_pool,
        Hold.started_at,
        Hold.ended_at,
        Device.cluster_name,
        Device.model_id,
        Model.mig_geometry,
    )
    .join(Device, Device.id == Hold.device_id)
    .join(Model, Model.model_id == Device.model_id)
    .where(or_(Hold.id > bindparam("seen"), Hold.ended_at >= bindparam("since")))
    .order_by(Hold.id)
)


@dataclass(frozen=True, slots=True)
class Spent:
    """Micros spent since midnight, since the first of the month, and ever."""

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
    """Everything that is thrown away when a month or a price begins."""

    book: Book
    month: date
    since: datetime
    seen: int = -1
    read_at: datetime | None = None
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
        self._lock = Lock()

    def spent(self, session: Session, *, now: datetime) -> Spent:
        """Return what was spent up to `now`; costs two small queries."""
        with self._lock:
            sums = self._current(session, now)
            self._read(session, sums, now)
            return self._added_up(sums, now)

    def _current(self, session: Session, now: datetime) -> _Sums:
        book = self._keeper.book(session)
        month = now.astimezone(self._zone).date().replace(day=1)
        sums = self._sums
        if sums is None or sums.book is not book or sums.month != month or _is_old(sums, now):
            sums = self._sums = _Sums(book, month, since=now)
        return sums

    def _read(self, session: Session, sums: _Sums, now: datetime) -> None:
        since = (sums.read_at or now) - _LOOK_BACK
        rows = session.connection().execute(_CHANGED, {"seen": sums.seen, "since": since}).all()
        for row in rows:
            sums.seen = max(sums.seen, row.id)
            if row.id in sums.ended:
                continue
            if row.ended_at is None:
                _group(sums, priced(row)).starts[row.id] = int(row.started_at.timestamp())
                _group(sums, priced(row)).array = None
            else:
                self._close(sums, row)
        sums.read_at = now

    def _close(self, sums: _Sums, row: AnyRow) -> None:
        sums.ended.add(row.id)
        thing = priced(row)
        group = _group(sums, thing)
        if group.starts.pop(row.id, None) is not None:
            group.array = None
        cost = sums.book.cost_micros(thing, started_at=row.started_at, until=row.ended_at)
        sums.ever += cost or 0
        starts = max(row.started_at, day_start(sums.month, self._zone))
        while cost is not None and starts < row.ended_at:
            day = starts.astimezone(self._zone).date()
            ends = min(next_day(day, self._zone), row.ended_at)
            piece = sums.book.piece_micros(
                thing, started_at=row.started_at, since=starts, until=ends
            )
            sums.by_day[day] += piece or 0
            starts = ends

    def _added_up(self, sums: _Sums, now: datetime) -> Spent:
        today = now.astimezone(self._zone).date()
        moments = [
            whole_second(now),
            day_start(today, self._zone),
            day_start(sums.month, self._zone),
        ]
        seconds = [int(moment.timestamp()) for moment in moments]
        upto = [0, 0, 0]
        for thing, group in sums.open.items():
            periods = sums.book.periods(thing)
            if periods and group.starts:
                for place, second in enumerate(seconds):
                    upto[place] += _cost(periods, charged(thing), group.seconds(), second)
        return Spent(
            today=sums.by_day.get(today, 0) + upto[0] - upto[1],
            month=sum(sums.by_day.values()) + upto[0] - upto[2],
            ever=sums.ever + upto[0],
        )


def _is_old(sums: _Sums, now: datetime) -> bool:
    return not timedelta(0) <= now - sums.since < _START_OVER


def _group(sums: _Sums, thing: Priced) -> _Group:
    if thing not in sums.open:
        sums.open[thing] = _Group()
    return sums.open[thing]


def _cost(periods: Sequence[RatePeriod], milli: int, starts: NDArray[np.int64], until: int) -> int:
    """Return the micros of several holds up to a second: each one's C(t), floored, summed."""
    longest = max(0, until - int(starts.min()))
    largest = max(period.rate_micros for period in periods) * milli * longest
    weighted = np.zeros(len(starts), object if largest > _LARGEST else np.int64)
    for period in periods:
        begins = np.maximum(starts, int(period.starts_at.timestamp()))
        ends = until if period.ends_at is None else min(until, int(period.ends_at.timestamp()))
        held = np.maximum(ends - begins, 0).astype(weighted.dtype)
        weighted = weighted + held * period.rate_micros
    return int((weighted * milli // _MILLI_SECONDS_PER_HOUR).sum())
