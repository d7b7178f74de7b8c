"""What a repacking plan starts from: GPUs with what stands on them, and the demand."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from gpu_management.mig.geometry import Geometry, Placement, load_geometries

SETUP_S: Final = 5.0
"""Seconds to create or destroy an instance."""


@dataclass(frozen=True, slots=True)
class Item:
    """An instance: running, or free to use. Costs and seconds count only where it may move."""

    id: str
    profile: str
    start: int
    running: bool
    movable: bool = False
    move_cost: float = 0.0
    move_s: float = 0.0

    @property
    def place(self) -> Placement:
        """Return where it stands."""
        return Placement(self.profile, self.start)

    @property
    def seconds(self) -> float:
        """Return how long moving it takes: a copy is made, work moves over, the original goes."""
        return SETUP_S + self.move_s + SETUP_S


@dataclass(frozen=True, slots=True)
class Gpu:
    """A MIG GPU and what stands on it; no item overlaps another.

    On a `frozen` one nothing is created, destroyed or moved, but its free instances serve.
    """

    id: str
    node: str
    geometry: Geometry
    items: tuple[Item, ...]
    frozen: bool = False

    @property
    def places(self) -> list[Placement]:
        """Return where its items stand."""
        return [item.place for item in self.items]


@dataclass(frozen=True, slots=True)
class Situation:
    """GPUs, and how many more instances of each profile are asked for.

    Unless work `may_restart`, no instance stops before its copy runs.
    """

    gpus: Sequence[Gpu]
    demand: Mapping[str, int]
    may_restart: bool = True

    def slices(self, counts: Mapping[str, int]) -> int:
        """Return the compute slices of so many instances of each profile."""
        return sum(number * compute_slices(name) for name, number in counts.items())

    def standing(self) -> Counter[str]:
        """Return how many free instances of each profile stand."""
        return Counter(i.profile for gpu in self.gpus for i in gpu.items if not i.running)


def fresh_ids(situation: Situation) -> Iterator[str]:
    """Yield ids for new instances that nothing bears."""
    known = {item.id for gpu in situation.gpus for item in gpu.items}
    return (name for name in map("new-{}".format, count(1)) if name not in known)


def compute_slices(profile: str) -> int:
    """Return the compute slices of a profile, or 0 where no board has it."""
    for geometry in load_geometries().values():
        found = geometry.find(profile)
        if found is not None:
            return found.compute_slices
    return 0
