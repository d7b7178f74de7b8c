"""A repacking plan without a solver: quick, legal, and not the best. For when time is short.

Large profiles first: on a free instance, else on empty units, else where the cheapest movable
instances can be moved away to units that are empty.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from gpu_management.mig.cluster_layout import Item, Situation, fresh_ids
from gpu_management.mig.geometry import Geometry, Placement, Profile
from gpu_management.mig.layout import can_add
from gpu_management.mig.plan_steps import Op, Step


class _Way(NamedTuple):
    """How a profile may be placed on one GPU; the least is the best."""

    dearness: tuple[float, float]
    units_left: int
    start: int


def greedy_plan(situation: Situation, *, few_moves: bool = False) -> list[Step]:
    """Return legal steps that serve what a simple rule can serve.

    The cheapest way to make room is taken, or with `few_moves` the one of the fewest moves.
    """
    yard = _Yard(situation, few_moves=few_moves)
    asked = situation.demand.items()
    missing = {name: count - yard.keep_spare(name, count) for name, count in asked}
    for name in sorted(missing, key=lambda each: (-yard.size(each), each)):
        for _ in range(missing[name]):
            if not yard.serve(name):
                break
    return yard.steps


class _Yard:
    """The fleet while it is filled."""

    def __init__(self, situation: Situation, *, few_moves: bool) -> None:
        self._few_moves = few_moves
        self._gpus = situation.gpus
        self._ids = fresh_ids(situation)
        self._standing = [{item.id: item for item in gpu.items} for gpu in self._gpus]
        self._fixed = {i.id for gpu in self._gpus for i in gpu.items if i.running and not i.movable}
        self._ways: dict[tuple[int, str], _Way | None] = {}
        self._spots: dict[tuple[Geometry, str], dict[int, tuple[int, int]]] = {}
        self.steps: list[Step] = []

    def size(self, name: str) -> int:
        """Return the compute slices of a profile, the larger of its boards."""
        kinds = filter(None, (gpu.geometry.find(name) for gpu in self._gpus))
        return max((kind.size * 100 + kind.compute_slices for kind in kinds), default=0)

    def keep_spare(self, name: str, most: int) -> int:
        """Keep up to `most` free instances for the demand; return how many."""
        spare = [
            item.id
            for gpu in self._gpus
            for item in gpu.items
            if not item.running and item.profile == name
        ]
        self._fixed.update(spare[:most])
        return len(spare[:most])

    def serve(self, name: str) -> bool:
        """Create one instance, making room where needed; say whether that worked."""
        found = ((self._way(index, name), index) for index in range(len(self._gpus)))
        ways = sorted((way, index) for way, index in found if way is not None)
        return any(self._carry_out(index, name, way) for way, index in ways)

    def _way(self, index: int, name: str) -> _Way | None:
        if (index, name) not in self._ways:
            gpu = self._gpus[index]
            kind = None if gpu.frozen else gpu.geometry.find(name)
            ways = self._work_out(index, kind) if kind else iter(())
            self._ways[index, name] = min(ways, default=None)
        return self._ways[index, name]

    def _work_out(self, index: int, kind: Profile) -> Iterator[_Way]:
        gpu, standing = self._gpus[index], self._standing[index]
        for start in kind.starts:
            in_way = self._overlapping(index, kind.bits(start))
            if any(item.id in self._fixed for item in in_way):
                continue
            left = [item for item in standing.values() if item not in in_way]
            if can_add(gpu.geometry, [i.place for i in left], Placement(kind.name, start)):
                used = sum(gpu.geometry.profile(item.profile).size for item in left)
                units_left = gpu.geometry.placement_units - used - kind.size
                moving = [item for item in in_way if item.running]
                cost, count = sum(i.move_cost for i in moving), float(len(moving))
                dearness = (count, cost) if self._few_moves else (cost, count)
                yield _Way(dearness, units_left, start)

    def _overlapping(self, index: int, bits: int) -> list[Item]:
        profile = self._gpus[index].geometry.profile
        items = self._standing[index].values()
        return [item for item in items if profile(item.profile).bits(item.start) & bits]

    def _carry_out(self, index: int, name: str, way: _Way) -> bool:
        """Move away what is in the way and create the instance, or leave all as it was."""
        kind = self._gpus[index].geometry.profile(name)
        bits, steps = kind.bits(way.start), list[Step]()
        in_way = self._overlapping(index, bits)
        if any(i.running and self._away(index, i, bits) is None for i in in_way):
            return False
        for item in sorted((i for i in in_way if i.running), key=lambda i: -self.size(i.profile)):
            step = self._away(index, item, bits)
            if step is None:
                for undone in reversed(steps):
                    self._set(undone.gpu, undone.item.id, None)
                    self._set(index, undone.item.id, undone.item)
                return False
            self._set(index, item.id, None)
            self._set(step.gpu, item.id, replace(item, start=step.start))
            steps.append(step)
        for item in in_way:
            if not item.running:
                self._set(index, item.id, None)
                steps.append(Step(Op.DESTROY, item, index, item.start, index))
        new = Item(next(self._ids), kind.name, way.start, running=True)
        self._set(index, new.id, new)
        self._fixed.add(new.id)
        self.steps += [*steps, Step(Op.CREATE, new, index, way.start, index)]
        return True

    def _away(self, source: int, item: Item, kept: int) -> Step | None:
        """Return the move of an instance to where the fewest units stay free."""
        kind = self._gpus[source].geometry.profile(item.profile)
        found = [
            (*spot, index) for index, spot in self._open(source, kind).items() if index != source
        ]
        here = self._empty_start(source, kind, kept)
        if here is not None:
            found.append((*here, source))
        if not found:
            return None
        _, start, index = min(found)
        return Step(Op.MOVE, item, index, start, source)

    def _open(self, source: int, kind: Profile) -> dict[int, tuple[int, int]]:
        """Return where a profile has empty units: by GPU, the units left free and the start."""
        geometry = self._gpus[source].geometry
        known = self._spots.get((geometry, kind.name))
        if known is None:
            known = self._spots[geometry, kind.name] = {}
            for index, gpu in enumerate(self._gpus):
                if gpu.geometry is geometry and not gpu.frozen:
                    self._note_spot(known, index, kind)
        return known

    def _note_spot(self, known: dict[int, tuple[int, int]], index: int, kind: Profile) -> None:
        spot = self._empty_start(index, kind, 0)
        if spot is None:
            known.pop(index, None)
        else:
            known[index] = spot

    def _empty_start(self, index: int, kind: Profile, kept: int) -> tuple[int, int] | None:
        gpu, taken = self._gpus[index], kept
        places = [item.place for item in self._standing[index].values()]
        for place in places:
            taken |= gpu.geometry.by_name[place.profile].bits(place.start)
        left = gpu.geometry.placement_units - taken.bit_count() - kind.size
        for start in kind.starts:
            free = not kind.bits(start) & taken
            if free and can_add(gpu.geometry, places, Placement(kind.name, start)):
                return left, start
        return None

    def _set(self, index: int, name: str, item: Item | None) -> None:
        if item is None:
            del self._standing[index][name]
        else:
            self._standing[index][name] = item
        geometry = self._gpus[index].geometry
        for kind in geometry.profiles:
            self._ways.pop((index, kind.name), None)
            known = self._spots.get((geometry, kind.name))
            if known is not None and not self._gpus[index].frozen:
                self._note_spot(known, index, kind)
