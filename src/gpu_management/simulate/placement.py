"""Play the public placement benchmark: pods arrive one by one on a fixed, empty cluster.

Nothing leaves, moves or waits: a pod that fits somewhere is placed, any other is refused for
good. Files are as published for openb (nodes, pods) with an arrival order and node ranks a seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from gpu_management.allocations.candidates import Refusal, Request
from gpu_management.allocations.fleet import DeviceRow, Fleet, NodeRow
from gpu_management.allocations.policies import Policy, policy_named
from gpu_management.simulate.placement_files import (
    Node,
    PlacementFileInvalid,
    read_arrivals,
    read_nodes,
    read_pods,
    read_ranks,
)

__all__ = ["PlacementFileInvalid", "empty_fleet", "play", "run"]

LOADS_PCT = (90, 95, 100, 110, 130)
_NS_PER_MS = 1e6


def run(
    nodes: Path, pods: Path, arrivals: Path, ranks: Path, *, seed: int, policy: str
) -> dict[str, Any]:
    """Play one seed of an arrival list and return the figures; times are in milliseconds.

    Raises:
        PlacementFileInvalid: a file cannot be read, or does not fit the others.
        UnknownPolicy: no such policy.
    """
    cluster = read_nodes(nodes)
    requests = read_pods(pods)
    order = read_arrivals(arrivals, seed, pods=len(requests))
    node_ranks = read_ranks(ranks, seed, nodes=len(cluster))
    chosen = policy_named(policy, requests, seed=seed)
    played = play(empty_fleet(cluster, node_ranks), [requests[row] for row in order], chosen)
    return {"policy": policy, "seed": seed, **played}


def empty_fleet(nodes: Sequence[Node], ranks: Sequence[int]) -> Fleet:
    """Return a fleet of the nodes with nothing on them."""
    fleet = Fleet()
    key = 0
    for node, rank in zip(nodes, ranks, strict=True):
        fleet.upsert_node(
            NodeRow(node.name, rank, cpu_milli_free=node.cpu_milli, memory_mib_free=node.memory_mib)
        )
        for index in range(node.gpus):
            row = DeviceRow(key, node.name, index, model_id=node.model, free_milli=1000)
            fleet.upsert_device(row)
            key += 1
    return fleet


def play(fleet: Fleet, arrivals: Sequence[Request], policy: Policy) -> dict[str, Any]:
    """Place the arrivals in order on the fleet and return the figures.

    `alloc_pct` is by load in % of the fleet's GPUs asked for so far; None where it is not reached.
    """
    capacity_milli = int(fleet.nodes.free_milli.sum())
    tally = _Tally(capacity_milli)
    took_ns: list[int] = []
    for request in arrivals:
        start = perf_counter_ns()
        found = policy.place(fleet, request)
        if not isinstance(found, Refusal):
            fleet.take(
                found.node,
                found.devices,
                milli=request.milli,
                cpu_milli=request.cpu_milli,
                memory_mib=request.memory_mib,
            )
        took_ns.append(perf_counter_ns() - start)
        tally.count(request, placed=not isinstance(found, Refusal))
    return {
        "alloc_pct": tally.alloc_pct(),
        "arrivals": len(arrivals),
        "placed": tally.placed,
        "rejected": len(arrivals) - tally.placed,
        "decision_ms": _times_ms(took_ns),
    }


@dataclass(slots=True)
class _Tally:
    """GPUs asked for and placed so far, and the allocation seen at each load."""

    capacity_milli: int
    placed: int = 0
    _arrived_milli: int = 0
    _placed_milli: int = 0
    _seen: dict[int, list[float]] = field(default_factory=dict)

    def count(self, request: Request, *, placed: bool) -> None:
        """Add one arrival."""
        self._arrived_milli += request.total_milli
        if placed:
            self.placed += 1
            self._placed_milli += request.total_milli
        load = round(100 * self._arrived_milli / self.capacity_milli)
        allocated = round(100 * self._placed_milli / self.capacity_milli, 2)
        self._seen.setdefault(load, []).append(allocated)

    def alloc_pct(self) -> dict[str, float | None]:
        """Return the mean allocation at each load of interest."""
        return {
            str(load): round(sum(seen) / len(seen), 2) if (seen := self._seen.get(load)) else None
            for load in LOADS_PCT
        }


def _times_ms(took_ns: Sequence[int]) -> dict[str, float]:
    times = np.array(took_ns or [0]) / _NS_PER_MS
    p50, p99 = np.percentile(times, (50, 99))
    figures = {"mean": times.mean(), "p50": p50, "p99": p99, "max": times.max()}
    return {name: round(float(value), 3) for name, value in figures.items()}
