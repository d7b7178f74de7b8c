"""Measure MIG: placement of published streams, decision times, and plans with their proofs.

    python -m benchmarks.mig [--data DIR] [--quick] [--json FILE]

DIR holds the published fleets, streams and states; without it only made-up fleets are measured.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.mig_fragmentation import fragmentation_pct
from gpu_management.mig.cluster_layout import Gpu, Item, Situation
from gpu_management.mig.files import Arrival, FleetFile, read_arrivals, read_fleet
from gpu_management.mig.geometry import Placement, load_geometries
from gpu_management.mig.layout import free_starts
from gpu_management.mig.plan_files import read_situation
from gpu_management.mig.planner import plan
from gpu_management.mig.replay import replay
from tests.support.mig_instances import data_folder
from tests.support.mig_plan_rules import judge_plan
from tests.support.mig_replay_rules import figures, read_rows

POLICIES = (("first-fit", 0), ("best-fit", 0), ("default", 0), ("default", 2))
LOADS = (0.8, 0.9, 1.0, 1.1)
_BOARD = "h100-sxm5-80gb"
_MIX = {
    "1g.10gb": (0.26, 39_700),
    "1g.20gb": (0.08, 39_700),
    "2g.20gb": (0.22, 34_800),
    "3g.40gb": (0.20, 29_500),
    "4g.40gb": (0.09, 24_700),
    "7g.80gb": (0.15, 19_600),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for, print tables, and write the figures as JSON."""
    parser = argparse.ArgumentParser(description="Measure MIG placement and repacking.")
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--quick", action="store_true", help="one seed of each mix, fewer GPUs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    found: dict[str, Any] = {"decisions": _table(_decisions(quick=options.quick))}
    if options.data.is_dir():
        found["streams"] = _table(_streams(options.data, quick=options.quick))
        found["plans"] = _table(_published(options.data, quick=options.quick))
    else:
        print(f"no instances in {options.data}: streams and plans are left out", file=sys.stderr)
    found["made_up_plans"] = _table(_made_up(quick=options.quick))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def _streams(data: Path, *, quick: bool) -> Iterator[dict[str, Any]]:
    """Yield slice-hours in percent per policy, the mean of the streams of each mix."""
    groups: dict[str, list[str]] = {}
    for file in sorted(data.glob("*.fleet.json")):
        name = file.name.removesuffix(".fleet.json")
        groups.setdefault(name.rpartition("-")[0], []).append(name)
    for group, names in groups.items():
        if quick and "-512" in group:
            continue
        for policy, moves in POLICIES:
            played = names[:1] if quick else names
            runs = [_played(data, name, policy, moves) for name in played]
            row: dict[str, Any] = {"streams": group, "policy": f"{policy}+{moves}"}
            for index, load in enumerate(LOADS):
                row[f"{load}"] = round(fmean(run[index].slice_hours_pct for run in runs), 2)
            row["score"] = round(fmean(f.slice_hours_pct for run in runs for f in run), 2)
            row["accepted"] = round(fmean(run[2].accepted_pct for run in runs), 2)
            row["moves"] = round(fmean(run[2].moves_per_100 for run in runs), 2)
            told = [_fragmentation(data, name, policy, moves) for name in played]
            row["wasted at 0.9"] = round(fmean(told), 1)
            yield row


def _fragmentation(data: Path, name: str, policy: str, moves: int) -> float:
    """Return how much more would fit after a perfect repack, in percent, at load 0.9."""
    fleet = read_fleet(data / f"{name}.fleet.json")
    arrivals = list(read_arrivals(data / f"{name}.requests.csv.gz", fleet))
    out = replay(fleet, arrivals, load=0.9, policy=policy, max_moves=moves)
    return fragmentation_pct(fleet, arrivals, out)


def _played(data: Path, name: str, policy: str, moves: int) -> list[Any]:
    fleet = read_fleet(data / f"{name}.fleet.json")
    file = data / f"{name}.requests.csv.gz"
    arrivals, rows = list(read_arrivals(file, fleet)), list(read_rows(file))
    measured = rows[fleet.measure_from :]
    ids = {row[0] for row in measured}
    found = []
    for load in LOADS:
        out = replay(fleet, arrivals, load=load, policy=policy, max_moves=moves)
        placed = {placement[0] for placement in out["placements"]}
        found.append(figures(measured, placed, sum(move[0] in ids for move in out["moves"])))
    return found


