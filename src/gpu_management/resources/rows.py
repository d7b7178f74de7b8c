"""Turn what is seen of pods and nodes into rows. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gpu_management.cluster.needs import NodeRoom, PodNeeds, Use
from gpu_management.resources import analysis
from gpu_management.resources.analysis import Amounts

Row = dict[str, Any]


@dataclass(slots=True)
class Sums:
    """What the pods of a node ask for together."""

    pods: int = 0
    cpu_milli: int = 0
    memory_mib: int = 0
    gpus: int = 0


def pod_row(
    needs: PodNeeds, use: Use | None, before: Row | None, *, claimed: int, now: datetime
) -> Row:
    """Return a pod's row; `before` is its last one, which knows the most that it used."""
    if before is None or before["pod_uid"] != needs.uid:  # another pod may have the name now
        before = {}
    peaks = _peaks(use, before)
    since = before.get("measured_since") or (None if use is None else now)
    seconds = 0.0 if since is None else (now - since).total_seconds()
    requested = Amounts(needs.cpu_milli, needs.memory_mib)
    told = analysis.judge(requested, peaks, measured_seconds=seconds)
    return {
        "namespace": needs.namespace,
        "pod_name": needs.name,
        "pod_uid": needs.uid,
        "node_name": needs.node,
        "phase": needs.phase,
        "owner_kind": needs.owner_kind,
        "owner_name": needs.owner_name,
        "cpu_requested_milli": needs.cpu_milli,
        "cpu_limit_milli": needs.cpu_limit_milli,
        "cpu_used_milli": None if use is None else use.cpu_milli,
        "cpu_peak_milli": None if peaks is None else peaks.cpu_milli,
        "memory_requested_mib": needs.memory_mib,
        "memory_limit_mib": needs.memory_limit_mib,
        "memory_used_mib": None if use is None else use.memory_mib,
        "memory_peak_mib": None if peaks is None else peaks.memory_mib,
        "gpu_requested": max(needs.gpus, claimed),
        "verdict": told.verdict,
        "cpu_waste_milli": None if told.waste is None else told.waste.cpu_milli,
        "memory_waste_mib": None if told.waste is None else told.waste.memory_mib,
        "measured_since": since,
    }


def _peaks(use: Use | None, before: Mapping[str, Any]) -> Amounts | None:
    cpu, memory = before.get("cpu_peak_milli"), before.get("memory_peak_mib")
    if use is None:
        return None if cpu is None or memory is None else Amounts(cpu, memory)
    return Amounts(max(use.cpu_milli, cpu or 0), max(use.memory_mib, memory or 0))


def sums_by_node(pods: Iterable[Row]) -> dict[str, Sums]:
    """Return what the pods of each node ask for; those without a node ask nobody yet."""
    found: dict[str, Sums] = {}
    for row in pods:
        if row["node_name"] is not None:
            sums = found.setdefault(row["node_name"], Sums())
            sums.pods += 1
            sums.cpu_milli += row["cpu_requested_milli"]
            sums.memory_mib += row["memory_requested_mib"]
            sums.gpus += row["gpu_requested"]
    return found


def node_row(room: NodeRoom, sums: Sums, use: Use | None, *, gpus: int | None) -> Row:
    """Return a node's row."""
    used = None if use is None else Amounts(use.cpu_milli, use.memory_mib)
    return {
        "node_name": room.name,
        "is_ready": room.is_ready,
        "is_schedulable": room.is_schedulable,
        "pod_count": sums.pods,
        "pod_capacity": room.pods,
        "cpu_capacity_milli": room.cpu_capacity_milli,
        "cpu_allocatable_milli": room.cpu_milli,
        "cpu_requested_milli": sums.cpu_milli,
        "cpu_used_milli": None if used is None else used.cpu_milli,
        "memory_capacity_mib": room.memory_capacity_mib,
        "memory_allocatable_mib": room.memory_mib,
        "memory_requested_mib": sums.memory_mib,
        "memory_used_mib": None if used is None else used.memory_mib,
        "gpu_capacity": gpus,
        "gpu_requested": sums.gpus,
        "heat": analysis.heat(Amounts(room.cpu_milli, room.memory_mib), used),
    }
