"""Tell pods the node of their claim before the scheduler asks every node for it.

A claim that no pod uses carries the hostname of its node as a label; an admission policy of ours
(`k8s/components/direct-pods`) hands that to the pods that name the claim. The policy looks at each
claim with the label, so one in use has none: its pods are past it, and for more of them the cluster
itself knows the node by then.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from gpu_management.cluster.claims import HOST_LABEL, ClaimFacts
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.pods import HOSTNAME
from gpu_management.cluster.protocol import (
    Cluster,
    ClusterAway,
    ClusterForbids,
    Kind,
    KindUnknown,
    ObjectGone,
    ObjectRefused,
)
from gpu_management.core.logs import get_logger

log = get_logger(__name__)

AT_ONCE = 50
"""Claims of one run; each change makes another run."""


def hostname(mirror: Mirror, node: str | None) -> str | None:
    """Return what a node calls itself in its label; None where nothing is known of that."""
    thing = mirror.find(Kind.NODE, "", node) if node is not None else None
    labels: Mapping[str, Any] = (thing or {}).get("metadata", {}).get("labels") or {}
    return labels.get(HOSTNAME)


def direct(
    cluster: Cluster, mirror: Mirror, claims: Iterable[tuple[ClaimFacts, str | None]]
) -> int:
    """Bring the labels of claims, each with its node, up to date; return how many that were."""
    due = [(claim, host) for claim, host in _hosts(mirror, claims) if claim.host != host]
    try:
        for claim, host in due[:AT_ONCE]:
            patch = {"metadata": {"labels": {HOST_LABEL: host}}}
            with suppress(ObjectGone, ObjectRefused):
                cluster.merge(Kind.CLAIM, claim.name, patch, namespace=claim.namespace)
    except (ClusterAway, ClusterForbids, KindUnknown) as trouble:
        log.warning("GPU pods find the node of their claims slowly for now: %s", trouble)
        return 0
    return len(due[:AT_ONCE])


def _hosts(
    mirror: Mirror, claims: Iterable[tuple[ClaimFacts, str | None]]
) -> Iterable[tuple[ClaimFacts, str | None]]:
    """Yield the claims that stay, each with the host that its label should tell."""
    for claim, node in claims:
        if claim.is_ours and not claim.is_deleted:
            yield claim, None if claim.pod_names else hostname(mirror, node)
