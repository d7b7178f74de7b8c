"""What can be asked about use: of what, over which time, how put together. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400
MOST_BUCKETS: Final = 11_000
"""The points of a series at most; as Prometheus."""


class Metric(StrEnum):
    """What is measured; the unit is in the name where it is not a percentage."""

    UTILIZATION_PCT = "utilizationPct"
    MEMORY_USED_MIB = "memoryUsedMib"
    TEMPERATURE_CELSIUS = "temperatureCelsius"
    POWER_W = "powerW"
    SM_CLOCK_MHZ = "smClockMhz"
    TENSOR_ACTIVE_RATIO = "tensorActiveRatio"
    DRAM_ACTIVE_RATIO = "dramActiveRatio"

    @property
    def column(self) -> str:
        """Return the name of the columns that hold it."""
        return self.name.lower()

    @property
    def has_peak(self) -> bool:
        """Return whether minutes and hours keep the highest sample; else the highest mean."""
        return self in _PEAKS

    @property
    def adds_up(self) -> bool:
        """Return whether a GPU's value is the sum of its instances'; else their weighted mean."""
        return self is Metric.MEMORY_USED_MIB


_PEAKS: Final = frozenset(
    {
        Metric.UTILIZATION_PCT,
        Metric.MEMORY_USED_MIB,
        Metric.TEMPERATURE_CELSIUS,
        Metric.POWER_W,
    }
)


class How(StrEnum):
    """How samples of a bucket become one figure; `min` is the lowest mean of a minute."""

    AVG = "avg"
    MAX = "max"
    MIN = "min"


class Group(StrEnum):
    """By what figures are told apart."""

    CLUSTER = "cluster"
    MODEL = "model"
    NODE = "node"
    DEVICE = "device"
    NAMESPACE = "namespace"
    TEAM = "team"
    ALLOCATION = "allocation"

    @property
    def of_holds(self) -> bool:
        """Return whether it tells apart who held a GPU, rather than what it is."""
        return self in {Group.NAMESPACE, Group.TEAM, Group.ALLOCATION}


@dataclass(frozen=True, slots=True)
class Question:
    """A metric over [`since`, `until`), Unix seconds, in buckets of `step` seconds.

    The first bucket begins at `since`, which is a whole minute. `devices` are row keys; None asks
    for all.
    """

    metric: Metric
    how: How
    since: int
    until: int
    step: int
    devices: frozenset[int] | None = None


def question(
    metric: Metric,
    how: How,
    *,
    since: int,
    until: int,
    step: int,
    devices: frozenset[int] | None = None,
) -> Question:
    """Return a question whose window is widened to whole buckets.

    Raises:
        ValueError: a step that is no multiple of a minute, an empty window, or too many buckets.
    """
    if step < MINUTE or step % MINUTE:
        raise ValueError(f"a step is a whole number of minutes, not {step} s")
    if until <= since:
        raise ValueError("the end must lie after the start")
    begins, ends = since // step * step, -(-until // step) * step
    if (ends - begins) // step > MOST_BUCKETS:
        raise ValueError(
            f"{(ends - begins) // step} points are too many, at most {MOST_BUCKETS};"
            " ask for a longer step"
        )
    return Question(metric, how, begins, ends, step, devices)


def whole(
    metric: Metric,
    how: How,
    *,
    since: int,
    until: int,
    devices: frozenset[int] | None = None,
) -> Question:
    """Return a question with one bucket: the minutes, or hours, from `since` to `until`.

    Raises:
        ValueError: the window is shorter than a minute.
    """
    tier = HOUR if until - since >= DAY else MINUTE
    begins, ends = since // tier * tier, until // tier * tier
    if ends <= begins:
        raise ValueError("the window is shorter than a minute")
    return Question(metric, how, begins, ends, ends - begins, devices)


@dataclass(frozen=True, slots=True)
class Point:
    """A bucket of one GPU or instance (`instance` -1: the whole GPU).

    `total` is the sum of its samples and `samples` their number; `extreme` the highest or lowest
    figure where that was asked.
    """

    device: int
    instance: int
    at: int
    total: float
    samples: float
    extreme: float | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """The newest figures of a GPU or instance; None: not known."""

    device: int
    instance: int
    at: int
    utilization_pct: float | None = None
    memory_used_mib: float | None = None
    temperature_celsius: float | None = None
    power_w: float | None = None
    sm_clock_mhz: float | None = None
    ecc_double_bit: float | None = None
    last_xid: int | None = None
    gpu_util_pct: float | None = None
    engine_active_ratio: float | None = None
    remap_failed: bool | None = None
    thermal_violation_ns: float | None = None
