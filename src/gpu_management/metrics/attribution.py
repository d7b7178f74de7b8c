"""Split held time into used, idle and unattributed by what was measured. Pure, integers only.

A sample stands for the time since the sample before it, but never for more than twice the interval
at which samples are taken: what lies further back is a gap, and a gap is unattributed, never idle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_WHOLE = 1000


@dataclass(frozen=True, slots=True)
class Busy:
    """How busy something was up to a moment: thousandths (0 to 1000); None: not measured."""

    ts: int
    busy_milli: int | None


@dataclass(frozen=True, slots=True)
class Held:
    """A stretch [`start`, `end`) in Unix seconds in which `milli` of a GPU was held."""

    start: int
    end: int
    milli: int


@dataclass(frozen=True, slots=True)
class Use:
    """Where held time went, in milli-GPU-seconds; the three parts sum to what was held."""

    used: int
    idle: int
    unattributed: int

    @property
    def held(self) -> int:
        """Return milli times seconds of the hold."""
        return self.used + self.idle + self.unattributed

    def __add__(self, other: "Use") -> "Use":
        """Return the sums of the parts."""
        return Use(
            self.used + other.used,
            self.idle + other.idle,
            self.unattributed + other.unattributed,
        )


def split(held: Held, samples: Sequence[Busy], *, interval_seconds: int) -> Use:
    """Return how much of `held` was used, idle, or not measured.

    `samples` are of what is held (a whole GPU, or a MIG instance), in order of time. A GPU that was
    half busy for an hour was used for half an hour.

    Raises:
        ValueError: the stretch or a sample is impossible, or samples are not in order.
    """
    _check(held, samples, interval_seconds)
    measured = busy_seconds = 0
    for since, sample in _stretches(samples, 2 * interval_seconds):
        seconds = min(sample.ts, held.end) - max(since, held.start)
        if seconds > 0 and sample.busy_milli is not None:
            measured += seconds
            busy_seconds += seconds * sample.busy_milli
    used = busy_seconds * held.milli // _WHOLE
    return Use(
        used=used,
        idle=measured * held.milli - used,
        unattributed=(held.end - held.start - measured) * held.milli,
    )


def only_holder(held: Held, samples: Sequence[Busy], *, interval_seconds: int) -> Use:
    """Return the split of a share that was the only one on its GPU: all that ran was its own.

    A share of 250 milli on a GPU that was 10 % busy used 100 of its 250.
    """
    own = [
        Busy(one.ts, None if one.busy_milli is None else _of_share(one.busy_milli, held.milli))
        for one in samples
    ]
    return split(held, own, interval_seconds=interval_seconds)


def money(micros: int, use: Use) -> tuple[int, int, int]:
    """Return (used, idle, unattributed) micros; they sum to `micros`.

    Used and idle are rounded down; what remains is unattributed where any time is, else idle.
    """
    if not use.held:
        return 0, 0, micros
    used = micros * use.used // use.held
    if not use.unattributed:
        return used, micros - used, 0
    idle = micros * use.idle // use.held
    return used, idle, micros - used - idle


def _of_share(busy_milli: int, milli: int) -> int:
    return min(_WHOLE, busy_milli * _WHOLE // milli)


def _stretches(samples: Sequence[Busy], longest: int) -> list[tuple[int, Busy]]:
    """Each sample with the moment from which it speaks."""
    if not samples:
        return []
    first = (samples[0].ts - longest // 2, samples[0])
    return [
        first,
        *((max(before.ts, one.ts - longest), one) for before, one in pairwise(samples)),
    ]


def _check(held: Held, samples: Sequence[Busy], interval_seconds: int) -> None:
    if held.end < held.start or not 0 < held.milli <= _WHOLE:
        raise ValueError(f"{held.milli} milli from {held.start} to {held.end} cannot be held")
    if interval_seconds <= 0:
        raise ValueError(f"samples cannot come every {interval_seconds} s")
    for one in samples:
        if one.busy_milli is not None and not 0 <= one.busy_milli <= _WHOLE:
            raise ValueError(f"busy is 0 to 1000 thousandths, not {one.busy_milli}")
    if any(one.ts <= before.ts for before, one in pairwise(samples)):
        raise ValueError("samples must be in order of time, one a second at most")
