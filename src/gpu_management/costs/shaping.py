"""Give sums of the ledger the shapes that the wire shows. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from gpu_management.core.database import MICROS
from gpu_management.costs.days import day_start, next_day
from gpu_management.costs.grouping import Added, Dimension, Sums
from gpu_management.costs.ledger import MILLI_SECONDS_PER_HOUR, Buckets
from gpu_management.costs.using import Measured, split

PAYERS = (
    Dimension.TEAM,
    Dimension.USER,
    Dimension.NAMESPACE,
    Dimension.MODEL,
    Dimension.WORKLOAD_TYPE,
    Dimension.CLUSTER,
)
"""Asked for together: there are far fewer different payers than holds."""
_PAYER_FIELDS = (
    "by_team",
    "by_user",
    "by_namespace",
    "by_model",
    "by_workload_type",
    "by_cluster",
)
_UNASSIGNED = "unassigned"
_BUCKETS = ("used", "idle", "unattributed", "free", "unavailable")


@dataclass(frozen=True, slots=True)
class Findings:
    """What an analysis is made of; `fleet` is None for those who see their own team only.

    `began` is when there was a GPU for the first time.
    """

    currency: str
    zone: ZoneInfo
    since: datetime
    until: datetime
    payers: Added
    days: Added
    nodes: Added | None
    fleet: Mapping[tuple[Any, ...], Buckets] | None
    before: Added
    measured: Measured = field(default_factory=Measured)
    began: datetime | None = None


def money(micros: int) -> Decimal:
    """Return micros as an amount of the billing currency."""
    return Decimal(micros) / MICROS


def hours(milli_seconds: int) -> float:
    """Return GPU-hours, to the millionth."""
    return round(float(Decimal(milli_seconds) / MILLI_SECONDS_PER_HOUR), 6)


def period(zone: ZoneInfo, since: datetime, until: datetime, *, days: int) -> dict[str, Any]:
    """Return the fields of a window."""
    return {"days": days, "start": since, "end": until, "timezone": zone.key}


def analysis(found: Findings) -> dict[str, Any]:
    """Return the fields of an analysis (DTO-13)."""
    total = _total(found.payers)
    series = _series(found)
    daily = money(total.micros) / _days_of_life(found, series)
    fleet = None
    if found.fleet is not None:
        fleet = split(sum(found.fleet.values(), Buckets()), found.measured)
    is_measured = found.measured.used or found.measured.idle
    return {
        "period": period(found.zone, found.since, found.until, days=len(series)),
        "currency": found.currency,
        "total_cost": money(total.micros),
        "gpu_hours": hours(total.milli_seconds),
        "unpriced_gpu_hours": hours(total.unpriced),
        "unpriced_by_model": _unpriced(found.payers),
        "daily_average": round(daily, 6),
        "projected_monthly": round(daily * 30, 6),
        **{field: _costs(found.payers, place) for place, field in enumerate(_PAYER_FIELDS)},
        "by_node": _by_node(found),
        "daily_series": series,
        "trend": _trend(total, _total(found.before)),
        "idle_cost": money(found.measured.idle_micros) if is_measured else None,
        "unallocated_cost": None if fleet is None else money(fleet.free_micros),
        "buckets": None if fleet is None else buckets(fleet),
    }


def buckets(found: Buckets) -> dict[str, Any]:
    """Return the five buckets and the tariff adjustment, in GPU-hours and in money."""
    worth = {
        "used": found.used_micros,
        "idle": found.idle_micros,
        "unattributed": found.charged_micros - found.used_micros - found.idle_micros,
        "free": found.free_micros,
        "unavailable": found.unavailable_micros,
    }
    return {
        **{
            name: {
                "gpu_hours": hours(getattr(found, name)),
                "gpu_milli_seconds": getattr(found, name),
                "cost": money(worth[name]),
            }
            for name in _BUCKETS
        },
        "tariff_adjustment": money(found.adjustment_micros),
        "gpu_hours": hours(found.total),
        "gpu_milli_seconds": found.total,
        "card_cost": money(found.card_micros),
        "unpriced_gpu_hours": hours(found.unpriced),
    }


def parts(sums: Sums, measured: Measured) -> dict[str, Any]:
    """Return the used, idle and unattributed parts of what was charged; they sum to the charge."""
    whole = Buckets(unattributed=sums.milli_seconds, charged_micros=sums.micros)
    told = split(whole, measured)
    rest = told.charged_micros - told.used_micros - told.idle_micros
    return {
        "used_cost": money(told.used_micros),
        "idle_cost": money(told.idle_micros),
        "unattributed_cost": money(rest),
        "used_gpu_hours": hours(told.used),
        "idle_gpu_hours": hours(told.idle),
        "unattributed_gpu_hours": hours(told.unattributed),
    }


def _total(found: Added) -> Sums:
    total = Sums()
    for sums in found.values():
        total.add((sums.milli_seconds, sums.unpriced, sums.micros, sums.card_micros))
    return total


def _costs(found: Added, place: int) -> dict[str, Decimal]:
    """Return the cost by one part of the keys, the largest first; what is unpriced is left out."""
    costs: dict[str, int] = defaultdict(int)
    for key, sums in found.items():
        if sums.milli_seconds > sums.unpriced or sums.micros:
            costs[_named(key[place])] += sums.micros
    return {name: money(costs[name]) for name in sorted(costs, key=lambda name: -costs[name])}


def _unpriced(found: Added) -> dict[str, float]:
    """Return the GPU-hours without a price of each model that has any."""
    held: dict[str, int] = defaultdict(int)
    for key, sums in found.items():
        held[key[PAYERS.index(Dimension.MODEL)]] += sums.unpriced
    return {model: hours(held[model]) for model in sorted(held) if held[model]}


def _named(value: Any) -> str:
    return _UNASSIGNED if value is None else str(value)


def _by_node(found: Findings) -> dict[str, Decimal]:
    if found.nodes is not None:
        return _costs(found.nodes, 0)
    charged = {key[0]: sums.charged_micros for key, sums in (found.fleet or {}).items()}
    order = sorted((name for name in charged if charged[name]), key=lambda name: -charged[name])
    return {name: money(charged[name]) for name in order}


def _series(found: Findings) -> list[dict[str, Any]]:
    """Return a row for every billing day of the window, also where nothing was spent."""
    day = found.since.astimezone(found.zone).date()
    rows: list[dict[str, Any]] = []
    while not rows or day_start(day, found.zone) < found.until:
        spent = found.days.get((day,), Sums()).micros
        rows.append({"date": day, "cost": money(spent)})
        day += timedelta(days=1)
    return rows


def _days_of_life(found: Findings, series: list[dict[str, Any]]) -> int:
    """Return how many days of the window had GPUs: a fleet is not cheaper for being young."""
    if found.began is None:
        return len(series)
    lived = sum(next_day(row["date"], found.zone) > found.began for row in series)
    return max(1, lived)


def _trend(total: Sums, before: Sums) -> dict[str, Any]:
    change = None
    if before.micros:
        change = round((total.micros - before.micros) / before.micros * 100, 2)
    return {"previous_cost": money(before.micros), "change_pct": change}
