"""How much was held by whom, from intervals that are not in our ledger. Pure; integers only.

The same rule as the ledger: half-open [start, end) in whole seconds, clipped to the window, split
where a day or month of the zone begins, amounts as thousandths of a GPU times seconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from gpu_management.costs.days import day_start

Ints = NDArray[np.int64]

LONGEST_WINDOW = timedelta(days=36_525)
MOST_MILLI = 10**9
"""Thousandths of a GPU that one allocation may hold: a million GPUs; more is taken for a mistake.

Times the longest window it still fits 64 bits.
"""
_LAST_YEAR = 9998
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_PIECES_AT_ONCE = 1_000_000
_LARGEST = 2**62


class MeteringError(ValueError):
    """What was given cannot be metered; the sentence says where and why."""


class Split(StrEnum):
    """Where time is cut."""

    DAY = "day"
    MONTH = "month"


_SPLITS = {split.value: split for split in Split}


@dataclass(frozen=True, slots=True)
class Grouping:
    """What sums are made by: columns of the file, and at most one of day and month."""

    words: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the words that name columns."""
        return tuple(word for word in self.words if word not in _SPLITS)

    @property
    def split(self) -> Split | None:
        """Return where time is cut, or None."""
        return next((_SPLITS[word] for word in self.words if word in _SPLITS), None)


def grouping(told: str) -> Grouping:
    """Read a list such as `project,month`.

    Raises:
        MeteringError: a word is missing or stands twice, or both day and month are asked for.
    """
    words = tuple(word.strip() for word in told.split(","))
    if not all(words) or len(set(words)) < len(words):
        raise MeteringError(f"--group-by takes different words such as project,month; not {told!r}")
    if {Split.DAY, Split.MONTH} <= set(words):
        raise MeteringError("--group-by takes day or month, not both")
    return Grouping(words)


@dataclass(frozen=True, slots=True)
class Intervals:
    """Rows of a file, column by column: who (as codes), how much, from and to which second.

    `name` is what messages call the file, `lines` where a row stands in it; `groups` are
    codes into `group_names`, `allocations` are the same for rows of one allocation.
    """

    name: str
    lines: Ints
    allocations: Ints
    groups: Ints
    milli: Ints
    starts: Ints
    ends: Ints
    allocation_count: int
    group_names: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Buckets:
    """Stretches that adjoin: `labels[n]` lasts from second `edges[n]` to `edges[n + 1]`."""

    labels: tuple[str, ...]
    edges: Ints


@dataclass(frozen=True, slots=True)
class Metered:
    """What a group held in a bucket; `allocations` counts those that held for at least 1 s."""

    group: tuple[str, ...]
    label: str
    allocations: int
    milli_seconds: int


def second_of(moment: datetime) -> int:
    """Return the Unix second in which `moment` lies."""
    return (moment - _EPOCH) // _SECOND


def buckets(since: datetime, until: datetime, zone: ZoneInfo, split: Split | None) -> Buckets:
    """Cut [since, until) where a day or month of `zone` begins; without `split`, nowhere.

    Raises:
        MeteringError: the window is empty, reversed, longer than 100 years or ends after 9998.
    """
    if since >= until:
        raise MeteringError(f"the window is reversed or empty: {since} is not before {until}")
    if until - since > LONGEST_WINDOW:
        raise MeteringError("the window is longer than 100 years")
    if until.year > _LAST_YEAR:
        raise MeteringError(f"the window ends after the year {_LAST_YEAR}")
    labels, cuts = [""], [since]
    if split is not None:
        named = list(_cuts(since, until, zone, split))
        labels = [label for label, _ in named]
        cuts = [max(start, since) for _, start in named]
    return Buckets(tuple(labels), np.array([second_of(c) for c in (*cuts, until)], np.int64))


