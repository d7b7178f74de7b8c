"""The tasks that carry out a plan: cut the GPUs of one node, or move the work of one slice.

Work that cannot move while it runs is stopped, its slice cut anew, and started again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from gpu_management.mig.plan_steps import Op


class Deed(StrEnum):
    """What a task does."""

    CUT = "cut"
    MOVE = "move"
    STOP = "stop"
    START = "start"


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


@dataclass(frozen=True, slots=True)
class Stop:
    """End the work of one allocation, and leave its slice; it holds nothing until it starts."""

    way: Move

    @property
    def back(self) -> "Start":
        """Return what takes it back."""
        return Start(self.way.back)


@dataclass(frozen=True, slots=True)
class Start:
    """Let an allocation that was stopped hold its new slice."""

    way: Move

    @property
    def back(self) -> Stop:
        """Return what takes it back."""
        return Stop(self.way.back)


Task = Cut | Move | Stop | Start


def nodes_of(task: Task, nodes: Mapping[str, str]) -> set[str]:
    """Return the nodes that a task touches; `nodes` names the node of each device."""
    if isinstance(task, Cut):
        return {task.node_name}
    if isinstance(task, Move):
        return {nodes[task.from_device], nodes[task.to_device]}
    return {nodes[task.way.from_device if isinstance(task, Stop) else task.way.to_device]}


class Unexecutable(ValueError):
    """The steps cannot be carried out in this way; the sentence says why.

    `device_id` is the device that would have to be left alone, where that would help.
    """

    def __init__(self, why: str, *, device_id: str | None = None) -> None:
        """Say why."""
        super().__init__(why)
        self.device_id = device_id


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
    *,
    whole: bool = False,
) -> list[Task]:
    """Return the tasks that carry out `steps`, with as few cuts as the order of moves allows.

    A device is cut when work is about to move to it, and once more at the end; devices of its node
    that are due are cut with it. `before` and `nodes` name slices and node of each device. Where a
    cut makes a whole device anew (`whole`), one that nobody uses gets its last layout at once.

    Raises:
        Unexecutable: a step cannot be carried out.
    """
    boards = _Boards(before, nodes, ahead=_last(steps, before) if whole else None)
    tasks: list[Task] = []
    for step in steps:
        device, place = step["device_id"], (step["profile"], step["start"])
        if step["op"] == Op.DESTROY:
            boards.now[device].remove(place)
        elif step["op"] == Op.CREATE:
            boards.now[device].append(place)
        else:
            tasks += _relocated(boards, _move(step), place, is_restart=step["op"] == Op.RESTART)
    for node_name in dict.fromkeys(nodes[device] for device in boards.now):
        tasks += boards.cuts(node_name, is_last=True)
    return tasks


def _relocated(
    boards: "_Boards", way: Move, place: tuple[str, int], *, is_restart: bool
) -> Iterator[Task]:
    """Yield what brings the work of one allocation to `place`; a restart's may overlap its own."""
    target = way.to_device
    if is_restart:
        yield Stop(way)
        boards.leave(way)
        boards.now[target].append(place)
        yield from boards.cuts(boards.nodes[target])
        yield Start(way)
    else:
        boards.now[target].append(place)
        yield from boards.cuts(boards.nodes[target])
        yield way
        boards.leave(way)
    boards.users[target].add(way.allocation_id)


