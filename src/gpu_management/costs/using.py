"""The measured part of what was held: used and idle time, and what of the charge it is worth."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Float, Subquery, case, cast, func, select
from sqlalchemy.orm import Session

from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.costs import queries
from gpu_management.costs.closed_rows import PAYER, Closed, Terms, add, payer, plain
from gpu_management.costs.closing import closed
from gpu_management.costs.differences import differences
from gpu_management.costs.grouping import Question, Wanted, parts_of
from gpu_management.costs.ledger import Buckets
from gpu_management.costs.models import DayCost, HoldDay
from gpu_management.costs.pieces import cut
from gpu_management.metrics.attribution import money
from gpu_management.metrics.use import uses

MOST_OPEN = 5000
"""Holds, besides those that last through, that are split while somebody waits (a third of a
millisecond each); more of them are when their day is closed."""

_FIGURES = ("milli_seconds", "used_milli_seconds", "idle_milli_seconds", "micros")
_Table = type[HoldDay] | type[DayCost]
_UNITS: Mapping[_Table, Sequence[str]] = {
    HoldDay: ("day", "hold_id"),
    DayCost: ("day", *PAYER),
}
"""What rows of closed days are added up by before their charge is divided."""
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured: milli-seconds used and idle, and the micros charged for them."""

    used: int = 0
    idle: int = 0
    used_micros: int = 0
    idle_micros: int = 0

    def __add__(self, other: "Measured") -> "Measured":
        """Add part by part."""
        return Measured(
            self.used + other.used,
            self.idle + other.idle,
            self.used_micros + other.used_micros,
            self.idle_micros + other.idle_micros,
        )


def measured_by(session: Session, terms: Terms, question: Question) -> dict[Key, Measured]:
    """Return what was measured of the question's holds, by the values of its dimensions.

    The charge of a payer's closed day is divided as its time is; by node and by allocation, and on
    days that are not closed, that of each hold. Used and idle sum to the same by whatever payers.
    """
    parts = parts_of(terms, closed(session, terms), question.since, question.until)
    wanted = Wanted(session, question)
    found: dict[Key, Measured] = defaultdict(Measured)
    if parts.since is not None and parts.until is not None:
        for key, measured in _of_days(session, terms, wanted, (parts.since, parts.until)):
            found[wanted.named(key)] += measured
    for span in parts.raw:
        for row, day, measured in _of_holds(session, terms, span):
            if wanted.is_of(row):
                found[wanted.named(wanted.key(row, day))] += measured
    return found


def split(whole: Buckets, measured: Measured) -> Buckets:
    """Return buckets with the measured part of what was held told apart; the sums stay.

    What is measured is never more than what was held, nor worth more than what was charged, even
    while a correction of the ledger is on its way.
    """
    used = min(max(0, measured.used), whole.unattributed)
    idle = min(max(0, measured.idle), whole.unattributed - used)
    used_micros = min(max(0, measured.used_micros), whole.charged_micros)
    idle_micros = min(max(0, measured.idle_micros), whole.charged_micros - used_micros)
    return replace(
        whole,
        used=used,
        idle=idle,
        unattributed=whole.unattributed - used - idle,
        used_micros=used_micros,
        idle_micros=idle_micros,
    )


def of_devices(
    session: Session, terms: Terms, window: tuple[datetime, datetime], devices: Iterable[int]
) -> Measured:
    """Return what was measured of some GPUs in a window, from the minutes that are kept."""
    found = _of_holds(session, terms, window, devices=list(devices))
    return sum((measured for _, _, measured in found), Measured())


def _of_days(
    session: Session, terms: Terms, wanted: Wanted, days: tuple[date, date]
) -> Iterator[tuple[Key, Measured]]:
    """Yield what closed days say; days with changes on their way are divided one by one."""
    state = closed(session, terms)
    late = [] if state is None else _late(session, terms, wanted, state, days)
    changing = {day for day, _, _, _ in late}
    size, connection = len(wanted.groups), session.connection()
    corrected = set(connection.execute(_corrected(wanted.table, days)).scalars())
    whole, added = _units(wanted, days), _units(wanted, days, is_corrected=True)
    asked = [_divided(whole, size).where(whole.c.day.not_in(changing | corrected))]
    if corrected - changing:
        asked.append(_divided(added, size).where(added.c.day.in_(corrected - changing)))
    for query in asked:
        for row in connection.execute(query):
            figures = [int(figure or 0) for figure in row[size:]]
            yield tuple(plain(value) for value in row[:size]), Measured(*figures)
    if changing:
        rows = connection.execute(select(added).where(added.c.day.in_(changing))).all()
        yield from _one_by_one(rows, late, size)


