"""Do in the cluster what one intent asks for; says what came of it and writes nothing down."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gpu_management.cluster.claims import (
    ALLOCATION_LABEL,
    ClaimFacts,
    Pin,
    pinned_claim,
    read_claim,
)
from gpu_management.cluster.models import ClaimIntent, Wanted
from gpu_management.cluster.protocol import (
    Cluster,
    ClusterForbids,
    EvictionDelayed,
    Kind,
    KindUnknown,
    ObjectExists,
    ObjectGone,
    ObjectRefused,
)
from gpu_management.cluster.slices import SliceDevice


@dataclass(frozen=True, slots=True)
class Work:
    """An intent, as it was when it was read."""

    allocation_id: str
    namespace: str
    name: str
    devices: tuple[dict[str, Any], ...]
    owner: dict[str, str]
    wanted: Wanted
    ends_pods: bool
    was_there: bool
    host: str | None = None
    """Hostname of the node of its devices, where that is known."""

    @classmethod
    def of(cls, intent: ClaimIntent, *, host: str | None) -> "Work":
        """Return what an intent asks for."""
        return cls(
            allocation_id=intent.allocation_id,
            namespace=intent.namespace,
            name=intent.claim_name,
            devices=tuple(intent.devices),
            owner=dict(intent.owner),
            wanted=intent.wanted,
            ends_pods=intent.ends_pods,
            was_there=intent.enforced_at is not None,
            host=host,
        )


@dataclass(frozen=True, slots=True)
class There:
    """The claim is there, as it should be."""

    uid: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The claim is not there, and nothing holds its devices for us."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing is wrong, but others have to act first."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """It does not work; `is_final` where trying again cannot help."""

    reason: str
    message: str
    is_final: bool = False


Result = There | Gone | Waiting | Trouble


def act(cluster: Cluster, work: Work, slices: Sequence[SliceDevice]) -> Result:
    """Make the claim be there or not, as wanted; may be repeated.

    Raises:
        ClusterAway: the cluster does not answer; nothing is known then.
    """
    try:
        if work.wanted is Wanted.ABSENT:
            return _remove(cluster, work)
        return _make(cluster, work, slices)
    except ClusterForbids as refused:
        return Trouble("Forbidden", str(refused))
    except KindUnknown as missing:
        return Trouble("NoResourceClaims", str(missing))


def _make(cluster: Cluster, work: Work, slices: Sequence[SliceDevice]) -> Result:
    pins = [_pin(device, slices) for device in work.devices]
    missing = [device for device, pin in zip(work.devices, pins, strict=True) if pin is None]
    if missing:
        first = missing[0]
        place = f"{first['profile']} at {first['start']} of {first['uuid']}"
        return Trouble("SliceMissing", f"the cluster has no slice {place}")
    manifest = pinned_claim(
        work.allocation_id,
        work.namespace,
        [pin for pin in pins if pin is not None],
        owner=work.owner,
        host=work.host,
    )
    try:
        return There(read_claim(cluster.create(Kind.CLAIM, manifest)).uid)
    except ObjectExists:
        return _adopt(cluster, work, read_claim(manifest))
    except ObjectGone as gone:
        if work.was_there:
            return Gone()  # with its namespace, and everything that could use it
        return Trouble("NamespaceMissing", str(gone))
    except ObjectRefused as refused:
        return Trouble("Refused", str(refused), is_final=True)


def _pin(device: dict[str, Any], slices: Sequence[SliceDevice]) -> Pin | None:
    """Return how a claim names a device; None for a slice that the cluster does not have."""
    uuid, profile, start = device["uuid"], device["profile"], device["start"]
    if profile is None:
        return Pin(uuid=uuid)
    for told in slices:
        if (told.parent_uuid, told.profile, told.placement_start) != (uuid, profile, start):
            continue
        if told.uuid is not None:
            return Pin(uuid=told.uuid, profile=profile)
        return Pin(
            parent_uuid=uuid, profile=profile, start=start if told.has_memory_slices else None
        )
    return None


def _adopt(cluster: Cluster, work: Work, wanted: ClaimFacts) -> Result:
    """Take a claim of our name for ours where it is pinned as it should be."""
    try:
        there = read_claim(cluster.get(Kind.CLAIM, work.name, namespace=work.namespace))
    except ObjectGone:
        return Waiting("ClaimDeleted", "the claim is being made anew")
    if there.is_deleted:
        users = ", ".join(there.pod_names) or "its finalizer"
        message = f"somebody deleted the claim; it is made anew when {users} let go"
        return Waiting("ClaimDeleted", message)
    if there.selectors != wanted.selectors:
        return _replace(cluster, work, there)
    if there.allocation_id != work.allocation_id:
        patch = {"metadata": {"labels": {ALLOCATION_LABEL: work.allocation_id}}}
        cluster.merge(Kind.CLAIM, work.name, patch, namespace=work.namespace)
    return There(there.uid)


def _replace(cluster: Cluster, work: Work, there: ClaimFacts) -> Result:
    """Remove a claim that took our name but is pinned to something else."""
    if there.pod_names:
        message = f"another claim has this name and is used by {', '.join(there.pod_names)}"
        return Trouble("NameTaken", message)
    with suppress(ObjectGone):
        cluster.delete(Kind.CLAIM, work.name, namespace=work.namespace)
    return Waiting("ClaimChanged", "another claim had its name; it is made anew")


def _remove(cluster: Cluster, work: Work) -> Result:
    try:
        delayed = _end_pods(cluster, work) if work.ends_pods else ()
        cluster.delete(Kind.CLAIM, work.name, namespace=work.namespace)
        there = read_claim(cluster.get(Kind.CLAIM, work.name, namespace=work.namespace))
    except ObjectGone:
        return Gone()
    users = ", ".join(there.pod_names)
    if delayed:
        return Waiting("EvictionDelayed", "; ".join(delayed))
    if users:
        return Waiting("PodsUseClaim", f"claim {work.name} is gone when pods end: {users}")
    return Waiting("WaitingForCluster", f"claim {work.name} is being deleted")


def _end_pods(cluster: Cluster, work: Work) -> tuple[str, ...]:
    """Evict the pods that use the claim; return why some may stay for now."""
    there = read_claim(cluster.get(Kind.CLAIM, work.name, namespace=work.namespace))
    delayed = []
    for pod in there.pod_names:
        try:
            cluster.evict(pod, namespace=work.namespace)
        except ObjectGone:
            continue
        except EvictionDelayed as later:
            delayed.append(str(later))
    return tuple(delayed)