class _Boards:
    """The layouts that devices should have by now, those they were cut to, and who uses them."""

    def __init__(
        self,
        before: Mapping[str, Sequence[Slice]],
        nodes: Mapping[str, str],
        *,
        ahead: Mapping[str, Places] | None,
    ) -> None:
        self.now = {device: [(s.profile, s.start) for s in told] for device, told in before.items()}
        self.users = users_of(before)
        self._cut = {device: _places(places) for device, places in self.now.items()}
        self.nodes = nodes
        self._ahead = ahead

    def leave(self, way: Move) -> None:
        """Note that an allocation has left its slice."""
        self.now[way.from_device].remove((way.profile, way.from_start))
        self.users[way.from_device].discard(way.allocation_id)

    def cuts(self, node_name: str, *, is_last: bool = False) -> Iterator[Cut]:
        due = {d: self._due(d) for d in self.now if self.nodes[d] == node_name}
        if self._ahead is not None and not is_last:
            due = {d: places for d, places in due.items() if not self.users[d] or self._is_short(d)}
        after = {d: places for d, places in due.items() if places != self._cut[d]}
        if after:
            yield Cut(node_name, {d: self._cut[d] for d in after}, after)
            self._cut.update(after)

    def _due(self, device: str) -> Places:
        if self._ahead is not None and not self.users[device]:
            return self._ahead[device]
        return _places(self.now[device])

    def _is_short(self, device: str) -> bool:
        """Say whether a slice that should be there by now is not."""
        return not set(self.now[device]) <= set(self._cut[device])


def users_of(before: Mapping[str, Sequence[Slice]]) -> dict[str, set[str]]:
    """Return the allocations that use each device."""
    return {
        device: {s.allocation_id for s in slices if s.allocation_id is not None}
        for device, slices in before.items()
    }


def _last(
    steps: Sequence[Mapping[str, Any]], before: Mapping[str, Sequence[Slice]]
) -> dict[str, Places]:
    """Return the layouts after the last step."""
    board = {device: [(s.profile, s.start) for s in slices] for device, slices in before.items()}
    for step in steps:
        if step["op"] != Op.DESTROY:
            board[step["device_id"]].append((step["profile"], step["start"]))
        if step["op"] != Op.CREATE:
            source = step["from_device_id"] or step["device_id"]
            board[source].remove((step["profile"], step["from_start"]))
    return {device: _places(places) for device, places in board.items()}


def _places(places: Sequence[tuple[str, int]]) -> Places:
    return tuple(sorted(places, key=lambda place: place[1]))


def _move(step: Mapping[str, Any]) -> Move:
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
    users = users_of(before)
    for task in tasks:
        if not isinstance(task, Cut):
            _follow_users(users, task)
            continue
        for device in task.after:
            if users[device]:
                raise Unexecutable(
                    f"the MIG manager makes every slice of a GPU anew, and {device} is used by"
                    f" {', '.join(sorted(users[device]))} when it would be cut; name them as"
                    " movable, or keep the device",
                    device_id=device,
                )


def _follow_users(users: Mapping[str, set[str]], task: Move | Stop | Start) -> None:
    way = task if isinstance(task, Move) else task.way
    if not isinstance(task, Start):
        users[way.from_device].discard(way.allocation_id)
    if not isinstance(task, Stop):
        users[way.to_device].add(way.allocation_id)


def as_document(task: Task) -> dict[str, Any]:
    """Return a task as the database keeps it."""
    if isinstance(task, Cut):
        return {
            "deed": Deed.CUT.value,
            "node_name": task.node_name,
            "before": {device: [list(p) for p in places] for device, places in task.before.items()},
            "after": {device: [list(p) for p in places] for device, places in task.after.items()},
        }
    deed = {Move: Deed.MOVE, Stop: Deed.STOP, Start: Deed.START}[type(task)]
    way = task if isinstance(task, Move) else task.way
    return {"deed": deed.value, **{name: getattr(way, name) for name in Move.__slots__}}


def read_task(told: Mapping[str, Any]) -> Task:
    """Return a task from the database."""
    if told["deed"] == Deed.CUT:
        return Cut(told["node_name"], _read_places(told["before"]), _read_places(told["after"]))
    way = Move(**{name: told[name] for name in Move.__slots__})
    if told["deed"] == Deed.STOP:
        return Stop(way)
    return Start(way) if told["deed"] == Deed.START else way


def _read_places(told: Mapping[str, Any]) -> dict[str, Places]:
    return {
        device: tuple((profile, start) for profile, start in places)
        for device, places in told.items()
    }
