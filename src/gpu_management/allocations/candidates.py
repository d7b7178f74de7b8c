"""What placement is asked, which nodes and devices can serve it, and why the others cannot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gpu_management.allocations.fleet import WHOLE_MILLI, Bools, DeviceKind, Fleet, Ints

ANY_MEMORY_GB = 1
"""A device of unknown memory serves requests for up to this many GB: the least one can ask."""


@dataclass(frozen=True, slots=True)
class Request:
    """GPUs on one node: several whole ones, or a share of one; none is CPU and memory only.

    Raises:
        ValueError: a share of several devices, or a number out of range.
    """

    gpus: int = 1
    milli: int = WHOLE_MILLI
    """Thousandths of each GPU, 1-1000; a share only of a single GPU."""
    cpu_milli: int = 0
    memory_mib: int = 0
    min_memory_gb: int = 0
    """Compared with the label of the model; see `ANY_MEMORY_GB` for unknown ones."""
    models: frozenset[str] | None = None
    """Nothing else will do; None is any."""
    preferred_models: Sequence[str] = ()
    """Better than others, the best first, and nothing more."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    excluded_devices: frozenset[int] = frozenset()
    excluded_nodes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.gpus < 0 or not 1 <= self.milli <= WHOLE_MILLI:
            raise ValueError(f"{self.gpus} GPUs of {self.milli} milli: 0 or more of 1 to 1000")
        if self.is_share and self.gpus != 1:
            raise ValueError(f"a share of {self.milli} milli is of one GPU, not of {self.gpus}")
        if min(self.cpu_milli, self.memory_mib) < 0:
            raise ValueError(f"cpu {self.cpu_milli} milli, memory {self.memory_mib} MiB: negative")

    @property
    def is_share(self) -> bool:
        """Whether a part of a device is asked for."""
        return self.milli < WHOLE_MILLI and self.gpus > 0

    @property
    def total_milli(self) -> int:
        """Thousandths of GPUs asked for in all; 0 without GPUs."""
        return self.gpus * self.milli


@dataclass(frozen=True, slots=True)
class Candidates:
    """Positions of the nodes that can serve a request, and for GPU requests of the devices."""

    nodes: Ints
    devices: Ints


def matches(kind: DeviceKind, models: frozenset[str] | None, min_memory_gb: int) -> bool:
    """Return whether devices of a kind satisfy the hard constraints on model and memory."""
    return (models is None or kind.model_id in models) and has_memory(kind, min_memory_gb)


def has_memory(kind: DeviceKind, min_memory_gb: int) -> bool:
    """Return whether devices of a kind have the memory, by the model's label."""
    if kind.memory_gb is None:
        return min_memory_gb <= ANY_MEMORY_GB
    return kind.memory_gb >= min_memory_gb


def find(fleet: Fleet, request: Request) -> Candidates:
    """Return every node and device that can serve the request now; empty when none can."""
    fits_node = _fitting_nodes(fleet, request)
    if request.gpus == 0:
        return Candidates(np.flatnonzero(fits_node), np.zeros(0, np.int64))
    rows = fleet.device_rows
    columns = fleet.devices
    node_of = columns.node[:rows]
    fits = columns.open_milli[:rows] >= request.milli
    if request.is_share:
        fits &= columns.shareable[:rows]
    fits &= fits_node[node_of]
    _narrow_devices(fleet, request, fits)
    devices = np.flatnonzero(fits)
    if request.gpus == 1:
        return Candidates(np.flatnonzero(_any_per_node(fleet, devices)), devices)
    per_node = np.bincount(node_of[devices], minlength=fleet.node_rows)
    enough = per_node >= request.gpus
    return Candidates(np.flatnonzero(enough), devices[enough[node_of[devices]]])


def _any_per_node(fleet: Fleet, devices: Ints) -> Bools:
    found = np.zeros(fleet.node_rows, np.bool_)
    found[fleet.devices.node[devices]] = True
    return found


