"""Where the time of one GPU went, second by second, and what each part is worth. Pure.

Moments are whole seconds since 1970, money is micros, quantities are thousandths of a GPU times
seconds. Whatever is rounded down telescopes: a hold from its start, a card from the start of its
billing day, so pieces of any cut add up.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import pairwise
from operator import add, attrgetter, sub

from gpu_management.rates.pricing import RatePeriod

WHOLE_MILLI = 1000
MILLI_SECONDS_PER_HOUR = 3_600_000

Span = tuple[int, int]
"""A stretch [since, until)."""


@dataclass(frozen=True, slots=True)
class Step:
    """A price of so many micros an hour in [since, until); `until` None: for ever."""

    since: int
    until: int | None
    rate_micros: int


Steps = tuple[Step, ...]


@lru_cache(maxsize=4096)
def steps_of(periods: tuple[RatePeriod, ...]) -> Steps:
    """Return price periods in seconds."""
    return tuple(
        Step(
            int(period.starts_at.timestamp()),
            None if period.ends_at is None else int(period.ends_at.timestamp()),
            period.rate_micros,
        )
        for period in periods
    )


@dataclass(frozen=True, slots=True)
class Held:
    """A hold: `milli` of a GPU in [since, until), None while it goes on.

    `steps` price `charged_milli` of it (a slice has a price of its own), `card` the GPU itself.
    """

    since: int
    until: int | None
    milli: int
    charged_milli: int
    steps: Steps
    card: Steps

    def micros(self, moment: int) -> int:
        """Return what it was charged up to a moment: C(t), rounded down once."""
        end = moment if self.until is None else min(moment, self.until)
        weighted = _weighted(self.steps, self.since, end)
        return weighted * self.charged_milli // MILLI_SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True)
class Standing:
    """From `since` until the next: whether a GPU could work, and what its card costs."""

    since: int
    is_able: bool
    card: Steps


@dataclass(frozen=True, slots=True)
class Life:
    """A GPU from `since` on, until it left the fleet; `standings` are in order, at least one."""

    since: int
    until: int | None
    standings: Sequence[Standing]
    holds: Sequence[Held]

    def is_there(self, span: Span) -> bool:
        """Say whether the GPU was in the fleet within `span`."""
        return self.since < span[1] and (self.until is None or self.until > span[0])

    def clip(self, span: Span) -> Span:
        """Return the part of `span` in which the GPU was there.

        Clocks differ: a hold may reach over the moment at which a GPU joined or left.
        """
        since = min([self.since, *(hold.since for hold in self.holds)])
        ends = [self.until, *(hold.until for hold in self.holds)]
        until = span[1] if self.until is None else max(end for end in ends if end is not None)
        return max(since, span[0]), min(until, span[1])


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a GPU's life in which nothing changed; `rate_micros` None: no price."""

    since: int
    until: int
    held_milli: int
    is_able: bool
    rate_micros: int | None


@dataclass(frozen=True, slots=True)
class Buckets:
    """Milli-seconds by where they went, and what they are worth in micros.

    Used, idle and unattributed are what was held; `unpriced` is the part of all that has no card
    price. `charged` is what the holds cost, of it `used` and `idle` what their measured parts cost;
    the rest is at the card's price.
    """

    used: int = 0
    idle: int = 0
    unattributed: int = 0
    free: int = 0
    unavailable: int = 0
    unpriced: int = 0
    card_micros: int = 0
    charged_micros: int = 0
    free_micros: int = 0
    unavailable_micros: int = 0
    used_micros: int = 0
    idle_micros: int = 0

    @property
    def held(self) -> int:
        """Return the milli-seconds that were held."""
        return self.used + self.idle + self.unattributed

    @property
    def total(self) -> int:
        """Return all milli-seconds: 1000 for each second of a GPU."""
        return self.held + self.free + self.unavailable

    @property
    def adjustment_micros(self) -> int:
        """Return the tariff adjustment: the card's price without what is charged, free or out."""
        told = self.charged_micros + self.free_micros + self.unavailable_micros
        return self.card_micros - told

    def __add__(self, other: "Buckets") -> "Buckets":
        """Add part by part."""
        return Buckets(*map(add, self._parts(), other._parts()))

    def __sub__(self, other: "Buckets") -> "Buckets":
        """Take away part by part."""
        return Buckets(*map(sub, self._parts(), other._parts()))

    def times(self, count: int) -> "Buckets":
        """Return the buckets of so many GPUs like this."""
        return Buckets(*(part * count for part in self._parts()))

    def _parts(self) -> tuple[int, ...]:
        return _PARTS(self)


