"""Play a stream of requests on an empty fleet of MIG GPUs, one decision after another.

The engine that answers real requests is the one that is played. A request is lost if nothing is
free for it; running instances move only with `max_moves`, to make room for such a request.
"""

import heapq
from collections.abc import Iterable, Sequence
from time import perf_counter_ns
from typing import Any

from gpu_management.mig.files import Arrival, FleetFile
from gpu_management.mig.fleet import MigFleet
from gpu_management.mig.geometry import Geometry, Placement
from gpu_management.mig.moves import Board, Move, RoomMaker, Spot
from gpu_management.mig.replay_policies import POLICIES, Policy


class Player:
    """A fleet in play: what runs where, and what is decided so far."""

    def __init__(self, boards: Sequence[Geometry], policy: Policy, *, max_moves: int) -> None:
        """Start with empty GPUs."""
        self._boards = [Board(key, geometry) for key, geometry in enumerate(boards)]
        self.fleet = MigFleet(board.as_gpu() for board in self._boards)
        self._policy = policy
        self._maker = RoomMaker(self._boards, self.fleet, policy.demand)
        self._max_moves = max_moves
        self._where: dict[int, Board] = {}
        self._ends: list[tuple[float, int]] = []
        self.placements: list[tuple[int, int, int]] = []
        self.moves: list[tuple[int, int, int, int]] = []
        self.decision_ns: list[int] = []

    def arrive(self, arrival: Arrival, *, load: float) -> None:
        """Decide one request."""
        moment = arrival.arrival_s / load
        while self._ends and self._ends[0][0] <= moment:
            self._leave(heapq.heappop(self._ends)[1])
        started = perf_counter_ns()
        spot, moves = self._decide(arrival)
        self.decision_ns.append(perf_counter_ns() - started)
        if spot is None:
            return
        for move in moves:
            profile = self._leave(move.item)
            self._stand(move.item, profile, Spot(move.gpu, move.start))
            self.moves.append((arrival.id, *move))
        self._stand(arrival.id, arrival.profile, spot)
        self.placements.append((arrival.id, *spot))
        heapq.heappush(self._ends, (moment + arrival.duration_s, arrival.id))

    def _decide(self, arrival: Arrival) -> tuple[Spot | None, Sequence[Move]]:
        spot = self._policy.place(self.fleet, arrival.profile)
        if spot is None and self._max_moves:
            room = self._maker.make_room(arrival.profile, self._max_moves)
            if room is not None:
                return room
        return spot, ()

    def _stand(self, item: int, profile: str, spot: Spot) -> None:
        board = self._boards[spot.gpu]
        name = board.geometry.profile(profile).name
        board.put(item, Placement(name, spot.start), movable=item % 2 == 0)
        self._where[item] = board
        self.fleet.upsert(board.as_gpu())

    def _leave(self, item: int) -> str:
        board = self._where.pop(item)
        profile = board.drop(item).profile
        self.fleet.upsert(board.as_gpu())
        return profile


def replay(
    fleet: FleetFile,
    arrivals: Iterable[Arrival],
    *,
    load: float,
    policy: str = "default",
    max_moves: int = 0,
) -> dict[str, Any]:
    """Return what was placed and moved, and how long decisions took, as the OUT file has it."""
    player = Player(fleet.boards, POLICIES[policy](), max_moves=max_moves)
    for arrival in arrivals:
        player.arrive(arrival, load=load)
    return {
        "version": 1,
        "policy": policy,
        "load": load,
        "placements": player.placements,
        "moves": player.moves,
        "decision_ms": _times(player.decision_ns),
    }


def _times(decision_ns: Sequence[int]) -> dict[str, float]:
    if not decision_ns:
        return {"mean": 0.0, "p99": 0.0}
    ordered = sorted(decision_ns)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    mean = sum(ordered) / len(ordered)
    return {"mean": round(mean / 1e6, 4), "p99": round(p99 / 1e6, 4)}
