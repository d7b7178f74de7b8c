"""Make the cluster obey the ledger: work off intents, and repair what others changed.

An intent is acted on outside any transaction and its result is written in one; whatever happens in
between, the next run finds the intent still due and does the same again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from prometheus_client import Counter
from sqlalchemy import ColumnElement, Select, String, and_, or_, select, type_coerce, update
from sqlalchemy.orm import Session

from gpu_management.allocations import enforcement, journal
from gpu_management.allocations.models import Allocation, Phase
from gpu_management.cluster.claims import ClaimFacts, read_claim
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.models import ClaimIntent, Wanted
from gpu_management.cluster.protocol import Cluster, ClusterAway, Kind
from gpu_management.cluster.slices import SliceDevice, read_pools
from gpu_management.controller.claims import Gone, Result, There, Trouble, Waiting, Work, act
from gpu_management.controller.directing import direct, hostname
from gpu_management.controller.sweeping import sweep
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger
from gpu_management.devices import service as devices

log = get_logger(__name__)

FAILURES = Counter(
    "gpu_management_enforcement_failures", "Allocations that the cluster did not enforce.", ["why"]
)
AT_ONCE = 100
"""Intents of one run; the next run goes on."""
LONGEST_WAIT_SECONDS = 15.0
_FIRST_WAIT_SECONDS = 0.5


class Enforcer:
    """The work of one cluster's intents; runs on the leader."""

    def __init__(
        self,
        database: Database,
        cluster: Cluster,
        mirror: Mirror,
        *,
        cluster_name: str,
        deadline_seconds: float = 120.0,
    ) -> None:
        """Prepare; `deadline_seconds` is how long a claim may be refused before it has failed."""
        self._database = database
        self._cluster = cluster
        self._mirror = mirror
        self._cluster_name = cluster_name
        self._deadline = timedelta(seconds=deadline_seconds)
        self._looked_at = -1
        self._has_checked = False
        self._bound: dict[str, tuple[str, ...]] = {}

    def run(self, now: datetime) -> int:
        """Do what is due; return how much that was."""
        health = self._mirror.health()
        if health.is_synced and health.stale_since is None:
            self._look(now)
            self._check_taken(now)
        done = 0
        while True:
            results, is_away = self._act(now)
            if results:
                self._record(results, now)
            done += len(results)
            if is_away or len(results) < AT_ONCE:
                return done

    def check_all(self, now: datetime) -> None:
        """Look at every claim again: something that stood in the way of one is gone."""
        with self._database.write() as session:
            session.execute(
                update(ClaimIntent)
                .where(
                    ClaimIntent.cluster_name == self._cluster_name,
                    ClaimIntent.gone_at.is_(None),
                    ClaimIntent.due_at.is_(None),
                )
                .values(due_at=now)
            )

    def _check_taken(self, now: datetime) -> None:
        """Look anew, once, at what was taken by others when the process before this one ended."""
        if self._has_checked:
            return
        self._has_checked = True
        taken = select(Allocation.allocation_id).where(
            Allocation.phase == Phase.ALLOCATED,
            type_coerce(Allocation.conditions, String).contains(f'"{enforcement.TAKEN}"'),
        )
        with self._database.write() as session:
            session.execute(
                update(ClaimIntent)
                .where(ClaimIntent.allocation_id.in_(taken), ClaimIntent.gone_at.is_(None))
                .values(due_at=now)
                .execution_options(synchronize_session=False)
            )

    def _act(self, now: datetime) -> tuple[list[tuple[Work, Result]], bool]:
        with self._database.read() as session:
            due = (
                self._open()
                .where(_is_due(now))
                .order_by(ClaimIntent.due_at, ClaimIntent.created_at)
                .limit(AT_ONCE)
            )
            work = [
                Work.of(intent, host=hostname(self._mirror, node))
                for intent, node in session.execute(due)
            ]
        slices = self._slices() if any(d["profile"] for w in work for d in w.devices) else ()
        results: list[tuple[Work, Result]] = []
        for one in work:
            try:
                results.append((one, act(self._cluster, one, slices)))
            except ClusterAway as away:
                log.warning("GPU claims have to wait: %s", away)
                return results, True
        return results, False

    def _slices(self) -> Sequence[SliceDevice]:
        pools = read_pools(self._mirror.objects(Kind.SLICE))
        return [device for pool in pools for device in pool.devices if device.kind == "mig"]

    def _record(self, results: Sequence[tuple[Work, Result]], now: datetime) -> None:
        with self._database.write() as session:
            devices.lock(session, self._cluster_name)
            for work, result in results:
                intent = session.get_one(ClaimIntent, work.allocation_id, populate_existing=True)
                if intent.wanted is work.wanted and intent.gone_at is None:
                    self._note(session, intent, result, now)

    def _note(self, session: Session, intent: ClaimIntent, result: Result, now: datetime) -> None:
        allocation = session.get_one(Allocation, intent.allocation_id, populate_existing=True)
        match result:
            case There(uid):
                _note_there(session, intent, allocation, uid, now=now)
            case Gone():
                allocation.release_reason = allocation.release_reason or "namespace deleted"
                enforcement.finish(session, intent, now=now)
            case Waiting(reason, message):
                _wait(intent, now)
                enforcement.hindered(allocation, reason=reason, message=message, now=now)
            case Trouble():
                self._note_trouble(session, intent, allocation, result, now=now)

    def _note_trouble(
        self,
        session: Session,
        intent: ClaimIntent,
        allocation: Allocation,
        trouble: Trouble,
        *,
        now: datetime,
    ) -> None:
        _wait(intent, now)
        intent.last_error = trouble.message[:400]
        intent.failing_since = intent.failing_since or now
        enforcement.hindered(allocation, reason=trouble.reason, message=trouble.message, now=now)
        is_late = now - intent.failing_since >= self._deadline
        if intent.wanted is Wanted.PRESENT and (trouble.is_final or is_late):
            FAILURES.labels(trouble.reason).inc()
            enforcement.give_up(
                session, allocation, reason=trouble.reason, message=trouble.message, now=now
            )

    def _look(self, now: datetime) -> None:
        """Find claims that others changed, and those that are gone at last."""
        edition = self._mirror.edition(Kind.CLAIM)
        if edition == self._looked_at:
            return
        wake: list[str] = []
        live: set[str] = set()
        users: dict[str, tuple[str, ...]] = {}
        claims: list[tuple[ClaimFacts, str | None]] = []
        with self._database.read() as session:
            for intent, node in session.execute(self._open()):
                live.add(intent.allocation_id)
                claim = self._claim(intent)
                if claim is not None and intent.wanted is Wanted.PRESENT:
                    claims.append((claim, node))
                if _is_changed(intent, claim):
                    wake.append(intent.allocation_id)
                pods = claim.pod_names if claim else ()
                if self._bound.get(intent.allocation_id, ()) != pods:
                    users[intent.allocation_id] = pods
        if wake or users:
            self._wake(wake, users, now)
        self._looked_at = edition
        direct(self._cluster, self._mirror, claims)
        sweep(self._database, self._cluster, self._mirror, live)

    def _open(self) -> Select[ClaimIntent, str | None]:
        return (
            select(ClaimIntent, Allocation.node_name)
            .join(Allocation, Allocation.allocation_id == ClaimIntent.allocation_id)
            .where(ClaimIntent.cluster_name == self._cluster_name, ClaimIntent.gone_at.is_(None))
        )

    def _claim(self, intent: ClaimIntent) -> ClaimFacts | None:
        thing = self._mirror.find(Kind.CLAIM, intent.namespace, intent.claim_name)
        return None if thing is None else read_claim(thing)

    def _wake(self, wake: Sequence[str], users: dict[str, tuple[str, ...]], now: datetime) -> None:
        with self._database.write() as session:
            devices.lock(session, self._cluster_name)
            if wake:
                session.execute(
                    update(ClaimIntent)
                    .where(ClaimIntent.allocation_id.in_(wake), ClaimIntent.gone_at.is_(None))
                    .values(due_at=now)
                )
            for allocation_id, pods in users.items():
                found = session.get_one(Allocation, allocation_id, populate_existing=True)
                if enforcement.bound(found, pods, now=now):
                    journal.say(session, "allocation.bound", found, now=now)
        self._bound.update(users)


