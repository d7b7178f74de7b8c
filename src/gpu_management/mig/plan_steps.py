"""The steps of a repacking plan, and what carrying them out means: places, times, who is hit."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gpu_management.mig.cluster_layout import SETUP_S, Item, Situation


class Op(StrEnum):
    """What a step does."""

    DESTROY = "destroy"
    CREATE = "create"
    MOVE = "move"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `item` is what is destroyed, created or moved; `gpu` and `start` where to.

    `source` is the index of the GPU that a moved instance leaves, else `gpu` again.
    """

    op: Op
    item: Item
    gpu: int
    start: int
    source: int

    @property
    def seconds(self) -> float:
        """Return how long it takes."""
        return self.item.seconds if self.op in {Op.MOVE, Op.RESTART} else SETUP_S


@dataclass(frozen=True, slots=True)
class Value:
    """How good a plan is, in the order of importance; less is better."""

    unserved_slices: float
    restarts: int
    move_cost: float
    gpus_touched: float
    makespan_s: float

    def as_tuple(self) -> tuple[float, ...]:
        """Return the figures in the order in which plans are compared."""
        return (
            self.unserved_slices,
            self.restarts,
            round(self.move_cost, 6),
            self.gpus_touched,
            round(self.makespan_s, 6),
        )


def start_times(steps: Sequence[Step]) -> list[float]:
    """Return when each step starts: when all earlier steps on its GPUs have ended, in seconds."""
    free_at: dict[int, float] = {}
    starts = []
    for step in steps:
        gpus = {step.gpu, step.source}
        begin = max(free_at.get(gpu, 0.0) for gpu in gpus)
        starts.append(begin)
        free_at |= dict.fromkeys(gpus, begin + step.seconds)
    return starts


def makespan_s(steps: Sequence[Step]) -> float:
    """Return when the last step has ended, in seconds."""
    ends = (begin + step.seconds for begin, step in zip(start_times(steps), steps, strict=True))
    return max(ends, default=0.0)


def unserved(situation: Situation, steps: Sequence[Step]) -> dict[str, int]:
    """Return how many of each profile stay unserved; profiles that are served are left out."""
    served = situation.standing()
    for step in steps:
        if step.op is Op.CREATE:
            served[step.item.profile] += 1
        elif step.op is Op.DESTROY:
            served[step.item.profile] -= 1
    left = {name: count - served[name] for name, count in situation.demand.items()}
    return {name: count for name, count in left.items() if count > 0}


def value_of(situation: Situation, steps: Sequence[Step]) -> Value:
    """Return how good a plan is."""
    ops = Counter(step.op for step in steps)
    return Value(
        float(situation.slices(unserved(situation, steps))),
        ops[Op.RESTART],
        sum(step.item.move_cost for step in steps if step.op in {Op.MOVE, Op.RESTART}),
        float(len({gpu for step in steps for gpu in (step.gpu, step.source)})),
        makespan_s(steps),
    )


def as_document(situation: Situation, step: Step) -> Mapping[str, Any]:
    """Return a step as the OUT file has it."""
    gpu = situation.gpus[step.gpu].id
    if step.op is Op.DESTROY:
        return {"op": "destroy", "gpu": gpu, "instance": step.item.id}
    if step.op is Op.CREATE:
        return {
            "op": "create",
            "gpu": gpu,
            "profile": step.item.profile,
            "start": step.start,
            "instance": step.item.id,
        }
    told = {"instance": step.item.id, "to_gpu": gpu, "to_start": step.start}
    return {"op": step.op.value, **told}
