"""Choose the node and devices of a request, and say why.

Pure and deterministic: the cheapest place wins, exact ties go to the lowest node rank, then to
the lowest device index. The cost of a place is in GPUs, a sum of named parts:

- `sharing`: what the device's gap was good for, less what the rest of it still is; a little
  more where it opens a whole device.
- `stranding`: GPUs of the node that its CPU can no longer serve, at the mix's cores per GPU.
- `balance`: the same, for each request of the mix on its own; it replaces `stranding` where
  cores are short all over the fleet.
- `wholeNodes`: GPUs of the node lost to requests for several GPUs, as far as those are pressing.
- `scarcity`: using a kind of device that constrained requests need, up to 1 a GPU.
- `price`, `memory`: dearer or larger than the cheapest or smallest device that would do, up to
  0.5 and 0.25 a GPU; both are 0 where these are equal or unknown.
- `preference`: 4 a GPU for each model preferred to its own, so preference outweighs packing.

Nodes of several device kinds count with the mean of their candidates in the last four parts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gpu_management.allocations.candidates import Candidates, Refusal, Request, find
from gpu_management.allocations.demand import Demand
from gpu_management.allocations.fleet import WHOLE_MILLI, DeviceKind, Fleet, Ints
from gpu_management.allocations.mix import SPARE_STEP_CORES, SPARE_STEPS
from gpu_management.allocations.outlook import Outlook
from gpu_management.allocations.refusals import refuse
from gpu_management.allocations.share_prices import Values

__all__ = ["Decision", "Refusal", "Request", "decide"]

_CORES_FACTOR = 0.96
"""Of the mean cores per GPU: below it a node's CPU is taken to strand GPUs (measured)."""
_BALANCE_STEP = 0.1
"""GPUs; coarse, so that near ties go by rank and nodes fill one after the other."""
_OPENING_WEIGHT = 0.001
"""Opening a whole device: less than any real loss, so it decides only where gaps are as good."""
_SCARCITY_WEIGHT = 0.5
_PRICE_WEIGHT = 0.5
_MEMORY_WEIGHT = 0.25
_PREFERENCE_WEIGHT = 4.0
_TIE = 1e-9
_INDEX_SPAN = 1 << 20


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a request goes, and why; `parts` add up to `score`, in GPUs, lower is better."""

    node: str
    devices: tuple[int, ...]
    """Keys, by index on the node."""
    score: float
    parts: Mapping[str, float]
    candidate_nodes: int
    candidate_devices: int

    def explain(self) -> dict[str, Any]:
        """Return the reasons for an answer or an audit row."""
        return {
            "score": round(self.score, 6),
            "parts": {name: round(value, 6) for name, value in self.parts.items()},
            "candidates": {"nodes": self.candidate_nodes, "devices": self.candidate_devices},
        }


def decide(fleet: Fleet, request: Request, demand: Demand) -> Decision | Refusal:
    """Return the cheapest place for a request, or what each class of candidates lacked."""
    candidates = find(fleet, request)
    if not len(candidates.nodes):
        return refuse(fleet, request)
    scoring = _Scoring(fleet, request, demand.outlook(fleet))
    if request.is_share:
        return _share(scoring, candidates)
    return _on_node(scoring, candidates)


def _share(scoring: "_Scoring", candidates: Candidates) -> Decision:
    """Choose the device of a share, over all devices at once."""
    devices = candidates.devices
    columns = scoring.fleet.devices
    node_of = columns.node[devices]
    parts = dict(scoring.share_parts(candidates))
    score = sum(parts.values(), np.zeros(len(devices)))
    tied = np.flatnonzero(score <= score.min() + _TIE)
    order = scoring.fleet.nodes.rank[node_of[tied]] * _INDEX_SPAN + columns.index[devices[tied]]
    best = tied[order.argmin()]
    return _decision(
        scoring, candidates, node=node_of[best], devices=[int(devices[best])], at=(parts, best)
    )


def _on_node(scoring: "_Scoring", candidates: Candidates) -> Decision:
    """Choose the node of whole GPUs or of none, then the devices on it."""
    nodes = candidates.nodes
    parts = dict(scoring.node_parts(candidates))
    score = sum(parts.values(), np.zeros(len(nodes)))
    tied = np.flatnonzero(score <= score.min() + _TIE)
    best = tied[scoring.fleet.nodes.rank[nodes[tied]].argmin()]
    node = nodes[best]
    devices: list[int] = []
    if scoring.request.gpus:
        fitting = candidates.devices[scoring.fleet.devices.node[candidates.devices] == node]
        devices = _together(scoring, fitting)
    return _decision(scoring, candidates, node=node, devices=devices, at=(parts, best))


def _decision(
    scoring: "_Scoring",
    candidates: Candidates,
    *,
    node: Any,
    devices: Sequence[int],
    at: tuple[Mapping[str, Values], Any],
) -> Decision:
    chosen = {name: float(values[at[1]]) for name, values in at[0].items()}
    return Decision(
        node=scoring.fleet.node_keys[node],
        devices=tuple(int(scoring.fleet.devices.key[device]) for device in devices),
        score=sum(chosen.values()),
        parts=chosen,
        candidate_nodes=len(candidates.nodes),
        candidate_devices=len(candidates.devices),
    )


class _Scoring:
    """The cost of placing one request, part by part, for many places at once."""

    def __init__(self, fleet: Fleet, request: Request, outlook: Outlook) -> None:
        self.fleet = fleet
        self.request = request
        self.outlook = outlook

    def share_parts(self, candidates: Candidates) -> Iterator[tuple[str, Values]]:
        """Yield the parts of a share's cost, for each candidate device."""
        devices, milli = candidates.devices, self.request.milli
        free_milli = self.fleet.devices.open_milli[devices]
        value = self.outlook.mix.gap_value
        loss = np.zeros(WHOLE_MILLI + 1)
        loss[milli:] = value[milli:] - value[: WHOLE_MILLI + 1 - milli]
        loss[WHOLE_MILLI] += _OPENING_WEIGHT
        yield "sharing", loss[free_milli]
        place = np.zeros(self.fleet.node_rows, np.int64)
        place[candidates.nodes] = np.arange(len(candidates.nodes))
        of_node = place[self.fleet.devices.node[devices]]
        for name, values in self._cpu_parts(candidates.nodes):
            yield name, values[of_node]
        if self.outlook.hosting is not None:
            opens = free_milli == WHOLE_MILLI
            kept = self._whole_nodes(candidates.nodes, fewer_gpus=0)
            opened = self._whole_nodes(candidates.nodes, fewer_gpus=1)
            yield "wholeNodes", np.where(opens, opened[of_node], kept[of_node])
        per_kind = _kind_parts(self, devices)
        kinds = self.fleet.devices.kind[devices]
        for name, costs in per_kind.items():
            yield name, costs[kinds] * (milli / WHOLE_MILLI)

    def node_parts(self, candidates: Candidates) -> Iterator[tuple[str, Values]]:
        """Yield the parts of the cost of whole GPUs or none, for each candidate node."""
        gpus = self.request.gpus
        yield from self._cpu_parts(candidates.nodes)
        if self.outlook.hosting is not None:
            yield "wholeNodes", self._whole_nodes(candidates.nodes, fewer_gpus=gpus)
        if not gpus:
            return
        per_kind = _kind_parts(self, candidates.devices)
        if not per_kind:
            return
        kinds = self.fleet.devices.kind[candidates.devices]
        node_of = self.fleet.devices.node[candidates.devices]
        counts = np.bincount(node_of, minlength=self.fleet.node_rows)[candidates.nodes]
        for name, costs in per_kind.items():
            sums = np.bincount(node_of, costs[kinds], self.fleet.node_rows)[candidates.nodes]
            yield name, gpus * sums / counts

    def _cpu_parts(self, nodes: Ints) -> Iterator[tuple[str, Values]]:
        """Yield what the node's CPU leaves unserved after the request, less before it."""
        columns, short = self.fleet.nodes, self.outlook.cpu_shortage
        free = columns.free_milli[nodes] / WHOLE_MILLI
        cores = columns.cpu_milli[nodes] / WHOLE_MILLI
        free_after = free - self.request.total_milli / WHOLE_MILLI
        cores_after = cores - self.request.cpu_milli / WHOLE_MILLI
        per_gpu = self.outlook.mix.cores_per_gpu * _CORES_FACTOR
        weight = (1.0 - short) * self.outlook.stranding_weight
        if per_gpu and weight:
            after = np.maximum(0.0, free_after - cores_after / per_gpu)
            yield "stranding", weight * (after - np.maximum(0.0, free - cores / per_gpu))
        if short:
            after, before = self._unserved(free_after, cores_after), self._unserved(free, cores)
            yield "balance", short * (after - before)

    def _unserved(self, free_gpus: Values, cores: Values) -> Values:
        """Return GPUs that CPU cannot serve, in steps."""
        some = np.maximum(free_gpus, 1.0 / WHOLE_MILLI)
        at = np.minimum(cores / some / SPARE_STEP_CORES, SPARE_STEPS - 1.001)
        low = at.astype(np.int64)
        table = self.outlook.mix.unserved
        part = table[low] + (table[low + 1] - table[low]) * (at - low)
        steps: Values = np.rint(np.maximum(free_gpus, 0.0) * part / _BALANCE_STEP)
        return steps * _BALANCE_STEP

    def _whole_nodes(self, nodes: Ints, *, fewer_gpus: int) -> Values:
        """Return GPUs lost to requests for several when CPU and this many GPUs are taken."""
        columns, outlook = self.fleet.nodes, self.outlook
        kinds, free, cpu = columns.kind[nodes], columns.free_gpus[nodes], columns.cpu_milli[nodes]
        before = outlook.hosted(kinds, free_gpus=free, cpu_milli=cpu)
        after = outlook.hosted(
            kinds, free_gpus=free - fewer_gpus, cpu_milli=cpu - self.request.cpu_milli
        )
        return before - after


