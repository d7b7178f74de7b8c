"""What GPU time costs, in whole millionths ("micros") of the billing currency; no floats.

The cost of a hold up to a moment is a floor of an exact sum; a piece is the difference of two such
costs, so pieces of any cut add up to the whole, to the millionth.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, Final

from gpu_management.mig.geometry import Geometry, Profile

MICROS: Final = 1_000_000
LIST_CURRENCY: Final = "USD"
"""Currency of the packaged list prices."""
_MILLI_SECONDS_PER_HOUR: Final = 3_600_000
_HOURS_PER_YEAR: Final = 8_760
_SECOND: Final = timedelta(seconds=1)


class SliceRule(StrEnum):
    """How much of a board's price a MIG instance is charged."""

    COMPUTE_SHARE = "compute_share"
    MEMORY_SHARE = "memory_share"
    DOMINANT_SHARE = "dominant_share"
    DOMINANT_SHARE_NORMALISED = "dominant_share_normalised"
    SM_SHARE = "sm_share"


class ShareUnknown(ValueError):
    """The rule needs a fact about the board, or its layout, that is not known."""


@dataclass(frozen=True, slots=True)
class RatePeriod:
    """A price per hour for one whole GPU or instance in [`starts_at`, `ends_at`); `None`: open."""

    starts_at: datetime
    ends_at: datetime | None
    rate_micros: int


@dataclass(frozen=True, slots=True)
class ListPrice:
    """A cloud list price for one GPU per hour, and where it was read."""

    micros_per_hour: int
    instance: str
    region: str
    source: str
    source_date: str | None
    confidence: str


@dataclass(frozen=True, slots=True)
class OwnedGpu:
    """What an owned GPU costs: money in the billing currency, shares and ratios as fractions of 1.

    `capex` includes the GPU's share of server and network, `node_kw` is the node's power at load
    divided by its GPUs. `availability` is the share of hours in which the GPU can be sold.
    """

    capex: Decimal
    life_years: Decimal
    node_kw: Decimal
    price_per_kwh: Decimal
    residual_share: Decimal = Decimal(0)
    availability: Decimal = Decimal(1)
    load_factor: Decimal = Decimal(1)
    pue: Decimal = Decimal(1)
    opex_share_per_year: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class OwnedRate:
    """The price per hour of an owned GPU in micros, and the exact parts that it is made of."""

    capital_micros: Fraction
    energy_micros: Fraction
    upkeep_micros: Fraction

    @property
    def rate_micros(self) -> int:
        """Return the sum of the parts, rounded once, half to even."""
        return round(self.capital_micros + self.energy_micros + self.upkeep_micros)


def slice_share(
    geometry: Geometry,
    profile: str,
    rule: SliceRule = SliceRule.DOMINANT_SHARE,
    *,
    layout: Sequence[str] = (),
) -> Fraction:
    """Return the share of the board's price that an instance of `profile` is charged.

    The dominant share is the larger of the compute and the memory share: what the instance denies
    to others. Full layouts of dominant shares sum to 0.893 to 1.107; the normalised rule divides by
    that sum where it exceeds 1, and therefore needs the board's whole `layout`.

    Raises:
        LayoutError: the board has no such profile.
        ShareUnknown: SM counts are unknown, or the normalised rule got no layout with `profile`.
    """
    kind = geometry.profile(profile)
    if rule is SliceRule.COMPUTE_SHARE:
        return _compute_share(geometry, kind)
    if rule is SliceRule.MEMORY_SHARE:
        return _memory_share(geometry, kind)
    if rule is SliceRule.SM_SHARE:
        return _sm_share(geometry, kind)
    if rule is SliceRule.DOMINANT_SHARE:
        return _dominant_share(geometry, kind)
    standing = [geometry.profile(name) for name in layout]
    if kind not in standing:
        raise ShareUnknown(f"the normalised share of {kind.name} needs a layout that contains it")
    whole = sum((_dominant_share(geometry, other) for other in standing), Fraction(0))
    return _dominant_share(geometry, kind) / max(Fraction(1), whole)


def slice_rate_micros(board_rate_micros: int, share: Fraction) -> int:
    """Return an instance's price per hour in micros, rounded once, half to even."""
    return round(board_rate_micros * share)


def hold_cost_micros(rate_micros_per_hour: int, milli: int, seconds: int) -> int:
    """Return the micros for `milli` thousandths of a GPU over `seconds`, rounded down.

    Raises:
        ValueError: one of them is negative.
    """
    if min(rate_micros_per_hour, milli, seconds) < 0:
        raise ValueError(
            f"negative rate, share or time: {rate_micros_per_hour}, {milli}, {seconds}"
        )
    return rate_micros_per_hour * milli * seconds // _MILLI_SECONDS_PER_HOUR


def cost_until_micros(
    periods: Iterable[RatePeriod], *, milli: int, started_at: datetime, until: datetime
) -> int:
    """Return C(t): the micros of a hold from `started_at` up to `until`, rounded down once.

    C(t) is the floor of rate times milli times seconds / 3.6e6, summed over the rate periods. A gap
    between periods costs nothing. Monotonic in `until`; 0 up to `started_at`.

    Raises:
        ValueError: times are naive or not whole seconds, periods overlap, or a figure is negative.
    """
    weighted = sum(
        period.rate_micros * _seconds_within(period, started_at, until)
        for period in _checked(periods)
    )
    return hold_cost_micros(1, milli, weighted)


