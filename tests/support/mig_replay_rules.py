"""The rules of `gpuctl mig replay`, written from its contract: they share nothing with the player.

Boards are read from the packaged table as plain numbers; every row of an answer is replayed.
"""

import csv
import gzip
import heapq
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import gpu_management.mig


class Broken(AssertionError):
    """An answer breaks a rule."""


@dataclass(frozen=True)
class Figures:
    """What a replay achieved over its measured rows."""

    slice_hours_pct: float
    accepted_pct: float
    moves_per_100: float


@cache
def boards() -> dict[str, Any]:
    folder = Path(gpu_management.mig.__file__).parent
    return dict(json.loads((folder / "data/geometries.json").read_bytes())["geometries"])


def profile_of(geometry: str, name: str) -> dict[str, Any] | None:
    real = boards()[geometry]["profile_aliases"].get(name, name)
    found = [p for p in boards()[geometry]["profiles"] if p["name"] == real]
    return dict(found[0]) if found else None


def check_board(geometry: str, places: list[tuple[str, int]]) -> None:
    """Refuse what a board cannot hold at once."""
    taken, kinds = set[int](), []
    for name, start in places:
        kind = profile_of(geometry, name)
        if kind is None or start not in kind["starts"]:
            raise Broken(f"{name} cannot start at {start} on {geometry}")
        units = set(range(start, start + kind["size"]))
        if units & taken:
            raise Broken(f"{name} at {start} overlaps on {geometry}: {places}")
        taken |= units
        kinds.append(kind)
    _check_limits(boards()[geometry], kinds)


def _check_limits(board: Mapping[str, Any], kinds: list[dict[str, Any]]) -> None:
    counts = Counter(kind["name"] for kind in kinds)
    if any(counts[kind["name"]] > kind["max_instances"] for kind in kinds):
        raise Broken(f"too many of one profile: {counts}")
    if sum(kind["compute_slices"] for kind in kinds) > board["compute_slices"]:
        raise Broken("too many compute slices")
    budget = board["engine_budget"]
    if budget is None and sum(kind["media_extension"] for kind in kinds) > 1:
        raise Broken("two media extensions")
    for engine, most in (budget or {}).items():
        if sum(kind["engines"][engine] for kind in kinds) > most:
            raise Broken(f"too many {engine} engines: {counts}")


def fits_somewhere(geometry: str, places: list[tuple[str, int]], name: str) -> bool:
    kind = profile_of(geometry, name)
    for start in kind["starts"] if kind else ():
        try:
            check_board(geometry, [*places, (name, start)])
        except Broken:
            continue
        return True
    return False


def read_rows(file: Path) -> Iterator[tuple[int, float, float, str]]:
    with gzip.open(file, "rt") as text:
        for row in csv.DictReader(text):
            times = float(row["arrival_s"]), float(row["duration_s"])
            yield int(row["id"]), *times, row["profile"]


class Judge:
    """A fleet as the rules see it."""

    def __init__(self, fleet: Mapping[str, Any], max_moves: int) -> None:
        self.geometry = [g["geometry"] for g in fleet["gpus"] for _ in range(g["count"])]
        self.on: list[dict[int, tuple[str, int]]] = [{} for _ in self.geometry]
        self.where: dict[int, int] = {}
        self.max_moves = max_moves

    def decided(
        self,
        number: int,
        profile: str,
        spot: tuple[int, int] | None,
        moves: list[tuple[int, ...]],
    ) -> None:
        """Take one decision; a feasible request is never refused and never paid for with moves."""
        if moves or spot is None:
            if self.fits(profile):
                raise Broken(f"{number}: {profile} fits, but was refused or served with moves")
            if len(moves) > self.max_moves or (moves and spot is None):
                raise Broken(f"{number}: too many moves, or moves in vain")
        for item, gpu, start in moves:
            self.move(item, gpu, start)
        if spot is not None:
            self.stand(number, spot[0], (profile, spot[1]))

    def stand(self, number: int, gpu: int, place: tuple[str, int]) -> None:
        self.on[gpu][number] = place
        self.where[number] = gpu
        check_board(self.geometry[gpu], list(self.on[gpu].values()))

    def leave(self, number: int) -> tuple[str, int]:
        return self.on[self.where.pop(number)].pop(number)

    def fits(self, profile: str) -> bool:
        seen = set()
        for geometry, running in zip(self.geometry, self.on, strict=True):
            state = (geometry, tuple(sorted(running.values())))
            if state not in seen and fits_somewhere(geometry, list(running.values()), profile):
                return True
            seen.add(state)
        return False

    def move(self, number: int, gpu: int, start: int) -> None:
        if number % 2 or number not in self.where:
            raise Broken(f"{number} may not be moved")
        source = self.where[number]
        if self.geometry[source] != self.geometry[gpu]:
            raise Broken(f"{number} moved to another geometry")
        profile, old = self.on[source][number]
        before = list(self.on[gpu].values())
        check_board(self.geometry[gpu], [*before, (profile, start)])  # the original still runs
        self.leave(number)
        self.stand(number, gpu, (profile, start))
        if (source, old) == (gpu, start):
            raise Broken(f"{number} moved to where it is")


def judge(
    fleet: Mapping[str, Any],
    rows: list[tuple[int, float, float, str]],
    out: Mapping[str, Any],
    *,
    max_moves: int = 0,
) -> Figures:
    """Replay an answer row by row and measure it; raises where a rule is broken."""
    placed = {number: (gpu, start) for number, gpu, start in out["placements"]}
    moves: dict[int, list[tuple[int, ...]]] = {}
    for before, *move in out["moves"]:
        moves.setdefault(before, []).append(tuple(move))
    if len(placed) != len(out["placements"]) or (placed.keys() | moves.keys()) - {
        row[0] for row in rows
    }:
        raise Broken("ids placed twice, or unknown")
    state, ends = Judge(fleet, max_moves), list[tuple[float, int]]()
    for number, arrival_s, duration_s, profile in rows:
        moment = arrival_s / out["load"]
        while ends and ends[0][0] <= moment:
            state.leave(heapq.heappop(ends)[1])
        state.decided(number, profile, placed.get(number), moves.get(number, []))
        if number in placed:
            heapq.heappush(ends, (moment + duration_s, number))
    measured = rows[fleet["measure_from"] :]
    return figures(measured, placed.keys(), sum(len(moves.get(row[0], ())) for row in measured))


def figures(
    rows: list[tuple[int, float, float, str]], placed: Collection[int], moves: int
) -> Figures:
    """Return what a replay achieved over these rows."""
    slices_s = [(int(name.split("g")[0]) * seconds, number) for number, _, seconds, name in rows]
    served = sum(weight for weight, number in slices_s if number in placed)
    count = len(rows) or 1
    return Figures(
        100 * served / (sum(weight for weight, _ in slices_s) or 1),
        100 * sum(row[0] in placed for row in rows) / count,
        100 * moves / count,
    )
