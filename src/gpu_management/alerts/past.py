"""What was told lately, by the names Prometheus has for it, as vectors. Pure.

A family is one metric with one value for each key; a key is the labels of a series, sorted. NaN is
a gap: nobody knows. The windows and the extrapolation of `increase` are those of Prometheus, whose
rules stand beside ours (prometheus.io/docs/prometheus/latest/querying/functions).
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Key = tuple[tuple[str, str], ...]
Floats = NDArray[np.float64]

_EDGE: Final = 1.1
"""How many mean distances the edge of a window may lie away to be reached by extrapolation."""


def key_of(**labels: str) -> Key:
    """Return the key of a series with these labels."""
    return tuple(sorted(labels.items()))


@dataclass(frozen=True, slots=True)
class Column:
    """What one family tells now: `values` in the order of `keys`; NaN: not known."""

    keys: Sequence[Key]
    values: Floats


def column(told: Mapping[Key, float]) -> Column:
    """Return a column of few values."""
    return Column(tuple(told), np.array(list(told.values()), dtype=np.float64))


@dataclass(slots=True)
class _Family:
    """A family over time; a place in `rows` belongs to the same key for ever."""

    keep_seconds: float
    places: dict[Key, int] = field(default_factory=dict)
    keys: Sequence[Key] = ()
    here: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    rows: deque[tuple[float, Floats]] = field(default_factory=deque)
    told_at: Floats = field(default_factory=lambda: np.empty(0))

    def add(self, at: float, told: Column) -> None:
        if told.keys is not self.keys:
            places = [self.places.setdefault(key, len(self.places)) for key in told.keys]
            self.keys, self.here = told.keys, np.array(places, dtype=np.intp)
            self.told_at = _widened(self.told_at, len(self.places))
        row = np.full(len(self.places), np.nan)
        row[self.here] = told.values
        while self.rows and self.rows[-1][0] >= at:  # the clock went back
            self.rows.pop()
        while self.rows and self.rows[0][0] < at - self.keep_seconds:
            self.rows.popleft()
        self.rows.append((at, row))
        self.told_at[~np.isnan(row)] = at

    def window(self, since: float) -> Iterator[tuple[float, Floats]]:
        for at, row in self.rows:
            if at >= since:
                yield at, _widened(row, len(self.places))[self.here]


class Past:
    """What is remembered of each family: the newest column, and a window of older ones."""

    def __init__(self, keep_seconds: Mapping[str, float]) -> None:
        """Remember nothing yet; `keep_seconds` are the windows of families that need one."""
        self._keep = keep_seconds
        self._families: dict[str, _Family] = {}
        self._labels: dict[str, tuple[Sequence[Key], list[str]]] = {}
        self.at = 0.0
        self.away: frozenset[str] = frozenset()

    def add(
        self, at: float, told: Mapping[str, Column], *, away: frozenset[str] = frozenset()
    ) -> None:
        """Take in what every family tells at `at` (Unix seconds).

        A family that is not among them has no series, unless it is `away`: its source does not
        answer, so nothing is known of it.
        """
        self.at, self.away = at, away
        for name, columns in told.items():
            if name not in self._families:
                self._families[name] = _Family(self._keep.get(name, 0.0))
            self._families[name].add(at, columns)
        for name, family in self._families.items():
            if name not in told:
                family.add(at, Column((), np.empty(0)) if name not in away else _gap(family))

    def knows(self, name: str) -> bool:
        """Return whether the family's source answers."""
        return name not in self.away

    def keys(self, name: str) -> Sequence[Key]:
        """Return the keys that the family tells of now."""
        family = self._families.get(name)
        return () if family is None else family.keys

    def labels(self, name: str, label: str) -> list[str]:
        """Return one label of each key the family tells of now; empty where a key has none."""
        keys = self.keys(name)
        slot = f"{name}/{label}"
        known = self._labels.get(slot)
        if known is None or known[0] is not keys:
            known = (keys, [dict(key).get(label, "") for key in keys])
            self._labels[slot] = known
        return known[1]

    def latest(self, name: str) -> Floats:
        """Return the newest values, in the order of `keys`."""
        family = self._families.get(name)
        if family is None or not family.rows:
            return np.empty(0)
        return _widened(family.rows[-1][1], len(family.places))[family.here]

    def told_at(self, name: str) -> Floats:
        """Return when each key had a value last, Unix seconds; NaN: never."""
        family = self._families.get(name)
        return np.empty(0) if family is None else family.told_at[family.here]

    def recall(self, name: str, at: Mapping[Key, float]) -> None:
        """Note when keys had a value before this process looked."""
        family = self._families.setdefault(name, _Family(self._keep.get(name, 0.0)))
        for key, moment in at.items():
            place = family.places.setdefault(key, len(family.places))
            family.told_at = _widened(family.told_at, len(family.places))
            family.told_at[place] = moment

    def lowest(self, name: str, seconds: float) -> Floats:
        """Return the lowest value of the last `seconds`; NaN: there was none."""
        return self._fold(name, seconds, np.fmin)

    def highest(self, name: str, seconds: float) -> Floats:
        """Return the highest value of the last `seconds`; NaN: there was none."""
        return self._fold(name, seconds, np.fmax)

    def _fold(
        self, name: str, seconds: float, better: Callable[[Floats, Floats], Floats]
    ) -> Floats:
        found = np.full(len(self.keys(name)), np.nan)
        for _at, row in self._window(name, seconds):
            found = better(found, row)
        return found

    def changes(self, name: str, seconds: float) -> Floats:
        """Return how often the value changed within the last `seconds`; NaN: none was told."""
        before = np.full(len(self.keys(name)), np.nan)
        count = np.zeros(len(before))
        for _at, row in self._window(name, seconds):
            told = ~np.isnan(row)
            count += told & ~np.isnan(before) & (row != before)
            before = np.where(told, row, before)
        return np.where(np.isnan(before), np.nan, count)

    def increase(self, name: str, seconds: float) -> Floats:
        """Return by how much a counter grew in the last `seconds`, resets left out.

        NaN where fewer than two values are known. Extrapolated to the window's edges.
        """
        grown = _Growth(len(self.keys(name)))
        for at, row in self._window(name, seconds):
            grown.see(at, row)
        return grown.increase(self.at - seconds, self.at)

    def _window(self, name: str, seconds: float) -> Iterator[tuple[float, Floats]]:
        family = self._families.get(name)
        if family is not None:
            yield from family.window(self.at - seconds)


