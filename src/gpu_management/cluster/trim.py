"""Cut objects down to what is read of them: less memory, and no news where nothing changed.

A node's heartbeat and its list of images, or who managed which field, concern nobody here.
"""

from typing import Any, Final

from gpu_management.cluster.pods import ANNOTATIONS, read_pod
from gpu_management.cluster.protocol import Json, Kind

_METADATA = (
    "name",
    "namespace",
    "uid",
    "labels",
    "annotations",
    "deletionTimestamp",
    "ownerReferences",
    "creationTimestamp",
)
_CONDITION = ("type", "status")


def _metadata(thing: Json) -> dict[str, Any]:
    told = thing["metadata"]
    return {name: told[name] for name in _METADATA if name in told}


def trim_node(thing: Json) -> Json:
    """Keep what inventory reads of a node."""
    status = thing.get("status") or {}
    conditions = [
        {name: condition.get(name) for name in _CONDITION}
        for condition in status.get("conditions") or ()
        if condition.get("type") == "Ready"
    ]
    info = status.get("nodeInfo") or {}
    metadata = _metadata(thing)
    metadata.pop("annotations", None)
    return {
        "metadata": metadata,
        "spec": {
            name: value
            for name, value in (thing.get("spec") or {}).items()
            if name in {"unschedulable", "taints"}
        },
        "status": {
            "capacity": status.get("capacity") or {},
            "allocatable": status.get("allocatable") or {},
            "conditions": conditions,
            "addresses": status.get("addresses") or (),
            "nodeInfo": {"kubeletVersion": info.get("kubeletVersion")},
        },
    }


def trim_plain(thing: Json) -> Json:
    """Keep everything but the bookkeeping of who wrote which field when."""
    return {**thing, "metadata": _metadata(thing)}


def trim_pod(thing: Json) -> Json | None:
    """Keep pods that have to do with GPUs, with what is read of them."""
    facts = read_pod(thing)
    if not (facts.gpu_resources or facts.claim_names or facts.allocation_id):
        return None
    metadata = _metadata(thing)
    told = metadata.pop("annotations", None) or {}
    kept = {name: told[name] for name in ANNOTATIONS if name in told}
    if kept:
        metadata["annotations"] = kept
    spec, status = thing.get("spec") or {}, thing.get("status") or {}
    return {
        "metadata": metadata,
        "spec": {
            "nodeName": spec.get("nodeName"),
            "nodeSelector": spec.get("nodeSelector"),
            "resourceClaims": spec.get("resourceClaims"),
            "schedulingGates": spec.get("schedulingGates"),
            "containers": _resources(spec.get("containers")),
            "initContainers": _resources(spec.get("initContainers")),
        },
        "status": {
            name: status[name]
            for name in (
                "phase",
                "startTime",
                "resourceClaimStatuses",
                "extendedResourceClaimStatus",
            )
            if name in status
        },
    }


def _resources(containers: Any) -> list[dict[str, Any]]:
    return [
        {name: one[name] for name in ("name", "resources", "restartPolicy") if name in one}
        for one in containers or ()
    ]


TRIMS: Final = {
    Kind.NODE: trim_node,
    Kind.SLICE: trim_plain,
    Kind.CLAIM: trim_plain,
    Kind.POD: trim_pod,
}
"""How each kind is cut down."""
