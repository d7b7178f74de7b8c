"""Add up what holds cost along any dimensions: closed days from their rows, the rest from holds.

The answer is the same as from the holds alone, whatever is closed (`tests/costs` compares them).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from gpu_management.allocations.models import Allocation, Hold
from gpu_management.allocations.queries import hold_facts
from gpu_management.auth.access import visible_team
from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.costs import queries
from gpu_management.costs.closed_rows import HOLD_DAY, Closed, Rows, Terms, plain
from gpu_management.costs.closing import closed
from gpu_management.costs.days import day_start
from gpu_management.costs.differences import differences
from gpu_management.costs.models import DayCost, DayTotal, HoldDay
from gpu_management.costs.pieces import cut
from gpu_management.costs.reader import Reader
from gpu_management.devices.models import Device, Node


class Dimension(StrEnum):
    """What costs can be grouped by and limited to."""

    TEAM = "team"
    USER = "user"
    NAMESPACE = "namespace"
    MODEL = "model"
    WORKLOAD_TYPE = "workloadType"
    CLUSTER = "cluster"
    NODE = "node"
    ALLOCATION = "allocation"
    DAY = "day"
    MONTH = "month"


@dataclass(slots=True)
class Sums:
    """What pieces of holds add up to: milli-seconds, and micros."""

    milli_seconds: int = 0
    unpriced: int = 0
    micros: int = 0
    card_micros: int = 0

    def add(self, figures: Sequence[Any]) -> None:
        """Add milli-seconds, those without a price, micros, and micros of the card."""
        self.milli_seconds += int(figures[0])
        self.unpriced += int(figures[1])
        self.micros += int(figures[2])
        self.card_micros += int(figures[3])

    def __bool__(self) -> bool:
        """Say whether anything was held."""
        return bool(self.milli_seconds or self.micros or self.card_micros)


@dataclass(frozen=True, slots=True)
class Question:
    """What to add up: [since, until), by which dimensions, limited to what, for whom.

    `only` maps a dimension to a value; the empty text stands for none.
    """

    since: datetime
    until: datetime
    groups: Sequence[Dimension] = ()
    only: Mapping[Dimension, str] = field(default_factory=dict)
    reader: Reader | None = None


Key = tuple[Any, ...]
Added = dict[Key, Sums]

_NAMES = {
    Dimension.TEAM: "team_id",
    Dimension.USER: "user_id",
    Dimension.NAMESPACE: "namespace",
    Dimension.MODEL: "model_id",
    Dimension.WORKLOAD_TYPE: "workload_type",
    Dimension.CLUSTER: "cluster_name",
    Dimension.NODE: "node_id",
    Dimension.ALLOCATION: "allocation_id",
}
_OF_HOLDS: dict[Dimension, InstrumentedAttribute[Any]] = {
    Dimension.TEAM: Allocation.team_id,
    Dimension.USER: Allocation.user_id,
    Dimension.NAMESPACE: Allocation.namespace,
    Dimension.MODEL: Device.model_id,
    Dimension.WORKLOAD_TYPE: Allocation.workload_type,
    Dimension.CLUSTER: Device.cluster_name,
    Dimension.NODE: Device.node_id,
    Dimension.ALLOCATION: Hold.allocation_id,
    Dimension.DAY: HoldDay.day,
    Dimension.MONTH: HoldDay.day,
}
_ONLY_OF_HOLDS = frozenset({Dimension.NODE, Dimension.ALLOCATION})
"""What the sums of a day do not tell."""
_TOTALLED = frozenset(
    {Dimension.TEAM, Dimension.MODEL, Dimension.CLUSTER, Dimension.DAY, Dimension.MONTH}
)
"""What the fewest sums of a day tell."""
Table = type[HoldDay] | type[DayCost] | type[DayTotal]


@dataclass(frozen=True, slots=True)
class Parts:
    """A window cut in three: whole closed days [since, until), and what is read from holds."""

    since: date | None
    until: date | None
    raw: Sequence[tuple[datetime, datetime]]


def parts_of(terms: Terms, state: Closed | None, since: datetime, until: datetime) -> Parts:
    """Return which part of a window is read from closed days."""
    whole = [(since, until)] if since < until else []
    if state is None:
        return Parts(None, None, whole)
    first = since.astimezone(terms.zone).date()
    if day_start(first, terms.zone) < since:
        first += timedelta(days=1)
    last = min(until, state.until).astimezone(terms.zone).date()
    opens, closes = day_start(first, terms.zone), day_start(last, terms.zone)
    if opens >= closes:
        return Parts(None, None, whole)
    raw = [(since, opens), (closes, until)]
    return Parts(first, last, [span for span in raw if span[0] < span[1]])


def added_up(session: Session, terms: Terms, question: Question) -> Added:
    """Return the sums by the values of the question's dimensions; empty groups are left out."""
    state = closed(session, terms)
    parts = parts_of(terms, state, question.since, question.until)
    wanted = Wanted(session, question)
    found: Added = defaultdict(Sums)
    if parts.since is not None and parts.until is not None and state is not None:
        for key, figures in wanted.of_days(session, parts.since, parts.until):
            found[key].add(figures)
        late = differences(session, terms, state)
        for key, figures in _of_differences(late, wanted, parts.since, parts.until):
            found[key].add(figures)
    for span in parts.raw:
        for key, figures in _of_holds(session, terms, wanted, span):
            found[key].add(figures)
    return wanted.shown(found)


