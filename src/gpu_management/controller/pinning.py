"""The mode `device-plugin`: pods that name their allocation run on its node and nowhere else.

A pod that names its allocation waits behind our scheduling gate; it is pinned to the node and let
go. A pod without the gate is only checked: the scheduler may have put it elsewhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations import ending, enforcement, journal, observing
from gpu_management.allocations.models import Allocation, Hold, HoldKind, Phase
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.pods import ALLOCATION_GATE, PodFacts, gate_patch, read_pod
from gpu_management.cluster.protocol import (
    Cluster,
    ClusterAway,
    ClusterForbids,
    EvictionDelayed,
    Kind,
    ObjectGone,
    ObjectRefused,
)
from gpu_management.controller.binding import pods_by_key
from gpu_management.controller.directing import hostname
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger
from gpu_management.devices import service as devices

log = get_logger(__name__)

_OPEN = select(Allocation).where(
    Allocation.phase == Phase.ALLOCATED,
    Allocation.claim_name.is_(None),
    Allocation.requested_by != observing.OBSERVER,
)


@dataclass(frozen=True, slots=True)
class _Case:
    """An allocation, the pods that name it, and what they may ask for."""

    allocation: Allocation
    pods: Sequence[PodFacts]
    resources: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Finding:
    """What is to be told of an allocation."""

    allocation_id: str
    reason: str
    message: str
    is_good: bool = False
    is_over: bool = False


class Pinner:
    """The pods of allocations that the device plugin serves; runs on the leader."""

    def __init__(
        self, database: Database, cluster: Cluster, mirror: Mirror, *, cluster_name: str
    ) -> None:
        """Prepare; `mirror` follows pods and nodes."""
        self._database = database
        self._cluster = cluster
        self._mirror = mirror
        self._cluster_name = cluster_name
        self.known: frozenset[str] = frozenset()
        """The allocations whose pods were looked after last."""

    def run(self, now: datetime) -> int:
        """Pin, check and end what is due; return of how many allocations something was told."""
        found = []
        cases = self._cases()
        self.known = frozenset(case.allocation.allocation_id for case in cases)
        for case in cases:
            try:
                finding = self._look(case)
            except ClusterAway as away:
                log.warning("GPU pods have to wait: %s", away)
                break
            if finding is not None:
                found.append(finding)
        return self._record(found, now) if found else 0

    def _cases(self) -> list[_Case]:
        with self._database.read() as session:
            rows = session.scalars(_OPEN.where(Allocation.cluster_name == self._cluster_name))
            ours = [row for row in rows if enforcement.is_pinned(row.conditions)]
            if not ours:
                return []
            wanted = _wanted(session, [row.allocation_id for row in ours])
            session.expunge_all()
        pods = pods_by_key(read_pod(thing) for thing in self._mirror.objects(Kind.POD))
        return [_Case(a, _pods(a, pods), wanted.get(a.allocation_id, {})) for a in ours]

    def _look(self, case: _Case) -> _Finding | None:
        allocation = case.allocation
        live = [pod for pod in case.pods if not pod.is_over]
        if enforcement.is_releasing(allocation):
            return self._end(allocation, live)
        for pod in live:
            trouble = _trouble(case, pod) or self._pin(allocation, pod)
            if trouble is not None:
                return _Finding(allocation.allocation_id, *trouble)
        if not any(pod.node for pod in live):
            return None
        message = f"its pods run on {allocation.node_name} and ask for what was allocated"
        return _Finding(allocation.allocation_id, "PodPlaced", message, is_good=True)

    def _pin(self, allocation: Allocation, pod: PodFacts) -> tuple[str, str] | None:
        """Let a pod that waits go, to the node of its allocation only; return what hindered."""
        if ALLOCATION_GATE not in pod.gates:
            return None
        patch = gate_patch(
            pod, hostname(self._mirror, allocation.node_name) or allocation.node_name
        )
        try:
            self._cluster.merge(Kind.POD, pod.name, patch, namespace=pod.namespace)
        except ObjectGone:
            return None
        except (ClusterForbids, ObjectRefused) as refused:
            return "WaitingForPod", f"pod {pod.name} cannot be pinned: {refused}"
        return None

    def _end(self, allocation: Allocation, live: Sequence[PodFacts]) -> _Finding | None:
        """Say that a release is complete, or what it waits for."""
        if not live:
            return _Finding(allocation.allocation_id, "PodsGone", "", is_over=True)
        told = next(c for c in allocation.conditions if c["type"] == "Releasing")
        if told["reason"] == "PodsRun":
            return None
        delayed = []
        for pod in live:
            try:
                self._cluster.evict(pod.name, namespace=pod.namespace)
            except ObjectGone:
                continue
            except (EvictionDelayed, ClusterForbids) as later:
                delayed.append(str(later))
        if not delayed:
            return None
        return _Finding(allocation.allocation_id, "EvictionDelayed", "; ".join(delayed))

    def _record(self, found: Sequence[_Finding], now: datetime) -> int:
        count = 0
        with self._database.write() as session:
            revision = devices.lock(session, self._cluster_name)
            for one in found:
                count += _write(session, one, revision=revision, now=now)
        return count


def resource_of(kind: HoldKind, profile: str | None) -> str:
    """Return the extended resource of the device plugin (strategy mixed) for a hold."""
    if kind is HoldKind.MIG and profile is not None:
        return f"nvidia.com/mig-{profile.replace('+', '.')}"
    return "nvidia.com/gpu"


def _wanted(session: Session, ids: Sequence[str]) -> dict[str, Counter[str]]:
    query = select(Hold.allocation_id, Hold.kind, Hold.profile_name).where(
        Hold.allocation_id.in_(ids), Hold.ended_at.is_(None)
    )
    found: dict[str, Counter[str]] = {}
    for allocation_id, kind, profile in session.execute(query):
        found.setdefault(str(allocation_id), Counter())[resource_of(kind, profile)] += 1
    return found


def _pods(
    allocation: Allocation, pods: Mapping[tuple[str, str, str], Sequence[PodFacts]]
) -> list[PodFacts]:
    told = pods.get(("told", allocation.namespace, allocation.allocation_id), ())
    named = pods.get(("name", allocation.namespace, allocation.pod_name), ())
    return [*told, *named]


def _trouble(case: _Case, pod: PodFacts) -> tuple[str, str] | None:
    """Return what is wrong with a pod: it asks for more, or runs elsewhere."""
    here = case.allocation.node_name
    for name, count in pod.gpu_resources.items():
        allowed = case.resources.get(name, 0)
        if count > allowed:
            message = f"pod {pod.name} asks for {count} {name}; {allowed} are allocated"
            return "WrongResource", message
    if pod.node not in {None, here}:
        return "WrongNode", f"pod {pod.name} runs on {pod.node}; {here} was allocated"
    return None


def _write(session: Session, told: _Finding, *, revision: int, now: datetime) -> bool:
    found = session.get_one(Allocation, told.allocation_id, populate_existing=True)
    if found.phase is not Phase.ALLOCATED:
        return False
    if told.is_over:
        reason = found.release_reason or "released"
        ending.end(session, found, reason=reason, revision=revision, now=now)
        return True
    if not told.is_good:
        return enforcement.hindered(found, reason=told.reason, message=told.message, now=now)
    is_news = enforcement.placed(found, reason=told.reason, message=told.message, now=now)
    if is_news:
        journal.say(session, "allocation.enforced", found, now=now)
    return is_news
