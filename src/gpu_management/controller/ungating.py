"""Let pods go that wait behind our gate where nothing is given out behind it.

Only the mode `device-plugin` has something for them. Elsewhere they would wait for ever: one that
uses a claim of ours is told its node, and all are let go.
"""

from collections.abc import Collection

from gpu_management.allocations.enforcement import EnforcementMode, Rules
from gpu_management.cluster.claims import read_claim
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.pods import ALLOCATION_GATE, HOSTNAME, PodFacts, gate_patch, read_pod
from gpu_management.cluster.protocol import (
    Cluster,
    ClusterAway,
    ClusterForbids,
    Kind,
    ObjectGone,
    ObjectRefused,
)
from gpu_management.core.logs import get_logger

log = get_logger(__name__)


class Ungater:
    """The pods of one cluster that wait for nothing; runs on the leader."""

    def __init__(self, cluster: Cluster, mirror: Mirror, rules: Rules) -> None:
        """Prepare; `mirror` follows pods and claims."""
        self._cluster = cluster
        self._mirror = mirror
        self._rules = rules
        self._refused: set[str] = set()

    def run(self, pinned: Collection[str]) -> int:
        """Let go of pods; return how many. Those of the allocations `pinned` are looked after."""
        idle = _idle(self._mirror, self._rules, pinned)
        self._refused &= {pod.uid for pod in idle}
        count = 0
        for pod in idle:
            try:
                count += self._let_go(pod)
            except ClusterAway as away:
                log.warning("GPU pods have to wait: %s", away)
                break
        return count

    def _let_go(self, pod: PodFacts) -> bool:
        patch = gate_patch(pod, _host(self._mirror, pod))
        try:
            self._cluster.merge(Kind.POD, pod.name, patch, namespace=pod.namespace)
        except ObjectGone:
            return False
        except (ClusterForbids, ObjectRefused) as refused:
            if pod.uid not in self._refused:
                log.warning("GPU pod %s/%s has to wait: %s", pod.namespace, pod.name, refused)
            self._refused.add(pod.uid)
            return False
        return True


def _idle(mirror: Mirror, rules: Rules, pinned: Collection[str]) -> list[PodFacts]:
    things = mirror.objects(Kind.POD)
    pods = (read_pod(thing) for thing in things if thing["spec"].get("schedulingGates"))
    return [
        pod
        for pod in pods
        if ALLOCATION_GATE in pod.gates
        and not pod.is_over
        and pod.allocation_id not in pinned
        and rules.mode_of(pod.namespace) is not EnforcementMode.DEVICE_PLUGIN
    ]


def _host(mirror: Mirror, pod: PodFacts) -> str | None:
    """Return the host that the pod's claim tells, if it is ours and the pod names no host."""
    if HOSTNAME in pod.node_selector:
        return None
    things = (mirror.find(Kind.CLAIM, pod.namespace, name) for name in pod.claim_names)
    claims = [read_claim(thing) for thing in things if thing is not None]
    return next((claim.host for claim in claims if claim.is_ours and not claim.is_deleted), None)
