"""Kubernetes objects as the API server, the NVIDIA driver and its labeller write them."""

from collections.abc import Mapping, Sequence
from typing import Any

from gpu_management.cluster.slices import DRIVER

A100_NAME = "NVIDIA A100-SXM4-80GB"
T4_NAME = "Tesla T4"
Thing = dict[str, Any]


def node(
    name: str = "n1",
    *,
    labels: Mapping[str, str] | None = None,
    capacity: Mapping[str, str] | None = None,
    ready: str = "True",
    **spec: Any,
) -> Thing:
    """Return a node; GPUs come from slices, labels or capacity."""
    amounts = {"cpu": "64", "memory": "512Gi", "pods": "110", **(capacity or {})}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": spec,
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [{"type": "Ready", "status": ready}],
            "addresses": [{"type": "InternalIP", "address": "10.1.0.7"}],
            "nodeInfo": {"kubeletVersion": "v1.34.4"},
        },
    }


def gpu(
    minor: int, uuid: str, *, product: str = A100_NAME, memory: str = "81920Mi", **more: Any
) -> Thing:
    """Return a slice's entry of a whole card."""
    told = {"type": "gpu", "uuid": uuid, "productName": product, "brand": "Nvidia"}
    attributes: Thing = {name: {"string": value} for name, value in told.items()}
    attributes["driverVersion"] = {"version": "580.65.6"}
    attributes["cudaDriverVersion"] = {"version": "13.0.0"}
    bus = f"0000:{minor + 1:02x}:00.0"
    attributes["resource.kubernetes.io/pciBusID"] = {"string": bus}
    return {
        "name": f"gpu-{minor}",
        "attributes": attributes,
        "capacity": {"memory": {"value": memory}},
        **more,
    }


def mig(  # noqa: PLR0913 - a builder names what a test is about
    minor: int,
    parent: str,
    profile: str,
    *,
    start: int,
    uuid: str | None = None,
    name: str | None = None,
    slices: int = 0,
) -> Thing:
    """Return a slice's entry of a MIG device: with a uuid it exists, without it could."""
    told = {"type": "mig", "parentUUID": parent, "profile": profile, "productName": A100_NAME}
    if uuid is not None:
        told["uuid"] = uuid
    capacity = {f"memorySlice{start + n}": {"value": "1"} for n in range(slices)}
    counters = [{"counterSet": f"gpu-{minor}-counter-set", "counters": {"memory": {"value": "1"}}}]
    return {
        "name": name or f"gpu-{minor}-mig-{profile.replace('.', '')}-19-{start}",
        "attributes": {key: {"string": value} for key, value in told.items()},
        "capacity": {"memory": {"value": "9728Mi"}, **capacity},
        **({} if uuid is not None else {"consumesCounters": counters}),
    }


def gpu_slice(
    node_name: str,
    devices: Sequence[Thing],
    *,
    name: str | None = None,
    generation: int = 1,
    count: int = 1,
    driver: str = DRIVER,
) -> Thing:
    """Return a ResourceSlice of a node."""
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": name or f"{node_name}-{driver}-{generation}"},
        "spec": {
            "driver": driver,
            "nodeName": node_name,
            "pool": {"name": node_name, "generation": generation, "resourceSliceCount": count},
            "devices": list(devices),
        },
    }


def pod(
    name: str = "train",
    *,
    namespace: str = "ml",
    node_name: str | None = None,
    limits: Mapping[str, str] | None = None,
    claims: Sequence[str] = (),
    phase: str = "Running",
    **metadata: Any,
) -> Thing:
    """Return a pod with one container."""
    container: Thing = {"name": "main", "image": "busybox", "resources": {}}
    if limits:
        container["resources"]["limits"] = dict(limits)
    spec: Thing = {"containers": [container]}
    if claims:
        container["resources"]["claims"] = [{"name": claim} for claim in claims]
        spec["resourceClaims"] = [{"name": c, "resourceClaimName": c} for c in claims]
    if node_name is not None:
        spec["nodeName"] = node_name
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": spec,
        "status": {"phase": phase},
    }


def claimed(
    name: str,
    device: str,
    *,
    node_name: str = "n1",
    namespace: str = "ml",
    pods: Sequence[str] = (),
    is_admin: bool = False,
) -> Thing:
    """Return a claim of somebody else that the scheduler has served."""
    result = {"request": "gpu", "driver": DRIVER, "pool": node_name, "device": device}
    if is_admin:
        result["adminAccess"] = True  # type: ignore[assignment]
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"devices": {"requests": [{"name": "gpu"}]}},
        "status": {
            "allocation": {"devices": {"results": [result]}},
            "reservedFor": [{"resource": "pods", "name": p, "uid": f"uid-{p}"} for p in pods],
        },
    }
