"""What the cluster tells about its GPU nodes, from whichever sources it has.

ResourceSlices know each device. GPU feature discovery's labels know the model and a count. The
device plugin's capacity knows only a count. Slices win over labels over capacity, node by node.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gpu_management.cluster.labels import GpuLabels, read_gpu_labels
from gpu_management.cluster.protocol import Json
from gpu_management.cluster.quantities import mib_of, milli_of, parse_quantity
from gpu_management.cluster.slices import DeviceTaint, Pool, SliceDevice, read_pools

_ZONE = "topology.kubernetes.io/zone"
_CARDS = "nvidia.com/gpu"
_FATAL = {"NoSchedule", "NoExecute"}


class Source(StrEnum):
    """Where the devices of a node are known from; the later, the less is known."""

    SLICES = "ResourceSlices"
    LABELS = "labels"
    CAPACITY = "capacity"


@dataclass(frozen=True, slots=True)
class FoundInstance:
    """A MIG slice that exists."""

    uuid: str | None
    profile: str
    start: int | None


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A card; None means the source does not tell."""

    minor: int | None
    uuid: str | None = None
    product_name: str | None = None
    memory_mib: int | None = None
    pci_bus_id: str | None = None
    driver_version: str | None = None
    fault: str | None = None
    """Why it cannot work, such as XID 79; None while it can."""
    is_mig: bool = False
    """Cut by somebody else into the instances below."""
    is_dynamic: bool = False
    """Cut on demand: the driver announces every possible slice."""
    instances: tuple[FoundInstance, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundNode:
    """A node with GPUs."""

    name: str
    source: Source
    is_ready: bool
    is_schedulable: bool
    labels: Mapping[str, str]
    taints: Sequence[Mapping[str, Any]]
    ip: str | None
    zone: str | None
    kubelet_version: str | None
    driver_version: str | None
    cuda_version: str | None
    cpu_milli: int | None
    memory_mib: int | None
    devices: tuple[FoundDevice, ...] | None
    """None while nobody can tell: incomplete slices, or a count of MIG devices only."""
    note: str | None = None
    """What could not be learned, in a sentence."""


def read_inventory(nodes: Iterable[Json], slices: Iterable[Json]) -> list[FoundNode]:
    """Return the nodes that have GPUs by any source, by name."""
    pools: dict[str, list[Pool]] = {}
    for pool in read_pools(slices):
        pools.setdefault(pool.node, []).append(pool)
    found = (_node(thing, pools.get(thing["metadata"]["name"], ())) for thing in nodes)
    return sorted((node for node in found if node is not None), key=lambda node: node.name)


def _node(thing: Json, pools: Sequence[Pool]) -> FoundNode | None:
    metadata, spec = thing["metadata"], thing.get("spec") or {}
    status = thing.get("status") or {}
    labels = metadata.get("labels") or {}
    told = read_gpu_labels(labels)
    known = _devices(told, status.get("capacity") or {}, pools)
    if known is None:
        return None
    source, devices, note = known
    announced = [device for pool in pools for device in pool.devices]
    info = status.get("nodeInfo") or {}
    return FoundNode(
        name=metadata["name"],
        source=source,
        is_ready=is_ready(status),
        is_schedulable=not spec.get("unschedulable", False),
        labels=labels,
        taints=spec.get("taints") or (),
        ip=_address(status),
        zone=labels.get(_ZONE),
        kubelet_version=info.get("kubeletVersion"),
        driver_version=_first(d.driver_version for d in announced)
        or (told.driver_version if told else None),
        cuda_version=_first(d.cuda_version for d in announced),
        cpu_milli=_amount(status, "cpu", milli_of),
        memory_mib=_amount(status, "memory", mib_of),
        devices=devices,
        note=note,
    )


_Known = tuple[Source, tuple[FoundDevice, ...] | None, str | None]


def _devices(
    told: GpuLabels | None, capacity: Mapping[str, str], pools: Sequence[Pool]
) -> _Known | None:
    if pools:
        if not all(pool.is_complete for pool in pools):
            return Source.SLICES, None, "its driver has not announced all of its slices yet"
        return Source.SLICES, _of_slices([d for pool in pools for d in pool.devices]), None
    if told is not None:
        return _of_labels(told)
    plain = int(parse_quantity(capacity.get(_CARDS, 0)))
    if plain:
        note = "only a count is known: neither models nor which pod has which GPU"
        return Source.CAPACITY, tuple(FoundDevice(n) for n in range(plain)), note
    if any(name.startswith((f"{_CARDS}.", "nvidia.com/mig-")) for name in capacity):
        note = "only shared or cut devices are counted: the number of GPUs is not known"
        return Source.CAPACITY, None, note
    return None


def _of_labels(told: GpuLabels) -> _Known:
    if told.card_count is None:
        note = "its labels count MIG devices: the number of GPUs is not known"
        return Source.LABELS, None, note
    note = "known from labels: models, but not which pod has which GPU"
    card = FoundDevice(
        None, product_name=told.product, memory_mib=told.memory_mib, is_mig=bool(told.mig_counts)
    )
    if told.mig_counts:
        note = "its labels do not say which GPUs are cut: no slice is managed"
    return Source.LABELS, tuple(_at(card, n) for n in range(told.card_count)), note


def _at(card: FoundDevice, minor: int) -> FoundDevice:
    return FoundDevice(
        minor, product_name=card.product_name, memory_mib=card.memory_mib, is_mig=card.is_mig
    )


def _of_slices(announced: Sequence[SliceDevice]) -> tuple[FoundDevice, ...]:
    """Return the cards: those announced themselves, and those known by their slices."""
    cuts: dict[str, list[SliceDevice]] = {}
    for device in announced:
        if device.kind == "mig" and device.parent_uuid:
            cuts.setdefault(device.parent_uuid, []).append(device)
    cards = [
        _card(device, cuts.pop(device.uuid or "", []))
        for device in announced
        if device.kind == "gpu"
    ]
    cards += [_parent(uuid, slices) for uuid, slices in cuts.items()]
    return tuple(sorted(cards, key=lambda c: (c.minor is None, c.minor or 0, c.uuid or "")))


def _card(device: SliceDevice, slices: Sequence[SliceDevice]) -> FoundDevice:
    exist = _existing(slices)
    return FoundDevice(
        minor=device.minor,
        uuid=device.uuid,
        product_name=device.product_name,
        memory_mib=device.memory_mib,
        pci_bus_id=device.pci_bus_id,
        driver_version=device.driver_version,
        fault=fault_of(device.taints),
        is_mig=bool(exist),
        is_dynamic=bool(slices) and not exist,
        instances=exist,
    )


def _parent(uuid: str, slices: Sequence[SliceDevice]) -> FoundDevice:
    first = slices[0]
    exist = _existing(slices)
    return FoundDevice(
        minor=first.minor,
        uuid=uuid,
        product_name=first.product_name,
        driver_version=first.driver_version,
        fault=_first(fault_of(device.taints) for device in slices),
        is_mig=bool(exist),
        is_dynamic=not exist,
        instances=exist,
    )


def _existing(slices: Sequence[SliceDevice]) -> tuple[FoundInstance, ...]:
    found = [
        FoundInstance(d.uuid, d.profile, d.placement_start)
        for d in slices
        if d.uuid is not None and d.profile is not None
    ]
    return tuple(sorted(found, key=lambda i: (i.start is None, i.start or 0)))


def fault_of(taints: Iterable[DeviceTaint]) -> str | None:
    """Return why a device cannot work by its taints, or None; `unmonitored` is no fault."""
    for taint in taints:
        name = taint.key.partition("/")[2] or taint.key
        if taint.effect not in _FATAL or name == "unmonitored":
            continue
        return f"XID {taint.value}" if name == "xid" else name
    return None


def is_ready(status: Mapping[str, Any]) -> bool:
    """Say whether the kubelet reports Ready; a node without conditions is new, not broken."""
    told = [c for c in status.get("conditions") or () if c.get("type") == "Ready"]
    return all(condition.get("status") == "True" for condition in told)


def _address(status: Mapping[str, Any]) -> str | None:
    for address in status.get("addresses") or ():
        if address.get("type") == "InternalIP":
            return str(address["address"])
    return None


def _amount(status: Mapping[str, Any], name: str, read: Any) -> int | None:
    amount = (status.get("allocatable") or status.get("capacity") or {}).get(name)
    return None if amount is None else read(amount)


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value), None)