def _decisions(*, quick: bool) -> Iterator[dict[str, Any]]:
    """Yield decision times at load 1.0 of a made-up stream."""
    for gpus in (512,) if quick else (512, 5000):
        fleet = FleetFile("made-up", (load_geometries()[_BOARD],) * gpus, 0, None)
        arrivals = list(_arrivals(gpus, 12 * gpus))
        for moves in (0, 2):
            out = replay(fleet, arrivals, load=1.0, max_moves=moves)
            yield {
                "GPUs": gpus,
                "max moves": moves,
                "decisions": len(arrivals),
                "refused": len(arrivals) - len(out["placements"]),
                "moved": len(out["moves"]),
                **{f"{name} ms": value for name, value in out["decision_ms"].items()},
            }


def _arrivals(gpus: int, count: int) -> Iterator[Arrival]:
    chance = random.Random(gpus)
    names, shares = list(_MIX), [share for share, _ in _MIX.values()]
    sizes = {"1g.10gb": 1, "1g.20gb": 2, "2g.20gb": 2, "3g.40gb": 4, "4g.40gb": 4, "7g.80gb": 8}
    mean_unit_s = sum(share * sizes[n] * seconds for n, (share, seconds) in _MIX.items())
    gap_s, moment = mean_unit_s / (8 * gpus), 0.0
    for number in range(count):
        moment += chance.expovariate(1 / gap_s)
        name = chance.choices(names, shares)[0]
        yield Arrival(number, moment, max(60.0, chance.expovariate(1 / _MIX[name][1])), name)


def _published(data: Path, *, quick: bool) -> Iterator[dict[str, Any]]:
    recorded = json.loads((data / "plan-optima.json").read_bytes())
    for name, told in recorded.items():
        if quick and "-512-" in name:
            continue
        state, demand = data / f"{name}.state.json", data / f"{name}.demand.json"
        found = plan(read_situation(state, demand))
        out = json.loads(json.dumps(found.as_document()))
        value, makespan_s = judge_plan(
            json.loads(state.read_bytes()), json.loads(demand.read_bytes())["demand"], out
        )
        yield {
            "plan": name,
            "unserved": value[0],
            "cost": value[2],
            "GPUs": value[3],
            "as recorded": value == tuple(told["optimum"].values()),
            "proved": found.optimal,
            "makespan s": makespan_s,
            "reference s": told["milp-any"][4],
            "search ms": round(found.solve_ms),
        }


def _made_up(*, quick: bool) -> Iterator[dict[str, Any]]:
    for gpus in (8, 64) if quick else (8, 64, 512, 2048):
        found = plan(made_up(gpus), limit_s=120)
        yield {
            "GPUs": gpus,
            "steps": len(found.steps),
            "unserved": found.value.unserved_slices,
            "proved": found.optimal,
            "makespan s": found.value.makespan_s,
            "search ms": round(found.solve_ms),
        }


def made_up(gpus: int) -> Situation:
    """Return a fleet that is three quarters full, most slices movable, and a large demand."""
    chance, geometry = random.Random(gpus), load_geometries()[_BOARD]
    names, shares = list(_MIX), [share for share, _ in _MIX.values()]
    standing: list[list[Placement]] = [[] for _ in range(gpus)]
    for _ in range(gpus * 8):
        name, index = chance.choices(names, shares)[0], chance.randrange(gpus)
        starts = free_starts(geometry, standing[index], name)
        if starts:
            standing[index].append(Placement(name, starts[0]))
    fleet = []
    for index, places in enumerate(standing):
        kept = [place for place in places if chance.random() < 0.75]
        items = tuple(_item(f"i{index}-{n}", p, chance) for n, p in enumerate(kept))
        fleet.append(Gpu(f"g{index}", f"n{index // 8}", geometry, items))
    demand = {"7g.80gb": gpus // 8, "4g.40gb": gpus // 10, "3g.40gb": gpus // 5}
    return Situation(fleet, demand)


def _item(name: str, place: Placement, chance: random.Random) -> Item:
    cost, move_s = chance.randint(1, 3), chance.choice((60, 120, 300))
    movable = chance.random() < (0.25 if place.profile[0] in "47" else 0.65)
    return Item(name, *place, running=True, movable=movable, move_cost=cost, move_s=move_s)


def _table(rows: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = []
    for row in rows:
        if not kept:
            print("".join(f"{name:>14}" for name in row))
        print("".join(f"{value!s:>14}" for value in row.values()), flush=True)
        kept.append(row)
    print()
    return kept


if __name__ == "__main__":
    sys.exit(main())
