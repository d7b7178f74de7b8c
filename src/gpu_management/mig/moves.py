"""Make room for a request that fits nowhere, by moving instances that may move.

Each is moved to a place that is free while the original still runs, on a GPU of the same geometry.
Fewest moves come first, then the least units moved, then what the fleet loses least by.
"""

import heapq
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from gpu_management.mig.demand import Demand
from gpu_management.mig.fleet import MigFleet, MigGpu
from gpu_management.mig.geometry import Geometry, Placement, Profile
from gpu_management.mig.layout import closed_profiles, occupied_units
from gpu_management.mig.placement import Choice, choose

_TRIES: Final = 12
# Half a board is worth one move: more moves for less bring a tenth of a point for a third more.
_MOVES_PER_BOARD: Final = 2


class Move(NamedTuple):
    """An instance, by number, and where it goes."""

    item: int
    gpu: int
    start: int


class Spot(NamedTuple):
    """Where an instance goes: GPU index and start."""

    gpu: int
    start: int


class Eviction(NamedTuple):
    """A place that is free once these instances are gone; masks are of placement units."""

    start: int
    wanted: int
    freed: int
    items: tuple[int, ...]
    profiles: tuple[str, ...]


class Room(NamedTuple):
    """Where a request goes after these moves, in their order."""

    spot: Spot
    moves: tuple[Move, ...]


class Board:
    """What runs on one GPU: the place of each instance by number, and which of them may move."""

    __slots__ = ("_evictions", "free", "geometry", "key", "movable", "running")

    def __init__(self, key: int, geometry: Geometry) -> None:
        """Start empty; `free` is the mask of free placement units."""
        self.key = key
        self.geometry = geometry
        self.running: dict[int, Placement] = {}
        self.movable: set[int] = set()
        self.free = geometry.all_units
        self._evictions: dict[tuple[str, int], Sequence[Eviction]] = {}

    def put(self, item: int, place: Placement, *, movable: bool) -> None:
        """Let an instance run here."""
        self.running[item] = place
        self.free &= ~self._bits(place)
        if movable:
            self.movable.add(item)
        self._evictions = {}

    def drop(self, item: int) -> Placement:
        """Let an instance end; return where it ran."""
        place = self.running.pop(item)
        self.free |= self._bits(place)
        self.movable.discard(item)
        self._evictions = {}
        return place

    def as_gpu(self, *more: Placement) -> MigGpu:
        """Return the GPU as decisions see it, with `more` standing on it."""
        return MigGpu(self.key, self.geometry.key, (*self.running.values(), *more))

    def evictions(self, profile: str, most: int) -> Sequence[Eviction]:
        """Return the places for a profile that up to `most` instances stand on, all movable."""
        known = self._evictions.get((profile, most))
        if known is None:
            kind = self.geometry.find(profile)
            known = tuple(self._work_out(kind, most)) if kind and self.movable else ()
            self._evictions[profile, most] = known
        return known

    def _bits(self, place: Placement) -> int:
        return self.geometry.by_name[place.profile].bits(place.start)

    def _work_out(self, kind: Profile, most: int) -> Iterator[Eviction]:
        most = min(most, max(1, _MOVES_PER_BOARD * kind.size // self.geometry.placement_units))
        for start in kind.starts:
            wanted = kind.bits(start)
            places = {i: p for i, p in self.running.items() if self._bits(p) & wanted}
            if len(places) > most or not self.movable.issuperset(places):
                continue
            left = [place for item, place in self.running.items() if item not in places]
            if kind.name in closed_profiles(self.geometry, left):
                continue
            freed = occupied_units(self.geometry, places.values())
            profiles = tuple(place.profile for place in places.values())
            yield Eviction(start, wanted, freed, tuple(places), profiles)


class RoomMaker:
    """Finds moves in a fleet whose boards are kept by somebody else."""

    def __init__(self, boards: Sequence[Board], fleet: MigFleet, demand: Demand) -> None:
        """Look at `boards`, which `fleet` mirrors."""
        self._boards = boards
        self._fleet = fleet
        self._demand = demand
        self._alike: dict[Geometry, set[int]] = {}
        for board in boards:
            self._alike.setdefault(board.geometry, set()).add(board.key)

    def make_room(self, profile: str, max_moves: int) -> Room | None:
        """Return how to serve a request that fits nowhere with up to `max_moves` moves."""
        losses: dict[tuple[Geometry, str], float | None] = {}
        found: list[tuple[tuple[int, int, float], int, Eviction]] = []
        for board in self._boards:
            for eviction in board.evictions(profile, max_moves):
                lost = self._loss(board, eviction, losses)
                if lost is not None:
                    rank = len(eviction.items), eviction.freed.bit_count(), lost
                    found.append((rank, board.key, eviction))
        for _, key, eviction in heapq.nsmallest(_TRIES, found):
            moves = self._clear(self._boards[key], profile, eviction)
            if moves is not None:
                return Room(Spot(key, eviction.start), moves)
        return None

    def _loss(
        self,
        board: Board,
        eviction: Eviction,
        losses: dict[tuple[Geometry, str], float | None],
    ) -> float | None:
        """Return what this would lose in value, about; None if an instance cannot go anywhere."""
        geometry = board.geometry
        total = 0.0
        for name in eviction.profiles:
            if (geometry, name) not in losses:
                found = self._choose(geometry, name)
                losses[geometry, name] = None if found is None else found.score
            lost = losses[geometry, name]
            if lost is None:
                return None
            total += lost
        table = self._demand.table(geometry)
        after = (board.free | eviction.freed) & ~eviction.wanted
        return total + table.value(board.free) - table.value(after)

    def _choose(self, geometry: Geometry, name: str) -> Choice | None:
        alike = self._alike[geometry] if len(self._alike) > 1 else None
        found = choose(self._fleet, [name], demand=self._demand, eligible=alike)
        return found if isinstance(found, Choice) else None

    def _clear(self, board: Board, profile: str, eviction: Eviction) -> tuple[Move, ...] | None:
        """Find a place for each instance in the way; the fleet is as before when this returns."""
        geometry, touched = board.geometry, {board.key}
        wanted = Placement(geometry.profile(profile).name, eviction.start)
        running, moves = dict(board.running), list[Move]()
        arrived: dict[int, list[Placement]] = {}
        by_size = sorted(eviction.items, key=lambda i: -geometry.profile(running[i].profile).size)
        try:
            for item in by_size:
                # What is wanted already stands there: no copy may land on it.
                here = (*running.values(), wanted, *arrived.get(board.key, ()))
                self._fleet.upsert(MigGpu(board.key, geometry.key, here))
                found = self._choose(geometry, running[item].profile)
                if found is None:
                    return None
                moves.append(Move(item, found.gpu, found.start))
                arrived.setdefault(found.gpu, []).append(Placement(found.profile, found.start))
                touched.add(found.gpu)
                del running[item]
                if found.gpu != board.key:
                    other = self._boards[found.gpu]
                    self._fleet.upsert(other.as_gpu(*arrived[found.gpu]))
            return tuple(moves)
        finally:
            for key in touched:
                self._fleet.upsert(self._boards[key].as_gpu())
