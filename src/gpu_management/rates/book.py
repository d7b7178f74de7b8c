"""The price book in memory: what a card, a share or a slice costs, where, and since when. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from gpu_management.mig.geometry import load_geometries
from gpu_management.rates.models import ANYWHERE, SHARE, WHOLE_CARD
from gpu_management.rates.pricing import (
    MICROS,
    RatePeriod,
    ShareUnknown,
    SliceRule,
    cost_until_micros,
    hold_cost_micros,
    piece_cost_micros,
    slice_rate_micros,
    slice_share,
)

_WHOLE_MILLI = 1000


@dataclass(frozen=True, slots=True)
class BookRow:
    """One row of the book: a price in micros per hour of a model or a part of it, and where."""

    model_id: str
    profile_name: str
    rate_micros: int
    effective_from: datetime
    cluster_name: str = ANYWHERE
    node_pool: str = ANYWHERE
    row_id: int = 0


@dataclass(frozen=True, slots=True)
class Priced:
    """What a hold is charged for: a model or a slice of it, in thousandths, and where it stands."""

    model_id: str
    geometry: str | None
    profile_name: str | None
    milli: int
    cluster_name: str = ANYWHERE
    node_pool: str | None = None


@dataclass(frozen=True, slots=True)
class Tariff:
    """A price in force: micros an hour, the row it comes from, and which part of that it is.

    `share` is None where the row prices the very thing, else the part of the card's price.
    """

    rate_micros: int
    row: BookRow
    share: Fraction | None


class Book:
    """Every price ever set; answers for any moment. A model without a row has no price: None.

    The most specific place that has an applicable row wins: node pool, then cluster, then anywhere.
    Within a place the thing's own price (profile, share) goes before its part of the card's.
    """

    def __init__(
        self, rows: Iterable[BookRow], *, rule: SliceRule = SliceRule.DOMINANT_SHARE
    ) -> None:
        """Sort `rows` by what they price, where, and when they begin.

        Raises:
            ValueError: the rule needs the layout a slice stands in, which prices do not follow.
        """
        if rule is SliceRule.DOMINANT_SHARE_NORMALISED:
            raise ValueError(f"{rule.value} needs a layout; it cannot price a slice by itself")
        self._rule = rule
        self._rows: dict[tuple[str, str, str, str], list[BookRow]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row.effective_from):
            key = (row.model_id, row.profile_name, row.cluster_name, row.node_pool)
            self._rows[key].append(row)
        self._known: dict[tuple[str, str, str, str | None], tuple[RatePeriod, ...]] = {}

    @property
    def rule(self) -> SliceRule:
        """Return how slices without a price of their own are priced."""
        return self._rule

    def card_micros(
        self,
        model_id: str,
        at: datetime,
        *,
        cluster_name: str = ANYWHERE,
        node_pool: str | None = None,
    ) -> int | None:
        """Return what a whole card of the model costs an hour at a moment, or None."""
        card = Priced(model_id, None, None, _WHOLE_MILLI, cluster_name, node_pool)
        found = self.tariff(card, at)
        return None if found is None else found.rate_micros

    def per_hour(self, thing: Priced, at: datetime) -> Decimal | None:
        """Return what `thing` costs an hour at a moment, in the billing currency, or None."""
        for period in self.periods(thing):
            if period.starts_at <= at and (period.ends_at is None or at < period.ends_at):
                return Decimal(hold_cost_micros(period.rate_micros, charged(thing), 3600)) / MICROS
        return None

    def cost_micros(self, thing: Priced, *, started_at: datetime, until: datetime) -> int | None:
        """Return what a hold of `thing` has cost up to a moment; None where it has no price."""
        periods = self.periods(thing)
        if not periods or until < periods[0].starts_at:
            return None
        return cost_until_micros(
            periods, milli=charged(thing), started_at=started_at, until=max(until, started_at)
        )

    def piece_micros(
        self, thing: Priced, *, started_at: datetime, since: datetime, until: datetime
    ) -> int | None:
        """Return what the part [since, until) of a hold cost; pieces add up to the whole."""
        periods = self.periods(thing)
        if not periods or until < periods[0].starts_at:
            return None
        return piece_cost_micros(
            periods, milli=charged(thing), started_at=started_at, since=since, until=until
        )

    def priced_since(self, thing: Priced) -> datetime | None:
        """Return since when `thing` has a price, or None; what it did before is not priced."""
        periods = self.periods(thing)
        return periods[0].starts_at if periods else None

    def periods(self, thing: Priced) -> tuple[RatePeriod, ...]:
        """Return the stretches of constant price, oldest first; no gap after the first begins."""
        key = (thing.model_id, kind_of(thing), thing.cluster_name, thing.node_pool)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._resolved(thing)
        return found

    def tariff(self, thing: Priced, at: datetime) -> Tariff | None:
        """Return which row prices `thing` at a moment, and how; None where there is no price."""
        share = self._share(thing)
        for own, card in self._layers(thing):
            if (row := _at(own, at)) is not None:
                return Tariff(row.rate_micros, row, None)
            if share is not None and (row := _at(card, at)) is not None:
                return Tariff(slice_rate_micros(row.rate_micros, share), row, share)
        return None

    def _resolved(self, thing: Priced) -> tuple[RatePeriod, ...]:
        layers = list(self._layers(thing))
        moments = {row.effective_from for rows in layers for some in rows for row in some}
        steps: list[tuple[datetime, int]] = []
        for moment in sorted(moments):
            found = self.tariff(thing, moment)
            if found is not None and (not steps or steps[-1][1] != found.rate_micros):
                steps.append((moment, found.rate_micros))
        return _periods(steps)

    def _layers(self, thing: Priced) -> Iterator[tuple[list[BookRow], list[BookRow]]]:
        """Yield the rows of each place, the most specific first: the thing's own, the card's."""
        kind = kind_of(thing)
        for cluster, pool in _places(thing):
            own = self._rows.get((thing.model_id, kind, cluster, pool), [])
            yield own, self._rows.get((thing.model_id, WHOLE_CARD, cluster, pool), [])

    def _share(self, thing: Priced) -> Fraction | None:
        """Return the part of the card's price; None where the slice rule cannot tell it."""
        if thing.profile_name is None:
            return Fraction(1)
        assert thing.geometry is not None  # noqa: S101 - a slice has one
        try:
            return slice_share(load_geometries()[thing.geometry], thing.profile_name, self._rule)
        except ShareUnknown:
            return None