def _kind_parts(scoring: _Scoring, devices: Ints) -> dict[str, Values]:
    """Return the parts that depend on the kind of device, a GPU, for kinds among the candidates.

    Parts that are the same for all candidates decide nothing and are left out.
    """
    kinds = tuple(scoring.fleet.kinds)
    if len(kinds) == 1:
        return {}
    present = np.bincount(scoring.fleet.devices.kind[devices], minlength=len(kinds)) > 0
    scarcity = _SCARCITY_WEIGHT * scoring.outlook.scarcity
    parts = {"scarcity": scarcity} if _differs(scarcity, present) else {}
    parts |= _lasting_parts(kinds, present.tobytes())
    preferred = scoring.request.preferred_models
    if preferred:
        ranks = {model: rank for rank, model in enumerate(preferred)}
        missed = [float(ranks.get(kind.model_id, len(ranks))) for kind in kinds]
        preference = _PREFERENCE_WEIGHT * np.array(missed)
        if _differs(preference, present):
            parts["preference"] = preference
    return parts


@lru_cache(maxsize=256)
def _lasting_parts(kinds: tuple[DeviceKind, ...], present_kinds: bytes) -> dict[str, Values]:
    """Return the parts that follow from the kinds alone; not to be changed by who reads them."""
    present = np.frombuffer(present_kinds, np.bool_)
    parts = {
        "price": _PRICE_WEIGHT * _excess([kind.price_micros for kind in kinds], present),
        "memory": _MEMORY_WEIGHT * _excess([kind.memory_gb for kind in kinds], present),
    }
    return {name: costs for name, costs in parts.items() if _differs(costs, present)}


