"""Close days: write once what each hold held and cost on them, and append what changed since.

What is written only adds up. A hold that came late, ended earlier than thought or was corrected
appends the difference, and so do samples that came late. Everything here can be made again from
the holds.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Hold
from gpu_management.core.database import AnyRow, AnySelect, table_of
from gpu_management.costs import queries, remeasured
from gpu_management.costs.closed_rows import Closed, Terms, rows_of, write
from gpu_management.costs.days import day_start, next_day
from gpu_management.costs.differences import differences, suspects
from gpu_management.costs.models import Closing, DayCapacity, DayCost, DayTotal, HoldDay

GRACE = timedelta(minutes=10)
"""How long after its end a day is closed: transactions take time, clocks differ."""
_ONE = 1

_TURN = (
    update(table_of(Closing))
    .where(Closing.id == _ONE)
    .values(updated_at=bindparam("moment"))
    .returning(
        Closing.closed_until,
        Closing.last_hold_id,
        Closing.timezone,
        Closing.slice_rule,
        Closing.revision,
        Closing.micros,
    )
)
_STATE: AnySelect = select(
    Closing.closed_until,
    Closing.last_hold_id,
    Closing.timezone,
    Closing.slice_rule,
    Closing.revision,
    Closing.micros,
).where(Closing.id == _ONE)


def closed(session: Session, terms: Terms) -> Closed | None:
    """Return how far days are closed under these terms; None where none is."""
    row = session.connection().execute(_STATE).one_or_none()
    return None if row is None or _is_other(row, terms) else _closed(row)


def is_due(session: Session, terms: Terms, *, now: datetime) -> bool:
    """Say whether `close_days` has something to do: asked without taking the writer's turn."""
    row = session.connection().execute(_STATE).one_or_none()
    if row is None:
        return queries.first_moment(session) is not None
    if _is_other(row, terms):
        return True
    state = _closed(row)
    return (
        bool(_due_days(state, terms.zone, now, 1))
        or bool(suspects(session, state, terms))
        or remeasured.is_due(session, state, now=now)
    )


def close_days(session: Session, terms: Terms, *, now: datetime, most_days: int = 7) -> int:
    """Append what changed on closed days, close at most `most_days` more; return how many.

    Replicas take turns; whoever comes second finds the work done. Killed in between, nothing
    is written.
    """
    state = _turn(session, terms, now)
    if state is None:
        return 0
    newest = session.scalar(select(func.max(Hold.id))) or 0
    late = differences(session, terms, state)
    charged = write(session, late)
    again = remeasured.remeasured(session, terms, state, now=now)
    charged += write(session, again)
    days = _due_days(state, terms.zone, now, most_days)
    if days:
        charged += write(session, rows_of(session, terms, days))
    until = next_day(days[-1], terms.zone) if days else state.until
    session.execute(
        update(table_of(Closing))
        .where(Closing.id == _ONE)
        .values(
            closed_until=until,
            last_hold_id=newest,
            revision=state.revision + (1 if late or again or days else 0),
            micros=Closing.micros + charged,
        )
    )
    return len(days)


def rebuild(session: Session, terms: Terms, *, now: datetime) -> None:
    """Forget every closed day; `close_days` makes them again."""
    if _turn(session, terms, now) is not None:
        _start_over(session, terms)


def _is_other(row: AnyRow, terms: Terms) -> bool:
    return bool(row.timezone != terms.zone.key or row.slice_rule != terms.slice_rule)


def _closed(row: AnyRow) -> Closed:
    return Closed(row.closed_until, row.last_hold_id, row.revision, row.micros)


def _turn(session: Session, terms: Terms, now: datetime) -> Closed | None:
    row = session.connection().execute(_TURN, {"moment": now}).one_or_none()
    if row is None:
        first = queries.first_moment(session)
        if first is None:
            return None
        _begin(session, terms, first, now)
        row = session.connection().execute(_TURN, {"moment": now}).one()
    return _start_over(session, terms) if _is_other(row, terms) else _closed(row)


def _begin(session: Session, terms: Terms, first: datetime, now: datetime) -> None:
    values = {
        "id": _ONE,
        "closed_until": day_start(first.astimezone(terms.zone).date(), terms.zone),
        "last_hold_id": 0,
        "timezone": terms.zone.key,
        "slice_rule": terms.slice_rule,
        "revision": 1,
        "micros": 0,
        "updated_at": now,
    }
    try:
        with session.begin_nested():
            session.execute(insert(table_of(Closing)), values)
    except IntegrityError:
        return  # another replica was faster; its row is as good


def _start_over(session: Session, terms: Terms) -> Closed:
    for table in (HoldDay, DayCost, DayTotal, DayCapacity):
        session.execute(delete(table_of(table)))
    first = queries.first_moment(session)
    assert first is not None  # noqa: S101 - there is a row, so there was a first moment
    until = day_start(first.astimezone(terms.zone).date(), terms.zone)
    values = {
        "closed_until": until,
        "last_hold_id": 0,
        "timezone": terms.zone.key,
        "slice_rule": terms.slice_rule,
        "revision": Closing.revision + 1,
        "micros": 0,
    }
    change = update(table_of(Closing)).where(Closing.id == _ONE).values(values)
    revision = session.scalars(change.returning(Closing.revision)).one()
    return Closed(until, 0, revision, 0)


def _due_days(state: Closed, zone: ZoneInfo, now: datetime, most: int) -> list[date]:
    day = state.until.astimezone(zone).date()
    found: list[date] = []
    while len(found) < most and next_day(day, zone) + GRACE <= now:
        found.append(day)
        day += timedelta(days=1)
    return found
