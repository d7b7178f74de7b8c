"""What changed on days that were closed already: late holds, earlier ends, corrections."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from sqlalchemy import BigInteger, bindparam, case, func, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Hold
from gpu_management.allocations.queries import hold_facts_of_any
from gpu_management.core.database import AnyRow
from gpu_management.costs import closed_rows as made
from gpu_management.costs import queries
from gpu_management.costs.closed_rows import CAPACITY, HOLD_DAY, Closed, Place, Rows, Terms
from gpu_management.costs.days import day_start, next_day
from gpu_management.costs.models import DayCapacity, HoldDay
from gpu_management.costs.pieces import cut
from gpu_management.costs.sqltime import seconds_of
from gpu_management.metrics.use import uses

_HELD = 1 + HOLD_DAY.index("milli_seconds")
_USED = 1 + HOLD_DAY.index("used_milli_seconds")
_LOOK_BACK_IDS = 200
"""Newest holds that are looked at again: replicas commit out of order."""

_NEW = (
    select(Hold.id, Hold.corrects_id)
    .where(Hold.id > bindparam("seen"), Hold.started_at < bindparam("until"))
    .order_by(Hold.id)
)
_SINCE = case(
    (Hold.started_at < bindparam("opens"), bindparam("opened", type_=BigInteger)),
    else_=seconds_of(Hold.started_at),
)
_SECONDS = seconds_of(Hold.ended_at) - _SINCE
_EXPECTED = case((_SECONDS < 0, 0), else_=_SECONDS) * Hold.milli
_ON_LAST_DAY = (HoldDay.day == bindparam("last_day"), Hold.ended_at < bindparam("until"))
_RECORDED = func.sum(HoldDay.milli_seconds)
# First the rows that do not say what was held, mostly none; then what all rows of a hold say.
_ODD = (
    select(HoldDay.hold_id)
    .join(Hold, Hold.id == HoldDay.hold_id)
    .where(*_ON_LAST_DAY, HoldDay.milli_seconds != _EXPECTED)
)
_ENDED_EARLY = (
    select(HoldDay.hold_id)
    .join(Hold, Hold.id == HoldDay.hold_id)
    .where(*_ON_LAST_DAY, HoldDay.hold_id.in_(_ODD))
    .group_by(HoldDay.hold_id, Hold.milli, Hold.started_at, Hold.ended_at)
    .having(_RECORDED != 0, _EXPECTED != _RECORDED)
)


def suspects(session: Session, state: Closed, terms: Terms) -> set[int]:
    """Return the holds whose closed days may be out of date.

    They came after the last look though they began before its end, were corrected, or turned out
    to have ended before the last closed day did.
    """
    until = state.until
    seen = {"seen": state.last_hold_id - _LOOK_BACK_IDS, "until": until}
    connection = session.connection()
    found: set[int] = set()
    for row in connection.execute(_NEW, seen):
        if row.id > state.last_hold_id or row.corrects_id is not None:
            found.update(pk for pk in (row.id, row.corrects_id) if pk is not None)
    last = (until - timedelta(seconds=1)).astimezone(terms.zone).date()
    opens = day_start(last, terms.zone)
    day = {"last_day": last, "until": until, "opens": opens, "opened": queries.second(opens)}
    found.update(connection.execute(_ENDED_EARLY, day).scalars())
    return found


def differences(session: Session, terms: Terms, state: Closed) -> Rows:
    """Return what must be appended to closed days so that they agree with the holds."""
    ids = suspects(session, state, terms)
    rows = Rows()
    if not ids:
        return rows
    facts = rows.facts = facts_of(session, ids)
    changed = _changed_days(session, terms, state, facts)
    sums: dict[tuple[Any, ...], list[int]] = {}
    for (hold_id, day), figures in sorted(changed.items()):
        rows.hold_days.append(made.hold_day(hold_id, day, figures[1:], is_correction=True))
        made.add(sums, (day, *made.payer(facts[hold_id])), figures)
    rows.daily = [
        made.daily(key, figures, is_correction=True)
        for key, figures in sums.items()
        if any(figures)
    ]
    touched = {(day, facts[hold_id].node_id) for hold_id, day in changed}
    rows.capacity = _changed_places(session, terms, touched)
    return rows


def facts_of(session: Session, ids: Iterable[int]) -> dict[int, AnyRow]:
    """Return holds by their row, also those that no longer count."""
    wanted = sorted(ids)
    found: dict[int, AnyRow] = {}
    for start in range(0, len(wanted), 500):
        query = hold_facts_of_any().where(Hold.id.in_(wanted[start : start + 500]))
        found |= {row.id: row for row in session.connection().execute(query)}
    return found


def _changed_days(
    session: Session, terms: Terms, state: Closed, facts: dict[int, AnyRow]
) -> dict[tuple[int, date], list[int]]:
    """Return by hold and day what is to be added: the number of holds, then its figures."""
    pricer = queries.Pricer(terms.book)
    counted = [row for row in facts.values() if row.is_effective]
    begins = min((row.started_at for row in counted), default=state.until)
    days = queries.days_between(begins, state.until, terms.zone)
    found: dict[tuple[int, date], list[int]] = {}
    if days:
        bounds = queries.bounds_of(days, terms.zone)
        for piece in cut([pricer.held(row) for row in counted], bounds):
            figures = [1, *made.figures_with(piece, None)]
            found[counted[piece.hold].id, days[piece.stretch]] = figures
    recorded = _recorded(session, facts)
    _measure(session, terms, found, recorded, facts=facts)
    for key, figures in recorded.items():
        expected = found.get(key, [0] * len(figures))
        found[key] = [a - b for a, b in zip(expected, figures, strict=True)]
    return {key: figures for key, figures in found.items() if any(figures)}


def _measure(
    session: Session,
    terms: Terms,
    expected: dict[tuple[int, date], list[int]],
    recorded: dict[tuple[int, date], list[int]],
    *,
    facts: dict[int, AnyRow],
) -> None:
    """Fill in used and idle: as recorded where what was held is as recorded, else anew.

    Minutes are not kept as long as the ledger: what was found once is not measured again.
    """
    devices = {facts[hold].device_pk for hold, _ in expected}
    measured: set[date] = set()
    found: dict[tuple[int, date], Any] = {}
    for (hold, day), figures in expected.items():
        had = recorded.get((hold, day))
        if had is not None and had[_HELD] == figures[_HELD]:
            figures[_USED:] = had[_USED:]
            continue
        if day not in measured:
            measured.add(day)
            span = queries.bounds_of([day], terms.zone)
            seconds = terms.interval_seconds
            one_day = [(span[0], span[1])]
            split = uses(session, one_day, interval_seconds=seconds, devices=devices)
            found |= {(pk, day): use for (pk, _), use in split.items()}
        use = found.get((hold, day))
        if use is not None:
            figures[_USED:] = [use.used, use.idle]


def _recorded(session: Session, ids: Iterable[int]) -> dict[tuple[int, date], list[int]]:
    sums = [func.sum(getattr(HoldDay, name)) for name in HOLD_DAY]
    wanted = sorted(ids)
    found: dict[tuple[int, date], list[int]] = {}
    for start in range(0, len(wanted), 500):
        query = (
            select(HoldDay.hold_id, HoldDay.day, *sums)
            .where(HoldDay.hold_id.in_(wanted[start : start + 500]))
            .group_by(HoldDay.hold_id, HoldDay.day)
        )
        for hold_id, day, *figures in session.connection().execute(query):
            whole = [int(figure) for figure in figures]
            found[hold_id, day] = [int(whole[0] != 0), *whole]
    return found


def _changed_places(
    session: Session, terms: Terms, touched: Iterable[tuple[date, int]]
) -> list[dict[str, Any]]:
    """Return what is to be added to the days of whole nodes on which a hold changed."""
    by_day: dict[date, set[int]] = defaultdict(set)
    for day, node in touched:
        by_day[day].add(node)
    rows = []
    for day, nodes in sorted(by_day.items()):
        devices = queries.devices_of(session, nodes)
        window = day_start(day, terms.zone), next_day(day, terms.zone)
        holds = queries.holds_within(session, *window, devices=devices)
        expected = made.capacity(session, terms, [day], holds=holds, devices=devices)
        recorded = _recorded_places(session, day, nodes)
        for key in sorted({*expected, *recorded}):
            had = recorded.get(key, (0,) * len(CAPACITY))
            more = [a - b for a, b in zip(made.figures_of(expected[key]), had, strict=True)]
            if any(more):
                rows.append(made.capacity_row(key, more, is_correction=True))
    return rows


def _recorded_places(
    session: Session, day: date, nodes: Iterable[int]
) -> dict[Place, tuple[int, ...]]:
    sums = [func.sum(getattr(DayCapacity, name)) for name in CAPACITY]
    keys = (DayCapacity.day, DayCapacity.cluster_name, DayCapacity.node_id, DayCapacity.model_id)
    query = select(*keys, *sums).where(DayCapacity.day == day, DayCapacity.node_id.in_(nodes))
    return {
        (row[0], row[1], row[2], row[3]): tuple(int(figure) for figure in row[4:])
        for row in session.connection().execute(query.group_by(*keys))
    }
