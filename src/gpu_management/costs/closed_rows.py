"""The rows of closed days: what holds held and cost on them, and where GPUs' time went."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from gpu_management.core.database import AnyRow, table_of
from gpu_management.costs import queries
from gpu_management.costs.bulk import append
from gpu_management.costs.days import day_start, next_day
from gpu_management.costs.ledger import Buckets
from gpu_management.costs.models import DayCapacity, DayCost, DayTotal, HoldDay
from gpu_management.costs.pieces import Cut, cut
from gpu_management.costs.places import alike, places
from gpu_management.metrics.attribution import Use
from gpu_management.metrics.use import uses
from gpu_management.rates.book import Book

HOLD_DAY = (
    "milli_seconds",
    "unpriced_milli_seconds",
    "micros",
    "card_micros",
    "used_milli_seconds",
    "idle_milli_seconds",
)
"""What a hold's day adds up."""
CAPACITY = (
    "total_milli_seconds",
    "held_milli_seconds",
    "free_milli_seconds",
    "unavailable_milli_seconds",
    "unpriced_milli_seconds",
    "card_micros",
    "charged_micros",
    "free_micros",
    "unavailable_micros",
)
"""What a day of a node's GPUs of one model adds up."""
TOTALLED = ("day", "cluster_name", "team_id", "model_id")
"""The key of a day's fewest sums."""
PAYER = ("cluster_name", "team_id", "user_id", "namespace", "model_id", "workload_type")
"""Who pays and for what: the key of a day's sums."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What closed days are made with: the billing time zone and the price book.

    Samples come every `interval_seconds`.
    """

    zone: ZoneInfo
    book: Book
    interval_seconds: int = 15

    @property
    def slice_rule(self) -> str:
        """Return how slices without a price of their own are priced."""
        return self.book.rule.value


@dataclass(frozen=True, slots=True)
class Closed:
    """How far days are closed, and the micros charged on them.

    `revision` changes whenever their rows do.
    """

    until: datetime
    last_hold_id: int
    revision: int
    micros: int


@dataclass(slots=True)
class Rows:
    """Rows to append, each a mapping of columns; `facts` are the holds of differences."""

    hold_days: list[dict[str, Any]] = field(default_factory=list)
    daily: list[dict[str, Any]] = field(default_factory=list)
    capacity: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[int, AnyRow] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Say whether there is anything to append."""
        return bool(self.hold_days or self.daily or self.capacity)


def write(session: Session, rows: Rows) -> int:
    """Append rows; return the micros by which the charge of closed days changed."""
    for table, some in (
        (HoldDay, rows.hold_days),
        (DayCost, rows.daily),
        (DayTotal, totals(rows.daily)),
        (DayCapacity, rows.capacity),
    ):
        append(session, table_of(table), some)
    return sum(row["micros"] for row in rows.daily)


def totals(daily_rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of `gpu_cost_totals` that say the same as rows of `gpu_cost_daily`."""
    sums: dict[tuple[Any, ...], list[int]] = {}
    for row in daily_rows:
        add(sums, tuple(row[name] for name in TOTALLED), (row[name] for name in HOLD_DAY))
    return [dict(zip((*TOTALLED, *HOLD_DAY), (*key, *sums[key]), strict=True)) for key in sums]


def rows_of(session: Session, terms: Terms, days: Sequence[date]) -> Rows:
    """Return the rows of days that are closed for the first time."""
    window = day_start(days[0], terms.zone), next_day(days[-1], terms.zone)
    pricer = queries.Pricer(terms.book)
    holds = queries.holds_within(session, *window)
    bounds = queries.bounds_of(days, terms.zone)
    rows = Rows()
    sums: dict[tuple[Any, ...], list[int]] = {}
    found = uses(session, list(pairwise(bounds)), interval_seconds=terms.interval_seconds)
    for piece in cut([pricer.held(hold) for hold in holds], bounds):
        hold, day = holds[piece.hold], days[piece.stretch]
        figures = figures_with(piece, found.get((hold.id, piece.stretch)))
        rows.hold_days.append(hold_day(hold.id, day, figures, is_correction=False))
        add(sums, (day, *payer(hold)), (1, *figures))
    rows.daily = [daily(key, figures, is_correction=False) for key, figures in sums.items()]
    places = capacity(session, terms, days, holds=holds)
    rows.capacity = [
        capacity_row(key, figures_of(found), is_correction=False) for key, found in places.items()
    ]
    return rows


