"""Fleets and requests for placement tests, small or drawn by Hypothesis."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from hypothesis import strategies as st

from gpu_management.allocations.candidates import Request, matches
from gpu_management.allocations.fleet import DeviceKind, DeviceRow, Fleet, NodeRow


def fleet_of(nodes: Mapping[str, Sequence[int]], **changed: Any) -> Fleet:
    """Return a fleet of nodes by name with the free milli of their devices; keys count from 0.

    `changed` sets fields of every device row.
    """
    fleet = Fleet()
    keys = count()
    for rank, (name, free) in enumerate(nodes.items()):
        fleet.upsert_node(NodeRow(name, rank))
        for index, free_milli in enumerate(free):
            row = {"model_id": "T4", "free_milli": free_milli, **changed}
            fleet.upsert_device(DeviceRow(next(keys), name, index, **row))
    return fleet


def add_node(fleet: Fleet, name: str, free: Sequence[int], **changed: Any) -> None:
    """Add a node after those there are; `changed` sets fields of its row or its device rows."""
    device_fields = {"model_id", "memory_gb", "price_micros", "usable", "unusable_reason"}
    device_fields |= {"shareable"}
    on_devices = {key: value for key, value in changed.items() if key in device_fields}
    on_node = {key: value for key, value in changed.items() if key not in device_fields}
    fleet.upsert_node(NodeRow(name, **{"rank": fleet.node_count, **on_node}))
    for index, free_milli in enumerate(free):
        key = 100 * fleet.node_count + index
        row = {"model_id": "T4", "free_milli": free_milli, **on_devices}
        fleet.upsert_device(DeviceRow(key, name, index, **row))


class Cluster:
    """Rows as a list, to judge by brute force what a fleet should say."""

    def __init__(self, nodes: Sequence[NodeRow], devices: Sequence[DeviceRow]) -> None:
        """Keep the rows."""
        self.nodes = {node.key: node for node in nodes}
        self.devices = list(devices)

    def fleet(self) -> Fleet:
        """Return the fleet of these rows."""
        fleet = Fleet()
        for node in self.nodes.values():
            fleet.upsert_node(node)
        for device in self.devices:
            fleet.upsert_device(device)
        return fleet

    def fits_somewhere(self, request: Request) -> bool:
        """Return whether any node can serve the request, by trying all."""
        return any(self.fits(request, name) for name in self.nodes)

    def fits(self, request: Request, name: str) -> bool:
        """Return whether a node can serve the request."""
        node = self.nodes[name]
        if not node.schedulable or name in request.excluded_nodes:
            return False
        if any(node.labels.get(k) != v for k, v in request.node_selector.items()):
            return False
        if node.cpu_milli_free is not None and node.cpu_milli_free < request.cpu_milli:
            return False
        if node.memory_mib_free is not None and node.memory_mib_free < request.memory_mib:
            return False
        serving = [d for d in self.devices if d.node == name and self.serves(request, d)]
        return len(serving) >= request.gpus

    @staticmethod
    def serves(request: Request, device: DeviceRow) -> bool:
        """Return whether a device can be one of those asked for."""
        kind = DeviceKind(device.model_id, device.memory_gb, device.price_micros)
        return (
            device.usable
            and device.free_milli >= request.milli
            and (device.shareable or not request.is_share)
            and device.key not in request.excluded_devices
            and matches(kind, request.models, request.min_memory_gb)
        )


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    """Draw a few nodes with a few devices of several models in any state."""
    nodes, devices = [], []
    for rank in range(draw(st.integers(0, 4))):
        name = f"n{rank}"
        nodes.append(
            NodeRow(
                name,
                rank,
                cpu_milli_free=draw(st.sampled_from((None, 0, 4000, 16000))),
                memory_mib_free=draw(st.sampled_from((None, 0, 8192))),
                labels=draw(st.sampled_from(({}, {"zone": "a"}, {"zone": "b"}))),
                schedulable=draw(st.booleans()) or draw(st.booleans()),
            )
        )
        for index in range(draw(st.integers(0, 4))):
            usable = draw(st.booleans()) or draw(st.booleans())
            devices.append(
                DeviceRow(
                    len(devices),
                    name,
                    index,
                    model_id=draw(st.sampled_from(("T4", "A100"))),
                    free_milli=draw(st.sampled_from((0, 100, 250, 500, 750, 1000, 1000, 1000))),
                    memory_gb=draw(st.sampled_from((None, 16, 80))),
                    usable=usable,
                    unusable_reason=None if usable else draw(st.sampled_from(("FAILED", "MIG"))),
                    shareable=draw(st.booleans()) or draw(st.booleans()),
                    locality=draw(st.sampled_from((None, "0", "1"))),
                    price_micros=draw(st.sampled_from((None, 350_000, 3_000_000))),
                )
            )
    return Cluster(nodes, devices)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Draw any request, CPU-only ones included."""
    gpus = draw(st.sampled_from((0, 1, 1, 1, 2, 3, 4)))
    return Request(
        gpus=gpus,
        milli=draw(st.sampled_from((1, 100, 333, 500, 1000))) if gpus == 1 else 1000,
        cpu_milli=draw(st.sampled_from((0, 0, 2000, 8000))),
        memory_mib=draw(st.sampled_from((0, 4096, 16384))),
        min_memory_gb=draw(st.sampled_from((0, 1, 16, 40))),
        models=draw(st.sampled_from((None, None, frozenset({"T4"}), frozenset({"B200"})))),
        preferred_models=draw(st.sampled_from(((), ("A100",)))),
        node_selector=draw(st.sampled_from(({}, {}, {"zone": "a"}))),
        excluded_devices=draw(st.sampled_from((frozenset(), frozenset({0, 99})))),
        excluded_nodes=draw(st.sampled_from((frozenset(), frozenset({"n0", "gone"})))),
    )
