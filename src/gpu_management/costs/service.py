"""Spending: of a window, along every dimension, and as the guide's clients read it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from gpu_management.allocations.queries import hold_facts, priced, scoped
from gpu_management.auth.access import visible_team
from gpu_management.core.clock import whole_second
from gpu_management.core.database import AnyRow
from gpu_management.costs import shaping
from gpu_management.costs.capacity import buckets_by
from gpu_management.costs.closed_rows import Terms
from gpu_management.costs.days import day_start, next_day
from gpu_management.costs.grouping import Added, Dimension, Question, added_up
from gpu_management.costs.meter import Meter
from gpu_management.costs.queries import first_device, overlapping
from gpu_management.costs.reader import Reader
from gpu_management.costs.shaping import money
from gpu_management.costs.using import Measured, measured_by
from gpu_management.rates.book import Book
from gpu_management.rates.service import BookKeeper

__all__ = ["Desk", "Piece", "Reader", "Window"]


@dataclass(frozen=True, slots=True)
class Desk:
    """What costing needs to know of the house: currency, time zone, and the price book.

    Samples of what GPUs do come every `interval_seconds`.
    """

    currency: str
    zone: ZoneInfo
    keeper: BookKeeper
    interval_seconds: int = 15
    meter: Meter = field(init=False)

    def __post_init__(self) -> None:
        """Give the desk a meter of its own."""
        object.__setattr__(self, "meter", Meter(self.zone, self.keeper))

    def terms(self, session: Session) -> Terms:
        """Return what closed days are made with now."""
        return Terms(self.zone, self.keeper.book(session), self.interval_seconds)


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch [since, until) that is costed, in whole seconds."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Piece:
    """The cost of one hold on one day of the billing time zone, in micros; None: no price."""

    day: date
    micros: int | None
    seconds: int
    hold: AnyRow


def pieces(
    session: Session,
    book: Book,
    zone: ZoneInfo,
    window: Window,
    *,
    reader: Reader | None = None,
) -> Iterator[Piece]:
    """Yield every hold's cost per day within a window; pieces add up to the whole."""
    since, until = window.since, window.until
    query = hold_facts().where(overlapping(since, until))
    if reader is not None:
        query = scoped(query, reader.principal, reader.permission)
    days = [(day, *_bounds(day, zone, since, until)) for day in _days(since, until, zone)]
    for hold in session.execute(query):
        yield from _pieces_of(hold, book, days, until)


_Day = tuple[date, datetime, datetime]


def _pieces_of(hold: AnyRow, book: Book, days: list[_Day], until: datetime) -> Iterator[Piece]:
    ended = min(hold.ended_at or until, until)
    thing = priced(hold)
    begins = book.priced_since(thing) or ended
    for day, starts, ends in days:
        since, to = max(starts, hold.started_at), min(ends, ended)
        if since < min(to, begins):
            unpriced = min(to, begins) - since
            yield Piece(day, None, int(unpriced.total_seconds()), hold)
            since = min(to, begins)
        if since >= to:
            continue
        micros = book.piece_micros(thing, started_at=hold.started_at, since=since, until=to)
        yield Piece(day, micros, int((to - since).total_seconds()), hold)


def _days(since: datetime, until: datetime, zone: ZoneInfo) -> Iterator[date]:
    day = since.astimezone(zone).date()
    while day_start(day, zone) < until:
        yield day
        day += timedelta(days=1)


def _bounds(
    day: date, zone: ZoneInfo, since: datetime, until: datetime
) -> tuple[datetime, datetime]:
    return (
        max(day_start(day, zone), since),
        min(next_day(day, zone), until),
    )


def today_and_month(session: Session, desk: Desk, *, now: datetime) -> dict[str, Decimal]:
    """Return what was spent since midnight and since the first of the month."""
    spent = desk.meter.spent(session, now=now)
    return {"daily_cost": money(spent.today), "monthly_cost": money(spent.month)}


def total_ever(session: Session, desk: Desk, *, now: datetime) -> Decimal:
    """Return what holds were ever charged up to now; it never falls.

    It counts what was charged: what a correction gave back is not taken off.
    """
    return money(desk.meter.spent(session, now=now).ever)


def last_days(desk: Desk, days: int, *, now: datetime) -> Window:
    """Return the window of the last `days` billing days, the present one so far."""
    first = now.astimezone(desk.zone).date() - timedelta(days=days - 1)
    return Window(day_start(first, desk.zone), whole_second(now))


def analysis(
    session: Session,
    desk: Desk,
    *,
    days: int | None = None,
    window: Window | None = None,
    reader: Reader,
    now: datetime,
) -> dict[str, Any]:
    """Return the spending of a window, or of the last `days` (30) days up to now (DTO-13).

    Every grouping sums to the total to the millionth. Time without a price is told apart. Where
    the fleet's time went is told to those who see every team.
    """
    window = window or last_days(desk, days or 30, now=now)
    terms = desk.terms(session)

    def by(
        *groups: Dimension, since: datetime = window.since, until: datetime = window.until
    ) -> Added:
        return added_up(session, terms, Question(since, until, groups, reader=reader))

    sees_all = visible_team(reader.principal, reader.permission) is None
    span = (window.since, window.until)
    fleet = None
    if sees_all:
        fleet = buckets_by(session, terms, span, (Dimension.NODE,), is_split=False)
    asked = Question(*span, reader=reader)
    measured = measured_by(session, terms, asked).get((), Measured())
    before = by(since=window.since - (window.until - window.since), until=window.since)
    return shaping.analysis(
        shaping.Findings(
            currency=desk.currency,
            zone=desk.zone,
            since=window.since,
            until=window.until,
            payers=by(*shaping.PAYERS),
            days=by(Dimension.DAY),
            nodes=by(Dimension.NODE) if fleet is None else None,
            fleet=fleet,
            measured=measured,
            before=before,
            began=first_device(session),
        )
    )
