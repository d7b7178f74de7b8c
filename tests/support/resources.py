"""Pods, nodes and their use, as a cluster would tell."""

from typing import Any

from gpu_management.cluster.needs import NodeRoom, PodNeeds, Use


def needs(name: str = "p", **changes: Any) -> PodNeeds:
    """Return a running pod of one core and 1 GiB on n1."""
    plain: dict[str, Any] = {
        "namespace": "ml",
        "uid": f"uid-{name}",
        "node": "n1",
        "phase": "Running",
        "owner_kind": None,
        "owner_name": None,
        "cpu_milli": 1000,
        "memory_mib": 1024,
        "cpu_limit_milli": None,
        "memory_limit_mib": None,
        "gpus": 0,
    }
    return PodNeeds(name=name, **plain | changes)


def room(name: str = "n1", **changes: Any) -> NodeRoom:
    """Return a node of 10 cores and 10 GiB."""
    plain: dict[str, Any] = {
        "is_ready": True,
        "is_schedulable": True,
        "cpu_capacity_milli": 10_000,
        "cpu_milli": 10_000,
        "memory_capacity_mib": 10_240,
        "memory_mib": 10_240,
        "pods": 110,
    }
    return NodeRoom(name=name, **plain | changes)


def use(cpu_milli: int = 500, memory_mib: int = 512) -> Use:
    """Return what was measured."""
    return Use(cpu_milli, memory_mib)