def _fitting_nodes(fleet: Fleet, request: Request) -> Bools:
    rows = fleet.node_rows
    nodes = fleet.nodes
    fits: Bools = nodes.cpu_milli[:rows] >= request.cpu_milli
    fits &= nodes.memory_mib[:rows] >= request.memory_mib
    fits &= nodes.schedulable[:rows]
    if request.node_selector:
        fits &= fleet.selected(request.node_selector)[:rows]
    for key in request.excluded_nodes:
        at = fleet.find_node(key)
        if at is not None:
            fits[at] = False
    return fits


def _narrow_devices(fleet: Fleet, request: Request, fits: Bools) -> None:
    """Drop devices of other kinds, and those the request excludes."""
    if request.models is not None or request.min_memory_gb > ANY_MEMORY_GB:
        wanted = [matches(k, request.models, request.min_memory_gb) for k in fleet.kinds]
        fits &= np.array(wanted, np.bool_)[fleet.devices.kind[: len(fits)]]
    for key in request.excluded_devices:
        at = fleet.find_device(key)
        if at is not None:
            fits[at] = False


@dataclass(frozen=True, slots=True)
class Lack:
    """One class of candidates that could not serve a request, by the first thing they lacked."""

    reason: str
    devices: int
    nodes: int
    wanted: int | None = None
    largest: int | None = None
    """The most that any of them has of what was wanted, in the unit of the reason."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing fits: each device (each node, for CPU only) counted once, under one reason."""

    request: Request
    lacks: tuple[Lack, ...]
    largest_free_milli: int
    """Thousandths free on the emptiest usable device."""
    largest_free_gpus: int
    """Whole GPUs free on one schedulable node."""

    @property
    def sentence(self) -> str:
        """Say what was asked, and what each class of candidates lacked."""
        if not self.lacks:
            return f"needs {_wanted(self.request)}; the fleet has no {_unit(self.request)}"
        return f"needs {_wanted(self.request)}; " + ", ".join(
            _phrase(lack, self.request) for lack in self.lacks
        )

    def explain(self) -> dict[str, Any]:
        """Return the refusal for an answer or an audit row."""
        return {
            "refusals": [
                {
                    "reason": lack.reason,
                    "devices": lack.devices,
                    "nodes": lack.nodes,
                    "wanted": lack.wanted,
                    "largest": lack.largest,
                }
                for lack in self.lacks
            ],
            "largestFreeMilli": self.largest_free_milli,
            "largestFreeGpus": self.largest_free_gpus,
        }


_PHRASES = {
    "EXCLUDED": "excluded by the request",
    "MODEL": "of another model",
    "MEMORY": "with less memory (largest {largest} GB)",
    "NODE_SELECTOR": "on nodes without the labels",
    "NODE_EXCLUDED": "on nodes that are kept free",
    "NODE_UNSCHEDULABLE": "on nodes that take nothing new",
    "NOT_SHAREABLE": "not to be shared",
    "FREE_MILLI": "with too little free (largest {largest} of 1000 milli)",
    "FREE_GPUS": "on nodes with too few free GPUs (most {largest})",
    "CPU": "on nodes with too little CPU (most {largest} milli)",
    "HOST_MEMORY": "on nodes with too little memory (most {largest} MiB)",
}


def _unit(request: Request) -> str:
    return "GPU" if request.gpus else "node"


def _wanted(request: Request) -> str:
    if request.gpus == 0:
        what = "no GPU"
    elif request.is_share:
        what = f"{request.milli} milli of one GPU"
    else:
        what = f"{request.gpus} whole GPU{'s' if request.gpus > 1 else ''} on one node"
    extras = [
        (request.min_memory_gb > ANY_MEMORY_GB, f"of {request.min_memory_gb} GB"),
        (request.cpu_milli > 0, f"{request.cpu_milli} milli CPU"),
        (request.memory_mib > 0, f"{request.memory_mib} MiB host memory"),
    ]
    return ", ".join([what, *(text for wanted, text in extras if wanted)])


def _phrase(lack: Lack, request: Request) -> str:
    counted = lack.devices if request.gpus else lack.nodes
    text = _PHRASES.get(lack.reason, f"not usable ({lack.reason})").format(largest=lack.largest)
    return f"{counted} {_unit(request)}{'s' if counted > 1 else ''} {text}"
