"""What pods ask for and what nodes have of CPU and memory, in the small form that is kept of all.

A pod's request is what the scheduler counts: k8s.io/component-helpers `resource.PodRequests`
(containers and sidecars together, or the greediest start, plus the pod's overhead).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from sys import intern
from typing import Any

from gpu_management.cluster.inventory import is_ready
from gpu_management.cluster.pods import gpu_resources_of, owner_of
from gpu_management.cluster.protocol import Json
from gpu_management.cluster.quantities import MIB, mib_of, milli_of, parse_quantity

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class PodNeeds:
    """A pod that has or wants a place: what is set aside for it, and what it may take at most."""

    namespace: str
    name: str
    uid: str
    node: str | None
    phase: str
    owner_kind: str | None
    owner_name: str | None
    cpu_milli: int
    memory_mib: int
    cpu_limit_milli: int | None
    """None: as much as there is."""
    memory_limit_mib: int | None
    gpus: int
    """GPUs, slices or shares of the device plugin; those of claims are counted by their claims."""


@dataclass(frozen=True, slots=True)
class NodeRoom:
    """What a node has; None means it does not say."""

    name: str
    is_ready: bool
    is_schedulable: bool
    cpu_capacity_milli: int
    cpu_milli: int
    """What pods may ask for."""
    memory_capacity_mib: int
    memory_mib: int
    pods: int | None


@dataclass(frozen=True, slots=True)
class Use:
    """What the metrics server measured of a pod or node."""

    cpu_milli: int
    memory_mib: int


def read_needs(thing: Json) -> PodNeeds | None:
    """Return what a pod needs; None where it is over and needs nothing any more."""
    metadata, spec = thing["metadata"], thing.get("spec") or {}
    phase = str((thing.get("status") or {}).get("phase") or "Pending")
    if phase in {"Succeeded", "Failed"}:
        return None
    owner_kind, owner_name = owner_of(metadata)
    cpu, memory = (_wanted(spec, name) for name in ("cpu", "memory"))
    cpu_limit, memory_limit = (_most(spec, name) for name in ("cpu", "memory"))
    return PodNeeds(
        namespace=intern(metadata.get("namespace", "")),
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        node=None if not spec.get("nodeName") else intern(spec["nodeName"]),
        phase=intern(phase),
        owner_kind=owner_kind,
        owner_name=owner_name,
        cpu_milli=ceil(cpu * 1000),
        memory_mib=ceil(memory / MIB),
        cpu_limit_milli=None if cpu_limit is None else ceil(cpu_limit * 1000),
        memory_limit_mib=None if memory_limit is None else ceil(memory_limit / MIB),
        gpus=sum(gpu_resources_of(spec).values()),
    )


def read_room(thing: Json) -> NodeRoom:
    """Return what a node has."""
    spec, status = thing.get("spec") or {}, thing.get("status") or {}
    capacity = status.get("capacity") or {}
    told = {**capacity, **(status.get("allocatable") or {})}
    pods = told.get("pods")
    return NodeRoom(
        name=thing["metadata"]["name"],
        is_ready=is_ready(status),
        is_schedulable=not spec.get("unschedulable", False),
        cpu_capacity_milli=milli_of(capacity.get("cpu", 0)),
        cpu_milli=milli_of(told.get("cpu", 0)),
        memory_capacity_mib=mib_of(capacity.get("memory", 0)),
        memory_mib=mib_of(told.get("memory", 0)),
        pods=None if pods is None else int(parse_quantity(pods)),
    )


def read_use(thing: Json) -> Use:
    """Return what PodMetrics or NodeMetrics (metrics.k8s.io) tell."""
    if "containers" in thing:
        told = [container.get("usage") or {} for container in thing["containers"] or ()]
    else:
        told = [thing.get("usage") or {}]
    cpu = sum((parse_quantity(one.get("cpu", 0)) for one in told), _NOTHING)
    memory = sum((parse_quantity(one.get("memory", 0)) for one in told), _NOTHING)
    return Use(ceil(cpu * 1000), ceil(memory / MIB))


def _wanted(spec: Mapping[str, Any], name: str) -> Decimal:
    whole = _amount(spec, name)
    if whole is not None:  # the pod's own request stands for those of its containers
        return whole + _overhead(spec, name)
    beside, start = _NOTHING, _NOTHING
    for container in spec.get("initContainers") or ():
        amount = _amount(container, name) or _NOTHING
        if container.get("restartPolicy") == "Always":
            beside += amount
            start = max(start, beside)
        else:
            start = max(start, beside + amount)
    running = sum((_amount(one, name) or _NOTHING for one in _containers(spec)), beside)
    return max(running, start) + _overhead(spec, name)


def _most(spec: Mapping[str, Any], name: str) -> Decimal | None:
    """Return the limit of all containers together; None where one of them has none."""
    whole = _limit(spec, name)
    if whole is not None:
        return whole + _overhead(spec, name)
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    limits = [_limit(container, name) for container in [*_containers(spec), *sidecars]]
    known = [limit for limit in limits if limit is not None]
    if not known or len(known) < len(limits):
        return None
    return sum(known, _NOTHING) + _overhead(spec, name)


def _containers(spec: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return spec.get("containers") or ()


def _amount(holder: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a request; the API server fills in the limit where there is only that."""
    told = holder.get("resources") or {}
    amount = (told.get("requests") or {}).get(name)
    if amount is None:
        return _limit(holder, name)
    return parse_quantity(amount)


def _limit(holder: Mapping[str, Any], name: str) -> Decimal | None:
    amount = ((holder.get("resources") or {}).get("limits") or {}).get(name)
    return None if amount is None else parse_quantity(amount)


def _overhead(spec: Mapping[str, Any], name: str) -> Decimal:
    amount = (spec.get("overhead") or {}).get(name)
    return _NOTHING if amount is None else parse_quantity(amount)