class Wanted:
    """A question made ready: which rows count, and what their key is."""

    def __init__(self, session: Session, question: Question) -> None:
        """Read the names of nodes where they are needed."""
        self.groups = tuple(question.groups)
        self._nodes: dict[int, str] = {}
        self._only: dict[Dimension, frozenset[Any]] = {
            dimension: frozenset({value or None}) for dimension, value in question.only.items()
        }
        if Dimension.NODE in {*self.groups, *self._only}:
            rows = session.execute(select(Node.id, Node.node_name))
            self._nodes = {row.id: row.node_name for row in rows}
        if Dimension.NODE in self._only:
            name = question.only[Dimension.NODE]
            pks = (pk for pk, known in self._nodes.items() if known == name)
            self._only[Dimension.NODE] = frozenset(pks)
        self._team, self._user = _scope(question.reader)

    def is_of(self, row: AnyRow) -> bool:
        """Say whether a hold counts."""
        if self._team is not None and row.team_id != self._team and row.user_id != self._user:
            return False
        return all(
            plain(getattr(row, _NAMES[dimension])) in values
            for dimension, values in self._only.items()
        )

    def key(self, row: AnyRow, day: date) -> Key:
        """Return what a hold's piece of a day is added to."""
        return tuple(
            day if group in {Dimension.DAY, Dimension.MONTH} else plain(getattr(row, _NAMES[group]))
            for group in self.groups
        )

    def shown(self, found: Added) -> Added:
        """Return sums under keys as people read them: names of nodes, months of days."""
        told: Added = defaultdict(Sums)
        for key, sums in found.items():
            if sums:
                figures = (sums.milli_seconds, sums.unpriced, sums.micros, sums.card_micros)
                told[self.named(key)].add(figures)
        return told

    def named(self, key: Key) -> Key:
        """Return a key as people read it."""
        return tuple(map(self._name, self.groups, key))

    def _name(self, group: Dimension, value: Any) -> Any:
        if group is Dimension.NODE:
            return self._nodes[value]
        return f"{value:%Y-%m}" if group is Dimension.MONTH else value

    def of_days(self, session: Session, since: date, until: date) -> Iterator[tuple[Key, Key]]:
        """Yield key and figures from the rows of closed days."""
        # A team's reader also sees what its user did for others: only `DayCost` tells users.
        is_totalled = self._team is None and {*self.groups, *self._only} <= _TOTALLED
        table = DayTotal if is_totalled else self.table
        keys = self.columns(table)
        sums = [func.coalesce(func.sum(getattr(table, name)), 0) for name in HOLD_DAY]
        query = self.rows(table, [*keys, *sums]).where(table.day >= since, table.day < until)
        size = len(keys)
        for row in session.connection().execute(query.group_by(*keys) if keys else query):
            yield tuple(plain(value) for value in row[:size]), tuple(row[size:])

    @property
    def table(self) -> type[HoldDay] | type[DayCost]:
        """Return the table with the fewest rows that tells every payer of what is asked."""
        return HoldDay if {*self.groups, *self._only} & _ONLY_OF_HOLDS else DayCost

    def columns(self, table: Table) -> list[ColumnElement[Any]]:
        """Return the columns that make the key."""
        return [_column(table, group).expression for group in self.groups]

    def rows(self, table: Table, columns: Sequence[ColumnElement[Any]]) -> AnySelect:
        """Ask for `columns` of the rows of closed days that count."""
        query: Any = select(*columns).select_from(table)
        payer: Any = table
        if table is HoldDay:
            payer = Allocation
            query = (
                query.join(Hold, Hold.id == HoldDay.hold_id)
                .join(Device, Device.id == Hold.device_id)
                .outerjoin(Allocation, Allocation.allocation_id == Hold.allocation_id)
            )
        for dimension, values in self._only.items():
            query = query.where(_is_one_of(_column(table, dimension), values))
        if self._team is not None:
            query = query.where(or_(payer.team_id == self._team, payer.user_id == self._user))
        found: AnySelect = query
        return found


def _column(table: Table, dimension: Dimension) -> InstrumentedAttribute[Any]:
    if table is HoldDay:
        return _OF_HOLDS[dimension]
    named: InstrumentedAttribute[Any] = getattr(table, _NAMES.get(dimension, "day"))
    return named


def _is_one_of(column: InstrumentedAttribute[Any], values: frozenset[Any]) -> ColumnElement[bool]:
    return column.is_(None) if None in values else column.in_(values)


def _scope(reader: Reader | None) -> tuple[str | None, str]:
    if reader is None:
        return None, ""
    return visible_team(reader.principal, reader.permission), reader.principal.user or ""


def _of_differences(
    late: Rows, wanted: Wanted, since: date, until: date
) -> Iterator[tuple[Key, Key]]:
    for row in late.hold_days:
        hold = late.facts[row["hold_id"]]
        if since <= row["day"] < until and wanted.is_of(hold):
            yield wanted.key(hold, row["day"]), tuple(row[name] for name in HOLD_DAY)


def _of_holds(
    session: Session,
    terms: Terms,
    wanted: Wanted,
    span: tuple[datetime, datetime],
) -> Iterator[tuple[Key, Key]]:
    since, until = span
    days = queries.days_between(since, until, terms.zone)
    query = hold_facts().where(queries.overlapping(since, until))
    holds = [row for row in session.connection().execute(query) if wanted.is_of(row)]
    bounds = queries.bounds_of(days, terms.zone)
    bounds[0], bounds[-1] = queries.second(since), queries.second(until)
    pricer = queries.Pricer(terms.book)
    for piece in cut([pricer.held(row) for row in holds], bounds):
        figures = (piece.milli_seconds, piece.unpriced, piece.micros, piece.card_micros)
        yield wanted.key(holds[piece.hold], days[piece.stretch]), figures
