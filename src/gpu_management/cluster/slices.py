"""ResourceSlices of the NVIDIA DRA driver (resource.k8s.io/v1), one value per device.

Static MIG lists the slices that exist, each with a uuid. Dynamic MIG lists every slice that could
be cut, without a uuid, with counters that say what excludes what. A card in static MIG mode has no
entry of its own: it is known by its slices' `parentUUID`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpu_management.cluster.protocol import Json
from gpu_management.cluster.quantities import mib_of

DRIVER = "gpu.nvidia.com"
FIRST_MINOR = re.compile(r"gpu-(?P<minor>\d+)(?:-.*)?")

_MIG_NAME = re.compile(r"gpu-(\d+)-mig-(.+)-(\d+)-(\d+)")
_MEMORY_SLICE = re.compile(r"memorySlice(\d+)")


@dataclass(frozen=True, slots=True)
class DeviceTaint:
    """A taint of one device, such as gpu.nvidia.com/xid with the XID as its value."""

    key: str
    value: str | None
    effect: str


@dataclass(frozen=True, slots=True)
class SliceDevice:
    """One entry of a slice: a card, or a MIG slice that exists or could exist."""

    pool: str
    name: str
    node: str
    kind: str
    """`gpu`, `mig` or `vfio`."""
    uuid: str | None
    parent_uuid: str | None
    profile: str | None
    placement_start: int | None
    minor: int | None
    product_name: str | None
    memory_mib: int | None
    pci_bus_id: str | None
    driver_version: str | None
    cuda_version: str | None
    has_memory_slices: bool
    """Whether a CEL selector can name the place of a slice."""
    taints: tuple[DeviceTaint, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """The devices of one node as its driver announced them last."""

    node: str
    name: str
    is_complete: bool
    """Whether every slice of the newest generation is here: else what lacks is not gone."""
    devices: tuple[SliceDevice, ...]


def read_pools(slices: Iterable[Json]) -> list[Pool]:
    """Return the pools of our driver, each of its newest generation only."""
    by_pool: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for thing in slices:
        spec = thing.get("spec", {})
        if spec.get("driver") == DRIVER and spec.get("nodeName"):
            by_pool.setdefault((spec["nodeName"], spec["pool"]["name"]), []).append(spec)
    return [_pool(node, name, specs) for (node, name), specs in sorted(by_pool.items())]


def _pool(node: str, name: str, specs: Sequence[Mapping[str, Any]]) -> Pool:
    newest = max(spec["pool"].get("generation", 0) for spec in specs)
    present = [spec for spec in specs if spec["pool"].get("generation", 0) == newest]
    wanted = max(spec["pool"].get("resourceSliceCount", 1) for spec in present)
    devices = tuple(
        _device(device, pool=name, node=node)
        for spec in present
        for device in spec.get("devices") or ()
    )
    return Pool(node, name, len(present) >= wanted, devices)


def _device(device: Mapping[str, Any], *, pool: str, node: str) -> SliceDevice:
    told = _attributes(device)
    capacity = {_plain(key): value["value"] for key, value in device.get("capacity", {}).items()}
    memory_slices = sorted(int(f[1]) for key in capacity if (f := _MEMORY_SLICE.fullmatch(key)))
    name = device["name"]
    minor = FIRST_MINOR.fullmatch(name)
    return SliceDevice(
        pool=pool,
        name=name,
        node=node,
        kind=str(told.get("type", "")),
        uuid=_text(told, "uuid"),
        parent_uuid=_text(told, "parentUUID"),
        profile=_text(told, "profile"),
        placement_start=memory_slices[0] if memory_slices else start_of(name),
        minor=int(minor["minor"]) if minor else None,
        product_name=_text(told, "productName"),
        memory_mib=mib_of(capacity["memory"]) if "memory" in capacity else None,
        pci_bus_id=_text(told, "resource.kubernetes.io/pciBusID"),
        driver_version=_text(told, "driverVersion"),
        cuda_version=_text(told, "cudaDriverVersion"),
        has_memory_slices=bool(memory_slices),
        taints=tuple(
            DeviceTaint(taint["key"], taint.get("value"), taint.get("effect", ""))
            for taint in device.get("taints") or ()
        ),
    )


def _attributes(device: Mapping[str, Any]) -> dict[str, object]:
    """Return attributes by name; one without a domain is of the driver's."""
    return {
        _plain(key): next(iter(value.values()), None)
        for key, value in device.get("attributes", {}).items()
    }


def _plain(key: str) -> str:
    return key.removeprefix(f"{DRIVER}/")


def _text(told: Mapping[str, object], name: str) -> str | None:
    value = told.get(name)
    return None if value is None else str(value)


def start_of(device_name: str) -> int | None:
    """Return the first memory slice that a MIG device's name tells, or None.

    `gpu-0-mig-1g10gb-15-3` ends with GI profile id and start; the older `gpu-1-mig-19-4-1` is GI
    profile id, start and size.
    """
    found = _MIG_NAME.fullmatch(device_name)
    if found is None:
        return None
    _, profile, before_last, last = found.groups()
    return int(before_last if profile.isdigit() else last)
