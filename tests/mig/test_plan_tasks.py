"""Tasks made of plans on fleets drawn at random: played forward, and back from every task."""

import random
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpu_management.mig.cluster_layout import Situation
from gpu_management.mig.geometry import Placement
from gpu_management.mig.layout import check_layout
from gpu_management.mig.plan_steps import Op, Step
from gpu_management.mig.plan_tasks import (
    Cut,
    Move,
    Slice,
    Start,
    Stop,
    Task,
    Unexecutable,
    check_whole_cuts,
    compile_tasks,
)
from gpu_management.mig.planner import plan
from tests.mig.test_plan import MOVABLE, cases, one_gpu, running, situation_of

Board = dict[tuple[str, int], str | None]


class World:
    """GPUs as whoever cuts finds them: places with who holds them, and who was stopped."""

    def __init__(self, situation: Situation) -> None:
        self.geometry = {gpu.id: gpu.geometry for gpu in situation.gpus}
        self.boards: dict[str, Board] = {
            gpu.id: {(i.profile, i.start): i.id if i.running else None for i in gpu.items}
            for gpu in situation.gpus
        }
        self.stopped: set[str] = set()

    def do(self, task: Task, *, whole: bool) -> None:
        if isinstance(task, Cut):
            for device in task.after:
                self.cut(device, task, whole=whole)
        elif isinstance(task, Move):
            self.take(task, self.leave(task))
        elif isinstance(task, Start):
            self.stopped.remove(task.way.allocation_id)
            self.take(task.way, task.way.allocation_id)
        else:
            self.stopped.add(self.leave(task.way))

    def cut(self, device: str, task: Cut, *, whole: bool) -> None:
        board, after = self.boards[device], task.after[device]
        assert set(board) == set(task.before[device]), "it is cut from what was thought to be there"
        gone = [holder for place, holder in board.items() if whole or place not in after]
        assert not any(gone), f"{device} is cut under {gone}"
        check_layout(self.geometry[device], [Placement(*place) for place in after])
        self.boards[device] = {place: board.get(place) for place in after}

    def leave(self, way: Move) -> str:
        place = (way.profile, way.from_start)
        assert self.boards[way.from_device][place] == way.allocation_id
        self.boards[way.from_device][place] = None
        return way.allocation_id

    def take(self, way: Move, allocation: str) -> None:
        place = (way.profile, way.to_start)
        assert self.boards[way.to_device][place] is None, "somebody is there already"
        self.boards[way.to_device][place] = allocation


def told(situation: Situation, steps: list[Step]) -> list[dict[str, Any]]:
    at: dict[str, int] = {}
    shown = []
    for step in steps:
        gpus = situation.gpus
        is_moved = step.op in {Op.MOVE, Op.RESTART}
        shown.append(
            {
                "op": step.op,
                "device_id": gpus[step.gpu].id,
                "from_device_id": gpus[step.source].id if is_moved else None,
                "from_start": at.get(step.item.id, step.item.start),
                "mig_id": step.item.id,
                "profile": step.item.profile,
                "start": step.start,
                "allocation_id": step.item.id if is_moved else None,
                "namespace": "ml",
                "pod_name": step.item.id,
            }
        )
        at[step.item.id] = step.start
    return shown


def tasks_of(situation: Situation, stops: random.Random, *, whole: bool) -> list[Task]:
    """Return the tasks of the best plan; what may move may also be stopped, so some are."""
    steps = [
        replace(step, op=Op.RESTART) if step.op is Op.MOVE and stops.random() < 0.5 else step
        for step in plan(situation, limit_s=5).steps
    ]
    before = {
        gpu.id: [Slice(i.profile, i.start, i.id if i.running else None) for i in gpu.items]
        for gpu in situation.gpus
    }
    nodes = {gpu.id: f"n{number % 2}" for number, gpu in enumerate(situation.gpus)}
    tasks = compile_tasks(told(situation, steps), before, nodes, whole=whole)
    if whole:
        check_whole_cuts(tasks, before)
    return tasks


@pytest.mark.parametrize("whole", [False, True])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(), st.data())
def test_no_cut_hits_anybody_and_from_any_task_there_is_a_way_back(
    whole: bool, case: tuple[dict[str, Any], dict[str, int]], data: st.DataObject
) -> None:
    situation = situation_of(*case)
    try:
        tasks = tasks_of(situation, data.draw(st.randoms(use_true_random=False)), whole=whole)
    except Unexecutable:
        assert whole, "only the MIG manager has to leave GPUs alone"
        return
    world = World(situation)
    start = deepcopy(world.boards)
    turn = data.draw(st.integers(0, len(tasks)))
    for task in tasks[:turn]:
        world.do(task, whole=whole)
    if turn == len(tasks):
        assert not world.stopped
    for task in reversed(tasks[:turn]):
        world.do(task.back, whole=whole)
    assert (world.boards, world.stopped) == (start, set())


def test_what_no_copy_can_stand_beside_is_stopped_before_its_new_slice_is_cut() -> None:
    gpu = one_gpu(running("m", "1g.6gb+me", 1, **MOVABLE), running("y", "1g.6gb", 3))
    situation = situation_of({"gpus": [gpu]}, {"2g.12gb": 1})
    tasks = tasks_of(situation, random.Random(1), whole=False)  # noqa: S311 - a chance in a test
    assert [type(task) for task in tasks] == [Stop, Cut, Start, Cut]
    world = World(situation)
    for task in tasks:
        world.do(task, whole=False)
    assert world.boards["g0"] == {
        ("1g.6gb+me", 2): "m",
        ("1g.6gb", 3): "y",
        ("2g.12gb", 0): None,
    }
