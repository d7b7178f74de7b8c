"""Pods of Kubeflow Profiles get their allocation by themselves: those that wait behind our gate.

Mode `device-plugin`: the pod asks for GPUs or slices and names no allocation; it is given one, and
its annotation names it. The rest goes as for any pod that names its allocation.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from gpu_management.allocations import service
from gpu_management.allocations.enforcement import EnforcementMode
from gpu_management.allocations.models import Allocation, Phase, WorkloadType
from gpu_management.allocations.office import Office
from gpu_management.allocations.request import Ask
from gpu_management.auth.principals import SYSTEM
from gpu_management.cluster.crd import event_of
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.pods import ALLOCATION_ANNOTATION, ALLOCATION_GATE, PodFacts, read_pod
from gpu_management.cluster.profiles import ProfileFacts
from gpu_management.cluster.protocol import (
    Cluster,
    ClusterAway,
    ClusterForbids,
    Kind,
    ObjectExists,
    ObjectGone,
    ObjectRefused,
)
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger
from gpu_management.core.problems import Problem, ValidationFailed

log = get_logger(__name__)

AGAIN = timedelta(seconds=5)
"""How soon a pod that got nothing is tried again."""
SMALLEST_GB = 1
"""What a pod needs of each GPU that does not say: any GPU will do."""

_CARD = "nvidia.com/gpu"
_SLICE = re.compile(r"nvidia\.com/mig-\d+g\.(?P<gb>\d+)gb(?:\.[\w.]+)?")
_NOTEBOOK_LABEL = "notebook-name"


@dataclass(frozen=True, slots=True)
class _Try:
    """A pod that got nothing, when it is tried again, and what it was told."""

    again_at: datetime
    told: str


class Waiters:
    """The pods of one cluster that wait for an allocation; runs on the leader."""

    def __init__(
        self, database: Database, cluster: Cluster, mirror: Mirror, *, office: Office
    ) -> None:
        """Prepare; `mirror` follows pods."""
        self._database = database
        self._cluster = cluster
        self._mirror = mirror
        self._office = office
        self._tries: dict[str, _Try] = {}

    def run(self, profiles: Iterable[ProfileFacts], now: datetime) -> int:
        """Give each waiting pod of these profiles an allocation; return how many got one."""
        owners = {one.namespace: one for one in profiles if one.allocates}
        if not owners:
            return 0
        waiting = {pod.uid: pod for pod in self._waiting(owners)}
        self._tries = {uid: one for uid, one in self._tries.items() if uid in waiting}
        count = 0
        for pod in waiting.values():
            if not self._is_due(pod, now):
                continue
            try:
                count += self._serve(pod, owners[pod.namespace], now)
            except ClusterAway as away:
                log.warning("GPU pods have to wait for their allocations: %s", away)
                break
        return count

    def _waiting(self, owners: Mapping[str, ProfileFacts]) -> list[PodFacts]:
        pods = (read_pod(thing) for thing in self._mirror.objects(Kind.POD))
        rules = self._office.enforcement
        return [
            pod
            for pod in pods
            if ALLOCATION_GATE in pod.gates
            and pod.allocation_id is None
            and not pod.is_over
            and pod.namespace in owners
            and rules.mode_of(pod.namespace) is EnforcementMode.DEVICE_PLUGIN
        ]

    def _is_due(self, pod: PodFacts, now: datetime) -> bool:
        known = self._tries.get(pod.uid)
        return known is None or now >= known.again_at

    def _serve(self, pod: PodFacts, profile: ProfileFacts, now: datetime) -> bool:
        """Allocate and tell the pod; whatever happens in between, the next run does the same."""
        try:
            made = self._allocate(_ask(pod, profile), pod, now)
        except Problem as refused:
            self._tell(pod, refused.detail, now)
            return False
        if made.phase is not Phase.ALLOCATED:
            self._tell(pod, f"its allocation {made.allocation_id} has ended", now)
            return False
        patch = {"metadata": {"annotations": {ALLOCATION_ANNOTATION: made.allocation_id}}}
        try:
            self._cluster.merge(Kind.POD, pod.name, patch, namespace=pod.namespace)
        except ObjectGone:
            return False
        except (ClusterForbids, ObjectRefused) as refused:
            log.warning("GPU pod %s/%s cannot be told: %s", pod.namespace, pod.name, refused)
            return False
        return True

    def _allocate(self, ask: Ask, pod: PodFacts, now: datetime) -> Allocation:
        with self._database.write() as session:
            made = service.request(
                session,
                self._office,
                ask,
                principal=SYSTEM,
                now=now,
                idempotency_key=f"pod/{pod.uid}",
            )
            session.flush()
            session.expunge_all()
        return made

    def _tell(self, pod: PodFacts, message: str, now: datetime) -> None:
        """Say why a pod waits on, once."""
        before = self._tries.get(pod.uid)
        self._tries[pod.uid] = _Try(now + AGAIN, message)
        if before is not None and before.told == message:
            return
        about = {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": pod.namespace,
            "name": pod.name,
            "uid": pod.uid,
        }
        event = event_of(about, "WaitingForGpu", message, is_warning=True, now=now)
        with suppress(ObjectExists, ObjectGone, ObjectRefused, ClusterForbids):
            self._cluster.create(Kind.EVENT, event)


def _ask(pod: PodFacts, profile: ProfileFacts) -> Ask:
    """Return what a pod asks for.

    Raises:
        ValidationFailed: it asks for nothing, or for things that no one allocation can be.
    """
    count, gb, is_slice = _wanted(pod)
    return Ask(
        namespace=pod.namespace,
        pod_name=pod.name,
        workload_type=_workload_type(pod),
        required_memory_gb=max(pod.required_memory_gb or SMALLEST_GB, gb),
        use_mig=is_slice,
        count=count,
        user_id=profile.owner if profile.tracks_cost else None,
        team_id=profile.namespace,
        node_selector=tuple(sorted(pod.node_selector.items())),
    )


def _wanted(pod: PodFacts) -> tuple[int, int, bool]:
    """Return how many, of how many GB at least, and whether they are slices."""
    told = dict(pod.gpu_resources)
    cards = told.pop(_CARD, 0)
    if cards and not told:
        return cards, 0, False
    slices = [(_SLICE.fullmatch(name), count) for name, count in told.items()]
    match slices:
        case [(found, 1)] if found is not None and not cards:
            return 1, int(found["gb"]), True
    asked = ", ".join(f"{count} {name}" for name, count in pod.gpu_resources.items()) or "nothing"
    raise ValidationFailed(
        f"it asks for {asked}; an allocation is of GPUs ({_CARD}), or of one MIG slice"
    )


def _workload_type(pod: PodFacts) -> WorkloadType:
    if _NOTEBOOK_LABEL in pod.labels:
        return WorkloadType.DEVELOPMENT
    return WorkloadType.TRAINING if pod.owner_kind == "Job" else WorkloadType.DEVELOPMENT
