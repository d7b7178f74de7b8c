"""GpuAllocation objects become allocations, and are told what became of them. Runs on the leader.

An object owns the allocation whose Idempotency-Key is its uid: that is written with the decision,
so whoever works on, after a crash or on another replica, finds it and never allocates twice.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from gpu_management.allocations import enforcement, service
from gpu_management.allocations.models import Allocation, IdempotencyKey, Phase
from gpu_management.allocations.office import Office
from gpu_management.auth.access import Role
from gpu_management.auth.principals import Principal, PrincipalKind
from gpu_management.cluster.crd import (
    AllocationObject,
    event_about,
    finalizer_patch,
    read_object,
    status_patch,
)
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.protocol import (
    Cluster,
    ClusterAway,
    ClusterForbids,
    Kind,
    KindUnknown,
    ObjectExists,
    ObjectGone,
    ObjectRefused,
)
from gpu_management.controller import operator_status as statuses
from gpu_management.controller.operator_wish import (
    changed_fields,
    check_team,
    more_hours,
    read_wish,
)
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger
from gpu_management.core.problems import Problem, ValidationFailed

log = get_logger(__name__)

OPERATOR = Principal("gpuallocations", frozenset({Role.OPERATOR}), PrincipalKind.SYSTEM)
"""What the operator acts as: the cluster's RBAC decided who may write objects."""
AGAIN = timedelta(seconds=15)
"""Between looks at everything, and between tries of what was refused for now."""
AGAIN_FAULTY = timedelta(seconds=60)
"""Between tries of what cannot be served: the fleet may grow, a namespace get its team."""

