"""Judge requests by use: pods that ask for too much or too little, nodes hot and cold, packing.

Pure. Use is judged by its highest value since measuring began, so that nobody is told to give up
what was needed once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

OVER_RATIO = 0.5
"""A pod that never used half of what it asks for asks for too much."""
HOT_RATIO = 0.85
COLD_RATIO = 0.2
MEASURED_SECONDS = 3600
"""Less is no ground to judge a request."""
SMALLEST_CPU_MILLI = 100
SMALLEST_MEMORY_MIB = 128
"""Less room than this is of no use to anybody, and so little waste is not worth a word."""
GPU_CPU_MILLI = 1000
GPU_MEMORY_MIB = 1024
"""What even a small GPU pod needs beside its GPU."""


class Verdict(StrEnum):
    """How what a pod asks for stands to what it uses."""

    UNKNOWN = "UNKNOWN"
    NO_REQUEST = "NO_REQUEST"
    UNDER_REQUESTED = "UNDER_REQUESTED"
    OVER_REQUESTED = "OVER_REQUESTED"
    FITTING = "FITTING"


class Heat(StrEnum):
    """How much of a node is in use."""

    HOT = "HOT"
    WARM = "WARM"
    COLD = "COLD"


@dataclass(frozen=True, slots=True)
class Amounts:
    """CPU and memory."""

    cpu_milli: int
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said of a pod's requests; waste is None where it is not known."""

    verdict: Verdict
    waste: Amounts | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """A node's room, what is asked for of it, and its GPUs."""

    room: Amounts
    requested: Amounts
    gpus: int
    gpus_requested: int
    is_open: bool = True
    """Ready and schedulable: pods may come."""


@dataclass(frozen=True, slots=True)
class Packing:
    """How well requests fill the nodes."""

    nodes_in_use: int
    nodes_needed: int
    """No fewer nodes than this can hold what is asked for; maybe not even so few."""
    stranded: Amounts
    """Free CPU where no memory is left, and free memory where no CPU is left."""
    stranded_gpus: int
    """GPUs that no pod has, on nodes without the CPU and memory that a GPU pod needs."""


def judge(requested: Amounts, peak: Amounts | None, *, measured_seconds: float) -> Judgement:
    """Say how a pod's requests stand to the most it used.

    Memory beyond its request may cost a pod its life; CPU beyond it is what bursting is for.
    """
    if requested.cpu_milli == 0 and requested.memory_mib == 0:
        return Judgement(Verdict.NO_REQUEST)
    if peak is None or measured_seconds < MEASURED_SECONDS:
        return Judgement(Verdict.UNKNOWN)
    waste = Amounts(
        max(0, requested.cpu_milli - peak.cpu_milli),
        max(0, requested.memory_mib - peak.memory_mib),
    )
    if peak.memory_mib > requested.memory_mib:
        return Judgement(Verdict.UNDER_REQUESTED, waste)
    is_cpu_over = _is_over(waste.cpu_milli, requested.cpu_milli, SMALLEST_CPU_MILLI)
    is_memory_over = _is_over(waste.memory_mib, requested.memory_mib, SMALLEST_MEMORY_MIB)
    is_over = is_cpu_over or is_memory_over
    return Judgement(Verdict.OVER_REQUESTED if is_over else Verdict.FITTING, waste)


def _is_over(waste: int, requested: int, smallest: int) -> bool:
    return waste > requested * (1 - OVER_RATIO) and waste >= smallest


def heat(room: Amounts, used: Amounts | None) -> Heat | None:
    """Say how hot a node is; None where it is not measured, or has nothing."""
    if used is None or not room.cpu_milli or not room.memory_mib:
        return None
    fullest = max(used.cpu_milli / room.cpu_milli, used.memory_mib / room.memory_mib)
    if fullest >= HOT_RATIO:
        return Heat.HOT
    return Heat.COLD if fullest < COLD_RATIO else Heat.WARM


def pack(nodes: Sequence[Load]) -> Packing:
    """Say how well requests fill the nodes."""
    free = [(node, _free(node)) for node in nodes if node.is_open]
    return Packing(
        nodes_in_use=sum(1 for n in nodes if n.requested.cpu_milli or n.requested.memory_mib),
        nodes_needed=max(
            _needed((n.room.cpu_milli for n in nodes), sum(n.requested.cpu_milli for n in nodes)),
            _needed((n.room.memory_mib for n in nodes), sum(n.requested.memory_mib for n in nodes)),
        ),
        stranded=Amounts(
            sum(f.cpu_milli for _n, f in free if f.memory_mib < SMALLEST_MEMORY_MIB),
            sum(f.memory_mib for _n, f in free if f.cpu_milli < SMALLEST_CPU_MILLI),
        ),
        stranded_gpus=sum(
            max(0, node.gpus - node.gpus_requested)
            for node, room in free
            if room.cpu_milli < GPU_CPU_MILLI or room.memory_mib < GPU_MEMORY_MIB
        ),
    )


def _free(node: Load) -> Amounts:
    return Amounts(
        max(0, node.room.cpu_milli - node.requested.cpu_milli),
        max(0, node.room.memory_mib - node.requested.memory_mib),
    )


def _needed(rooms: Iterable[int], wanted: int) -> int:
    """Return how many of the largest rooms together hold `wanted`; all, where none do."""
    count = 0
    for room in sorted(rooms, reverse=True):
        if wanted <= 0:
            break
        wanted -= room
        count += 1
    return count


def pct(part: int | None, whole: int | None) -> float | None:
    """Return a share, 0 to 100 and beyond; None where either is unknown or there is no whole."""
    return round(100 * part / whole, 2) if part is not None and whole else None
