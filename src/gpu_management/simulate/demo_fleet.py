"""The demonstration fleet: 40 nodes of eight models in five pools, five teams, some trouble."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

from gpu_management.devices.bulk import NodePlan
from gpu_management.devices.models import DeviceState
from gpu_management.devices.pools import WELL_KNOWN_LABELS
from gpu_management.devices.service import DeviceFacts, NodeFacts
from gpu_management.mig.geometry import Placement
from gpu_management.simulate.world import FLEET_LABEL

NAME: Final = "demo"
POOL_LABEL: Final = "node-pool"
QUEUED_POOL: Final = "training"
"""The pool whose large jobs wait in the queue: nodes of it are kept for them."""

_GIB: Final = 1024
_ZONES: Final = ("seoul-a", "seoul-b")
_H100: Final = "h100-sxm5-80gb"
_A100: Final = "a100-sxm4-80gb"
_RTX: Final = "rtx-pro-6000-server"


@dataclass(frozen=True, slots=True)
class Machine:
    """A kind of node: what stands in it and how many GPUs."""

    model_id: str
    product: str
    memory_mib: int
    gpus: int
    cores: int
    ram_gib: int
    power_w: int
    kind: str
    linked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Nodes of one kind in one pool."""

    stem: str
    count: int
    machine: Machine
    pool: str


@dataclass(frozen=True, slots=True)
class TeamPlan:
    """A team, its namespaces and people."""

    team_id: str
    name: str
    gpu_limit: int
    namespaces: tuple[str, ...]
    people: tuple[str, ...]


_MACHINES: Final = {
    "h100": Machine(
        _H100, "NVIDIA-H100-80GB-HBM3", 81559, 8, 192, 2048, 700, "dgx-h100", linked=True
    ),
    "a100": Machine(
        _A100, "NVIDIA-A100-SXM4-80GB", 81920, 8, 128, 1024, 400, "hgx-a100-80g", linked=True
    ),
    "a100-40g": Machine(
        "a100-sxm4-40gb",
        "NVIDIA-A100-SXM4-40GB",
        40960,
        8,
        96,
        1024,
        400,
        "hgx-a100-40g",
        linked=True,
    ),
    "rtx6000": Machine(
        _RTX, "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", 97887, 4, 96, 768, 600, "rtx-server"
    ),
    "l40s": Machine("l40s", "NVIDIA-L40S", 46068, 4, 64, 512, 350, "l40s-server"),
    "l4": Machine("l4", "NVIDIA-L4", 23034, 4, 48, 256, 72, "l4-server"),
    "t4": Machine("t4", "Tesla-T4", 15360, 4, 48, 192, 70, "t4-server"),
    "v100": Machine(
        "v100-sxm2-32gb", "Tesla-V100-SXM2-32GB", 32768, 8, 80, 512, 300, "dgx-1", linked=True
    ),
}

ROWS: Final = (
    Row("gpu-h100", 3, _MACHINES["h100"], QUEUED_POOL),
    Row("gpu-a100", 2, _MACHINES["a100"], QUEUED_POOL),
    Row("gpu-h100-inf", 2, _MACHINES["h100"], "serving"),
    Row("gpu-l4", 6, _MACHINES["l4"], "serving"),
    Row("gpu-a100-lab", 3, _MACHINES["a100"], "research"),
    Row("gpu-a100-40g", 2, _MACHINES["a100-40g"], "research"),
    Row("gpu-rtx6000", 3, _MACHINES["rtx6000"], "research"),
    Row("gpu-l40s", 6, _MACHINES["l40s"], "research"),
    Row("gpu-t4", 8, _MACHINES["t4"], "shared"),
    Row("gpu-v100", 5, _MACHINES["v100"], "batch"),
)

TEAMS: Final = (
    TeamPlan(
        "foundation-models",
        "Foundation Models",
        72,
        ("llm-pretrain", "llm-finetune"),
        ("minjun.kim", "seoyeon.lee", "david.chen", "jihoon.park"),
    ),
    TeamPlan(
        "vision-lab",
        "Vision Lab",
        48,
        ("vision", "vision-eval"),
        ("haeun.choi", "emma.wilson", "taeyang.jung"),
    ),
    TeamPlan(
        "serving",
        "Model Serving",
        64,
        ("serving-prod", "serving-stage"),
        ("sujin.kang", "james.murphy", "yuna.cho"),
    ),
    TeamPlan(
        "recommend",
        "Recommendation",
        40,
        ("recsys", "recsys-batch"),
        ("donghyun.yoon", "olivia.brown", "nari.jang"),
    ),
    TeamPlan(
        "data-science",
        "데이터 사이언스",
        24,
        ("notebooks", "ds-batch"),
        ("jiwoo.lim", "hyejin.han", "lucas.martin", "sumin.oh", "mia.garcia"),
    ),
)

PEOPLE: Final[dict[str, Sequence[str]]] = {team.team_id: team.people for team in TEAMS}
"""Who works in each team."""

