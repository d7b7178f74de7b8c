"""Put figures of GPUs and MIG instances together, each with its weight. Pure.

A whole GPU weighs 1000, an instance its share of the GPU. Where a GPU told of itself as a whole,
its instances are left out: the same work is never counted twice.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gpu_management.metrics.questions import How, Metric, Point

WHOLE: Final = -1
WHOLE_MILLI: Final = 1000


@dataclass(frozen=True, slots=True)
class Part:
    """An instance that was there in [`since`, `until`) and is `milli` of its GPU."""

    milli: int
    since: int
    until: int | None


class Shares:
    """How much of its GPU each instance is, by GPU, NVML's number and time."""

    def __init__(self, numbered: Mapping[tuple[int, int], list[Part]], alike: Mapping[int, int]):
        """Know `numbered` instances, and for GPUs cut into equal parts (`alike`) the size."""
        self._numbered = numbered
        self._alike = alike

    def milli(self, point: Point, step: int) -> int | None:
        """Return the weight of a point; None where it is not known which instance that was."""
        if point.instance == WHOLE:
            return WHOLE_MILLI
        ends = point.at + step
        for part in self._numbered.get((point.device, point.instance), ()):
            if part.since < ends and (part.until is None or part.until > point.at):
                return part.milli
        return self._alike.get(point.device)


@dataclass(slots=True)
class Sum:
    """What a group has in a bucket so far."""

    weighted: float = 0.0
    weight: float = 0.0
    extreme: float | None = None


def once(points: Iterable[Point]) -> list[Point]:
    """Leave out instances of GPUs that told of themselves as a whole in the same bucket."""
    found = list(points)
    if all(one.instance == WHOLE for one in found):
        return found
    whole = {(one.device, one.at) for one in found if one.instance == WHOLE}
    return [one for one in found if one.instance == WHOLE or (one.device, one.at) not in whole]


def grouped(
    points: Iterable[Point],
    keys: Callable[[Point], Iterable[tuple[Hashable, float]]],
    *,
    weight_of: Callable[[Point], int | None],
    metric: Metric,
    how: How,
) -> dict[Hashable, dict[int, Sum]]:
    """Return sums by group and bucket; `keys` tells the groups of a point and its part in each."""
    sums: dict[Hashable, dict[int, Sum]] = defaultdict(dict)
    adds_up = metric.adds_up
    for point in points:
        milli = weight_of(point)
        if milli is None:
            continue
        value = WHOLE_MILLI if adds_up else milli
        for key, part in keys(point):
            there = sums[key].get(point.at)
            if there is None:
                there = sums[key][point.at] = Sum()
            add(there, point.total * value * part, point.samples * milli * part)
            stretch(there, point.extreme, how)
    return sums


def add(there: Sum, weighted: float, weight: float) -> None:
    """Add a weighted total."""
    there.weighted += weighted
    there.weight += weight


def stretch(there: Sum, extreme: float | None, how: How) -> None:
    """Take note of a highest or lowest figure."""
    if extreme is None:
        return
    if there.extreme is None:
        there.extreme = extreme
    else:
        there.extreme = (max if how is How.MAX else min)(there.extreme, extreme)


def figure(there: Sum, how: How) -> float | None:
    """Return what a bucket shows; None where nothing was measured."""
    if how is not How.AVG:
        return there.extreme
    return there.weighted / there.weight if there.weight else None
