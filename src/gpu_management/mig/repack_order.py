"""Bring a repacking into an order in which every step is legal, and that ends early.

A step waits for the earlier steps on its GPUs, so a plan ends late when one GPU bears many long
steps or when moves wait for one another. Instances of a profile are alike: any that leaves may take
any place. So free places go to instances whose going frees others, and what is new comes last.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from gpu_management.mig.cluster_layout import SETUP_S, Item, Situation, fresh_ids
from gpu_management.mig.geometry import Geometry, Placement
from gpu_management.mig.layout import can_add
from gpu_management.mig.plan_steps import Op, Step

_SPREADS: Final = (0.5, 0.5, 0.5, 2.0)  # how far chance may change who is urgent
_Class = tuple[Geometry, str]
_Spot = tuple[int, int]  # GPU index and start


@dataclass(frozen=True, slots=True)
class Target:
    """What shall be in the end: who leaves, which free instances go, what is placed where."""

    leaving: tuple[tuple[int, Item], ...]
    gone: tuple[tuple[int, Item], ...]
    placed: tuple[tuple[int, Placement], ...]


class Stuck(Exception):
    """No order was found in which every step is legal."""


def order(situation: Situation, target: Target, *, seed: int = 0) -> list[Step]:
    """Return the steps that bring `target` about, each legal when it comes; `seed` varies ties.

    Raises:
        Stuck: none was found.
    """
    spread = _SPREADS[seed % len(_SPREADS)]
    yard = _Yard(situation, target, Random(seed), spread)  # noqa: S311 - ties, not secrets
    yard.destroy_what_goes()
    yard.move_all()
    yard.create_all()
    return yard.steps


@dataclass(slots=True)
class _Leaver:
    gpu: int
    item: Item
    bits: int
    noise: float


@dataclass(slots=True)
class _Yard:
    """The fleet while steps are chosen one after another."""

    situation: Situation
    target: Target
    chance: Random
    spread: float
    steps: list[Step] = field(default_factory=list)
    standing: list[dict[str, Placement]] = field(default_factory=list)
    free_at: list[float] = field(default_factory=list)
    leavers: dict[_Class, list[_Leaver]] = field(default_factory=dict)
    blocked: dict[_Class, set[_Spot]] = field(default_factory=dict)
    ready: dict[_Class, set[_Spot]] = field(default_factory=dict)
    burden: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        gpus = self.situation.gpus
        self.standing = [{item.id: item.place for item in gpu.items} for gpu in gpus]
        self.free_at = [0.0] * len(gpus)
        for index, item in self.target.leaving:
            kind = gpus[index].geometry.profile(item.profile)
            leaver = _Leaver(index, item, kind.bits(item.start), self.chance.random())
            self.leavers.setdefault((gpus[index].geometry, kind.name), []).append(leaver)
            self.burden[index] += round(item.seconds)
        for index, place in self.target.placed:
            key = (gpus[index].geometry, place.profile)
            self.blocked.setdefault(key, set()).add((index, place.start))
            self.burden[index] += round(self._usual_seconds(key))

    def _usual_seconds(self, key: _Class) -> float:
        """Return how long filling a place of this class takes, on average."""
        leavers, places = self.leavers.get(key, ()), self.blocked[key]
        moving = sum(leaver.item.seconds for leaver in leavers)
        return (moving + SETUP_S * max(0, len(places) - len(leavers))) / max(1, len(places))

    def destroy_what_goes(self) -> None:
        for index, item in self.target.gone:
            self._do(Step(Op.DESTROY, item, index, item.start, index))
        self._look_at(range(len(self.standing)))

    def move_all(self) -> None:
        while any(self.leavers.values()):
            step = self._next_move() or self._way_out()
            if step is None:
                raise Stuck
            self._do(step)
            self._look_at({step.source})

    def create_all(self) -> None:
        """Create what is asked for on the places that no moved instance took."""
        wanted = self._still_wanted()
        ids = fresh_ids(self.situation)
        for (_, name), spots in sorted(self.ready.items(), key=lambda pair: pair[0][1]):
            for gpu, start in sorted(spots):
                if wanted[name] <= 0:
                    break
                if self._is_legal(gpu, Placement(name, start)):
                    item = Item(next(ids), name, start, running=True)
                    self._do(Step(Op.CREATE, item, gpu, start, gpu))
                    wanted[name] -= 1

    def _still_wanted(self) -> Counter[str]:
        wanted = Counter(self.situation.demand)
        wanted.subtract(self.situation.standing())
        wanted.update(item.profile for _, item in self.target.gone)
        return wanted

    def _next_move(self) -> Step | None:
        """Return the move that can start first; of several, the one that most waits for."""
        best: tuple[tuple[float, ...], Step] | None = None
        for key, leavers in self.leavers.items():
            spots = self.ready.get(key)
            if not leavers or not spots:
                continue
            leaver = min(leavers, key=self._urgency)
            spot = min(spots, key=lambda s: (self.free_at[s[0]], self.burden[s[0]], s))
            begin = max(self.free_at[leaver.gpu], self.free_at[spot[0]])
            rank = (begin, *self._urgency(leaver)[1:])
            if best is None or rank < best[0]:
                best = rank, Step(Op.MOVE, leaver.item, spot[0], spot[1], leaver.gpu)
        return best and best[1]

    def _urgency(self, leaver: _Leaver) -> tuple[float, float, float]:
        burden = self.burden[leaver.gpu] * (1 + self.spread * (leaver.noise - 0.5))
        return self.free_at[leaver.gpu], -burden, -leaver.item.seconds

    def _way_out(self) -> Step | None:
        """Return a move to a spare place, or a restart, for when all wait for one another."""
        touched = {gpu for step in self.steps for gpu in (step.gpu, step.source)}
        waiting = [leaver for leavers in self.leavers.values() for leaver in leavers]
        touched |= {leaver.gpu for leaver in waiting}
        indices = sorted(range(len(self.standing)), key=lambda i: (i not in touched, i))
        for op in (Op.MOVE, Op.RESTART) if self.situation.may_restart else (Op.MOVE,):
            for leaver in waiting:
                for index in indices:
                    start = self._spare_start(leaver, index, op)
                    if start is not None:
                        return Step(op, leaver.item, index, start, leaver.gpu)
        return None

    def _spare_start(self, leaver: _Leaver, index: int, op: Op) -> int | None:
        """Return a legal start that no one else waits for, except, for a restart, its own place."""
        source, gpu = self.situation.gpus[leaver.gpu], self.situation.gpus[index]
        if gpu.frozen or gpu.geometry is not source.geometry:
            return None
        kind = gpu.geometry.profile(leaver.item.profile)
        key = gpu.geometry, kind.name
        for start in kind.starts:
            if index == leaver.gpu and start == leaver.item.start:
                continue
            own = (index, start) in self.blocked.get(key, ()) and op is Op.RESTART
            if not own and self._is_kept(index, kind.bits(start)):
                continue
            without = leaver.item.id if op is Op.RESTART and index == leaver.gpu else None
            if self._is_legal(index, Placement(kind.name, start), without=without):
                return start
        return None

    def _is_kept(self, index: int, bits: int) -> bool:
        """Say whether a place that is still to be filled lies on these units."""
        profile = self.situation.gpus[index].geometry.profile
        return any(
            gpu == index and profile(name).bits(start) & bits
            for waiting in (self.blocked, self.ready)
            for (_, name), spots in waiting.items()
            for gpu, start in spots
        )

    def _do(self, step: Step) -> None:
        """Carry a step out."""
        profile = step.item.profile
        key = self.situation.gpus[step.gpu].geometry, profile
        if step.op in {Op.MOVE, Op.RESTART}:
            self.leavers[key] = [each for each in self.leavers[key] if each.item is not step.item]
        if step.op is not Op.CREATE:
            del self.standing[step.source][step.item.id]
        if step.op is not Op.DESTROY:
            self.standing[step.gpu][step.item.id] = Placement(profile, step.start)
            self.ready.get(key, set()).discard((step.gpu, step.start))
            self.blocked.get(key, set()).discard((step.gpu, step.start))
        begin = max(self.free_at[step.gpu], self.free_at[step.source])
        for gpu in {step.gpu, step.source}:
            self.free_at[gpu] = begin + step.seconds
            self.burden[gpu] -= round(step.seconds)
        self.steps.append(step)

    def _look_at(self, indices: Iterable[int]) -> None:
        """Find the waiting places on these GPUs that have become free."""
        looked = set(indices)
        for key, spots in self.blocked.items():
            free = {
                spot
                for spot in spots
                if spot[0] in looked and self._is_legal(spot[0], Placement(key[1], spot[1]))
            }
            if free:
                spots.difference_update(free)
                self.ready.setdefault(key, set()).update(free)

    def _is_legal(self, index: int, place: Placement, *, without: str | None = None) -> bool:
        others = [p for name, p in self.standing[index].items() if name != without]
        return can_add(self.situation.gpus[index].geometry, others, place)