def charged(thing: Priced) -> int:
    """Return the thousandths a price applies to: a slice has a price of its own."""
    return _WHOLE_MILLI if thing.profile_name else thing.milli


def kind_of(thing: Priced) -> str:
    """Return what the book calls it: the profile, the word for shares, or that for the card."""
    if thing.profile_name is not None:
        return thing.profile_name
    return WHOLE_CARD if thing.milli >= _WHOLE_MILLI else SHARE


def _places(thing: Priced) -> Iterator[tuple[str, str]]:
    pool = thing.node_pool or ANYWHERE
    if pool != ANYWHERE:
        if thing.cluster_name != ANYWHERE:
            yield thing.cluster_name, pool
        yield ANYWHERE, pool
    if thing.cluster_name != ANYWHERE:
        yield thing.cluster_name, ANYWHERE
    yield ANYWHERE, ANYWHERE


def _at(rows: list[BookRow], moment: datetime) -> BookRow | None:
    begun = [row for row in rows if row.effective_from <= moment]
    return begun[-1] if begun else None


def _periods(steps: list[tuple[datetime, int]]) -> tuple[RatePeriod, ...]:
    ends = [*(moment for moment, _ in steps[1:]), None]
    return tuple(
        RatePeriod(moment, end, rate) for (moment, rate), end in zip(steps, ends, strict=False)
    )