class _Growth:
    """The growth of counters over a window that is seen from its beginning."""

    def __init__(self, size: int) -> None:
        self._first, self._first_at, self._last, self._last_at = np.full((4, size), np.nan)
        self._grown, self._count = np.zeros((2, size))

    def see(self, at: float, row: Floats) -> None:
        told = ~np.isnan(row)
        new = told & np.isnan(self._first)
        self._first[new], self._first_at[new] = row[new], at
        step = row - self._last
        step = np.where(step < 0, row, step)  # it began again at 0
        self._grown += np.where(told & ~np.isnan(step), step, 0.0)
        self._last = np.where(told, row, self._last)
        self._last_at[told] = at
        self._count += told

    def increase(self, since: float, until: float) -> Floats:
        enough = self._count > 1
        spans = np.where(enough, self._last_at - self._first_at, 1.0)
        mean = spans / np.where(enough, self._count - 1, 1.0)
        safe = np.where(self._grown > 0, self._grown, 1.0)
        to_zero = np.where(self._grown > 0, spans * self._first / safe, np.inf)
        before = np.minimum(self._first_at - since, to_zero)
        after = until - self._last_at
        reach = sum(np.where(gap < mean * _EDGE, gap, mean / 2) for gap in (before, after))
        return np.where(enough, self._grown * (spans + reach) / spans, np.nan)


def _gap(family: _Family) -> Column:
    return Column(family.keys, np.full(len(family.keys), np.nan))


def _widened(values: Floats, size: int) -> Floats:
    """Return `values` with NaN for the keys that came later."""
    if len(values) == size:
        return values
    return np.concatenate([values, np.full(size - len(values), np.nan)])
