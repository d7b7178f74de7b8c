"""Follow the pods of allocations: who uses which, when that is over, and who never came."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations import enforcement, journal, observing, service, stopping
from gpu_management.allocations.binding import (
    Patience,
    Reservation,
    SeenPod,
    Verdict,
    judge,
)
from gpu_management.allocations.models import Allocation, Phase
from gpu_management.auth.principals import SYSTEM
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.pods import PodFacts, read_pod
from gpu_management.cluster.protocol import Kind
from gpu_management.cluster.usage import movable_of
from gpu_management.core.database import Database
from gpu_management.devices import service as devices

LOOK_AGAIN = timedelta(seconds=5)
"""Between looks while no pod changes: an allocation may be new, or its time over."""

_Key = tuple[str, str, str]
_OPEN = select(
    Allocation.allocation_id,
    Allocation.namespace,
    Allocation.pod_name,
    Allocation.pod_uid,
    Allocation.claim_name,
    Allocation.allocated_at,
    Allocation.movable,
    Allocation.conditions,
).where(
    Allocation.phase == Phase.ALLOCATED,
    Allocation.requested_by != observing.OBSERVER,
    Allocation.release_reason.is_(None),
)
_OpenRow = Row[
    tuple[
        str,
        str,
        str,
        str | None,
        str | None,
        datetime | None,
        bool | None,
        list[dict[str, str]],
    ]
]


@dataclass(frozen=True, slots=True)
class _News:
    allocation_id: str
    verdict: Verdict
    is_movable: bool | None
    """What its pods say of being moved; None where they say nothing."""


class Binder:
    """The pods of one cluster's allocations; runs on the leader."""

    def __init__(
        self, database: Database, mirror: Mirror, *, cluster_name: str, patience: Patience
    ) -> None:
        """Prepare; `patience` says how long an allocation is kept for pods."""
        self._database = database
        self._mirror = mirror
        self._cluster_name = cluster_name
        self._patience = patience
        self._seen = -1
        self._looked_at: datetime | None = None

    def run(self, now: datetime) -> int:
        """Write what changed; return of how many allocations."""
        edition = self._mirror.edition(Kind.POD)
        is_due = self._looked_at is None or now - self._looked_at >= LOOK_AGAIN
        if edition == self._seen and not is_due:
            return 0
        pods = [read_pod(thing) for thing in self._mirror.objects(Kind.POD)]
        news = self._compare(pods_by_key(pods), now)
        if news:
            with self._database.write() as session:
                devices.lock(session, self._cluster_name)
                for one in news:
                    _write(session, one, now=now)
        self._seen, self._looked_at = edition, now
        return len(news)

    def _compare(self, pods: Mapping[_Key, Sequence[PodFacts]], now: datetime) -> list[_News]:
        with self._database.read() as session:
            rows = session.execute(_OPEN.where(Allocation.cluster_name == self._cluster_name)).all()
        found = []
        for row in rows:
            if marks.has(row.conditions, stopping.MOVING):
                continue  # a plan ended its pods
            facts = _pods_of(row, pods)
            seen = [_seen(pod, is_told=is_told) for pod, is_told in facts]
            verdict = judge(_reservation(row), seen, self._patience, now=now)
            movable = _movable([pod for pod, _ in facts], verdict)
            if _is_news(row, verdict) or movable not in {None, row.movable}:
                found.append(_News(row.allocation_id, verdict, movable))
        return found


def pods_by_key(pods: Iterable[PodFacts]) -> dict[_Key, list[PodFacts]]:
    """Return pods by what they are known under: annotation, claim, or name."""
    found: dict[_Key, list[PodFacts]] = {}
    for pod in pods:
        keys = [("claim", pod.namespace, name) for name in pod.claim_names]
        if pod.allocation_id is not None:
            keys.append(("told", pod.namespace, pod.allocation_id))
        elif not pod.claim_names:
            keys.append(("name", pod.namespace, pod.name))
        for key in keys:
            found.setdefault(key, []).append(pod)
    return found


def _pods_of(row: _OpenRow, pods: Mapping[_Key, Sequence[PodFacts]]) -> list[tuple[PodFacts, bool]]:
    """Return the pods of an allocation, and of each whether it says so itself."""
    told = [*pods.get(("told", row.namespace, row.allocation_id), ())]
    if row.claim_name is not None:
        told += pods.get(("claim", row.namespace, row.claim_name), ())
        named: Sequence[PodFacts] = ()
    else:
        named = pods.get(("name", row.namespace, row.pod_name), ())
    by_uid = {pod.uid: (pod, False) for pod in named}
    by_uid |= {pod.uid: (pod, True) for pod in told}
    return list(by_uid.values())


def _movable(pods: Sequence[PodFacts], verdict: Verdict) -> bool | None:
    """Say whether the pods that use an allocation let it be moved: one that does not is enough."""
    using = {pod.uid for pod in verdict.pods}
    told = {movable_of(pod.labels) for pod in pods if pod.uid in using} - {None}
    return None if not told else False not in told


def _seen(pod: PodFacts, *, is_told: bool) -> SeenPod:
    return SeenPod(pod.name, pod.uid, pod.started_at, pod.node is not None, pod.is_over, is_told)


def _reservation(row: _OpenRow) -> Reservation:
    assert row.allocated_at is not None  # noqa: S101 - what is allocated has its moment
    told = _bound_condition(row)
    since = None
    if told is not None and told["status"] == "False":
        since = datetime.fromisoformat(told["last_transition_time"])
    return Reservation(row.allocated_at, row.pod_uid, since)


def _bound_condition(row: _OpenRow) -> Mapping[str, str] | None:
    return next((one for one in row.conditions if one["type"] == "Bound"), None)


def _is_news(row: _OpenRow, verdict: Verdict) -> bool:
    if verdict.ends:
        return True
    told = _bound_condition(row)
    if verdict.is_deserted:
        return told is None or told["status"] == "True" or row.pod_uid is None
    if not verdict.pods:
        return False
    if row.pod_uid not in {pod.uid for pod in verdict.pods}:
        return True
    message = enforcement.used_by(pod.name for pod in verdict.pods)
    return row.claim_name is None and (told is None or told["message"] != message)


def _write(session: Session, news: _News, *, now: datetime) -> None:
    verdict = news.verdict
    found = session.get_one(Allocation, news.allocation_id, populate_existing=True)
    if found.phase is not Phase.ALLOCATED or enforcement.is_releasing(found):
        return
    if news.is_movable is not None:
        found.movable = news.is_movable
    if verdict.pods and found.pod_uid not in {pod.uid for pod in verdict.pods}:
        found.pod_uid = verdict.pods[0].uid
    names = [pod.name for pod in verdict.pods]
    if verdict.is_deserted:
        is_news = enforcement.deserted(found, now=now)
    else:  # who uses a claim is told by the claim
        is_news = found.claim_name is None and enforcement.bound(found, names, now=now)
    if is_news:
        journal.say(session, "allocation.bound", found, now=now)
    if verdict.ends:
        service.release(session, news.allocation_id, principal=SYSTEM, reason=verdict.ends, now=now)
