"""Spending over a window: every hold's pieces by day, added up along any dimension."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold
from gpu_management.allocations.queries import priced, scoped
from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.core.clock import whole_second
from gpu_management.core.database import MICROS, AnyRow
from gpu_management.costs.days import day_start, next_day
from gpu_management.costs.meter import Meter
from gpu_management.devices.models import Device, Model
from gpu_management.rates.book import Book
from gpu_management.rates.service import BookKeeper


@dataclass(frozen=True, slots=True)
class Desk:
    """What costing needs to know of the house: currency, time zone, and the price book."""

    currency: str
    zone: ZoneInfo
    keeper: BookKeeper
    meter: Meter = field(init=False)

    def __post_init__(self) -> None:
        """Give the desk a meter of its own."""
        object.__setattr__(self, "meter", Meter(self.zone, self.keeper))


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch [since, until) that is costed, in whole seconds."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks, and under which permission: it limits the rows (SEC-12)."""

    principal: Principal
    permission: Permission = Permission.COST_READ


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
    query = (
        select(
            Hold.milli,
            Hold.profile_name,
            Hold.node_pool,
            Hold.started_at,
            Hold.ended_at,
            Device.cluster_name,
            Device.model_id,
            Model.mig_geometry,
            Allocation.team_id,
            Allocation.user_id,
            Allocation.namespace,
            Allocation.workload_type,
        )
        .join(Device, Device.id == Hold.device_id)
        .join(Model, Model.model_id == Device.model_id)
        .join(Allocation, Allocation.allocation_id == Hold.allocation_id)
        .where(Hold.started_at < until, or_(Hold.ended_at.is_(None), Hold.ended_at > since))
    )
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
    return {"daily_cost": _money(spent.today), "monthly_cost": _money(spent.month)}


def analysis(
    session: Session, desk: Desk, *, days: int, reader: Reader, now: datetime
) -> dict[str, Any]:
    """Return the spending of the last `days` days up to now (DTO-13).

    Every grouping sums to the total to the millionth. Time without a price is told apart.
    """
    first = now.astimezone(desk.zone).date() - timedelta(days=days - 1)
    window = Window(day_start(first, desk.zone), whole_second(now))
    found = _Totals()
    book = desk.keeper.book(session)
    for piece in pieces(session, book, desk.zone, window, reader=reader):
        found.add(piece)
    return found.shown(desk, window, first=first, days=days)


class _Totals:
    """Sums of pieces along every dimension."""

    _DIMENSIONS = ("team_id", "user_id", "namespace", "model_id", "workload_type")

    def __init__(self) -> None:
        self.micros = 0
        self.milli_seconds = 0
        self.unpriced_milli_seconds = 0
        self.by_day: dict[date, int] = defaultdict(int)
        self.by: dict[str, dict[str, int]] = {d: defaultdict(int) for d in self._DIMENSIONS}

    def add(self, piece: Piece) -> None:
        milli_seconds = piece.seconds * piece.hold.milli
        self.milli_seconds += milli_seconds
        if piece.micros is None:
            self.unpriced_milli_seconds += milli_seconds
            return
        self.micros += piece.micros
        self.by_day[piece.day] += piece.micros
        for dimension, sums in self.by.items():
            sums[_name(getattr(piece.hold, dimension))] += piece.micros

    def shown(self, desk: Desk, window: Window, *, first: date, days: int) -> dict[str, Any]:
        daily = Decimal(self.micros) / days / MICROS
        hours = Decimal(self.milli_seconds) / 3_600_000
        unpriced = Decimal(self.unpriced_milli_seconds) / 3_600_000
        shown = {
            "period": {
                "days": days,
                "start": window.since,
                "end": window.until,
                "timezone": desk.zone.key,
            },
            "currency": desk.currency,
            "total_cost": _money(self.micros),
            "gpu_hours": round(float(hours), 6),
            "unpriced_gpu_hours": round(float(unpriced), 6),
            "daily_average": round(daily, 6),
            "projected_monthly": round(daily * 30, 6),
            "daily_series": [
                {"date": day, "cost": _money(self.by_day.get(day, 0))}
                for day in (first + timedelta(days=n) for n in range(days))
            ],
        }
        names = ("by_team", "by_user", "by_namespace", "by_model", "by_workload_type")
        for name, sums in zip(names, self.by.values(), strict=True):
            shown[name] = {key: _money(sums[key]) for key in sorted(sums, key=lambda k: -sums[k])}
        return shown


def _money(micros: int) -> Decimal:
    return Decimal(micros) / MICROS


def _name(value: Any) -> str:
    if value is None:
        return "unassigned"
    return str(getattr(value, "value", value))


def total_ever(session: Session, desk: Desk, *, now: datetime) -> Decimal:
    """Return what every hold has cost up to now: it only grows, whoever asks."""
    return _money(desk.meter.spent(session, now=now).ever)
