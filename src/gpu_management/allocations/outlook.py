"""What is scarce: the mix of requests held against what the fleet has left.

Three pressures steer placement, each 0 where there is plenty. They are what makes one rule fit
fleets short of CPU, of whole nodes or of a model, without a setting for any of them. Thresholds
were chosen on request lists resampled from a public trace, see docs/reference/performance.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gpu_management.allocations.candidates import matches
from gpu_management.allocations.fleet import WHOLE_MILLI, DeviceKind, Fleet, Ints, is_known
from gpu_management.allocations.mix import Mix, Shape
from gpu_management.allocations.share_prices import Values

_CPU_EASY, _CPU_SHORT = 0.9, 1.1
_SEVERAL_EASY, _SEVERAL_SHORT = 0.5, 0.8
_SEVERAL_LACKING_WEIGHT = 3.0
_SEVERAL_LOST, _SEVERAL_ONLY = 1.0, 1.25
_SEVERAL_WITH_SHORT_CPU = 0.2
_SCARCITY_LIMIT = 2.0
_NOTHING_LEFT = 0.5

CPU_STEP_MILLI = 500
CPU_STEPS = 1025
_GPUS_COUNTED = 16
_SHAPES_COUNTED = 48
"""Shapes of several GPUs that are looked at: those with the largest parts of the demand."""
_CELLS = (_GPUS_COUNTED + 1) * CPU_STEPS
_ANY: frozenset[str] = frozenset({"any model"})


@dataclass(frozen=True, slots=True)
class Outlook:
    """Pressures on the fleet, and the tables that go with them."""

    mix: Mix
    cpu_shortage: float
    """0 where cores suffice for all likely requests, 1 where they are clearly too few."""
    stranding_weight: float
    """1, less where requests for several GPUs will take everything anyway."""
    scarcity: Values
    """By device kind, how much of what is free is wanted by requests that need this kind (0-2)."""
    hosting: Values | None
    """GPUs that requests for several could use, by part and pressure; None where room is plenty.

    Flat: [group, free GPUs, CPU in steps].
    """
    group_of_kind: Ints

    def hosted(self, kinds: Ints, *, free_gpus: Ints, cpu_milli: Ints) -> Values:
        """Return the GPUs of nodes that pressing requests for several GPUs could use."""
        if self.hosting is None:
            return np.zeros(len(kinds))
        rows = self.group_of_kind[kinds] * _CELLS + _cells(free_gpus, cpu_milli)
        found: Values = self.hosting[rows]
        return found


def survey(fleet: Fleet, mix: Mix) -> Outlook:
    """Return the pressures on the fleet under a mix of requests."""
    free_gpus = _free_by_kind(fleet)
    short = _cpu_shortage(fleet, mix)
    several = _Several(fleet, mix)
    pooled, own = several.ratios(float(free_gpus.sum()))
    least = _SEVERAL_WITH_SHORT_CPU * short
    pressures = np.maximum(_pressures(own, pooled), least)
    return Outlook(
        mix=mix,
        cpu_shortage=short,
        stranding_weight=1.0 - _ramp(pooled, _SEVERAL_LOST, _SEVERAL_ONLY),
        scarcity=_scarcity(mix, fleet.kinds, free_gpus),
        hosting=several.hosting(pressures) if pressures.any() else None,
        group_of_kind=several.group_of_kind,
    )


class _Several:
    """The room for each shape of several GPUs, by what nodes have free of GPUs and CPU."""

    def __init__(self, fleet: Fleet, mix: Mix) -> None:
        heaviest = sorted(mix.several.items(), key=lambda item: -item[1])[:_SHAPES_COUNTED]
        self.shapes = tuple(shape for shape, _ in heaviest)
        self.parts = np.array([part for _, part in heaviest])
        self.served, self.group_of_kind = _groups(self.shapes, fleet.kinds)
        self._room = _room(self.shapes)
        self._fleet = fleet

    def ratios(self, free_gpus: float) -> tuple[float, Values]:
        """Return GPUs likely to be asked for per GPU there is room for: of all shapes, of each.

        A shape counts all that need at least its GPUs and CPU: they need its room at least.
        """
        if not self.shapes:
            return 0.0, np.zeros(0)
        room = np.maximum(self._room_now(), _NOTHING_LEFT)
        wanted = float(self.parts.sum())
        pooled = wanted * wanted * free_gpus / float(self.parts @ room)
        return pooled, _covering(self.shapes) @ self.parts * free_gpus / room

    def hosting(self, pressures: Values) -> Values:
        """Return the table of `Outlook.hosting`."""
        pressed = np.flatnonzero(pressures)
        weights = self.served[:, pressed] * (self.parts * pressures)[pressed]
        table: Values = (weights @ self._room[pressed]).ravel()
        return table

    def _room_now(self) -> Values:
        """Return the GPUs that each shape could use of all open nodes."""
        nodes, rows = self._fleet.nodes, self._fleet.node_rows
        cells = _cells(nodes.free_gpus[:rows], nodes.cpu_milli[:rows])
        groups = self.group_of_kind[nodes.kind[:rows]]
        found, counts = np.unique(
            (groups * _CELLS + cells)[nodes.schedulable[:rows]], return_counts=True
        )
        served = self.served[found // _CELLS].T
        room: Values = (self._room[:, found % _CELLS] * served) @ counts
        return room


@lru_cache(maxsize=4)
def _covering(shapes: tuple[Shape, ...]) -> Values:
    """Return by shape (row) which shapes need at least as much (1 or 0)."""
    covering = [[float(_covers(larger, shape)) for larger in shapes] for shape in shapes]
    return np.array(covering)


def _covers(larger: Shape, smaller: Shape) -> bool:
    """Return whether one shape needs at least the GPUs and CPU of the other, on no more kinds."""
    return (
        larger.gpus >= smaller.gpus
        and larger.cpu_milli >= smaller.cpu_milli
        and larger.min_memory_gb >= smaller.min_memory_gb
        and (smaller.models is None or (larger.models or _ANY) <= smaller.models)
    )


def _cells(free_gpus: Ints, cpu_milli: Ints) -> Ints:
    """Return positions in a table by free GPUs and CPU steps."""
    steps = np.clip(cpu_milli // CPU_STEP_MILLI, 0, CPU_STEPS - 1)
    found: Ints = np.minimum(free_gpus, _GPUS_COUNTED) * CPU_STEPS + steps
    return found


def _ramp(value: float, low: float, high: float) -> float:
    """Return 0 up to `low`, 1 from `high`, and a straight line between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _pressures(own: Values, pooled: float) -> Values:
    """Return 0 for shapes with plenty of room, 1 where all will be needed, more where it lacks."""
    ratios = np.maximum(own, pooled)
    pressing = np.clip((ratios - _SEVERAL_EASY) / (_SEVERAL_SHORT - _SEVERAL_EASY), 0.0, 1.0)
    return pressing + _SEVERAL_LACKING_WEIGHT * np.clip(own - 1.0, 0.0, 1.0)