def _cuts(
    since: datetime, until: datetime, zone: ZoneInfo, split: Split
) -> Iterator[tuple[str, datetime]]:
    day = since.astimezone(zone).date()
    while (start := day_start(day if split is Split.DAY else day.replace(day=1), zone)) < until:
        yield (day.isoformat() if split is Split.DAY else day.isoformat()[:7]), start
        day = day + timedelta(days=1) if split is Split.DAY else _next_month(day)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def meter(held: Intervals, cut: Buckets, *, at_once: int = _PIECES_AT_ONCE) -> list[Metered]:
    """Add up milli-GPU-seconds by group and bucket, in the order of their names.

    Rows of one allocation are its pieces: they add up and count as one allocation. Memory is for
    some `at_once` pieces, or those of one allocation where it has more.

    Raises:
        MeteringError: two rows of one allocation overlap, so seconds would count twice.
    """
    order = np.arange(len(held.lines))
    if held.allocation_count < len(order):
        order = np.lexsort((held.starts, held.allocations))
        _check_overlap(held, order)
    sums: dict[int, list[int]] = {}
    for rows in _blocks(held, cut, order, at_once=at_once):
        _add(sums, held, cut, rows)
    wide = len(cut.labels)
    found = [
        Metered(held.group_names[key // wide], cut.labels[key % wide], count, amount)
        for key, (count, amount) in sums.items()
    ]
    return sorted(found, key=lambda row: (row.group, row.label))


def table(found: Sequence[Metered], by: Grouping, zone: ZoneInfo) -> list[list[str]]:
    """Return the sums as rows of text, header first, sorted by the words of `by` in their order."""
    suffix = "_utc" if zone.key == "UTC" else ""
    names = [word + suffix if word in _SPLITS else word for word in by.words]
    rows = []
    for row in found:
        told = dict(zip(by.columns, row.group, strict=True))
        keys = [told.get(word, row.label) for word in by.words]
        amounts = [row.allocations, row.milli_seconds]
        rows.append([*keys, *map(str, amounts), gpu_hours_text(row.milli_seconds)])
    rows.sort(key=lambda row: row[: len(names)])
    return [[*names, "allocations", "gpu_milli_seconds", "gpu_hours"], *rows]


def _check_overlap(held: Intervals, order: Ints) -> None:
    lasting = order[held.ends[order] > held.starts[order]]
    before, after = lasting[:-1], lasting[1:]
    same = held.allocations[before] == held.allocations[after]
    twice = np.flatnonzero(same & (held.starts[after] < held.ends[before]))
    if not len(twice):
        return
    first, second = sorted(int(held.lines[row[twice[0]]]) for row in (before, after))
    raise MeteringError(
        f"{held.name}:{second}: the allocation of line {first} already holds at that time; "
        f"rows of one allocation may follow each other but not overlap"
    )


def _blocks(held: Intervals, cut: Buckets, order: Ints, *, at_once: int) -> Iterator[Ints]:
    """Yield rows in portions of bounded work, never parting the rows of an allocation."""
    starts = np.maximum(held.starts[order], cut.edges[0])
    ends = np.minimum(held.ends[order], cut.edges[-1])
    order = order[ends > starts]
    spans = _last(cut, held.ends[order]) - _first(cut, held.starts[order]) + 1
    upto = np.cumsum(spans)
    allocations = held.allocations[order]
    at = 0
    while at < len(order):
        wanted = (upto[at - 1] if at else 0) + at_once
        end = max(at + 1, int(np.searchsorted(upto, wanted, "right")))
        end = int(np.searchsorted(allocations, allocations[end - 1], "right"))
        yield order[at:end]
        at = end


def _first(cut: Buckets, starts: Ints) -> Ints:
    inside = np.maximum(starts, cut.edges[0])
    found: Ints = np.searchsorted(cut.edges, inside, "right").astype(np.int64) - 1
    return found


def _last(cut: Buckets, ends: Ints) -> Ints:
    inside = np.minimum(ends, cut.edges[-1])
    found: Ints = np.searchsorted(cut.edges, inside, "left").astype(np.int64) - 1
    return found


def _add(sums: dict[int, list[int]], held: Intervals, cut: Buckets, rows: Ints) -> None:
    """Cut `rows` into pieces, one a bucket, and add each to its group's sum."""
    first = _first(cut, held.starts[rows])
    spans = _last(cut, held.ends[rows]) - first + 1
    row = np.repeat(rows, spans)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(spans) - spans, spans)
    bucket = np.repeat(first, spans) + nth
    seconds = np.minimum(held.ends[row], cut.edges[bucket + 1]) - np.maximum(
        held.starts[row], cut.edges[bucket]
    )
    keys, places = np.unique(held.groups[row] * len(cut.labels) + bucket, return_inverse=True)
    counts = _distinct(places, held.allocations[row], held.allocation_count)
    for key, count, amount in zip(
        keys.tolist(), counts, _sums(places, held.milli[row] * seconds, len(keys)), strict=True
    ):
        known = sums.setdefault(key, [0, 0])
        known[0] += count
        known[1] += amount


def _distinct(places: Ints, allocations: Ints, how_many: int) -> list[int]:
    """Count the different allocations at each place."""
    pairs = np.sort(places * how_many + allocations)
    is_new = np.diff(pairs, prepend=-1) > 0
    counts: list[int] = np.bincount(pairs[is_new] // how_many).tolist()
    return counts


def _sums(places: Ints, amounts: Ints, how_many: int) -> list[int]:
    """Add up amounts by place, exactly: with Python's integers where 64 bits might not do."""
    is_large = int(amounts.max()) * len(amounts) > _LARGEST
    added = np.zeros(how_many, object if is_large else np.int64)
    np.add.at(added, places, amounts.astype(added.dtype))
    found: list[int] = added.tolist()
    return found


def micro_hours(milli_seconds: int) -> int:
    """Return millionths of a GPU-hour, rounded once, half to even."""
    return round(Fraction(milli_seconds * 5, 18))


def gpu_hours_text(milli_seconds: int) -> str:
    """Write GPU-hours with 6 decimals."""
    whole, rest = divmod(micro_hours(milli_seconds), 1_000_000)
    return f"{whole}.{rest:06d}"