def _is_due(now: datetime) -> ColumnElement[bool]:
    """Say that it is time; what was never tried is due at once, whatever clock wrote when."""
    is_first = and_(
        ClaimIntent.attempts == 0,
        or_(ClaimIntent.enforced_at.is_(None), ClaimIntent.wanted == Wanted.ABSENT),
    )
    return and_(ClaimIntent.due_at.is_not(None), or_(ClaimIntent.due_at <= now, is_first))


def _note_there(
    session: Session, intent: ClaimIntent, allocation: Allocation, uid: str, *, now: datetime
) -> None:
    intent.claim_uid = uid
    intent.due_at = None
    intent.attempts = 0
    intent.failing_since = None
    intent.last_error = None
    if enforcement.enforced(allocation, now=now):
        intent.enforced_at = now
        journal.say(session, "allocation.enforced", allocation, now=now)


def _wait(intent: ClaimIntent, now: datetime) -> None:
    """Try again later, each time a little more so."""
    seconds = min(LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0**intent.attempts)
    intent.attempts = min(intent.attempts + 1, 16)
    intent.due_at = now + timedelta(seconds=seconds)


def _is_changed(intent: ClaimIntent, claim: ClaimFacts | None) -> bool:
    """Say whether the cluster is no longer, or at last, as it should be."""
    if intent.wanted is Wanted.ABSENT:
        return claim is None
    if intent.due_at is not None:
        return False
    return claim is None or claim.is_deleted or claim.uid != intent.claim_uid or not claim.is_ours
