"""Who uses which GPU without us: claims of others, and pods of the device plugin.

A claim names its devices. The device plugin tells only how many a pod has of which resource, so
which card it is stays a guess until the node's kubelet is asked; a guess says so.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gpu_management.cluster.claims import ClaimFacts
from gpu_management.cluster.pods import PodFacts
from gpu_management.cluster.slices import DRIVER, SliceDevice

TEAM_LABELS = ("gpu.company.com/team", "team")
MOVABLE_LABEL = "gpu.company.com/movable"
"""Label of a pod: `true`, a repartition plan may move it; `false`, none ever may."""

_CARD = re.compile(r"nvidia\.com/gpu(?:\.shared)?")
_SLICE = re.compile(r"nvidia\.com/mig-(?P<profile>\d+g\.\d+gb)(?P<more>\.[\w.]+)?")


@dataclass(frozen=True, slots=True)
class UsedPart:
    """One device in use; without a uuid any card, or any slice of the profile, of the node."""

    uuid: str | None = None
    """The card's."""
    profile: str | None = None
    start: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one claim or pod uses."""

    uid: str
    namespace: str
    pod_name: str
    node: str
    parts: tuple[UsedPart, ...]
    team: str | None
    owner_kind: str | None
    owner_name: str | None
    is_guess: bool
    """Which devices they are is not known, only how many."""
    allocation_id: str | None = None
    """The allocation that the pod says it belongs to."""
    is_movable: bool | None = None
    """Whether a repartition plan may move it, as far as the pod says."""


def read_usage(
    pods: Sequence[PodFacts], claims: Iterable[ClaimFacts], devices: Iterable[SliceDevice]
) -> list[Usage]:
    """Return what is used without us; access for monitoring is no use."""
    by_name = {(device.pool, device.name): device for device in devices}
    by_key = {pod.key: pod for pod in pods}
    found = []
    for claim in claims:
        used = None if claim.is_ours else _of_claim(claim, by_name, by_key)
        if used is not None:
            found.append(used)
    found += [_of_pod(pod) for pod in pods if _holds_plainly(pod)]
    return [usage for usage in found if usage.parts]


def _of_claim(
    claim: ClaimFacts,
    devices: Mapping[tuple[str, str], SliceDevice],
    pods: Mapping[tuple[str, str], PodFacts],
) -> Usage | None:
    told = [
        devices.get((got.pool, got.device))
        for got in claim.devices
        if got.driver == DRIVER and not got.is_admin
    ]
    known = [device for device in told if device is not None]
    if not known:
        return None
    pod_name = claim.pod_names[0] if claim.pod_names else claim.name
    pod = pods.get((claim.namespace, pod_name))
    return Usage(
        uid=claim.uid,
        namespace=claim.namespace,
        pod_name=pod_name,
        node=known[0].node,
        parts=tuple(_part(device) for device in known),
        team=None if pod is None else _team(pod),
        owner_kind=None if pod is None else pod.owner_kind,
        owner_name=None if pod is None else pod.owner_name,
        is_guess=False,
        is_movable=None if pod is None else movable_of(pod.labels),
    )


def _part(device: SliceDevice) -> UsedPart:
    if device.kind == "mig":
        return UsedPart(device.parent_uuid, device.profile, device.placement_start)
    return UsedPart(device.uuid)


def _holds_plainly(pod: PodFacts) -> bool:
    """Say whether a pod has GPUs of the device plugin: those of a claim are counted there."""
    return pod.node is not None and not pod.is_over and not pod.claim_names


def _of_pod(pod: PodFacts) -> Usage:
    parts: list[UsedPart] = []
    for resource, count in pod.gpu_resources.items():
        cut = _SLICE.fullmatch(resource)
        if cut:
            more = (cut["more"] or "").replace(".", "+")
            parts += [UsedPart(profile=f"{cut['profile']}{more}")] * count
        elif _CARD.fullmatch(resource):
            parts += [UsedPart()] * count
    return Usage(
        uid=pod.uid,
        namespace=pod.namespace,
        pod_name=pod.name,
        node=pod.node or "",
        parts=tuple(parts),
        team=_team(pod),
        owner_kind=pod.owner_kind,
        owner_name=pod.owner_name,
        is_guess=True,
        allocation_id=pod.allocation_id,
        is_movable=movable_of(pod.labels),
    )


def _team(pod: PodFacts) -> str | None:
    return next((pod.labels[name] for name in TEAM_LABELS if pod.labels.get(name)), None)


def movable_of(labels: Mapping[str, str]) -> bool | None:
    """Say whether a pod lets a repartition plan move it; None where it says nothing of use."""
    return {"true": True, "false": False}.get(labels.get(MOVABLE_LABEL, "").casefold())