def plain(value: Any) -> Any:
    """Return the text of an enumerated value, and anything else as it is."""
    return value.value if isinstance(value, StrEnum) else value


def payer(hold: AnyRow) -> tuple[Any, ...]:
    """Return who pays for a hold and for what: `PAYER`."""
    return tuple(plain(getattr(hold, name)) for name in PAYER)


def add(sums: dict[tuple[Any, ...], list[int]], key: tuple[Any, ...], more: Iterable[int]) -> None:
    """Add figures to those of a key."""
    known = sums.get(key)
    if known is None:
        sums[key] = list(more)
        return
    for place, figure in enumerate(more):
        known[place] += figure


def hold_day(
    hold_id: int, day: date, figures: Sequence[int], *, is_correction: bool
) -> dict[str, Any]:
    """Return a row of `gpu_cost_days`."""
    return {
        "hold_id": hold_id,
        "day": day,
        **dict(zip(HOLD_DAY, figures, strict=True)),
        "is_correction": is_correction,
    }


def figures_with(piece: Cut, use: Use | None) -> tuple[int, ...]:
    """Return what a piece adds up: `HOLD_DAY`; what is not measured is neither used nor idle."""
    used, idle = (0, 0) if use is None else (use.used, use.idle)
    return (piece.milli_seconds, piece.unpriced, piece.micros, piece.card_micros, used, idle)


def daily(key: tuple[Any, ...], figures: Sequence[int], *, is_correction: bool) -> dict[str, Any]:
    """Return a row of `gpu_cost_daily`; the first figure is the number of holds."""
    return {
        "day": key[0],
        **dict(zip(PAYER, key[1:], strict=True)),
        "holds": figures[0],
        **dict(zip(HOLD_DAY, figures[1:], strict=True)),
        "is_correction": is_correction,
    }


Place = tuple[date, str, int, str]
"""A day, a cluster, a node's row, and a model."""


def capacity_row(key: Place, figures: Sequence[int], *, is_correction: bool) -> dict[str, Any]:
    """Return a row of `gpu_capacity_daily`."""
    return {
        **dict(zip(("day", "cluster_name", "node_id", "model_id"), key, strict=True)),
        **dict(zip(CAPACITY, figures, strict=True)),
        "is_correction": is_correction,
    }


def figures_of(found: Buckets) -> tuple[int, ...]:
    """Return the figures of a capacity row."""
    return (
        found.total,
        found.held,
        found.free,
        found.unavailable,
        found.unpriced,
        found.card_micros,
        found.charged_micros,
        found.free_micros,
        found.unavailable_micros,
    )


def capacity(
    session: Session,
    terms: Terms,
    days: Sequence[date],
    *,
    holds: Sequence[AnyRow],
    span: tuple[datetime, datetime] | None = None,
    devices: Iterable[int] | None = None,
) -> dict[Place, Buckets]:
    """Return where the time of GPUs went by day, node and model, within `span` of the days.

    `holds` are all that reach into the days.
    """
    pricer, found = queries.Pricer(terms.book), dict[Place, Buckets]()
    around = day_start(days[0], terms.zone), next_day(days[-1], terms.zone)
    fleet = queries.fleet(session, pricer, around, devices=devices)
    groups = alike((row.pk, (row.cluster_name, row.node_id, row.model_id), at) for row, at in fleet)
    held = [(row.device_pk, pricer.held(row)) for row in holds]
    within = around if span is None else span
    seconds = (queries.second(within[0]), queries.second(within[1]))
    for day, marks in zip(days, pairwise(queries.bounds_of(days, terms.zone)), strict=True):
        for (cluster, node, model), there in places(groups, held, marks, seconds):
            key = (day, cluster, node, model)
            found[key] = found[key] + there if key in found else there
    return found
