"""One look at a node: dcgm-exporter where there is one, NVML for what it does not cover."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpu_management.collector.cgroups import by_pod
from gpu_management.collector.nvml import Node
from gpu_management.collector.podresources import PodDevice
from gpu_management.metrics.readings import Owner, Reading, Target


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen: every GPU once, and which of them only NVML told of."""

    readings: list[Reading]
    own: frozenset[Target]
    lost_indices: tuple[int, ...] = ()


def combine(
    exported: Sequence[Reading],
    node: Node | None,
    pods: Iterable[PodDevice],
    *,
    proc: Path = Path("/proc"),
) -> Look:
    """Return the readings of both sources, never both for one GPU; with owners and pods' use.

    A GPU that dcgm-exporter tells of, in any row, is dcgm-exporter's with all its instances.
    """
    covered = {reading.target.uuid for reading in exported}
    own = [one for one in (node.readings if node else []) if one.target.uuid not in covered]
    readings = [*exported, *own]
    _add_owners(readings, pods, node.instances if node else {})
    if node is not None:
        _tell_apart(exported, node)
        for reading in readings:
            reading.pod_use = by_pod(node.processes.get(reading.target, ()), proc=proc)
    return Look(
        readings,
        frozenset(reading.target for reading in own),
        tuple(node.lost) if node else (),
    )


def _tell_apart(exported: Iterable[Reading], node: Node) -> None:
    """Add to the exporter's instances what only NVML tells: UUID and place."""
    seen = {reading.target: reading for reading in node.readings}
    for reading in exported:
        known = seen.get(reading.target)
        if known is not None:
            reading.instance_uuid = known.instance_uuid
            reading.placement_start = known.placement_start


def _add_owners(
    readings: Iterable[Reading], pods: Iterable[PodDevice], instances: Mapping[str, Target]
) -> None:
    by_target = {reading.target: reading for reading in readings}
    for device in pods:
        if device.uuid is None:
            continue  # a claim's device: the server knows which GPU that is
        target = instances.get(device.uuid, Target(device.uuid))
        reading = by_target.get(target)
        owner = Owner(device.namespace, device.pod, device.container)
        if reading is not None and not _names(reading.owners, owner):
            reading.owners.append(owner)


def _names(owners: Iterable[Owner], owner: Owner) -> bool:
    return any((one.namespace, one.pod) == (owner.namespace, owner.pod) for one in owners)
