"""GpuAllocation objects (gpu.company.com/v1): what is asked for with kubectl, and our answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from gpu_management.cluster.claims import MANAGED_BY
from gpu_management.cluster.protocol import Json, Kind

FINALIZER = "gpu.company.com/release"
"""Keeps an object until the cluster has let go of its devices."""

_METADATA = (
    "name",
    "namespace",
    "uid",
    "generation",
    "resourceVersion",
    "finalizers",
    "deletionTimestamp",
)
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class AllocationObject:
    """One object."""

    namespace: str
    name: str
    uid: str
    version: str
    generation: int
    finalizers: tuple[str, ...]
    is_deleted: bool
    spec: Mapping[str, Any]
    status: Mapping[str, Any]

    @property
    def is_kept(self) -> bool:
        """Say whether our finalizer is on it."""
        return FINALIZER in self.finalizers


def read_object(thing: Json) -> AllocationObject:
    """Return what an object says; a spec that is not there is empty."""
    metadata = thing["metadata"]
    return AllocationObject(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        generation=metadata.get("generation", 1),
        finalizers=tuple(metadata.get("finalizers") or ()),
        is_deleted="deletionTimestamp" in metadata,
        spec=thing.get("spec") or {},
        status=thing.get("status") or {},
    )


def trim_object(thing: Json) -> Json:
    """Keep what is read of an object."""
    told = thing["metadata"]
    return {
        "metadata": {name: told[name] for name in _METADATA if name in told},
        "spec": thing.get("spec"),
        "status": thing.get("status"),
    }


def finalizer_patch(thing: AllocationObject, *, is_kept: bool) -> Json:
    """Return the patch that puts our finalizer on an object or takes it off.

    It fails where somebody changed the object meanwhile: others have finalizers too.
    """
    others = [name for name in thing.finalizers if name != FINALIZER]
    wanted = [*others, FINALIZER] if is_kept else others
    return {"metadata": {"finalizers": wanted, "resourceVersion": thing.version}}


def status_patch(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> Json | None:
    """Return the merge patch from one status to the other, or None where they are equal."""
    told = {name: value for name, value in wanted.items() if value is not None}
    changed = {name: value for name, value in told.items() if present.get(name) != value}
    gone = {name: None for name in present if name not in told}
    return {"status": {**changed, **gone}} if changed or gone else None


def event_about(
    thing: AllocationObject, reason: str, message: str, *, is_warning: bool, now: datetime
) -> Json:
    """Return an Event about an object; the same news has the same name, so it is told once."""
    spec = Kind.ALLOCATION.value
    about = {
        "apiVersion": f"{spec.group}/{spec.version}",
        "kind": spec.kind,
        "namespace": thing.namespace,
        "name": thing.name,
        "uid": thing.uid,
    }
    return event_of(about, reason, message, is_warning=is_warning, now=now)


def event_of(
    about: Mapping[str, str], reason: str, message: str, *, is_warning: bool, now: datetime
) -> Json:
    """Return an Event about whatever `about` refers to."""
    digest = sha256(f"{about['uid']} {reason} {message}".encode()).hexdigest()[:16]
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{about['name'][:_LONGEST_NAME]}.{digest}",
            "namespace": about["namespace"],
        },
        "involvedObject": dict(about),
        "type": "Warning" if is_warning else "Normal",
        "reason": reason,
        "message": message[:1000],
        "source": {"component": MANAGED_BY},
        "reportingComponent": MANAGED_BY,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
