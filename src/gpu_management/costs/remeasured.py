"""Used and idle time of closed days, when samples came after the day was closed.

What was held and charged stays as it is; what is known now of used and idle is appended as a
difference, as for everything else that changes on a closed day.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from gpu_management.core.database import in_parts, table_of
from gpu_management.costs import closed_rows as made
from gpu_management.costs import queries
from gpu_management.costs.closed_rows import Closed, Rows, Terms
from gpu_management.costs.days import day_start
from gpu_management.costs.differences import facts_of
from gpu_management.costs.models import HoldDay
from gpu_management.metrics.attribution import Use
from gpu_management.metrics.models import MinuteUse, RemadeMinute
from gpu_management.metrics.use import uses

QUIET = timedelta(minutes=10)
"""Collectors that were cut off send what they kept in many pieces: they are waited for."""
_LONGEST = timedelta(hours=47)
"""Days that began earlier are left: not all of their minutes need be kept."""
_REMADE = table_of(RemadeMinute)


def is_due(session: Session, state: Closed, *, now: datetime) -> bool:
    """Say whether minutes of closed days were made long after, and all that belongs to them."""
    row = _REMADE.c
    query = select(func.min(row.made_ts)).where(row.at_ts < queries.second(state.until))
    first = session.scalar(query)
    return first is not None and first <= queries.second(now - QUIET)


def remeasured(session: Session, terms: Terms, state: Closed, *, now: datetime) -> Rows:
    """Return what is to be appended to closed days, and forget the minutes that it comes from."""
    until = queries.second(state.until)
    rows = Rows()
    if is_due(session, state, now=now):
        late = select(_REMADE.c.at_ts).where(_REMADE.c.at_ts < until)
        by_day: dict[date, list[int]] = defaultdict(list)
        for at in session.scalars(late.order_by(_REMADE.c.at_ts)):
            by_day[queries.moment_of(at).astimezone(terms.zone).date()].append(at)
        for day, minutes in by_day.items():
            if day_start(day, terms.zone) >= now - _LONGEST:
                _append(session, terms, rows, day, _devices(session, minutes))
        session.execute(delete(_REMADE).where(_REMADE.c.at_ts < until))
    # What is of an open day is measured when that is closed.
    session.execute(delete(_REMADE).where(_REMADE.c.at_ts >= until))
    return rows


def _devices(session: Session, minutes: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for some in in_parts(minutes):
        query = select(MinuteUse.device_id).where(MinuteUse.at_ts.in_(some)).distinct()
        found.update(session.scalars(query))
    return found


def _append(session: Session, terms: Terms, rows: Rows, day: date, devices: Iterable[int]) -> None:
    span = queries.bounds_of([day], terms.zone)
    seconds = terms.interval_seconds
    wanted = set(devices)
    found = {
        hold: use
        for (hold, _), use in uses(
            session, [(span[0], span[1])], interval_seconds=seconds, devices=wanted
        ).items()
    }
    changed = _changed(session, day, found)
    rows.facts |= (facts := facts_of(session, changed))
    sums: dict[tuple[Any, ...], list[int]] = {}
    for hold, more in sorted(changed.items()):
        rows.hold_days.append(made.hold_day(hold, day, more, is_correction=True))
        made.add(sums, (day, *made.payer(facts[hold])), (0, *more))
    rows.daily += [made.daily(key, more, is_correction=True) for key, more in sums.items()]


def _changed(session: Session, day: date, found: dict[int, Use]) -> dict[int, tuple[int, ...]]:
    """Return what to add to the figures of holds whose day is recorded as it was held."""
    wanted = sorted(found)
    changed: dict[int, tuple[int, ...]] = {}
    for some in in_parts(wanted):
        query = (
            select(
                HoldDay.hold_id,
                func.sum(HoldDay.milli_seconds),
                func.sum(HoldDay.used_milli_seconds),
                func.sum(HoldDay.idle_milli_seconds),
            )
            .where(HoldDay.day == day, HoldDay.hold_id.in_(some))
            .group_by(HoldDay.hold_id)
        )
        for hold, held, used, idle in session.connection().execute(query):
            use = found[hold]
            more = (use.used - int(used), use.idle - int(idle))
            if int(held) == use.held and any(more):
                changed[hold] = (0, 0, 0, 0, *more)
    return changed