def _free_by_kind(fleet: Fleet) -> Values:
    """Return the free GPUs of each device kind, shares as fractions."""
    rows = fleet.device_rows
    free_milli = (
        fleet.devices.open_milli[:rows] * (fleet.nodes.schedulable[fleet.devices.node[:rows]])
    )
    kinds = fleet.devices.kind[:rows]
    return np.bincount(kinds, free_milli, len(fleet.kinds)) / WHOLE_MILLI


def _cpu_shortage(fleet: Fleet, mix: Mix) -> float:
    """Return how short of cores the nodes of known CPU are, if the mix takes the free GPUs."""
    rows = fleet.node_rows
    counted = fleet.nodes.schedulable[:rows] & is_known(fleet.nodes.cpu_milli[:rows])
    cores = fleet.nodes.cpu_milli[:rows][counted].sum() / WHOLE_MILLI
    gpus = fleet.nodes.free_milli[:rows][counted].sum() / WHOLE_MILLI
    wanted = gpus * mix.cores_in_all_per_gpu
    return _ramp(wanted / cores, _CPU_EASY, _CPU_SHORT) if cores > 0 else float(wanted > 0)


def _scarcity(mix: Mix, kinds: Sequence[DeviceKind], free_gpus: Values) -> Values:
    """Share constrained demand out over the kinds that will do, by what they have free."""
    scarcity = np.zeros(len(kinds))
    total = float(free_gpus.sum())
    for (models, min_memory_gb), part in mix.constrained.items():
        will_do = np.array([matches(kind, models, min_memory_gb) for kind in kinds], np.bool_)
        enough = float(free_gpus[will_do].sum())
        if enough > 0:
            scarcity[will_do] += part * total / enough
    if mix.constrained:
        scarcity[free_gpus <= _NOTHING_LEFT] = _SCARCITY_LIMIT
    return np.minimum(scarcity, _SCARCITY_LIMIT)


def _groups(shapes: tuple[Shape, ...], kinds: Sequence[DeviceKind]) -> tuple[Values, Ints]:
    """Return which shapes each group of kinds serves (1 or 0), and the group of each kind."""
    groups: dict[tuple[bool, ...], int] = {}
    group_of_kind = np.zeros(max(len(kinds), 1), np.int64)
    for number, kind in enumerate(kinds):
        served = tuple(matches(kind, s.models, s.min_memory_gb) for s in shapes)
        group_of_kind[number] = groups.setdefault(served, len(groups))
    return np.array(list(groups), np.float64).reshape(len(groups), len(shapes)), group_of_kind


@lru_cache(maxsize=4)
def _room(shapes: tuple[Shape, ...]) -> Values:
    """Return the GPUs that each shape can use of a node, by free GPUs and CPU: [shape, cell]."""
    gpus = np.arange(_GPUS_COUNTED + 1)[:, None]
    cpu_milli = np.arange(CPU_STEPS)[None, :] * CPU_STEP_MILLI
    room = np.zeros((len(shapes), _GPUS_COUNTED + 1, CPU_STEPS))
    for row, shape in enumerate(shapes):
        times = gpus // shape.gpus
        if shape.cpu_milli:
            times = np.minimum(times, cpu_milli // shape.cpu_milli)
        room[row] = times * shape.gpus
    return room.reshape(len(shapes), (_GPUS_COUNTED + 1) * CPU_STEPS)
