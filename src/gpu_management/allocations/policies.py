"""Placement policies by name: ours, and well-known ones to compare with.

The others follow the scores of the FGD benchmark (Weng et al., "Beware of Fragmentation", USENIX
ATC 2023): integer scores, the highest wins, ties go to the lowest node rank. They expect nodes
whose devices are of one model.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from gpu_management.allocations.candidates import Refusal, Request, find
from gpu_management.allocations.demand import Demand
from gpu_management.allocations.fleet import Fleet, Ints
from gpu_management.allocations.fragmentation import FragmentationScores
from gpu_management.allocations.placement import Decision, decide
from gpu_management.allocations.refusals import refuse

OURS = "ours"


class Policy(Protocol):
    """Chooses where a request goes."""

    def place(self, fleet: Fleet, request: Request) -> Decision | Refusal:
        """Return a place, or why there is none; the fleet is left as it is."""


class UnknownPolicy(ValueError):
    """There is no placement policy of this name."""


class Ours:
    """The policy of the product; see `placement`."""

    def __init__(self, requests: Sequence[Request], *, seed: int) -> None:
        """Learn the mix from likely requests; the seed is not used, nothing is left to chance."""
        del seed
        self._demand = Demand.of(requests)

    def place(self, fleet: Fleet, request: Request) -> Decision | Refusal:
        """Return the cheapest place."""
        return decide(fleet, request, self._demand)


class BestFit:
    """Fullest node first, then the fullest device that has room."""

    _CPU_SCALE_MILLI = 128_000
    _GPU_SCALE_MILLI = 8_000

    def __init__(self, requests: Sequence[Request], *, seed: int) -> None:
        """Need neither likely requests nor chance."""
        del requests, seed

    def place(self, fleet: Fleet, request: Request) -> Decision | Refusal:
        """Return the node with the least left of half CPU, half GPU, scaled to 0-100."""
        candidates = find(fleet, request)
        nodes = candidates.nodes
        if not len(nodes):
            return refuse(fleet, request)
        cpu = (fleet.nodes.cpu_milli[nodes] - request.cpu_milli) / self._CPU_SCALE_MILLI
        gpu = (fleet.nodes.free_milli[nodes] - request.total_milli) / self._GPU_SCALE_MILLI
        raw = np.trunc(100 * (1 - (0.5 * cpu + 0.5 * gpu))).astype(np.int64)
        low, high = raw.min(), raw.max()
        scores = np.full(len(nodes), 100) if low == high else (raw - low) * 100 // (high - low)
        node = _best_by_rank(fleet, nodes, scores)
        on_node = candidates.devices[fleet.devices.node[candidates.devices] == node]
        left, index = fleet.devices.open_milli[on_node], fleet.devices.index[on_node]
        devices = on_node[np.lexsort((index, left))][: request.gpus]
        return _decision(fleet, node, devices, score=float(scores.max()))


class Random:
    """Any feasible node, any feasible device, all equally likely."""

    def __init__(self, requests: Sequence[Request], *, seed: int) -> None:
        """Start the generator."""
        del requests
        self._random = np.random.default_rng(seed)

    def place(self, fleet: Fleet, request: Request) -> Decision | Refusal:
        """Return a place by chance; the same seed makes the same choices."""
        candidates = find(fleet, request)
        if not len(candidates.nodes):
            return refuse(fleet, request)
        node = int(self._random.choice(candidates.nodes))
        on_node = candidates.devices[fleet.devices.node[candidates.devices] == node]
        devices = self._random.permutation(on_node)[: request.gpus]
        return _decision(fleet, node, devices, score=0.0)


class FragmentationDescent:
    """FGD: the place whose node becomes the least fragmented for typical requests."""

    def __init__(self, requests: Sequence[Request], *, seed: int) -> None:
        """Take the typical requests from likely ones; nothing is left to chance."""
        del seed
        self._scores = FragmentationScores(requests)

    def place(self, fleet: Fleet, request: Request) -> Decision | Refusal:
        """Return the node of the highest score, and on it the first best device."""
        candidates = find(fleet, request)
        nodes = candidates.nodes
        if not len(nodes):
            return refuse(fleet, request)
        scores, best_devices = self._scores.of(fleet, request)
        node = _best_by_rank(fleet, nodes, scores[nodes])
        if request.is_share:
            devices = best_devices[node : node + 1]
        else:
            on_node = candidates.devices[fleet.devices.node[candidates.devices] == node]
            devices = on_node[np.argsort(fleet.devices.index[on_node])][: request.gpus]
        return _decision(fleet, node, devices, score=float(scores[node]))


_POLICIES: Mapping[str, Callable[..., Policy]] = {
    OURS: Ours,
    "best-fit": BestFit,
    "fgd": FragmentationDescent,
    "random": Random,
}
NAMES = tuple(_POLICIES)


def policy_named(name: str, requests: Iterable[Request], *, seed: int) -> Policy:
    """Return a policy that expects requests like the given ones.

    Raises:
        UnknownPolicy: no such policy.
    """
    if name not in _POLICIES:
        raise UnknownPolicy(f"no placement policy '{name}'; there are {', '.join(NAMES)}")
    return _POLICIES[name](list(requests), seed=seed)


def _best_by_rank(fleet: Fleet, nodes: Ints, scores: Ints) -> int:
    tied = nodes[scores == scores.max()]
    return int(tied[fleet.nodes.rank[tied].argmin()])


def _decision(fleet: Fleet, node: int, devices: Ints, *, score: float) -> Decision:
    keys = tuple(int(key) for key in fleet.devices.key[devices])
    return Decision(fleet.node_keys[node], keys, score, {"score": score}, 0, len(devices))
