"""Many holds cut at the same moments: what each piece held and cost. Pure.

The same arithmetic as `ledger.Held`, for arrays: a year has millions of pieces.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_management.costs.ledger import MILLI_SECONDS_PER_HOUR, Held, Steps

Whole = NDArray[Any]
"""Whole numbers: 64 bits, or Python's own where those would not do."""
_LARGEST = 2**62
_NEVER = 2**61


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece: of which hold, in which stretch, how many milli-seconds, and its micros.

    `unpriced` is the part of `milli_seconds` without a price; `card_micros` is what the same part
    of the card costs at the card's own price.
    """

    hold: int
    stretch: int
    milli_seconds: int
    unpriced: int
    micros: int
    card_micros: int


@dataclass(frozen=True, slots=True)
class _Same:
    """Holds with the same prices."""

    places: NDArray[np.int64]
    since: NDArray[np.int64]
    until: NDArray[np.int64]
    milli: NDArray[np.int64]
    charged: NDArray[np.int64]


def cut(holds: Sequence[Held], bounds: Sequence[int]) -> Iterator[Cut]:
    """Yield the pieces of `holds` between neighbouring `bounds`, empty ones left out."""
    alike: dict[tuple[Steps, Steps], list[int]] = defaultdict(list)
    for place, hold in enumerate(holds):
        alike[hold.steps, hold.card].append(place)
    for (steps, card), places in alike.items():
        group = _group(holds, places, bounds[-1])
        for stretch, (opens, closes) in enumerate(pairwise(bounds)):
            yield from _pieces(group, steps, card, stretch=stretch, span=(opens, closes))


def _group(holds: Sequence[Held], places: list[int], last: int) -> _Same:
    some = [holds[place] for place in places]
    return _Same(
        np.array(places, np.int64),
        np.array([hold.since for hold in some], np.int64),
        np.array([last if hold.until is None else hold.until for hold in some], np.int64),
        np.array([hold.milli for hold in some], np.int64),
        np.array([hold.charged_milli for hold in some], np.int64),
    )


def _pieces(
    group: _Same, steps: Steps, card: Steps, *, stretch: int, span: tuple[int, int]
) -> Iterator[Cut]:
    here = np.nonzero((group.since < span[1]) & (group.until > span[0]))[0]
    starts, milli = group.since[here], group.milli[here]
    since = np.maximum(starts, span[0])
    until = np.minimum(group.until[here], span[1])
    full = until > since
    if not full.any():
        return
    first = steps[0].since if steps else _NEVER
    unpriced = np.maximum(np.minimum(until, first) - since, 0) * milli
    charged = group.charged[here]
    cost = micros(steps, charged, starts, until) - micros(steps, charged, starts, since)
    worth = micros(card, milli, starts, until) - micros(card, milli, starts, since)
    columns = (group.places[here], (until - since) * milli, unpriced, cost, worth)
    chosen = (column[full].tolist() for column in columns)
    for place, held, without, charge, of_card in zip(*chosen, strict=True):
        yield Cut(place, stretch, held, without, charge, of_card)


def micros(steps: Steps, milli: Whole, since: Whole, until: Whole) -> Whole:
    """Return C(t) of several holds: each one's micros up to its moment, rounded down once."""
    if not len(since):
        return np.zeros(0, np.int64)
    longest = max(0, int(until.max()) - int(since.min()))
    largest = max((step.rate_micros for step in steps), default=0) * int(milli.max()) * longest
    kind: Any = object if largest > _LARGEST else np.int64
    weighted = np.zeros(len(since), kind)
    for step in steps:
        ends = until if step.until is None else np.minimum(until, step.until)
        seconds = np.maximum(ends - np.maximum(since, step.since), 0).astype(kind)
        weighted = weighted + seconds * step.rate_micros
    found: Whole = weighted * milli.astype(kind) // MILLI_SECONDS_PER_HOUR
    return found
