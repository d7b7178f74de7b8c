"""Cut this node's GPUs where a repartition plan says so. Off unless the environment allows it.

Each round tells the server what is seen and asks what to do. An order names the slices that a GPU
shall have: those it has already stay as they are, and a GPU that is not named is left alone. So an
order may be carried out again, by the next process if need be, and changes nothing then.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import httpx2

log = logging.getLogger("gpumanagement.collector")

Place = tuple[str, int]
"""Profile and start of a slice."""


class CutRefused(Exception):
    """The driver does not do it; the sentence says what it said."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A MIG slice of a GPU."""

    profile: str
    start: int
    gpu_instance_id: int
    uuid: str | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """A GPU and its slices."""

    uuid: str
    index: int
    mig_enabled: bool
    slices: Sequence[Slice]


class Slicer(Protocol):
    """What can look at the node's GPUs and cut them."""

    def look(self) -> list[Board]:
        """Return the node's GPUs with their slices."""
        ...

    def profiles(self, board: Board) -> frozenset[str]:
        """Return the profiles of a GPU, as its driver calls them."""
        ...

    def destroy(self, board: Board, gone: Slice) -> None:
        """Destroy a slice, with what computes in it.

        Raises:
            CutRefused: somebody uses it, or the driver refuses.
        """
        ...

    def create(self, board: Board, place: Place) -> None:
        """Create a slice that computes with all it has.

        Raises:
            CutRefused: the place is taken, or the driver refuses.
        """
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What a node is to do: for each GPU, by UUID or number, the slices it shall have.

    A slice is told by every name that its profile may have, and its start.
    """

    order_id: str
    boards: Sequence[tuple[str | None, int, Sequence[tuple[tuple[str, ...], int]]]]


@dataclass(slots=True)
class Word:
    """What came of an order."""

    order_id: str
    outcome: str
    message: str | None = None


_DONE: Final = "done"
_FAILED: Final = "failed"


@dataclass(slots=True)
class MigAgent:
    """Reports and cuts, one round at a time."""

    client: httpx2.Client
    key: Callable[[], str | None]
    node_name: str
    slicer: Callable[[], AbstractContextManager[Slicer]]
    _word: Word | None = None
    _is_failing: bool = field(default=False)

    def round(self) -> None:
        """Tell what is seen, do what is ordered, and tell what came of it."""
        try:
            with self.slicer() as slicer:
                order = self._tell(slicer.look())
                if order is not None and not self._is_done(order):
                    self._word = carry_out(slicer, order)
                    log.info("GPU repartition order %s: %s", order.order_id, self._word.outcome)
                    self._tell(slicer.look())
            self._is_failing = False
        except (httpx2.HTTPError, CutRefused, ValueError, KeyError) as error:
            if not self._is_failing:
                log.warning("GPU repartition orders are not served: %s", error)
            self._is_failing = True

    def _is_done(self, order: Order) -> bool:
        return self._word is not None and self._word.order_id == order.order_id

    def _tell(self, boards: Sequence[Board]) -> Order | None:
        body: dict[str, Any] = {"devices": [_told(board) for board in boards]}
        if self._word is not None:
            body |= {
                "orderId": self._word.order_id,
                "outcome": self._word.outcome,
                "message": self._word.message,
            }
        key = self.key()
        answer = self.client.post(
            f"/api/v1/gpu/mig/nodes/{self.node_name}/report",
            json=body,
            headers={"Authorization": f"Bearer {key}"} if key else {},
        )
        answer.raise_for_status()
        return read_order(answer.json())


def carry_out(slicer: Slicer, order: Order) -> Word:
    """Do what an order says, as far as the driver lets us; return what came of it."""
    try:
        boards = slicer.look()
        for uuid, index, wanted in order.boards:
            board = _find(boards, uuid, index)
            known = slicer.profiles(board)
            _cut(slicer, board, frozenset((_known(n, known), start) for n, start in wanted))
    except CutRefused as refused:
        return Word(order.order_id, _FAILED, str(refused)[:1000])
    return Word(order.order_id, _DONE)


def _cut(slicer: Slicer, board: Board, wanted: frozenset[Place]) -> None:
    if not board.mig_enabled:
        raise CutRefused(f"MIG mode is off on GPU {board.index}")
    has = {(one.profile, one.start): one for one in board.slices}
    for place in sorted(has.keys() - wanted, key=lambda place: place[1]):
        slicer.destroy(board, has[place])
    for place in sorted(wanted - has.keys(), key=lambda place: place[1]):
        slicer.create(board, place)


def _known(names: Sequence[str], known: frozenset[str]) -> str:
    """Return the name that the driver uses, else the first."""
    return next((name for name in names if name in known), names[0])


def _find(boards: Sequence[Board], uuid: str | None, index: int) -> Board:
    """Return the GPU that an order means; a UUID is believed before a number."""
    for board in boards:
        if board.uuid == uuid or (uuid is None and board.index == index):
            return board
    raise CutRefused(f"there is no GPU {uuid or index} here")


def read_order(told: Mapping[str, Any]) -> Order | None:
    """Return the order in an answer of the server, or None where there is nothing to do."""
    if told.get("orderId") is None:
        return None
    boards = [
        (
            board["uuid"],
            int(board["index"]),
            [((one["profile"], *one["alsoCalled"]), int(one["start"])) for one in board["slices"]],
        )
        for board in told["devices"]
    ]
    return Order(told["orderId"], boards)


def _told(board: Board) -> dict[str, Any]:
    return {
        "uuid": board.uuid,
        "index": board.index,
        "migEnabled": board.mig_enabled,
        "slices": [
            {
                "profile": one.profile,
                "start": one.start,
                "uuid": one.uuid,
                "gpuInstanceId": one.gpu_instance_id,
            }
            for one in board.slices
        ],
    }
