"""Read a cluster trace in the form of openb: nodes, and pods with the times they came and went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gpu_management.allocations.fleet import WHOLE_MILLI
from gpu_management.devices import catalog
from gpu_management.devices.bulk import NodePlan
from gpu_management.devices.service import DeviceFacts, NodeFacts
from gpu_management.simulate.placement_files import (
    Node,
    PlacementFileInvalid,
    parse_rows,
    read_nodes,
)
from gpu_management.simulate.world import FLEET_LABEL, FleetUnusable

NAME: Final = "openb"

MODEL_IDS: Final = {
    "T4": "t4",
    "P100": "p100-pcie-16gb",
    "V100M16": "v100-sxm2-16gb",
    "V100M32": "v100-sxm2-32gb",
    "A10": "a10",
    "G2": "openb-g2",
    "G3": "openb-g3",
}
"""Models by their names in the trace; it hides what G2 and G3 are."""

_COLUMNS: Final = ("name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
_TIMES: Final = ("creation_time", "deletion_time")


@dataclass(frozen=True, slots=True)
class TracePod:
    """A pod of the trace; times are in seconds since its beginning, without GPUs `gpus` is 0."""

    name: str
    cpu_milli: int
    memory_mib: int
    gpus: int
    gpu_milli: int
    model_ids: tuple[str, ...]
    qos: str
    created_at: int
    deleted_at: int


def read_node_plans(path: Path) -> list[NodePlan]:
    """Return the nodes with their devices; their rank is their place in the file.

    Raises:
        FleetUnusable: the file cannot be used; file, line and what is wrong are named.
    """
    try:
        return [_plan(node, rank, path.name) for rank, node in enumerate(read_nodes(path))]
    except PlacementFileInvalid as wrong:
        raise FleetUnusable(str(wrong)) from wrong


def read_trace_pods(path: Path) -> list[TracePod]:
    """Return the pods in the order of the file.

    Raises:
        FleetUnusable: the file cannot be used; file, line and what is wrong are named.
    """
    try:
        return parse_rows(path, (*_COLUMNS, *_TIMES), _pod)
    except PlacementFileInvalid as wrong:
        raise FleetUnusable(str(wrong)) from wrong


def _plan(node: Node, rank: int, file_name: str) -> NodePlan:
    facts = NodeFacts(
        cpu_total_milli=node.cpu_milli,
        memory_total_mib=node.memory_mib,
        labels={FLEET_LABEL: NAME, "kubernetes.io/hostname": node.name},
        rank=rank,
    )
    if not node.gpus:
        return NodePlan(node.name, facts, ())
    try:
        model_id = model_id_of(node.model)
    except ValueError as unknown:
        raise FleetUnusable(f"{file_name} line {rank + 2}: {unknown}") from unknown
    return NodePlan(node.name, facts, (DeviceFacts(model_id=model_id),) * node.gpus)


def model_id_of(name: str) -> str:
    """Return the id of a model by its name in the trace, or in the catalogue.

    Raises:
        ValueError: nobody knows it.
    """
    found = MODEL_IDS.get(name)
    if found is None:
        known = catalog.match_model(pci_id=None, name=name)
        found = None if known is None else known.model_id
    if found is None:
        raise ValueError(f"unknown GPU model {name!r}; known are {', '.join(MODEL_IDS)}")
    return found


def _pod(row: Mapping[str, str]) -> TracePod:
    gpus = int(row["num_gpu"])
    pod = TracePod(
        name=row["name"].strip().lower(),
        cpu_milli=int(row["cpu_milli"]),
        memory_mib=int(row["memory_mib"]),
        gpus=gpus,
        gpu_milli=int(row["gpu_milli"]) if gpus else 0,
        model_ids=_models(row.get("gpu_spec")),
        qos=(row.get("qos") or "").strip().lower(),
        created_at=int(row["creation_time"]),
        deleted_at=int(row["deletion_time"]),
    )
    _check(pod)
    return pod


def _models(spec: str | None) -> tuple[str, ...]:
    names: Sequence[str] = (spec or "").strip().split("|")
    return tuple(dict.fromkeys(model_id_of(name.strip()) for name in names if name.strip()))


def _check(pod: TracePod) -> None:
    if not pod.name:
        raise ValueError("a pod without a name")
    if min(pod.cpu_milli, pod.memory_mib, pod.gpus, pod.created_at) < 0:
        raise ValueError(f"{pod.name} has a negative number")
    if pod.deleted_at < pod.created_at:
        raise ValueError(f"{pod.name} is deleted at {pod.deleted_at}, before it is created")
    if pod.gpus and not 1 <= pod.gpu_milli <= WHOLE_MILLI:
        raise ValueError(f"{pod.name} asks for {pod.gpu_milli} of 1000 milli of a GPU")
    if pod.gpus > 1 and pod.gpu_milli != WHOLE_MILLI:
        raise ValueError(f"{pod.name} asks for a part of {pod.gpus} GPUs; a part is of one")
