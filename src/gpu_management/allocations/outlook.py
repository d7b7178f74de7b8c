"""What is scarce: the mix of requests held against what the fleet has left.

Three pressures steer placement, each 0 where there is plenty. They are what makes one rule fit
fleets short of CPU, of whole nodes or of a model, without a setting for any of them. Thresholds
were chosen on request lists resampled from a public trace, see docs/reference/performance.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from gpu_management.allocations.candidates import matches
from gpu_management.allocations.fleet import WHOLE_MILLI, DeviceKind, Fleet, Ints, is_known
from gpu_management.allocations.mix import Mix, Shape
from gpu_management.allocations.share_prices import Values

_CPU_EASY, _CPU_SHORT = 0.9, 1.1
_SEVERAL_EASY, _SEVERAL_SHORT = 0.5, 0.8
_SEVERAL_LOST, _SEVERAL_ONLY = 1.0, 1.25
_SEVERAL_WITH_SHORT_CPU = 0.2
_SCARCITY_LIMIT = 2.0
_NOTHING_LEFT = 0.5

CPU_STEP_MILLI = 500
CPU_STEPS = 1025
_GPUS_COUNTED = 16


@dataclass(frozen=True, slots=True)
class Outlook:
    """Pressures on the fleet, and the tables that go with them."""

    mix: Mix
    cpu_shortage: float
    """0 where cores suffice for all likely requests, 1 where they are clearly too few."""
    several_pressure: float
    """0 where room for several GPUs on a node is plenty, 1 where all of it will be needed."""
    stranding_weight: float
    """1, less where requests for several GPUs will take everything anyway."""
    scarcity: Values
    """By device kind, how much of what is free is wanted by requests that need this kind (0-2)."""
    hosting: Values
    """GPUs that requests for several could use, flat: [group, free GPUs, CPU in steps]."""
    group_of_kind: Ints

    def hosted(self, kinds: Ints, *, free_gpus: Ints, cpu_milli: Ints) -> Values:
        """Return how many GPUs of nodes the requests for several GPUs could use, by their part."""
        gpus = np.minimum(free_gpus, _GPUS_COUNTED)
        steps = np.clip(cpu_milli // CPU_STEP_MILLI, 0, CPU_STEPS - 1)
        rows = self.group_of_kind[kinds] * (_GPUS_COUNTED + 1) + gpus
        found: Values = self.hosting[rows * CPU_STEPS + steps]
        return found


def survey(fleet: Fleet, mix: Mix) -> Outlook:
    """Return the pressures on the fleet under a mix of requests."""
    nodes, rows = fleet.nodes, fleet.node_rows
    free_gpus = _free_by_kind(fleet)
    hosting, group_of_kind = _hosting(mix, fleet.kinds)
    plain = Outlook(
        mix=mix,
        cpu_shortage=_cpu_shortage(fleet, mix),
        several_pressure=1.0,
        stranding_weight=1.0,
        scarcity=_scarcity(mix, fleet.kinds, free_gpus),
        hosting=hosting,
        group_of_kind=group_of_kind,
    )
    wanted = sum(mix.several.values())
    if not wanted:
        return replace(plain, several_pressure=0.0)
    open_nodes = np.flatnonzero(nodes.schedulable[:rows])
    hosted = plain.hosted(
        nodes.kind[open_nodes],
        free_gpus=nodes.free_gpus[open_nodes],
        cpu_milli=nodes.cpu_milli[open_nodes],
    ).sum()
    need = wanted * wanted * float(free_gpus.sum())
    ratio = need / hosted if hosted else _SEVERAL_ONLY
    return replace(
        plain,
        several_pressure=max(
            _ramp(ratio, _SEVERAL_EASY, _SEVERAL_SHORT),
            _SEVERAL_WITH_SHORT_CPU * plain.cpu_shortage,
        ),
        stranding_weight=1.0 - _ramp(ratio, _SEVERAL_LOST, _SEVERAL_ONLY),
    )


def _ramp(value: float, low: float, high: float) -> float:
    """Return 0 up to `low`, 1 from `high`, and a straight line between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


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


def _hosting(mix: Mix, kinds: Sequence[DeviceKind]) -> tuple[Values, Ints]:
    """Return the hosting table, one group for kinds that may serve the same shapes, and groups."""
    shapes = tuple(mix.several.items())
    groups: dict[tuple[bool, ...], int] = {}
    group_of_kind = np.zeros(max(len(kinds), 1), np.int64)
    for number, kind in enumerate(kinds):
        served = tuple(matches(kind, s.models, s.min_memory_gb) for s, _ in shapes)
        group_of_kind[number] = groups.setdefault(served, len(groups))
    tables = [_hosting_of(shapes, served) for served in groups]
    return np.concatenate([*tables]) if tables else np.zeros(0), group_of_kind


@lru_cache(maxsize=64)
def _hosting_of(shapes: tuple[tuple[Shape, float], ...], served: tuple[bool, ...]) -> Values:
    """Return GPUs usable by the served shapes, each by its part: flat [free GPUs, CPU in steps]."""
    gpus = np.arange(_GPUS_COUNTED + 1)[:, None]
    cpu_milli = np.arange(CPU_STEPS)[None, :] * CPU_STEP_MILLI
    table = np.zeros((_GPUS_COUNTED + 1, CPU_STEPS))
    for (shape, part), serves in zip(shapes, served, strict=True):
        if serves:
            times = np.broadcast_to(gpus // shape.gpus, table.shape)
            if shape.cpu_milli:
                times = np.minimum(times, cpu_milli // shape.cpu_milli)
            table += part * shape.gpus * times
    return table.ravel()
