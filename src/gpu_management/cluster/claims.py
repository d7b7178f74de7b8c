"""ResourceClaims (resource.k8s.io/v1): ours, pinned to devices, and those of others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gpu_management.cluster.protocol import Json
from gpu_management.cluster.slices import DRIVER

MANAGED_BY = "k8s-gpu-management"
ALLOCATION_LABEL = "gpu.company.com/allocation-id"
HOST_LABEL = "gpu.company.com/node-hostname"
"""Label of a claim that no pod uses yet: where its pods are to run."""
CLASS_OF_CARDS = "gpu.nvidia.com"
CLASS_OF_SLICES = "mig.nvidia.com"

_NAME = "gpualloc-{allocation_id}"


@dataclass(frozen=True, slots=True)
class Pin:
    """One device that a claim is pinned to: a card or static slice by uuid, or a place on a card.

    A dynamic slice has no uuid before it is cut: parent, profile and, where the driver tells the
    memory slices of its devices, the place name it.
    """

    uuid: str | None = None
    parent_uuid: str | None = None
    profile: str | None = None
    start: int | None = None

    @property
    def is_slice(self) -> bool:
        """Say whether it is a MIG slice."""
        return self.profile is not None

    def selector(self) -> str:
        """Return the CEL expression that only this device satisfies."""
        told = f"device.attributes['{DRIVER}']"
        if self.uuid is not None:
            return f"'uuid' in {told} && {told}.uuid == {_quoted(self.uuid)}"
        parts = [
            f"'parentUUID' in {told}",
            f"{told}.parentUUID == {_quoted(self.parent_uuid or '')}",
            f"{told}.profile == {_quoted(self.profile or '')}",
        ]
        if self.start is not None:
            parts.append(f"'memorySlice{self.start}' in device.capacity['{DRIVER}']")
        return " && ".join(parts)


@dataclass(frozen=True, slots=True)
class ClaimedDevice:
    """One device that the scheduler gave to a claim."""

    driver: str
    pool: str
    device: str
    is_admin: bool
    """Access for monitoring, beside whoever has the device: no allocation."""


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """One claim."""

    namespace: str
    name: str
    uid: str
    allocation_id: str | None
    is_ours: bool
    is_deleted: bool
    """Deletion was asked for; a pod may still keep it."""
    host: str | None
    """Where pods that name it are directed to."""
    selectors: tuple[str, ...]
    devices: tuple[ClaimedDevice, ...]
    pod_names: tuple[str, ...]
    pod_uids: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Return namespace and name."""
        return self.namespace, self.name


def claim_name(allocation_id: str) -> str:
    """Return the name of an allocation's claim."""
    return _NAME.format(allocation_id=allocation_id)


def pinned_claim(
    allocation_id: str,
    namespace: str,
    pins: Sequence[Pin],
    *,
    owner: Mapping[str, str],
    host: str | None = None,
) -> dict[str, Any]:
    """Return the claim of an allocation: one request per device, each with one possible answer.

    `host` is the hostname of its node, where that is known.
    """
    directing = {} if host is None else {HOST_LABEL: host}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {
            "name": claim_name(allocation_id),
            "namespace": namespace,
            "labels": {
                "app.kubernetes.io/managed-by": MANAGED_BY,
                ALLOCATION_LABEL: allocation_id,
                **directing,
            },
            "annotations": {f"gpu.company.com/{key}": value for key, value in owner.items()},
        },
        "spec": {"devices": {"requests": [_request(n, pin) for n, pin in enumerate(pins)]}},
    }


def _request(number: int, pin: Pin) -> dict[str, Any]:
    return {
        "name": f"gpu-{number}",
        "exactly": {
            "deviceClassName": CLASS_OF_SLICES if pin.is_slice else CLASS_OF_CARDS,
            "allocationMode": "ExactCount",
            "count": 1,
            "selectors": [{"cel": {"expression": pin.selector()}}],
        },
    }


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def read_claim(thing: Json) -> ClaimFacts:
    """Return what a claim asks for, got, and is used by."""
    metadata = thing["metadata"]
    labels = metadata.get("labels") or {}
    status = thing.get("status") or {}
    results = ((status.get("allocation") or {}).get("devices") or {}).get("results") or ()
    users = [user for user in status.get("reservedFor") or () if user.get("resource") == "pods"]
    return ClaimFacts(
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        allocation_id=labels.get(ALLOCATION_LABEL),
        is_ours=labels.get("app.kubernetes.io/managed-by") == MANAGED_BY,
        is_deleted="deletionTimestamp" in metadata,
        host=labels.get(HOST_LABEL),
        selectors=_selectors(thing.get("spec") or {}),
        devices=tuple(
            ClaimedDevice(r["driver"], r["pool"], r["device"], is_admin=bool(r.get("adminAccess")))
            for r in results
        ),
        pod_names=tuple(user["name"] for user in users),
        pod_uids=tuple(user["uid"] for user in users),
    )


def _selectors(spec: Mapping[str, Any]) -> tuple[str, ...]:
    requests = (spec.get("devices") or {}).get("requests") or ()
    return tuple(
        selector["cel"]["expression"]
        for request in requests
        for selector in (request.get("exactly") or {}).get("selectors") or ()
    )
