"""Kubeflow Profiles (kubeflow.org/v1): whose namespaces are whose, and how many GPUs they may have.

A Profile is a namespace of the same name. Those that name the plugin `GPUManagement` are ours to
serve. A quota of GPUs may be written with or without `requests.`; Kubernetes itself counts only the
first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gpu_management.cluster.protocol import Json
from gpu_management.cluster.quantities import milli_of

PLUGIN = "GPUManagement"

_QUOTAS = ("requests.nvidia.com/gpu", "nvidia.com/gpu")


@dataclass(frozen=True, slots=True)
class ProfileFacts:
    """One Profile that wants its GPUs managed."""

    namespace: str
    owner: str | None
    gpu_limit_milli: int | None
    """Thousandths of GPUs; None where there is no quota."""
    allocates: bool = False
    """Pods that wait for an allocation get one."""
    tracks_cost: bool = False
    """What its pods have is charged to the owner."""


def read_profiles(things: Iterable[Json]) -> list[ProfileFacts]:
    """Return the profiles that ask to be served, by name."""
    found = (_read(thing) for thing in things if "deletionTimestamp" not in thing["metadata"])
    return sorted((one for one in found if one is not None), key=lambda one: one.namespace)


def _read(thing: Json) -> ProfileFacts | None:
    spec = thing.get("spec") or {}
    told = next((p.get("spec") or {} for p in spec.get("plugins") or () if _is_ours(p)), None)
    if told is None or not (told.get("autoAllocation") or told.get("costTracking")):
        return None
    hard = (spec.get("resourceQuotaSpec") or {}).get("hard") or {}
    limit = next((milli_of(hard[name]) for name in _QUOTAS if name in hard), None)
    return ProfileFacts(
        namespace=thing["metadata"]["name"],
        owner=(spec.get("owner") or {}).get("name"),
        gpu_limit_milli=limit,
        allocates=bool(told.get("autoAllocation")),
        tracks_cost=bool(told.get("costTracking")),
    )


def _is_ours(plugin: Mapping[str, Any]) -> bool:
    return plugin.get("kind") == PLUGIN
