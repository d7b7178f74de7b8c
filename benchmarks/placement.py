"""Measure placement: the published lists, other mixes, and decision times on large fleets.

    python -m benchmarks.placement [--data DIR] [--seeds 42-51] [--policies ours,fgd]
                                   [--mixes] [--large] [--json FILE]

DIR holds the openb trace (nodes, pod lists, arrivals, ranks); without it only `--large` runs.
"""

import argparse
import json
import os
import random
import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from benchmarks import placement_mixes as other
from gpu_management.allocations.candidates import Refusal, Request
from gpu_management.allocations.demand import Demand
from gpu_management.allocations.fleet import DeviceRow, Fleet, NodeRow
from gpu_management.allocations.placement import decide
from gpu_management.allocations.policies import policy_named
from gpu_management.simulate import placement
from gpu_management.simulate.placement_files import read_nodes, read_pods

LISTS = ("default", "gpushare40", "multigpu20")
LOADS = tuple(str(load) for load in placement.LOADS_PCT)
_LARGE_NODES = 10_000
_LARGE_DECISIONS = 2_000
_MIX_SEEDS = (42, 43)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for, print tables, and write the figures as JSON."""
    options = _options(arguments)
    figures: dict[str, Any] = {}
    if options.large:
        # First: the memory it reports is what the process grew by.
        figures["large"] = large_fleet()
        print(json.dumps(figures["large"]))
    if options.data.is_dir():
        figures["lists"] = _print_table("published lists", _lists(options))
        if options.mixes:
            figures["mixes"] = _print_table("resampled mixes", _mixes(options))
    else:
        print(f"no trace in {options.data}: lists and mixes are left out", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    root = Path(__file__).resolve().parent.parent
    tests = Path(os.environ.get("GPU_MANAGEMENT_TEST_DATA", root.parent / "shared" / "data"))
    parser = argparse.ArgumentParser(description="Measure placement.")
    parser.add_argument("--data", type=Path, default=tests / "openb")
    parser.add_argument("--seeds", default="42-51", help="first-last")
    parser.add_argument("--policies", default="ours,fgd,best-fit")
    parser.add_argument("--mixes", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


def _lists(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    first, last = (int(seed) for seed in options.seeds.split("-"))
    for name in LISTS:
        for policy in options.policies.split(","):
            played = [
                placement.run(
                    options.data / "openb_node_list_gpu_node.csv",
                    options.data / f"openb_pod_list_{name}.csv",
                    options.data / f"arrival_{name}.csv.gz",
                    options.data / f"noderank_{name}.csv.gz",
                    seed=seed,
                    policy=policy,
                )
                for seed in range(first, last + 1)
            ]
            yield _mean(name, policy, played)


def _mixes(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    nodes = read_nodes(options.data / "openb_node_list_gpu_node.csv")
    capacity_milli = sum(node.gpus for node in nodes) * 1000
    trace = read_pods(options.data / "openb_pod_list_default.csv")
    for name, pods in other.mixes(trace).items():
        for policy in options.policies.split(","):
            played = []
            for seed in _MIX_SEEDS:
                fleet = placement.empty_fleet(nodes, other.ranks(len(nodes), seed=seed))
                order = other.arrivals(pods, capacity_milli=capacity_milli, seed=seed)
                chosen = policy_named(policy, pods, seed=seed)
                played.append(placement.play(fleet, order, chosen))
            yield _mean(name, policy, played)


def _mean(name: str, policy: str, played: Sequence[dict[str, Any]]) -> dict[str, Any]:
    allocated = {
        load: round(float(np.mean([run["alloc_pct"][load] for run in played])), 2)
        for load in LOADS
        if all(run["alloc_pct"][load] is not None for run in played)
    }
    times = [run["decision_ms"] for run in played]
    return {
        "list": name,
        "policy": policy,
        "seeds": len(played),
        "alloc_pct": allocated,
        "mean_ms": round(float(np.mean([time["mean"] for time in times])), 3),
        "p99_ms": max(time["p99"] for time in times),
        "max_ms": max(time["max"] for time in times),
    }


def _print_table(title: str, rows: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    print(f"{title}: % of GPUs allocated at load, decision times in ms")
    print(f"{'list':<16} {'policy':<9}" + "".join(f"{load:>8}" for load in LOADS), end="")
    print(f"{'mean':>8}{'p99':>8}{'max':>8}")
    kept = []
    for row in rows:
        cells = "".join(f"{row['alloc_pct'].get(load, float('nan')):>8.2f}" for load in LOADS)
        times = f"{row['mean_ms']:>8.3f}{row['p99_ms']:>8.3f}{row['max_ms']:>8.2f}"
        print(f"{row['list']:<16} {row['policy']:<9}{cells}{times}", flush=True)
        kept.append(row)
    return kept


def large_fleet() -> dict[str, Any]:
    """Return load, decision times and memory for 10,000 nodes of 8 GPUs, half of them in use."""
    before_mib = _peak_mib()
    started = perf_counter_ns()
    fleet = _large_fleet(other.chance_of("large"))
    load_ms = (perf_counter_ns() - started) / 1e6
    chance, demand = other.chance_of("requests"), Demand()
    times, refused = [], 0
    for _ in range(_LARGE_DECISIONS):
        request = _likely(chance)
        started = perf_counter_ns()
        found = decide(fleet, request, demand)
        demand.learn(request)
        times.append((perf_counter_ns() - started) / 1e6)
        if isinstance(found, Refusal):
            refused += 1
        else:
            fleet.take(found.node, found.devices, milli=request.milli, cpu_milli=request.cpu_milli)
    p50, p99 = np.percentile(times, (50, 99))
    return {
        "nodes": fleet.node_count,
        "devices": fleet.device_count,
        "load_ms": round(load_ms),
        "decisions": len(times),
        "refused": refused,
        "mean_ms": round(float(np.mean(times)), 3),
        "p50_ms": round(float(p50), 3),
        "p99_ms": round(float(p99), 3),
        "max_ms": round(max(times), 3),
        "memory_mib": round(_peak_mib() - before_mib, 1),
    }


def _large_fleet(chance: random.Random) -> Fleet:
    fleet = Fleet()
    models = (("A100", 80, 3_000_000), ("H100", 80, 6_000_000), ("L4", 24, 700_000), ("T4", 16, 0))
    for number in range(_LARGE_NODES):
        name = f"node-{number}"
        model, memory_gb, price = models[number % len(models)]
        cpu_milli = chance.randrange(16, 129) * 1000
        labels = {"zone": f"z{number % 3}"}
        fleet.upsert_node(NodeRow(name, number, cpu_milli_free=cpu_milli, labels=labels))
        for index in range(8):
            free_milli = chance.choice((0, 0, 0, 250, 500, 1000, 1000, 1000))
            row = DeviceRow(
                number * 8 + index,
                name,
                index,
                model_id=model,
                free_milli=free_milli,
                memory_gb=memory_gb,
                price_micros=price or None,
                usable=chance.random() > 0.01,
                unusable_reason="FAILED",
            )
            fleet.upsert_device(row)
    return fleet


def _likely(chance: random.Random) -> Request:
    gpus = chance.choice((1, 1, 1, 1, 2, 4, 8))
    return Request(
        gpus=gpus,
        milli=chance.choice((100, 250, 330, 500, 750, 1000, 1000)) if gpus == 1 else 1000,
        cpu_milli=gpus * chance.choice((0, 2000, 4000, 8000)),
        min_memory_gb=chance.choice((1, 16, 24, 40, 80)),
        preferred_models=chance.choice(((), ("H100",))),
        node_selector=chance.choice(({}, {}, {"zone": "z1"}, {"zone": "none"})),
    )


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
