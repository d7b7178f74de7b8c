"""Pods as far as GPUs are concerned: what they ask for, which claims they use, whose they are."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gpu_management.cluster.protocol import Json
from gpu_management.cluster.quantities import parse_quantity

ALLOCATION_ANNOTATION = "gpu.company.com/allocation-id"
ALLOCATION_GATE = "gpu.company.com/allocation"
"""Scheduling gate of a pod that waits until it is pinned to the node of its allocation."""
MEMORY_ANNOTATION = "gpu.company.com/required-memory-gb"
"""What a pod that gets its allocation by itself needs of each GPU."""
EXEMPT_LABEL = "gpu.company.com/idle-exempt"
"""Label of a pod whose GPUs are left alone though they lie idle: `true`."""
EXEMPT_ANNOTATION = "gpu.company.com/idle-exempt-until"
"""The same until a moment, such as 2026-05-01T00:00:00Z."""
ANNOTATIONS = (ALLOCATION_ANNOTATION, MEMORY_ANNOTATION, EXEMPT_ANNOTATION)
"""What is read of a pod's annotations."""
GPU_PREFIX = "nvidia.com/"
HOSTNAME = "kubernetes.io/hostname"

_MINUTE = re.compile(r"\d{8}")


@dataclass(frozen=True, slots=True)
class PodFacts:
    """One pod."""

    namespace: str
    name: str
    uid: str
    node: str | None
    is_over: bool
    """Succeeded, Failed: it holds nothing any more."""
    allocation_id: str | None
    claim_names: tuple[str, ...]
    gpu_resources: Mapping[str, int]
    """Extended resources of GPUs by name, such as nvidia.com/gpu, and how many."""
    owner_kind: str | None
    owner_name: str | None
    labels: Mapping[str, str]
    started_at: datetime | None
    gates: tuple[str, ...] = ()
    """What must go before the scheduler looks at it."""
    required_memory_gb: int | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    is_exempt: bool = False
    """Left alone though it lies idle, for as long as it says so."""
    exempt_until: datetime | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Return namespace and name."""
        return self.namespace, self.name


def read_pod(thing: Json) -> PodFacts:
    """Return what a pod asks for and uses."""
    metadata, spec = thing["metadata"], thing.get("spec", {})
    status = thing.get("status", {})
    owner_kind, owner_name = owner_of(metadata)
    return PodFacts(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        node=spec.get("nodeName"),
        is_over=status.get("phase") in {"Succeeded", "Failed"},
        allocation_id=(metadata.get("annotations") or {}).get(ALLOCATION_ANNOTATION),
        claim_names=_claim_names(spec, status),
        gpu_resources=gpu_resources_of(spec),
        owner_kind=owner_kind,
        owner_name=owner_name,
        labels=metadata.get("labels") or {},
        started_at=_moment(status.get("startTime") or metadata.get("creationTimestamp")),
        gates=tuple(gate["name"] for gate in spec.get("schedulingGates") or ()),
        required_memory_gb=_memory_gb((metadata.get("annotations") or {}).get(MEMORY_ANNOTATION)),
        node_selector=spec.get("nodeSelector") or {},
        is_exempt=(metadata.get("labels") or {}).get(EXEMPT_LABEL) == "true",
        exempt_until=_told_moment((metadata.get("annotations") or {}).get(EXEMPT_ANNOTATION)),
    )


def gate_patch(pod: PodFacts, host: str | None) -> dict[str, Any]:
    """Return the change that takes a pod from behind our gate, to one host if that is told."""
    others = [{"name": gate} for gate in pod.gates if gate != ALLOCATION_GATE]
    spec: dict[str, Any] = {"schedulingGates": others}
    if host is not None:
        spec["nodeSelector"] = {HOSTNAME: host}
    return {"spec": spec}


def owner_of(metadata: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return kind and name of the workload that a pod is part of.

    What made the pod may itself be made: a ReplicaSet is called after its Deployment and the hash
    of its template, a Job after its CronJob and the minute it was due, in minutes since 1970.
    """
    owners = metadata.get("ownerReferences") or ()
    owner: Mapping[str, Any] = next((one for one in owners if one.get("controller")), {})
    kind, name = owner.get("kind"), owner.get("name")
    if kind is None or name is None:
        return None, None
    base, _, tail = name.rpartition("-")
    if kind == "ReplicaSet" and base and tail == _label(metadata, "pod-template-hash"):
        return "Deployment", base
    if kind == "Job" and base and _MINUTE.fullmatch(tail):
        return "CronJob", base
    return str(kind), str(name)


def _label(metadata: Mapping[str, Any], name: str) -> str | None:
    return (metadata.get("labels") or {}).get(name)


def _told_moment(text: str | None) -> datetime | None:
    """Return a moment that somebody wrote; None where it is none, or of no zone."""
    try:
        told = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return told if told is None or told.tzinfo is not None else None


def _claim_names(spec: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the claims a pod names, those made from templates, and the one of its resources."""
    named = [claim.get("resourceClaimName") for claim in spec.get("resourceClaims") or ()]
    made = [claim.get("resourceClaimName") for claim in status.get("resourceClaimStatuses") or ()]
    extended = (status.get("extendedResourceClaimStatus") or {}).get("resourceClaimName")
    return tuple(sorted({name for name in [*named, *made, extended] if name}))


def gpu_resources_of(spec: Mapping[str, Any]) -> dict[str, int]:
    """Return what a pod holds of each GPU resource: its containers', or its greediest start."""
    running = [_limits(container) for container in spec.get("containers") or ()]
    beside = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    running += [_limits(container) for container in beside]
    total: dict[str, int] = {}
    for limits in running:
        for name, count in limits.items():
            total[name] = total.get(name, 0) + count
    for container in spec.get("initContainers") or ():
        for name, count in _limits(container).items():
            total[name] = max(total.get(name, 0), count)
    return total


def _limits(container: Mapping[str, Any]) -> dict[str, int]:
    told = container.get("resources") or {}
    wanted = {**(told.get("requests") or {}), **(told.get("limits") or {})}
    return {
        name: int(parse_quantity(amount))
        for name, amount in wanted.items()
        if name.startswith(GPU_PREFIX) and parse_quantity(amount) > 0
    }


def _memory_gb(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def pods_with_gpus(things: Iterable[Json]) -> list[PodFacts]:
    """Return the pods that hold or want GPUs in any way."""
    pods = (read_pod(thing) for thing in things)
    return [pod for pod in pods if pod.gpu_resources or pod.claim_names or pod.allocation_id]
