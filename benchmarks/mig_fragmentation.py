"""The figure `fragmentation_pct` of a stream that was played: what a perfect repack would add.

1 - C / C*, the mean over every 50th measured request before it is placed. C is how many of each
profile fit, each alone, weighted by the profile's share of the requested slices; C* the same after
a perfect repack of each geometry. For boards of seven slices that has a closed form: whole boards
first, 4g on left halves, 3g on right halves first, the rest in pairs of units and single ones.
"""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from gpu_management.mig.files import Arrival, FleetFile
from gpu_management.mig.fragmentation import fit_now
from gpu_management.mig.geometry import Geometry, Placement

_EVERY = 50
_WHOLE, _HALF, _PAIR = 8, 4, 2
_SLICES_OF_HALVES = 4

Counts = Mapping[str, int]


def fragmentation_pct(
    fleet: FleetFile, arrivals: Sequence[Arrival], out: Mapping[str, Any]
) -> float:
    """Return the mean figure of an answer of `gpuctl mig replay`, in percent."""
    weights = _shares(arrivals)
    found = []
    for boards in _moments(fleet, arrivals, out):
        now = sum(share * fit_now(boards, name) for name, share in weights.items())
        best = sum(share * repacked(boards, name) for name, share in weights.items())
        if best:
            found.append(1.0 - now / best)
    return round(100 * fmean(found), 1) if found else 0.0


def _shares(arrivals: Sequence[Arrival]) -> dict[str, float]:
    slices: Counter[str] = Counter()
    for arrival in arrivals:
        slices[arrival.profile] += int(arrival.profile.partition("g")[0])
    total = slices.total() or 1
    return {name: count / total for name, count in slices.items()}


def _moments(
    fleet: FleetFile, arrivals: Sequence[Arrival], out: Mapping[str, Any]
) -> Iterator[list[tuple[Geometry, tuple[Placement, ...]]]]:
    """Yield what stands on each GPU before every 50th measured request is placed."""
    placed = {number: (gpu, start) for number, gpu, start in out["placements"]}
    moves: dict[int, list[tuple[int, int, int]]] = {}
    for before, item, gpu, start in out["moves"]:
        moves.setdefault(before, []).append((item, gpu, start))
    standing: list[dict[int, Placement]] = [{} for _ in fleet.boards]
    where: dict[int, int] = {}
    ends: list[tuple[float, int]] = []
    for number, arrival in enumerate(arrivals):
        moment = arrival.arrival_s / out["load"]
        while ends and ends[0][0] <= moment:
            gone = heapq.heappop(ends)[1]
            del standing[where.pop(gone)][gone]
        measured = number - fleet.measure_from
        if measured >= 0 and measured % _EVERY == 0:
            yield [
                (geometry, tuple(here.values()))
                for geometry, here in zip(fleet.boards, standing, strict=True)
            ]
        for item, gpu, start in moves.get(arrival.id, ()):
            profile = standing[where[item]].pop(item).profile
            standing[gpu][item] = Placement(profile, start)
            where[item] = gpu
        if arrival.id in placed:
            gpu, start = placed[arrival.id]
            name = fleet.boards[gpu].profile(arrival.profile).name
            standing[gpu][arrival.id] = Placement(name, start)
            where[arrival.id] = gpu
            heapq.heappush(ends, (moment + arrival.duration_s, arrival.id))


def repacked(boards: Sequence[tuple[Geometry, tuple[Placement, ...]]], profile: str) -> int:
    """Return how many instances of a profile fit after a perfect repack of each geometry."""
    total = 0
    for geometry in dict.fromkeys(geometry for geometry, _ in boards):
        kind = geometry.find(profile)
        if kind is None:
            continue
        mine = [places for board, places in boards if board is geometry]
        counts = Counter(place.profile for places in mine for place in places)
        total += _most(geometry, len(mine), counts, kind.name)
    return total


def _most(geometry: Geometry, gpus: int, counts: Counter[str], name: str) -> int:
    low, high = 0, gpus * geometry.profile(name).max_instances
    while low < high:
        middle = (low + high + 1) // 2
        if holds(geometry, gpus, counts + Counter({name: middle})):
            low = middle
        else:
            high = middle - 1
    return low


def holds(geometry: Geometry, gpus: int, counts: Counter[str]) -> bool:
    """Say whether so many boards can hold these instances, packed perfectly."""
    units = geometry.placement_units
    sizes: Counter[int] = Counter()
    lefts = doubles = 0
    for name, count in counts.items():
        kind = geometry.profile(name)
        if kind.max_instances * gpus < count:
            return False
        if kind.size == _HALF and kind.compute_slices == _SLICES_OF_HALVES and units == _WHOLE:
            lefts += count
        elif kind.size == _PAIR and kind.compute_slices == 1:
            doubles += count
        else:
            sizes[kind.size] += count
    if units != _WHOLE:  # the sizes are powers of two: counting is enough
        return sum(size * n for size, n in sizes.items()) + 2 * doubles + 4 * lefts <= gpus * units
    return _halves_hold(gpus - sizes[_WHOLE], lefts, doubles, sizes)


def _halves_hold(boards: int, lefts: int, doubles: int, sizes: Counter[int]) -> bool:
    on_right = min(sizes[_HALF], boards)
    left = boards - lefts - (sizes[_HALF] - on_right)
    right = boards - on_right
    if boards < 0 or left < 0:
        return False
    tails = right
    in_tails = min(doubles, tails)
    pairs = 2 * left + right - sizes[_PAIR] - (doubles - in_tails)
    return pairs >= 0 and sizes[1] <= 2 * pairs + tails - in_tails