_PARTS = attrgetter(*(part.name for part in fields(Buckets)))
_NOTHING = Buckets()


def buckets(life: Life, days: Sequence[int], span: Span) -> Buckets:
    """Return where the time of a GPU went within `span`.

    `days` are the moments at which the billing days around `span` begin, and the end of the last.
    """
    found = Buckets()
    for opens, closes in pairwise(days):
        since, until = max(opens, span[0]), min(closes, span[1])
        if since < until:
            found += _since(life, opens, until)
            found -= _since(life, opens, since) if since > opens else _NOTHING
    return found


def _since(life: Life, opens: int, moment: int) -> Buckets:
    """Return the buckets from the start of a day up to a moment, each rounded down once."""
    time = {"held": 0, "free": 0, "out": 0, "unpriced": 0}
    worth = {"card": 0, "free": 0, "out": 0}
    for part in stretches(life, (opens, moment)):
        seconds = part.until - part.since
        rest = (WHOLE_MILLI - part.held_milli) * seconds
        place = "free" if part.is_able else "out"
        time["held"] += part.held_milli * seconds
        time[place] += rest
        if part.rate_micros is None:
            time["unpriced"] += WHOLE_MILLI * seconds
            continue
        worth["card"] += WHOLE_MILLI * seconds * part.rate_micros
        worth[place] += rest * part.rate_micros
    return Buckets(
        unattributed=time["held"],
        free=time["free"],
        unavailable=time["out"],
        unpriced=time["unpriced"],
        card_micros=worth["card"] // MILLI_SECONDS_PER_HOUR,
        charged_micros=sum(hold.micros(moment) - hold.micros(opens) for hold in life.holds),
        free_micros=worth["free"] // MILLI_SECONDS_PER_HOUR,
        unavailable_micros=worth["out"] // MILLI_SECONDS_PER_HOUR,
    )


def stretches(life: Life, span: Span) -> Iterator[Stretch]:
    """Yield the parts of `span` in which nothing changed, in order, without gap or overlap."""
    opens, closes = life.clip(span)
    changes: dict[int, int] = defaultdict(int)
    for hold in life.holds:
        since = max(hold.since, opens)
        until = closes if hold.until is None else min(hold.until, closes)
        if since < until:
            changes[since] += hold.milli
            changes[until] -= hold.milli
    held = place = 0
    for since, until in pairwise(_marks(life, opens, closes, changes)):
        held += changes.get(since, 0)
        while place + 1 < len(life.standings) and life.standings[place + 1].since <= since:
            place += 1
        standing = life.standings[place]
        yield Stretch(since, until, held, standing.is_able, rate_at(standing.card, since))


def _marks(life: Life, opens: int, closes: int, changes: dict[int, int]) -> list[int]:
    marks = {opens, closes, *changes}
    for standing in life.standings:
        marks.add(standing.since)
        marks.update(step.since for step in standing.card)
    return sorted(mark for mark in marks if opens <= mark <= closes)


def rate_at(steps: Steps, moment: int) -> int | None:
    """Return the price an hour in micros at a moment; None where there is none."""
    for step in reversed(steps):
        if step.since <= moment:
            return step.rate_micros if step.until is None or moment < step.until else None
    return None


def _weighted(steps: Steps, since: int, until: int) -> int:
    return sum(
        step.rate_micros
        * max(0, (until if step.until is None else min(until, step.until)) - max(since, step.since))
        for step in steps
    )
