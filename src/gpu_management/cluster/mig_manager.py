"""NVIDIA's MIG manager: the layouts it knows, the node label that asks for one, and its answer.

Labels and file format: mig-parted v0.15 and the GPU operator v26.7. A layout names profiles and
counts; where on the GPU each slice begins, the driver decides.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

import yaml

from gpu_management.cluster.inventory import FoundDevice, FoundNode, Source
from gpu_management.cluster.labels import read_gpu_labels
from gpu_management.cluster.protocol import Json

CONFIG_LABEL: Final = "nvidia.com/mig.config"
STATE_LABEL: Final = "nvidia.com/mig.config.state"
CONFIG_KEY: Final = "config.yaml"
_OURS: Final = "gpum"
_COUNT: Final = "nvidia.com/gpu.count"


@dataclass(frozen=True, slots=True)
class Board:
    """A MIG GPU by its number on the node, and how many slices of each profile it shall have.

    None is a GPU whose MIG mode is off.
    """

    index: int
    profiles: Mapping[str, int] | None


def layout_name(node_name: str, task: str) -> str:
    """Return the name of a layout for one task on one node; it fits into a label."""
    return f"{_node_part(node_name)}-{sha256(task.encode()).hexdigest()[:16]}"


def _node_part(node_name: str) -> str:
    return f"{_OURS}-{sha256(node_name.encode()).hexdigest()[:12]}"


def with_layout(text: str, node: Json, name: str, boards: Sequence[Board]) -> str:
    """Return the MIG manager's file with a layout added; older ones of ours for the node go.

    The one that the node was told last stays: the manager may be at it.

    Raises:
        ValueError: the file is none of the MIG manager's.
    """
    try:
        told = yaml.safe_load(text) or {}
    except yaml.YAMLError as broken:
        raise ValueError(f"{CONFIG_KEY} is no YAML: {broken}") from broken
    is_map = isinstance(told, dict) and isinstance(told.get("mig-configs", {}), dict)
    if not is_map:
        raise ValueError(f"{CONFIG_KEY} has no mig-configs")
    last, _ = asked(node)
    ours = _node_part(node["metadata"]["name"])
    kept = {
        key: value
        for key, value in told.get("mig-configs", {}).items()
        if key == last or not key.startswith(ours)
    }
    layouts = {**kept, name: [_entry(board) for board in boards]}
    written: str = yaml.safe_dump(
        {"version": "v1", **told, "mig-configs": layouts}, sort_keys=False
    )
    return written


def _entry(board: Board) -> dict[str, Any]:
    return {
        "devices": [board.index],
        "mig-enabled": board.profiles is not None,
        "mig-devices": dict(board.profiles or {}),
    }


def ask_patch(name: str) -> Json:
    """Return the patch of a node that asks for a layout and forgets the answer to the last one."""
    return {"metadata": {"labels": {CONFIG_LABEL: name, STATE_LABEL: None}}}


def asked(node: Json) -> tuple[str | None, str | None]:
    """Return the layout that a node was told, and what the MIG manager says of it."""
    labels = node["metadata"].get("labels") or {}
    return labels.get(CONFIG_LABEL), labels.get(STATE_LABEL)


def wrong_slices(
    node: Json,
    found: FoundNode | None,
    wanted: Mapping[int, Mapping[str, int]],
    *,
    names: Mapping[str, str] = MappingProxyType({}),
) -> str | None:
    """Say what a node announces other than `wanted` (profiles by GPU number), or None.

    The driver's ResourceSlices are believed; where there are none, the sums of the labels. `names`
    has our names of profiles that some drivers call otherwise.
    """
    if found is None or found.devices is None:
        return "the node announces no GPU"
    if found.source is Source.SLICES:
        told = {d.minor: d for d in found.devices if d.minor is not None}
        return _wrong_devices(told, wanted, names)
    has = _renamed(_labelled(node["metadata"].get("labels") or {}), names)
    total = sum((Counter(profiles) for profiles in wanted.values()), Counter[str]())
    if has != Counter({name.replace("+", "."): count for name, count in total.items()}):
        return f"the node's labels count {_words(has)}, not {_words(total)}"
    return None


def _labelled(labels: Mapping[str, str]) -> Counter[str]:
    """Return how many slices of each profile a node's labels count.

    With the strategy `mixed` each profile has its label; with `single` the product names the only
    profile, and the count of GPUs is that of its slices.
    """
    told = read_gpu_labels(labels)
    if told is None:
        return Counter()
    count = labels.get(_COUNT, "")
    if told.single_profile is not None and count.isascii() and count.isdigit():
        return Counter({told.single_profile.replace("+", "."): int(count)})
    return Counter(told.mig_counts)


def _wrong_devices(
    found: Mapping[int, FoundDevice],
    wanted: Mapping[int, Mapping[str, int]],
    names: Mapping[str, str],
) -> str | None:
    for index, profiles in sorted(wanted.items()):
        device = found.get(index)
        if device is None:
            if not profiles:
                continue
            return f"GPU {index} is not announced"
        has = _renamed(Counter(instance.profile for instance in device.instances), names)
        if has != Counter(profiles):
            return f"GPU {index} has {_words(has)}, not {_words(profiles)}"
    return None


def _renamed(counts: Mapping[str, int], names: Mapping[str, str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, count in counts.items():
        found[names.get(name, name)] += count
    return found


def _words(profiles: Mapping[str, int]) -> str:
    told = [f"{count} x {name}" for name, count in sorted(profiles.items()) if count]
    return ", ".join(told) or "no slices"