def _differs(costs: Values, present: Any) -> bool:
    here = costs[present]
    return bool(here.max() > here.min())


def _excess(amounts: Sequence[int | None], present: Any) -> Values:
    """Return how far each amount is above the least of those present, as a part of the largest.

    Unknown amounts count as the least: nothing is held against a device for want of a number.
    """
    known = [a for a, here in zip(amounts, present, strict=True) if here and a is not None]
    if not known or not max(known):
        return np.zeros(len(amounts))
    least, largest = min(known), max(known)
    excess = [0.0 if a is None else max(0.0, (a - least) / largest) for a in amounts]
    return np.array(excess)


def _together(scoring: _Scoring, fitting: Ints) -> list[int]:
    """Choose devices of one node: cheapest kind, then one locality, then adjacent indexes."""
    fleet, wanted = scoring.fleet, scoring.request.gpus
    ordered = sorted((int(device) for device in fitting), key=lambda d: int(fleet.devices.index[d]))
    if wanted == len(ordered):
        return ordered
    ordered = _cheapest(scoring, ordered)
    groups: dict[str | None, list[int]] = {}
    for device in ordered:
        groups.setdefault(fleet.localities[device], []).append(device)
    roomy = [group for group in groups.values() if len(group) >= wanted]
    if roomy:
        return _adjacent(fleet, min(roomy, key=len), wanted)
    chosen: list[int] = []
    for group in sorted(groups.values(), key=len, reverse=True):
        chosen += group[: wanted - len(chosen)]
    return sorted(chosen, key=lambda d: int(fleet.devices.index[d]))


def _cheapest(scoring: _Scoring, ordered: list[int]) -> list[int]:
    """Keep devices of the cheapest kinds, as many kinds as are needed."""
    kinds = scoring.fleet.devices.kind[ordered]
    if (kinds == kinds[0]).all():
        return ordered
    per_kind = _kind_parts(scoring, np.array(ordered))
    costs = sum(per_kind.values(), np.zeros(len(scoring.fleet.kinds)))[kinds]
    limit = np.sort(costs)[scoring.request.gpus - 1] + _TIE
    return [device for device, cost in zip(ordered, costs, strict=True) if cost <= limit]


def _adjacent(fleet: Fleet, ordered: list[int], wanted: int) -> list[int]:
    """Return the run of `wanted` devices that spans the fewest indexes; ties go to the lowest."""
    index = fleet.devices.index[ordered]
    spans = index[wanted - 1 :] - index[: len(ordered) - wanted + 1]
    start = int(spans.argmin())
    return ordered[start : start + wanted]