_LIVE = (Phase.PENDING, Phase.ALLOCATED)
_ENDED = (Phase.RELEASED, Phase.FAILED)
_COUNTED = (
    select(func.count(), func.coalesce(func.sum(Allocation.edition), 0))
    .join(IdempotencyKey, IdempotencyKey.allocation_id == Allocation.allocation_id)
    .where(IdempotencyKey.principal == OPERATOR.name, Allocation.phase.in_(_LIVE))
)
_OWNED = (
    select(IdempotencyKey.key, Allocation)
    .join(Allocation, Allocation.allocation_id == IdempotencyKey.allocation_id)
    .where(IdempotencyKey.principal == OPERATOR.name)
    .order_by(IdempotencyKey.created_at)
)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What an object was told instead of an allocation."""

    generation: int
    phase: Phase
    reason: str
    message: str
    again_at: datetime


class Operator:
    """The objects of one cluster."""

    def __init__(
        self, database: Database, cluster: Cluster, mirror: Mirror, *, office: Office
    ) -> None:
        """Prepare; `mirror` follows the objects."""
        self._database = database
        self._cluster = cluster
        self._mirror = mirror
        self._office = office
        self._refusals: dict[str, _Refusal] = {}
        self._seen: tuple[int, int, int] | None = None
        self._next_look: datetime | None = None
        self._complained = False

    def run(self, now: datetime) -> int:
        """Work on every object if anything changed; return on how many."""
        health = self._mirror.health()
        if not health.is_synced or health.stale_since is not None:
            return 0
        state = self._state()
        is_due = self._next_look is None or now >= self._next_look
        if state == self._seen and not is_due:
            return 0
        objects = [read_object(thing) for thing in self._mirror.objects(Kind.ALLOCATION)]
        live = self._live()
        is_done = self._work(objects, live, now)
        if self._mirror.is_known(Kind.ALLOCATION):
            self._release_orphans(objects, live, now)
        self._seen = state if is_done else None
        self._next_look = now + AGAIN
        return len(objects)

    def _state(self) -> tuple[int, int, int]:
        """Return numbers that change with every object and every allocation of an object."""
        with self._database.read() as session:
            count, editions = session.execute(_COUNTED).one()
        return self._mirror.edition(Kind.ALLOCATION), int(count), int(editions)

    def _live(self) -> dict[str, Allocation]:
        """Return the allocations that have not ended, by the uid of their objects."""
        with self._database.read() as session:
            rows = session.execute(_OWNED.where(Allocation.phase.in_(_LIVE))).all()
            session.expunge_all()
        return {_uid(key): allocation for key, allocation in rows}

    def _last(self, uid: str) -> Allocation | None:
        """Return the allocation that an object owns or owned last."""
        which = IdempotencyKey.key.startswith(uid, autoescape=True)
        with self._database.read() as session:
            rows = session.execute(_OWNED.where(which)).all()
            session.expunge_all()
        return rows[-1][1] if rows else None

    def _work(
        self, objects: Sequence[AllocationObject], live: Mapping[str, Allocation], now: datetime
    ) -> bool:
        """Work on each object; one that the cluster refuses does not hinder the next."""
        is_done = True
        for thing in objects:
            try:
                self._reconcile(thing, live.get(thing.uid), now)
                self._complained = False
            except ObjectGone:
                continue
            except (ClusterAway, ClusterForbids, KindUnknown, ObjectRefused, Problem) as trouble:
                is_done = False
                if not self._complained:
                    log.warning("GpuAllocation %s/%s: %s", thing.namespace, thing.name, trouble)
                self._complained = True
        return is_done

    def _reconcile(self, thing: AllocationObject, live: Allocation | None, now: datetime) -> None:
        if thing.is_deleted:
            self._finish(thing, live, now)
            return
        if live is None and _is_settled(thing):
            return
        owned = live or self._last(thing.uid)
        if owned is not None and _is_corrected(thing, owned):
            if owned.phase is Phase.PENDING:
                self._release(owned, "spec changed", now)
            owned = None
        if owned is None:
            owned = self._request(thing, now)
        if owned is not None:
            self._answer(thing, owned, now)

    def _request(self, thing: AllocationObject, now: datetime) -> Allocation | None:
        """Ask for what the object wants; None where that was refused, which it is told."""
        known = self._refusals.get(thing.uid)
        if known is None or known.generation != thing.generation or now >= known.again_at:
            if not thing.is_kept:
                patch = finalizer_patch(thing, is_kept=True)
                self._cluster.merge(Kind.ALLOCATION, thing.name, patch, namespace=thing.namespace)
            try:
                made = self._allocate(thing, now)
            except Problem as refused:
                known = self._refusals[thing.uid] = _refusal(thing, refused, now)
            else:
                self._refusals.pop(thing.uid, None)
                return made
        told = statuses.of_refusal(known.phase, known.reason, known.message, thing.status, now=now)
        self._tell(thing, {**told, "observedGeneration": thing.generation}, now)
        return None

    def _allocate(self, thing: AllocationObject, now: datetime) -> Allocation:
        ask = read_wish(thing)
        with self._database.write() as session:
            check_team(session, ask)
            made = service.request(
                session,
                self._office,
                ask,
                principal=OPERATOR,
                now=now,
                idempotency_key=f"{thing.uid}/{thing.generation}",
            )
            session.flush()
            session.expunge_all()
        return made

    def _release(self, owned: Allocation, reason: str, now: datetime) -> Allocation:
        with self._database.write() as session:
            ended = service.release(
                session, owned.allocation_id, principal=OPERATOR, reason=reason, now=now
            )
            session.flush()
            session.expunge_all()
        return ended

    def _answer(self, thing: AllocationObject, owned: Allocation, now: datetime) -> None:
        """Tell the object of its allocation, and let that run longer where it is asked to."""
        wanted = statuses.of_allocation(owned, thing.status, thing.generation)
        if owned.phase is Phase.ALLOCATED and not enforcement.is_releasing(owned):
            refused = self._follow_spec(thing, owned, now)
            if refused:
                mark = statuses.not_applied(refused, thing.status, now=now)
                wanted = {**wanted, "conditions": [*wanted["conditions"], mark]}
        self._tell(thing, wanted, now)

    def _follow_spec(self, thing: AllocationObject, owned: Allocation, now: datetime) -> str | None:
        """Do what an edited spec asks for; return why that cannot be done while it runs."""
        try:
            ask = read_wish(thing)
            fields = changed_fields(ask, owned)
            if fields:
                return f"{', '.join(fields)} cannot change while it runs; make a new object"
            hours = more_hours(ask, owned)
            if hours:
                with self._database.write() as session:
                    service.extend(session, owned.allocation_id, hours, principal=OPERATOR, now=now)
        except Problem as refused:
            return refused.detail
        return None

    def _finish(self, thing: AllocationObject, live: Allocation | None, now: datetime) -> None:
        """Let a deleted object go when its devices are free."""
        if not thing.is_kept:
            return
        if live is not None:
            asked = enforcement.is_releasing(live)
            owned = live if asked else self._release(live, "object deleted", now)
            if owned.phase in _LIVE:
                self._tell(
                    thing, statuses.of_allocation(owned, thing.status, thing.generation), now
                )
                return
        patch = finalizer_patch(thing, is_kept=False)
        self._cluster.merge(Kind.ALLOCATION, thing.name, patch, namespace=thing.namespace)
        self._refusals.pop(thing.uid, None)

    def _release_orphans(
        self, objects: Sequence[AllocationObject], live: Mapping[str, Allocation], now: datetime
    ) -> None:
        """Release what belongs to objects that went without us, as when a finalizer was removed."""
        lost = live.keys() - {thing.uid for thing in objects}
        if not lost:
            return
        try:  # the copy may be behind: the cluster itself is asked before anybody loses a GPU
            listed = self._cluster.list(Kind.ALLOCATION)
        except (ClusterAway, ClusterForbids, KindUnknown):
            return
        lost -= {thing["metadata"]["uid"] for thing in listed.objects}
        for uid in sorted(lost):
            if not enforcement.is_releasing(live[uid]):
                self._release(live[uid], "object gone", now)

    def _tell(self, thing: AllocationObject, wanted: statuses.Status, now: datetime) -> None:
        patch = status_patch(thing.status, wanted)
        if patch is None:
            return
        self._cluster.merge_status(Kind.ALLOCATION, thing.name, patch, namespace=thing.namespace)
        if thing.status.get("phase") == wanted["phase"]:
            return
        event = event_about(
            thing,
            wanted["phase"],
            wanted.get("message") or "",
            is_warning=wanted["phase"] == Phase.FAILED,
            now=now,
        )
        # An event is news, not state: nothing waits for it.
        with suppress(ObjectExists, ObjectGone, ObjectRefused, ClusterForbids, ClusterAway):
            self._cluster.create(Kind.EVENT, event)


def _uid(key: str) -> str:
    return key.partition("/")[0]


def _is_settled(thing: AllocationObject) -> bool:
    """Say whether an object was told the end of its allocation: there is nothing left to do."""
    told = thing.status
    return (
        told.get("phase") in _ENDED
        and "allocationId" in told
        and told.get("observedGeneration") == thing.generation
    )


def _is_corrected(thing: AllocationObject, owned: Allocation) -> bool:
    """Say whether an object that was never served asks for something else now."""
    if owned.allocated_at is not None or thing.status.get("observedGeneration") == thing.generation:
        return False
    try:
        return bool(changed_fields(read_wish(thing), owned))
    except ValidationFailed:
        return True


def _refusal(thing: AllocationObject, refused: Problem, now: datetime) -> _Refusal:
    """Return what an object is told: that it has to change, or that it has to wait."""
    is_its_fault = refused.status in {403, 422}
    return _Refusal(
        generation=thing.generation,
        phase=Phase.FAILED if is_its_fault else Phase.PENDING,
        reason="".join(word.capitalize() for word in refused.code.split("_")),
        message=refused.detail[:1000],
        again_at=now + (AGAIN_FAULTY if is_its_fault else AGAIN),
    )
