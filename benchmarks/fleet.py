"""A fleet of 1,213 nodes and 6,212 GPUs, shaped like the published openb cluster."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from gpu_management.devices import service as devices
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval, Node
from gpu_management.devices.status import device_id


@dataclass(frozen=True, slots=True)
class Kind:
    """So many equal nodes: GPUs, cores, and the model of the GPUs."""

    nodes: int
    gpus: int
    cores: int
    model_id: str


# Counts per model as the trace's README gives them; G2 and G3 are hidden there, so stand-ins.
KINDS = (
    Kind(549, 8, 96, "a10"),
    Kind(387, 2, 104, "t4"),
    Kind(17, 4, 96, "t4"),
    Kind(3, 1, 16, "p100-pcie-16gb"),
    Kind(131, 2, 64, "p100-pcie-16gb"),
    Kind(39, 8, 128, "a100-sxm4-80gb"),
    Kind(19, 1, 8, "v100-sxm2-16gb"),
    Kind(28, 4, 40, "v100-sxm2-16gb"),
    Kind(8, 8, 82, "v100-sxm2-16gb"),
    Kind(9, 4, 48, "v100-sxm2-32gb"),
    Kind(21, 8, 96, "v100-sxm2-32gb"),
    Kind(2, 1, 128, "a10"),
)


def fill(session: Session, cluster_name: str, *, now: datetime) -> int:
    """Write the fleet in bulk; return the number of GPUs."""
    revision = devices.lock(session, cluster_name)
    nodes, gpus = [], []
    for number, kind in enumerate(_nodes(), start=1):
        name = f"openb-node-{number:04d}"
        nodes.append(_node(number, name, kind, cluster_name, revision=revision, now=now))
        gpus += [
            _gpu(number, name, index, kind.model_id, cluster_name)
            | {"registered_at": now, "revision": revision}
            for index in range(kind.gpus)
        ]
    session.execute(insert(Node), nodes)
    session.execute(insert(Device), gpus)
    rows = session.execute(select(Device.id)).scalars()
    states = [
        {
            "device_id": pk,
            "open_device_id": pk,
            "state": DeviceState.READY,
            "reason": "registered",
            "started_at": now.replace(microsecond=0),
        }
        for pk in rows
    ]
    session.execute(insert(DeviceStateInterval), states)
    return len(gpus)


def _nodes() -> Iterator[Kind]:
    for kind in KINDS:
        for _ in range(kind.nodes):
            yield kind


def _node(
    number: int, name: str, kind: Kind, cluster_name: str, *, revision: int, now: datetime
) -> dict[str, Any]:
    return {
        "id": number,
        "cluster_name": cluster_name,
        "node_name": name,
        "rank": number,
        "is_schedulable": True,
        "labels": {"zone": f"z{number % 3}"},
        "taints": [],
        "cpu_total_milli": kind.cores * 1000,
        "cpu_held_milli": 0,
        "memory_total_mib": 393_216,
        "memory_held_mib": 0,
        "registered_at": now,
        "edition": 1,
        "revision": revision,
    }


def _gpu(node: int, name: str, index: int, model: str, cluster_name: str) -> dict[str, Any]:
    public = device_id(name, index)
    uuid = f"GPU-{node:04d}-{index:02d}"
    return {
        "cluster_name": cluster_name,
        "device_id": public,
        "live_id": public,
        "uuid": uuid,
        "live_uuid": uuid,
        "node_id": node,
        "model_id": model,
        "device_index": index,
        "state": DeviceState.READY,
        "mig_enabled": False,
        "held_milli": 0,
        "nvlink_peers": [],
        "version": 1,
        "edition": 1,
    }