_SLICED_H100: Final = (
    (("1g.10gb", 0), ("1g.10gb", 1), ("1g.10gb", 2), ("1g.10gb", 3), ("3g.40gb", 4)),
    (("2g.20gb", 0), ("2g.20gb", 2), ("2g.20gb", 4), ("1g.10gb", 6)),
    (("3g.40gb", 0), ("2g.20gb", 4), ("1g.10gb", 6)),
    tuple(("1g.10gb", start) for start in range(7)),
)
LAYOUTS: Final[dict[str, Sequence[Sequence[tuple[str, int]]]]] = {
    "gpu-h100-inf-01": _SLICED_H100,
    "gpu-h100-inf-02": (*_SLICED_H100, *_SLICED_H100),
    "gpu-a100-lab-03": (
        (("3g.40gb", 0), ("3g.40gb", 4)),
        (("2g.20gb", 0), ("2g.20gb", 2), ("3g.40gb", 4)),
        (("1g.10gb", 0), ("1g.10gb", 1), ("2g.20gb", 2), ("3g.40gb", 4)),
        (),
    ),
    "gpu-rtx6000-03": (
        (("1g.24gb", 0), ("1g.24gb", 3), ("1g.24gb", 6), ("1g.24gb", 9)),
        (("2g.48gb", 0), ("2g.48gb", 6)),
    ),
}
"""MIG devices by node: the layout of each of its first GPUs."""


OUT_OF_WORK: Final[dict[str, tuple[timedelta, DeviceState, str]]] = {
    "gpu-a100-lab-01-GPU-05": (
        timedelta(hours=27),
        DeviceState.FAILED,
        "XID 79: GPU has fallen off the bus; replacement ordered",
    ),
    "gpu-l4-04-GPU-02": (
        timedelta(hours=66),
        DeviceState.OFFLINE,
        "not seen by the driver after the reboot of the node",
    ),
}
"""Devices that stay out of work: since how long, in what state, and why."""
WEAK_FANS: Final = {"gpu-h100-02-GPU-06": 22.0}
"""Devices that are so many degrees Celsius warmer than they should be, at rest and at work."""
UNDER_MAINTENANCE: Final = ("gpu-v100-05", timedelta(hours=6), "driver upgrade to 580.95.05")
"""A node in maintenance, since when, and why."""


def layout_of(places: Sequence[tuple[str, int]]) -> list[Placement]:
    """Return the placements of a written layout."""
    return [Placement(profile, start) for profile, start in places]


def node_plans(seed: int, *, now: datetime) -> list[NodePlan]:
    """Return every node of the fleet; uuids and serial numbers follow from the seed."""
    random = Random(f"{seed}/inventory")  # noqa: S311 - a simulation, repeatable on purpose
    plans: list[NodePlan] = []
    for row in ROWS:
        for number in range(1, row.count + 1):
            node = f"{row.stem}-{number:02d}"
            facts = _node_facts(row, node, len(plans))
            devices = tuple(_devices(random, row.machine, node, now=now))
            plans.append(NodePlan(node, facts, devices))
    return plans


def _node_facts(row: Row, node: str, position: int) -> NodeFacts:
    machine = row.machine
    zone = _ZONES[position % len(_ZONES)]
    is_old = machine.model_id.startswith(("v100", "t4"))
    return NodeFacts(
        cpu_total_milli=machine.cores * 1000,
        memory_total_mib=machine.ram_gib * _GIB,
        ip=f"10.20.{position // 20}.{10 + position % 20}",
        driver_version="570.172.08" if is_old else "580.95.05",
        cuda_version="12.8" if is_old else "13.0",
        kubelet_version="v1.34.1",
        labels={
            FLEET_LABEL: NAME,
            POOL_LABEL: row.pool,
            WELL_KNOWN_LABELS[0]: row.pool,
            "kubernetes.io/hostname": node,
            "node.kubernetes.io/instance-type": machine.kind,
            "topology.kubernetes.io/zone": zone,
            "nvidia.com/gpu.product": machine.product,
            "nvidia.com/gpu.count": str(machine.gpus),
            "nvidia.com/gpu.memory": str(machine.memory_mib),
        },
        zone=zone,
    )


def _devices(
    random: Random, machine: Machine, node: str, *, now: datetime
) -> Iterator[DeviceFacts]:
    installed = now - timedelta(days=random.randint(120, 900))
    for index in range(machine.gpus):
        peers = [f"{node}-GPU-{i:02d}" for i in range(machine.gpus) if i != index]
        yield DeviceFacts(
            model_id=machine.model_id,
            uuid=f"GPU-{UUID(int=random.getrandbits(128), version=4)}",
            pci_bus_id=f"00000000:{0x17 + 0x10 * index:02X}:00.0",
            serial_number=str(random.randint(1_320_000_000_000, 1_659_999_999_999)),
            memory_total_mib=machine.memory_mib,
            power_limit_w=machine.power_w,
            numa_node=index * 2 // machine.gpus,
            nvlink_peers=peers if machine.linked else None,
            installed_at=installed,
            warranty_until=installed + timedelta(days=5 * 365),
        )
