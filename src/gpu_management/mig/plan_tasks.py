"""The tasks that carry out a plan: cut the GPUs of one node, or move the work of one slice."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from gpu_management.mig.plan_steps import Op


class Deed(StrEnum):
    """What a task does."""

    CUT = "cut"
    MOVE = "move"


Places = tuple[tuple[str, int], ...]
"""Profile and start of each slice of a device, by start."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Give devices of one node other layouts."""

    node_name: str
    before: Mapping[str, Places]
    after: Mapping[str, Places]

    @property
    def back(self) -> "Cut":
        """Return what takes it back."""
        return Cut(self.node_name, before=self.after, after=self.before)


@dataclass(frozen=True, slots=True)
class Move:
    """Move the work of one allocation from a slice to another of the same profile."""

    allocation_id: str
    namespace: str
    pod_name: str
    profile: str
    from_device: str
    from_start: int
    to_device: str
    to_start: int

    @property
    def back(self) -> "Move":
        """Return what takes it back."""
        return replace(
            self,
            from_device=self.to_device,
            from_start=self.to_start,
            to_device=self.from_device,
            to_start=self.from_start,
        )


Task = Cut | Move


class Unexecutable(ValueError):
    """The steps cannot be carried out in this way; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice as a plan found it, with who holds it."""

    profile: str
    start: int
    allocation_id: str | None


def compile_tasks(
    steps: Sequence[Mapping[str, Any]],
    before: Mapping[str, Sequence[Slice]],
    nodes: Mapping[str, str],
) -> list[Task]:
    """Return the tasks that carry out `steps`, with as few cuts as the order of moves allows.

    A device is cut when work is about to move to it, and once more at the end; devices of its node
    that are due are cut with it. `before` and `nodes` name slices and node of each device.

    Raises:
        Unexecutable: a step cannot be carried out.
    """
    board = {device: [(s.profile, s.start) for s in slices] for device, slices in before.items()}
    cut = {device: _places(places) for device, places in board.items()}
    tasks: list[Task] = []
    for step in steps:
        device, place = step["device_id"], (step["profile"], step["start"])
        if step["op"] == Op.DESTROY:
            board[device].remove(place)
            continue
        board[device].append(place)
        if step["op"] == Op.CREATE:
            continue
        tasks += _cuts(board, cut, nodes, only=nodes[device])
        move = _move(step)
        tasks.append(move)
        board[move.from_device].remove((move.profile, move.from_start))
    for node_name in dict.fromkeys(nodes[device] for device in board):
        tasks += _cuts(board, cut, nodes, only=node_name)
    return tasks


def _cuts(
    board: Mapping[str, list[tuple[str, int]]],
    cut: dict[str, Places],
    nodes: Mapping[str, str],
    *,
    only: str,
) -> Iterator[Cut]:
    due = {device: _places(places) for device, places in board.items() if nodes[device] == only}
    after = {device: places for device, places in due.items() if places != cut[device]}
    if after:
        yield Cut(only, {device: cut[device] for device in after}, after)
        cut.update(after)


def _places(places: Sequence[tuple[str, int]]) -> Places:
    return tuple(sorted(places, key=lambda place: place[1]))


def _move(step: Mapping[str, Any]) -> Move:
    if step["op"] == Op.RESTART:
        raise Unexecutable(
            f"{step['mig_id']} would have to stop before its new slice can be made, which is not"
            " carried out; make a plan that keeps it"
        )
    if step["allocation_id"] is None:
        raise Unexecutable(f"nobody is known to hold {step['mig_id']}, so it cannot be moved")
    return Move(
        allocation_id=step["allocation_id"],
        namespace=step["namespace"],
        pod_name=step["pod_name"],
        profile=step["profile"],
        from_device=step["from_device_id"],
        from_start=step["from_start"],
        to_device=step["device_id"],
        to_start=step["start"],
    )


def check_whole_cuts(tasks: Sequence[Task], before: Mapping[str, Sequence[Slice]]) -> None:
    """Refuse tasks that cut a device under somebody; the MIG manager makes all its slices anew.

    Raises:
        Unexecutable: a device is in use when it would be cut, on the way there or back.
    """
    users = {
        device: {s.allocation_id for s in slices if s.allocation_id is not None}
        for device, slices in before.items()
    }
    for task in tasks:
        if isinstance(task, Move):
            users[task.from_device].discard(task.allocation_id)
            users[task.to_device].add(task.allocation_id)
            continue
        for device in task.after:
            if users[device]:
                raise Unexecutable(
                    f"the MIG manager makes every slice of a GPU anew, and {device} is used by"
                    f" {', '.join(sorted(users[device]))} when it would be cut; name them as"
                    " movable, or keep the device"
                )


def as_document(task: Task) -> dict[str, Any]:
    """Return a task as the database keeps it."""
    if isinstance(task, Cut):
        return {
            "deed": Deed.CUT.value,
            "node_name": task.node_name,
            "before": {device: [list(p) for p in places] for device, places in task.before.items()},
            "after": {device: [list(p) for p in places] for device, places in task.after.items()},
        }
    fields = {name: getattr(task, name) for name in Move.__slots__}
    return {"deed": Deed.MOVE.value, **fields}


def read_task(told: Mapping[str, Any]) -> Task:
    """Return a task from the database."""
    if told["deed"] == Deed.CUT:
        return Cut(told["node_name"], _read_places(told["before"]), _read_places(told["after"]))
    return Move(**{name: told[name] for name in Move.__slots__})


def _read_places(told: Mapping[str, Any]) -> dict[str, Places]:
    return {
        device: tuple((profile, start) for profile, start in places)
        for device, places in told.items()
    }