def _corrected(table: _Table, days: tuple[date, date]) -> AnySelect:
    query = select(table.day).where(table.day >= days[0], table.day < days[1])
    return query.where(table.is_correction.is_(True)).distinct()


def _units(wanted: Wanted, days: tuple[date, date], *, is_corrected: bool = False) -> Subquery:
    """Ask for the key, the figures and the name of everything whose charge is divided.

    Unless something was corrected, each has one row.
    """
    table: Any = wanted.table
    keys = wanted.columns(table)
    names = [getattr(table, name) for name in _UNITS[table]]
    figures = [getattr(table, name) for name in _FIGURES]
    if is_corrected:
        figures = [func.sum(figure).label(figure.name) for figure in figures]
    told = [column.label(f"key_{place}") for place, column in enumerate(keys)]
    query = wanted.rows(table, [*told, *figures, *names])
    query = query.where(table.day >= days[0], table.day < days[1])
    return (query.group_by(*names, *keys) if is_corrected else query).subquery()


def _divided(units: Subquery, size: int) -> AnySelect:
    """Sum the parts of every charge by key; seen is used and idle, rounded once."""
    column = units.c
    keys = list(column)[:size]
    used, held = column.used_milli_seconds, column.milli_seconds
    in_use = _part(column.micros, used, held)
    seen = _part(column.micros, used + column.idle_milli_seconds, held)
    sums = (used, column.idle_milli_seconds, in_use, seen - in_use)
    query = select(*keys, *(func.sum(figure) for figure in sums))
    return query.group_by(*keys) if keys else query


def _part(micros: Any, seconds: Any, held: Any) -> ColumnElement[Any]:
    share = cast(micros, Float) * cast(seconds, Float) / held
    return case((held <= 0, 0), (seconds >= held, micros), else_=cast(share, BigInteger))


_Late = tuple[date, Key, Key, Sequence[int]]


def _late(
    session: Session, terms: Terms, wanted: Wanted, state: Closed, days: tuple[date, date]
) -> list[_Late]:
    """Return what changed since: its day, what it belongs to, its key, and its figures."""
    late = differences(session, terms, state)
    found: list[_Late] = []
    for row in late.hold_days:
        hold, day = late.facts[row["hold_id"]], row["day"]
        if days[0] <= day < days[1] and wanted.is_of(hold):
            owner = (hold.id,) if wanted.table is HoldDay else payer(hold)
            figures = [row[name] for name in _FIGURES]
            found.append((day, (day, *owner), wanted.key(hold, day), figures))
    return found


def _one_by_one(
    rows: Iterable[AnyRow], late: Iterable[_Late], size: int
) -> Iterator[tuple[Key, Measured]]:
    sums: dict[Key, list[int]] = {}
    keys: dict[Key, Key] = {}
    for row in rows:
        values = tuple(plain(value) for value in row)
        unit = values[size + len(_FIGURES) :]
        keys[unit] = values[:size]
        add(sums, unit, (int(figure) for figure in values[size : size + len(_FIGURES)]))
    for _, unit, key, figures in late:
        keys[unit] = key
        add(sums, unit, figures)
    for unit, (held, used, idle, micros) in sums.items():
        if held > 0:
            in_use, seen = micros * used // held, micros * (used + idle) // held
            yield keys[unit], Measured(used, idle, in_use, seen - in_use)


def _of_holds(
    session: Session,
    terms: Terms,
    span: tuple[datetime, datetime],
    *,
    devices: list[int] | None = None,
) -> Iterator[tuple[AnyRow, date, Measured]]:
    days = queries.days_between(*span, terms.zone)
    if not days:
        return
    bounds = queries.bounds_of(days, terms.zone)
    bounds[0], bounds[-1] = queries.second(span[0]), queries.second(span[1])
    found = uses(
        session,
        list(pairwise(bounds)),
        interval_seconds=terms.interval_seconds,
        devices=devices,
        most=MOST_OPEN,
    )
    if not found:
        return
    pricer = queries.Pricer(terms.book)
    holds = queries.holds_within(session, *span, devices=devices)
    for piece in cut([pricer.held(row) for row in holds], bounds):
        hold = holds[piece.hold]
        use = found.get((hold.id, piece.stretch))
        if use is not None:
            used_micros, idle_micros, _ = money(piece.micros, use)
            measured = Measured(use.used, use.idle, used_micros, idle_micros)
            yield hold, days[piece.stretch], measured
