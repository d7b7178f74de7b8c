"""Where the time of the whole fleet went, added up along any dimensions of a GPU."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from gpu_management.costs import closed_rows, queries
from gpu_management.costs.closed_rows import CAPACITY, Terms
from gpu_management.costs.closing import closed
from gpu_management.costs.days import day_start, next_day
from gpu_management.costs.differences import differences
from gpu_management.costs.grouping import Dimension, Question, parts_of
from gpu_management.costs.ledger import Buckets
from gpu_management.costs.models import DayCapacity
from gpu_management.costs.using import measured_by, split
from gpu_management.devices.models import Node

DIMENSIONS = (
    Dimension.MODEL,
    Dimension.NODE,
    Dimension.CLUSTER,
    Dimension.DAY,
    Dimension.MONTH,
)
"""What buckets can be grouped by and limited to: what a GPU has, whoever holds it."""

_COLUMNS: Mapping[Dimension, InstrumentedAttribute[Any]] = {
    Dimension.MODEL: DayCapacity.model_id,
    Dimension.NODE: DayCapacity.node_id,
    Dimension.CLUSTER: DayCapacity.cluster_name,
    Dimension.DAY: DayCapacity.day,
    Dimension.MONTH: DayCapacity.day,
}
_NAMES = {
    Dimension.MODEL: "model_id",
    Dimension.NODE: "node_id",
    Dimension.CLUSTER: "cluster_name",
    Dimension.DAY: "day",
    Dimension.MONTH: "day",
}

Key = tuple[Any, ...]


def buckets_by(
    session: Session,
    terms: Terms,
    window: tuple[datetime, datetime],
    groups: Sequence[Dimension] = (),
    only: Mapping[Dimension, str] | None = None,
    *,
    is_split: bool = True,
) -> dict[Key, Buckets]:
    """Return the buckets of [since, until) by the values of `groups`.

    Unless `is_split`, used and idle time are left within unattributed.
    """
    nodes = _nodes(session) if Dimension.NODE in {*groups, *(only or {})} else {}
    wanted = _values(only or {}, nodes)
    found: dict[Key, Buckets] = defaultdict(Buckets)
    for row in _rows(session, terms, window, groups, wanted):
        if all(row[_NAMES[dimension]] in values for dimension, values in wanted.items()):
            key = tuple(_shown(group, row[_NAMES[group]], nodes) for group in groups)
            found[key] += _read(row)
    whole = {key: sums for key, sums in found.items() if sums.total}
    if not is_split:
        return whole
    asked = Question(*window, groups, only or {})
    measured = measured_by(session, terms, asked)
    return {
        key: split(sums, measured[key]) if key in measured else sums for key, sums in whole.items()
    }


def _rows(
    session: Session,
    terms: Terms,
    window: tuple[datetime, datetime],
    groups: Sequence[Dimension],
    wanted: Mapping[Dimension, Sequence[Any]],
) -> Iterable[Mapping[str, Any]]:
    state = closed(session, terms)
    parts = parts_of(terms, state, *window)
    if state is not None and parts.since is not None and parts.until is not None:
        yield from _of_days(session, parts.since, parts.until, groups, wanted)
        for row in differences(session, terms, state).capacity:
            if parts.since <= row["day"] < parts.until:
                yield row
    for since, until in parts.raw:
        days = queries.days_between(since, until, terms.zone)
        # What is free or not is rounded down from the start of a day, so the whole day is read.
        around = day_start(days[0], terms.zone), next_day(days[-1], terms.zone)
        holds = queries.holds_within(session, *around)
        found = closed_rows.capacity(session, terms, days, holds=holds, span=(since, until))
        for key, sums in found.items():
            figures = closed_rows.figures_of(sums)
            yield closed_rows.capacity_row(key, figures, is_correction=False)


def _of_days(
    session: Session,
    since: date,
    until: date,
    groups: Sequence[Dimension],
    wanted: Mapping[Dimension, Sequence[Any]],
) -> Iterable[Mapping[str, Any]]:
    needed = dict.fromkeys([*groups, *wanted])
    keys = list({_NAMES[dimension]: _COLUMNS[dimension] for dimension in needed}.values())
    sums = [func.sum(getattr(DayCapacity, name)).label(name) for name in CAPACITY]
    query = select(*keys, *sums).where(DayCapacity.day >= since, DayCapacity.day < until)
    for dimension, values in wanted.items():
        query = query.where(_COLUMNS[dimension].in_(values))
    query = query.group_by(*keys) if keys else query
    for row in session.connection().execute(query).mappings():
        if row["total_milli_seconds"] is not None:
            yield {str(name): value for name, value in row.items()}


def _read(row: Mapping[str, Any]) -> Buckets:
    figures = {name: int(row[name]) for name in CAPACITY}
    return Buckets(
        unattributed=figures["held_milli_seconds"],
        free=figures["free_milli_seconds"],
        unavailable=figures["unavailable_milli_seconds"],
        unpriced=figures["unpriced_milli_seconds"],
        card_micros=figures["card_micros"],
        charged_micros=figures["charged_micros"],
        free_micros=figures["free_micros"],
        unavailable_micros=figures["unavailable_micros"],
    )


def _nodes(session: Session) -> dict[int, str]:
    rows = session.connection().execute(select(Node.id, Node.node_name))
    return {row.id: row.node_name for row in rows}


def _values(
    only: Mapping[Dimension, str], nodes: Mapping[int, str]
) -> dict[Dimension, Sequence[Any]]:
    return {
        dimension: [pk for pk, name in nodes.items() if name == value]
        if dimension is Dimension.NODE
        else [value]
        for dimension, value in only.items()
    }


def _shown(group: Dimension, value: Any, nodes: Mapping[int, str]) -> Any:
    if group is Dimension.NODE:
        return nodes[value]
    return f"{value:%Y-%m}" if group is Dimension.MONTH else value
