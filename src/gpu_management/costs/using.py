"""The measured part of what was held: used and idle time, and what of the charge it is worth."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Float, cast, func, or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Hold
from gpu_management.auth.access import visible_team
from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.costs import queries
from gpu_management.costs.closed_rows import Terms
from gpu_management.costs.closing import closed
from gpu_management.costs.grouping import Dimension, parts_of
from gpu_management.costs.ledger import Buckets
from gpu_management.costs.models import DayCost, HoldDay
from gpu_management.costs.pieces import cut
from gpu_management.costs.reader import Reader
from gpu_management.devices.models import Device
from gpu_management.metrics.attribution import money
from gpu_management.metrics.use import uses

MOST_OPEN = 5000
"""Holds, besides those that last through, that are split while somebody waits (a third of a
millisecond each); more of them are when their day is closed."""

_NAMES = {
    Dimension.MODEL: "model_id",
    Dimension.NODE: "node_id",
    Dimension.CLUSTER: "cluster_name",
    Dimension.DAY: "day",
    Dimension.MONTH: "day",
}
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


def measured_by(
    session: Session,
    terms: Terms,
    window: tuple[datetime, datetime],
    dimensions: Sequence[Dimension] = (),
    *,
    reader: Reader | None = None,
) -> dict[Key, Measured]:
    """Return what was measured in a window by raw keys: model, row of a node, cluster, day."""
    state = closed(session, terms)
    parts = parts_of(terms, state, *window)
    team, user = _scope(reader)
    found: dict[Key, Measured] = defaultdict(Measured)
    if parts.since is not None and parts.until is not None:
        query = _of_days(dimensions, parts.since, parts.until, team=team, user=user)
        for *key, used, idle, used_micros, idle_micros in session.connection().execute(query):
            found[tuple(key)] += Measured(
                int(used or 0), int(idle or 0), int(used_micros or 0), int(idle_micros or 0)
            )
    for span in parts.raw:
        for row, day, measured in _of_holds(session, terms, span):
            if team is None or row.team_id == team or row.user_id == user:
                found[_key(row, day, dimensions)] += measured
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
    dimensions: Sequence[Dimension], since: date, until: date, *, team: str | None, user: str
) -> AnySelect:
    """The charge of a row is divided as its time is."""
    by_hold = Dimension.NODE in dimensions
    table: Any = HoldDay if by_hold else DayCost
    places: Any = Device if by_hold else DayCost
    keys = [
        table.day if _NAMES[one] == "day" else getattr(places, _NAMES[one]) for one in dimensions
    ]
    held = func.nullif(table.milli_seconds, 0)
    sums: list[ColumnElement[Any]] = [
        func.sum(table.used_milli_seconds),
        func.sum(table.idle_milli_seconds),
        func.sum(table.micros * (cast(table.used_milli_seconds, Float) / held)),
        func.sum(table.micros * (cast(table.idle_milli_seconds, Float) / held)),
    ]
    query: Any = select(*keys, *sums).select_from(table)
    if by_hold:
        query = query.join(Hold, Hold.id == HoldDay.hold_id)
        query = query.join(Device, Device.id == Hold.device_id)
    elif team is not None:
        query = query.where(or_(DayCost.team_id == team, DayCost.user_id == user))
    found: AnySelect = query.where(table.day >= since, table.day < until).group_by(*keys)
    return found


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


def _key(row: AnyRow, day: date, dimensions: Sequence[Dimension]) -> Key:
    return tuple(day if _NAMES[one] == "day" else getattr(row, _NAMES[one]) for one in dimensions)


def _scope(reader: Reader | None) -> tuple[str | None, str]:
    if reader is None:
        return None, ""
    return visible_team(reader.principal, reader.permission), reader.principal.user or ""