def piece_cost_micros(
    periods: Iterable[RatePeriod],
    *,
    milli: int,
    started_at: datetime,
    since: datetime,
    until: datetime,
) -> int:
    """Return the micros of the part [`since`, `until`) of a hold: C(until) - C(since).

    Pieces that adjoin add up to the whole exactly, however a hold is cut.

    Raises:
        ValueError: `until` is before `since`, or as for `cost_until_micros`.
    """
    if until < since:
        raise ValueError(f"a piece cannot end at {until} before it starts at {since}")
    known = tuple(periods)
    upto = cost_until_micros(known, milli=milli, started_at=started_at, until=until)
    return upto - cost_until_micros(known, milli=milli, started_at=started_at, until=since)


def owned_rate(gpu: OwnedGpu) -> OwnedRate:
    """Return what an owned GPU must earn per hour.

    rate = capex * (1 - residual) / (life_years * 8760 * availability)
    + node_kw * load_factor * pue * price_per_kwh + capex * opex_share_per_year / 8760: the usual
    straight-line total cost of ownership; examples and their sources are in `list_prices.json`.

    Raises:
        ValueError: life or availability is not above zero.
    """
    if gpu.life_years <= 0 or gpu.availability <= 0:
        raise ValueError(f"life {gpu.life_years} y and availability {gpu.availability} must be > 0")
    capex = Fraction(gpu.capex) * MICROS
    hours = Fraction(gpu.life_years) * _HOURS_PER_YEAR * Fraction(gpu.availability)
    power_kw = Fraction(gpu.node_kw) * Fraction(gpu.load_factor) * Fraction(gpu.pue)
    return OwnedRate(
        capital_micros=capex * (1 - Fraction(gpu.residual_share)) / hours,
        energy_micros=power_kw * Fraction(gpu.price_per_kwh) * MICROS,
        upkeep_micros=capex * Fraction(gpu.opex_share_per_year) / _HOURS_PER_YEAR,
    )


@cache
def list_prices() -> Mapping[str, ListPrice]:
    """Return the packaged list prices by model id: editable defaults in USD, never quotes."""
    return {model: ListPrice(**row) for model, row in _price_file()["rates"].items()}


def list_price_micros(model_id: str) -> int | None:
    """Return a model's list price per hour in micros of USD, or `None` where none is known."""
    price = list_prices().get(model_id)
    return None if price is None else price.micros_per_hour


def owned_examples() -> Mapping[str, OwnedGpu]:
    """Return the packaged examples of `OwnedGpu`, by name."""
    examples: dict[str, dict[str, Any]] = _price_file()["on_prem"]["examples"]
    return {
        name: OwnedGpu(**{field: Decimal(text) for field, text in example["inputs"].items()})
        for name, example in examples.items()
    }


@cache
def _price_file() -> dict[str, Any]:
    packaged = files("gpu_management.rates").joinpath("data/list_prices.json")
    document: dict[str, Any] = json.loads(packaged.read_bytes(), parse_float=Decimal)
    return document


def _checked(periods: Iterable[RatePeriod]) -> list[RatePeriod]:
    ordered = sorted(periods, key=lambda period: period.starts_at)
    for earlier, later in pairwise(ordered):
        if earlier.ends_at is None or earlier.ends_at > later.starts_at:
            raise ValueError(f"the rates from {earlier.starts_at} and {later.starts_at} overlap")
    for period in ordered:
        if period.rate_micros < 0:
            raise ValueError(f"the rate from {period.starts_at} is negative: {period.rate_micros}")
    return ordered


def _seconds_within(period: RatePeriod, started_at: datetime, until: datetime) -> int:
    starts = max(_whole_seconds(period.starts_at), _whole_seconds(started_at))
    ends = _whole_seconds(until)
    if period.ends_at is not None:
        ends = min(ends, _whole_seconds(period.ends_at))
    return max(0, ends - starts)


def _whole_seconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    seconds, rest = divmod(moment - datetime(1970, 1, 1, tzinfo=UTC), _SECOND)
    if rest:
        raise ValueError(f"{moment} is not a whole second")
    return seconds


def _compute_share(geometry: Geometry, kind: Profile) -> Fraction:
    return Fraction(kind.compute_slices, geometry.compute_slices)


def _memory_share(geometry: Geometry, kind: Profile) -> Fraction:
    return Fraction(kind.memory_slices, geometry.memory_slices)


def _dominant_share(geometry: Geometry, kind: Profile) -> Fraction:
    return max(_compute_share(geometry, kind), _memory_share(geometry, kind))


def _sm_share(geometry: Geometry, kind: Profile) -> Fraction:
    whole = max((other.sm_count or 0 for other in geometry.profiles), default=0)
    if kind.sm_count is None or not whole:
        raise ShareUnknown(f"the SM count of {kind.name} on {geometry.key} is not known")
    return Fraction(kind.sm_count, whole)
