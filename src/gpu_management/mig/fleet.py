"""The MIG GPUs that a decision looks at, grouped by what stands on them.

A fleet of thousands has few different states, so a decision costs the number of states.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gpu_management.mig.geometry import Geometry, Placement, load_geometries
from gpu_management.mig.layout import closed_profiles, occupied_units

_LEFT_STATES_KEPT: Final = 4096


@dataclass(frozen=True, slots=True)
class IdleInstance:
    """A MIG instance that exists and is held by nobody."""

    instance_id: int
    profile: str
    start: int


@dataclass(frozen=True, slots=True)
class MigGpu:
    """One MIG-enabled GPU: what stands on it and whether instances may be created.

    `occupied` are the instances in use, which must be legal together with the idle ones.
    `price_micros` is the whole board's price per hour in millionths, `None` when unknown.
    """

    key: int
    geometry: str
    occupied: tuple[Placement, ...] = ()
    idle: tuple[IdleInstance, ...] = ()
    carvable: bool = True
    price_micros: int | None = None


@dataclass(frozen=True, slots=True)
class GpuState:
    """What the GPUs of one group have in common; masks are of placement units.

    `unheld` units are not in use, `empty` ones bear no instance at all. `closed` profiles are
    stopped by a limit. `occupied` is left out where only the masks matter, so that groups are few.
    """

    geometry: Geometry
    unheld: int
    empty: int
    closed: frozenset[str]
    occupied: tuple[Placement, ...]
    idle: tuple[Placement, ...]
    carvable: bool
    price_micros: int | None


class GpuGroup:
    """GPUs in the same state, keys ascending, and a memory for what was worked out for them."""

    __slots__ = ("keys", "memory", "memory_of", "state")

    def __init__(self, state: GpuState) -> None:
        """Start without GPUs."""
        self.state = state
        self.keys: list[int] = []
        self.memory: dict[str, object] = {}
        self.memory_of: object = None


class MigFleet:
    """MIG GPUs grouped by state, kept up to date GPU by GPU."""

    def __init__(self, gpus: Iterable[MigGpu] = ()) -> None:
        """Start with `gpus`; raises as `upsert` does."""
        self._gpus: dict[int, MigGpu] = {}
        self._groups: dict[GpuState, GpuGroup] = {}
        self._group_of: dict[int, GpuGroup] = {}
        # States come back: what was worked out for one that nobody is in now is kept a while.
        self._left: dict[GpuState, GpuGroup] = {}
        self._tariffs: Counter[tuple[Geometry, int | None]] = Counter()
        for gpu in gpus:
            self.upsert(gpu)

    @property
    def has_one_tariff(self) -> bool:
        """Say whether all GPUs are of one board at one price, so that price decides nothing."""
        return len(self._tariffs) <= 1

    def __len__(self) -> int:
        """Return the number of GPUs."""
        return len(self._gpus)

    def __getitem__(self, key: int) -> MigGpu:
        """Return the GPU with this key.

        Raises:
            KeyError: there is none.
        """
        return self._gpus[key]

    def upsert(self, gpu: MigGpu) -> None:
        """Add a GPU or replace the one of the same key.

        Raises:
            KeyError: the geometry is unknown.
            LayoutError: a profile is unknown on its board.
        """
        state = state_of(gpu)
        self.remove(gpu.key)
        group = self._groups.get(state)
        if group is None:
            group = self._groups[state] = self._revive(state)
        insort(group.keys, gpu.key)
        self._gpus[gpu.key] = gpu
        self._group_of[gpu.key] = group
        self._tariffs[state.geometry, state.price_micros] += 1

    def remove(self, key: int) -> None:
        """Forget a GPU; an unknown key is no error."""
        group = self._group_of.pop(key, None)
        if group is None:
            return
        del self._gpus[key]
        del group.keys[bisect_left(group.keys, key)]
        tariff = group.state.geometry, group.state.price_micros
        self._tariffs[tariff] -= 1
        if not self._tariffs[tariff]:
            del self._tariffs[tariff]
        if not group.keys:
            self._leave(group)

    def groups(self) -> Iterable[GpuGroup]:
        """Return the groups of GPUs in the same state."""
        return self._groups.values()

    def _revive(self, state: GpuState) -> GpuGroup:
        group = self._left.pop(state, None)
        return GpuGroup(state) if group is None else group

    def _leave(self, group: GpuGroup) -> None:
        del self._groups[group.state]
        if len(self._left) >= _LEFT_STATES_KEPT:
            self._left.clear()
        self._left[group.state] = group


def state_of(gpu: MigGpu) -> GpuState:
    """Return the state of a GPU, with profile names as the board spells them.

    Raises:
        KeyError: the geometry is unknown.
        LayoutError: a profile is unknown on its board.
    """
    idle = tuple(Placement(instance.profile, instance.start) for instance in gpu.idle)
    masks = _masks(load_geometries()[gpu.geometry], gpu.occupied, idle)
    return GpuState(*masks, carvable=gpu.carvable, price_micros=gpu.price_micros)


@lru_cache(maxsize=65_536)
def _masks(
    geometry: Geometry, occupied: tuple[Placement, ...], idle: tuple[Placement, ...]
) -> tuple[Geometry, int, int, frozenset[str], tuple[Placement, ...], tuple[Placement, ...]]:
    """Return the first six fields of `GpuState`."""
    occupied, idle = _named(geometry, occupied), _named(geometry, idle)
    unheld = geometry.all_units & ~occupied_units(geometry, occupied)
    empty = unheld & ~occupied_units(geometry, idle)
    closed = closed_profiles(geometry, (*occupied, *idle))
    return geometry, unheld, empty, closed, occupied if idle else (), idle


def _named(geometry: Geometry, places: Iterable[Placement]) -> tuple[Placement, ...]:
    return tuple(sorted(Placement(geometry.profile(p.profile).name, p.start) for p in places))
