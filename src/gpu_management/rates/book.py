"""The price book in memory: what a card, a share or a slice costs, and since when. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gpu_management.mig.geometry import load_geometries
from gpu_management.rates.models import WHOLE_CARD
from gpu_management.rates.pricing import (
    MICROS,
    RatePeriod,
    SliceRule,
    cost_until_micros,
    hold_cost_micros,
    piece_cost_micros,
    slice_rate_micros,
    slice_share,
)


@dataclass(frozen=True, slots=True)
class BookRow:
    """One row of the book: a price in micros per hour of a model or one of its profiles."""

    model_id: str
    profile_name: str
    rate_micros: int
    effective_from: datetime


@dataclass(frozen=True, slots=True)
class Priced:
    """What a hold is charged for: a model or a slice of it, in thousandths."""

    model_id: str
    geometry: str | None
    profile_name: str | None
    milli: int


class Book:
    """Every price ever set; answers for any moment. A model without a row has no price: None."""

    def __init__(
        self, rows: Iterable[BookRow], *, rule: SliceRule = SliceRule.DOMINANT_SHARE
    ) -> None:
        """Sort `rows` by what they price and when they begin."""
        self._rule = rule
        self._rows: dict[tuple[str, str], list[BookRow]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row.effective_from):
            self._rows[row.model_id, row.profile_name].append(row)
        self._known: dict[tuple[str, str | None], tuple[RatePeriod, ...]] = {}

    def card_micros(self, model_id: str, at: datetime) -> int | None:
        """Return what a whole card of the model costs an hour at a moment, or None."""
        return _at(self._rows.get((model_id, WHOLE_CARD), []), at)

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
        """Return the stretches of constant price, oldest first."""
        key = (thing.model_id, thing.profile_name)
        if key not in self._known:
            self._known[key] = self._slice(thing) if thing.profile_name else self._card(thing)
        return self._known[key]

    def _card(self, thing: Priced) -> tuple[RatePeriod, ...]:
        rows = self._rows.get((thing.model_id, WHOLE_CARD), [])
        return _periods([(row.effective_from, row.rate_micros) for row in rows])

    def _slice(self, thing: Priced) -> tuple[RatePeriod, ...]:
        """A profile's own price where it has one, else its share of the card's."""
        assert thing.profile_name is not None and thing.geometry is not None  # noqa: S101, PT018 - a slice has both
        card = self._rows.get((thing.model_id, WHOLE_CARD), [])
        own = self._rows.get((thing.model_id, thing.profile_name), [])
        share = slice_share(load_geometries()[thing.geometry], thing.profile_name, self._rule)
        steps = []
        for moment in sorted({row.effective_from for row in (*card, *own)}):
            set_price, card_price = _at(own, moment), _at(card, moment)
            if set_price is not None:
                steps.append((moment, set_price))
            elif card_price is not None:
                steps.append((moment, slice_rate_micros(card_price, share)))
        return _periods(steps)


def charged(thing: Priced) -> int:
    """Return the thousandths a price applies to: a slice has a price of its own."""
    return 1000 if thing.profile_name else thing.milli


def _at(rows: list[BookRow], moment: datetime) -> int | None:
    begun = [row.rate_micros for row in rows if row.effective_from <= moment]
    return begun[-1] if begun else None


def _periods(steps: list[tuple[datetime, int]]) -> tuple[RatePeriod, ...]:
    ends = [*(moment for moment, _ in steps[1:]), None]
    return tuple(
        RatePeriod(moment, end, rate) for (moment, rate), end in zip(steps, ends, strict=False)
    )
