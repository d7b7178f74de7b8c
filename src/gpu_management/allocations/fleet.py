"""Incremental state of nodes and devices in numpy columns, for placement decisions.

One row per node and one per device, so memory is linear in devices (about 60 bytes a device in
columns). The live service follows its database rows with `upsert_*`; the benchmark uses `take`
and `give`. A removed row leaves a slot that the next new row takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

WHOLE_MILLI = 1000
UNKNOWN_AMOUNT = 1 << 40
"""Stands for an unknown amount of CPU or memory: large enough never to constrain."""

_KNOWN_BELOW = 1 << 39
_FIRST_ROWS = 64
_SELECTORS_KEPT = 64

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node as placement sees it; `None` for CPU or memory is unknown and never constrains."""

    key: str
    rank: int
    """Fixed order among equals: the lower wins."""
    cpu_milli_free: int | None = None
    memory_mib_free: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    schedulable: bool = True
    cpu_milli_total: int | None = None
    memory_mib_total: int | None = None


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device as placement sees it; `None` for memory or price is unknown."""

    key: int
    node: str
    index: int
    model_id: str
    free_milli: int
    memory_gb: int | None = None
    usable: bool = True
    unusable_reason: str | None = None
    """Why it is not usable: MAINTENANCE, FAILED, OFFLINE, MIG, ..."""
    shareable: bool = True
    locality: str | None = None
    """NUMA or NVLink group on its node."""
    price_micros: int | None = None
    """Millionths of the billing currency per hour."""


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """What devices of one model, memory and price share; requests are matched per kind."""

    model_id: str
    memory_gb: int | None
    price_micros: int | None


class NodeColumns:
    """The node columns; positions of absent rows are not schedulable and hold nothing."""

    def __init__(self) -> None:
        """Start empty."""
        self.cpu_milli: Ints = np.zeros(_FIRST_ROWS, np.int64)
        self.memory_mib: Ints = np.zeros(_FIRST_ROWS, np.int64)
        self.rank: Ints = np.zeros(_FIRST_ROWS, np.int64)
        self.free_milli: Ints = np.zeros(_FIRST_ROWS, np.int64)
        self.free_gpus: Ints = np.zeros(_FIRST_ROWS, np.int64)
        self.kind: Ints = np.zeros(_FIRST_ROWS, np.int64)
        self.schedulable: Bools = np.zeros(_FIRST_ROWS, np.bool_)
        self.present: Bools = np.zeros(_FIRST_ROWS, np.bool_)


class DeviceColumns:
    """The device columns; positions of absent rows are not usable and hold nothing."""

    def __init__(self) -> None:
        """Start empty."""
        self.node: Ints = np.zeros(_FIRST_ROWS, np.int64)
        self.open_milli: Ints = np.zeros(_FIRST_ROWS, np.int64)
        """Free thousandths that may be used now: 0 where the device is not usable."""
        self.free_milli: Ints = np.zeros(_FIRST_ROWS, np.int64)
        self.kind: Ints = np.zeros(_FIRST_ROWS, np.int64)
        self.index: Ints = np.zeros(_FIRST_ROWS, np.int64)
        self.key: Ints = np.zeros(_FIRST_ROWS, np.int64)
        self.reason: Ints = np.zeros(_FIRST_ROWS, np.int64)
        self.usable: Bools = np.zeros(_FIRST_ROWS, np.bool_)
        self.shareable: Bools = np.zeros(_FIRST_ROWS, np.bool_)
        self.present: Bools = np.zeros(_FIRST_ROWS, np.bool_)


class _Slots:
    """Positions of keyed rows; a freed position is used again before the columns grow."""

    def __init__(self, columns: NodeColumns | DeviceColumns) -> None:
        self.columns = columns
        self.freed: list[int] = []
        self.used = 0

    def take(self) -> int:
        """Return a free position, growing the columns by half when there is none."""
        if self.freed:
            return self.freed.pop()
        position, self.used = self.used, self.used + 1
        if self.used > len(self.columns.present):
            for name, column in vars(self.columns).items():
                grown = np.zeros(len(column) * 3 // 2, column.dtype)
                grown[: len(column)] = column
                setattr(self.columns, name, grown)
        return position


class Fleet:
    """Nodes and devices that requests may be placed on.

    `changes` counts every write, so that whoever caches something about the fleet can tell.
    """

    def __init__(self) -> None:
        """Start with no node and no device."""
        self.nodes = NodeColumns()
        self.devices = DeviceColumns()
        self.kinds: list[DeviceKind] = []
        self.reasons: list[str] = [""]
        self.changes = 0
        self.node_keys: list[str] = []
        self.node_devices: list[list[int]] = []
        self.localities: list[str | None] = []
        self._labels: list[Mapping[str, str]] = []
        self._node_at: dict[str, int] = {}
        self._device_at: dict[int, int] = {}
        self._kind_at: dict[DeviceKind, int] = {}
        self._reason_at: dict[str, int] = {"": 0}
        self._node_slots = _Slots(self.nodes)
        self._device_slots = _Slots(self.devices)
        self._selected: dict[frozenset[tuple[str, str]], Bools] = {}

    @property
    def node_count(self) -> int:
        """Nodes in the fleet."""
        return len(self._node_at)

    @property
    def device_count(self) -> int:
        """Devices in the fleet."""
        return len(self._device_at)

    @property
    def node_rows(self) -> int:
        """Positions in use in the node columns, freed ones included."""
        return self._node_slots.used

    @property
    def device_rows(self) -> int:
        """Positions in use in the device columns, freed ones included."""
        return self._device_slots.used

    def find_node(self, key: str) -> int | None:
        """Return the position of a node in the columns, None when there is no such node."""
        return self._node_at.get(key)

    def find_device(self, key: int) -> int | None:
        """Return the position of a device in the columns, None when there is no such device."""
        return self._device_at.get(key)

    def free_milli(self, key: int) -> int:
        """Return the free thousandths of a device, usable or not (0-1000).

        Raises:
            KeyError: no such device.
        """
        return int(self.devices.free_milli[self._device_at[key]])

    def upsert_node(self, row: NodeRow) -> None:
        """Add a node or replace what is known of it; its devices stay."""
        at = self._node_at.get(row.key)
        if at is None:
            at = self._new_node(row.key)
        columns = self.nodes
        columns.cpu_milli[at] = UNKNOWN_AMOUNT if row.cpu_milli_free is None else row.cpu_milli_free
        columns.memory_mib[at] = (
            UNKNOWN_AMOUNT if row.memory_mib_free is None else row.memory_mib_free
        )
        columns.rank[at] = row.rank
        columns.schedulable[at] = row.schedulable
        if self._labels[at] != row.labels:
            self._labels[at] = dict(row.labels)
            self._selected.clear()
        self.changes += 1

    def upsert_device(self, row: DeviceRow) -> None:
        """Add a device or replace what is known of it.

        Raises:
            KeyError: its node is not in the fleet.
        """
        node = self._node_at[row.node]
        at = self._device_at.get(row.key)
        if at is None:
            at = self._device_slots.take()
            self._device_at[row.key] = at
            if at == len(self.localities):
                self.localities.append(None)
        else:
            self._count(at, -1)
            self.node_devices[self.devices.node[at]].remove(at)
        self._write_device(at, node=node, row=row)
        self.node_devices[node].append(at)
        self._count(at, +1)
        self.changes += 1

    def remove_device(self, key: int) -> None:
        """Forget a device.

        Raises:
            KeyError: no such device.
        """
        at = self._device_at.pop(key)
        self._count(at, -1)
        self.node_devices[self.devices.node[at]].remove(at)
        self.devices.usable[at] = self.devices.present[at] = False
        self.devices.free_milli[at] = self.devices.open_milli[at] = 0
        self._device_slots.freed.append(at)
        self.changes += 1

    def remove_node(self, key: str) -> None:
        """Forget a node and its devices.

        Raises:
            KeyError: no such node.
        """
        at = self._node_at[key]
        for device in list(self.node_devices[at]):
            self.remove_device(int(self.devices.key[device]))
        del self._node_at[key]
        self.nodes.schedulable[at] = self.nodes.present[at] = False
        self._labels[at] = {}
        self._node_slots.freed.append(at)
        self._selected.clear()
        self.changes += 1

    def take(
        self,
        node: str,
        device_keys: Sequence[int],
        *,
        milli: int,
        cpu_milli: int = 0,
        memory_mib: int = 0,
    ) -> None:
        """Hold `milli` of each device and CPU and memory of their node."""
        at = self._node_at[node]
        self.nodes.cpu_milli[at] -= cpu_milli
        self.nodes.memory_mib[at] -= memory_mib
        for key in device_keys:
            device = self._device_at[key]
            self._count(device, -1)
            self.devices.free_milli[device] -= milli
            if self.devices.usable[device]:
                self.devices.open_milli[device] -= milli
            self._count(device, +1)
        self.changes += 1

    def give(
        self,
        node: str,
        device_keys: Sequence[int],
        *,
        milli: int,
        cpu_milli: int = 0,
        memory_mib: int = 0,
    ) -> None:
        """Return what `take` held."""
        self.take(node, device_keys, milli=-milli, cpu_milli=-cpu_milli, memory_mib=-memory_mib)

    def selected(self, selector: Mapping[str, str]) -> Bools:
        """Return which node positions carry every label of the selector; kept until labels move."""
        wanted = frozenset(selector.items())
        known = self._selected.get(wanted)
        if known is not None:
            return known
        rows = self.node_rows
        mask = np.fromiter(
            (all(labels.get(k) == v for k, v in wanted) for labels in self._labels), np.bool_, rows
        )
        if len(self._selected) >= _SELECTORS_KEPT:
            self._selected.clear()
        self._selected[wanted] = mask
        return mask

    def _new_node(self, key: str) -> int:
        at = self._node_slots.take()
        self._node_at[key] = at
        self.nodes.present[at] = True
        self.nodes.free_milli[at] = self.nodes.free_gpus[at] = self.nodes.kind[at] = 0
        if at == len(self.node_keys):
            self.node_keys.append(key)
            self.node_devices.append([])
            self._labels.append({})
        else:
            self.node_keys[at] = key
        self._selected.clear()
        return at

    def _write_device(self, at: int, *, node: int, row: DeviceRow) -> None:
        columns = self.devices
        columns.node[at] = node
        columns.free_milli[at] = row.free_milli
        columns.open_milli[at] = row.free_milli if row.usable else 0
        columns.index[at] = row.index
        columns.key[at] = row.key
        columns.usable[at] = row.usable
        columns.shareable[at] = row.shareable
        columns.present[at] = True
        columns.reason[at] = self._reason_number(row)
        kind = DeviceKind(row.model_id, row.memory_gb, row.price_micros)
        number = self._kind_at.get(kind)
        if number is None:
            number = self._kind_at[kind] = len(self.kinds)
            self.kinds.append(kind)
        columns.kind[at] = self.nodes.kind[node] = number
        self.localities[at] = row.locality

    def _reason_number(self, row: DeviceRow) -> int:
        if row.usable:
            return 0
        reason = row.unusable_reason or "UNUSABLE"
        if reason not in self._reason_at:
            self._reason_at[reason] = len(self.reasons)
            self.reasons.append(reason)
        return self._reason_at[reason]

    def _count(self, device: int, sign: int) -> None:
        """Add a device's free capacity to its node's columns, or take it away."""
        node = self.devices.node[device]
        free_milli = self.devices.open_milli[device]
        self.nodes.free_milli[node] += sign * free_milli
        if free_milli == WHOLE_MILLI:
            self.nodes.free_gpus[node] += sign


def is_known(amounts: Ints) -> Bools:
    """Return which amounts of CPU or memory are known."""
    return amounts < _KNOWN_BELOW
