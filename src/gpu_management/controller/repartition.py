"""Carry out repartition plans: one task after the other, from what stands in the database.

A task is begun in the database, then outside; what came of it is written with the ledger's part of
it in one transaction. Killed at any moment, the next run does the task in hand again.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gpu_management.allocations import rehoming
from gpu_management.allocations.slice_claims import claims_of
from gpu_management.cluster.protocol import (
    ClusterAway,
    ClusterForbids,
    KindUnknown,
    ObjectGone,
    ObjectRefused,
)
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger
from gpu_management.core.problems import Conflict, Problem
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device
from gpu_management.mig import execution as rules
from gpu_management.mig import plan_store as store
from gpu_management.mig import service as mig
from gpu_management.mig.execution import Method, News, Outcome, PlanState, Progress
from gpu_management.mig.geometry import Placement
from gpu_management.mig.models import MigInstance
from gpu_management.mig.plan_models import MigPlan
from gpu_management.mig.plan_tasks import Cut, Move, Task

log = get_logger(__name__)

_MOST_AT_ONCE = 1000
"""Steps of one plan in one run; the next run goes on."""
_EVENT_OF = {
    PlanState.DONE: "mig.plan.done",
    PlanState.FAILED: "mig.plan.failed",
    PlanState.ROLLED_BACK: "mig.plan.rolled-back",
    PlanState.PAUSED: "mig.plan.paused",
}


@dataclass(frozen=True, slots=True)
class Work:
    """A plan as it was when it was read."""

    plan_id: str
    edition: int
    method: Method
    progress: Progress
    tasks: Sequence[Task]
    trouble: str | None

    @property
    def task(self) -> Task | None:
        """Return the task in hand."""
        return rules.task_in_hand(self.progress, self.tasks)


class Hands(Protocol):
    """What acts in a cluster; every deed may be repeated."""

    def cut(self, work: Work, task: Cut, *, now: datetime) -> Outcome:
        """Have a node's GPUs cut."""
        ...

    def drain(self, work: Work, task: Move, *, now: datetime) -> Outcome:
        """Have the pods of an allocation end, and its claim go."""
        ...

    def settle(self, session: Session, task: Cut, *, now: datetime) -> None:
        """Write the layout that the cluster announces after a cut."""
        ...


class Repartitioner:
    """The plans of one cluster; runs on the leader. Without hands the ledger is all there is."""

    def __init__(
        self,
        database: Database,
        cluster_name: str,
        *,
        hands: Hands | None = None,
        on_end: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        """Prepare; `on_end` is told the nodes of plans that have ended."""
        self._database = database
        self._cluster_name = cluster_name
        self._hands = hands
        self._on_end = on_end or (lambda _nodes: None)

    def run(self, now: datetime) -> int:
        """Begin what was approved and go on with what runs; return how many steps were done."""
        for plan_id in self._ids(PlanState.APPROVED):
            self._begin(plan_id, now)
        done = 0
        for plan_id in self._ids(PlanState.RUNNING):
            with suppress(ClusterAway):
                for _ in range(_MOST_AT_ONCE):
                    if not self._step(plan_id, now):
                        break
                    done += 1
        return done

    def _ids(self, state: PlanState) -> list[str]:
        query = (
            select(MigPlan.plan_id)
            .where(MigPlan.state == state, MigPlan.cluster_name == self._cluster_name)
            .order_by(MigPlan.approved_at)
        )
        with self._database.read() as session:
            return list(session.scalars(query))

    def _begin(self, plan_id: str, now: datetime) -> None:
        """Begin an approved plan, unless another one has its nodes."""
        try:
            with self._database.write() as session:
                devices.lock(session, self._cluster_name)
                plan = store.find(session, plan_id)
                if plan.state is not PlanState.APPROVED or store.is_busy(session, plan):
                    return
                different = store.differences(session, plan, claims_of)
                if different is None:
                    store.open_plan(session, plan, now=now)
                    return
                why = f"nothing was changed: {different}"
                store.write(plan, Progress(PlanState.ROLLED_BACK, message=why))
                plan.ended_at = now
                store.say(session, plan, _EVENT_OF[plan.state], now=now)
        except IntegrityError:
            log.info("GPU repartition plan %s waits: another one was faster", plan_id)

    def _step(self, plan_id: str, now: datetime) -> bool:
        """Do one thing; return whether there may be more to do at once."""
        work = self._read(plan_id)
        task = work.task
        if work.progress.state is not PlanState.RUNNING or task is None:
            return False
        if work.trouble is not None:
            news = News.FAIL if work.progress.is_undoing else News.PAUSE
            return self._record(work, task, Outcome(news, work.trouble), now)
        if not work.progress.stage:
            return self._note(work, rules.begin_task(work.progress, now=now))
        return self._record(work, task, self._act(work, task, now), now)

    def _read(self, plan_id: str) -> Work:
        with self._database.read() as session:
            plan = store.find(session, plan_id)
            return Work(
                plan_id,
                plan.edition,
                plan.method,
                store.progress_of(plan),
                store.tasks_of(plan),
                store.not_held_back(session, plan),
            )

    def _act(self, work: Work, task: Task, now: datetime) -> Outcome:
        """Do what a task needs outside the database."""
        if self._hands is None or work.method is Method.LEDGER:
            return Outcome(News.DONE)
        try:
            if isinstance(task, Move):
                return self._hands.drain(work, task, now=now)
            if work.method is Method.DYNAMIC:
                return Outcome(News.DONE)
            return self._hands.cut(work, task, now=now)
        except (ClusterForbids, ObjectRefused, ObjectGone, KindUnknown, ValueError) as trouble:
            return Outcome(News.PAUSE, str(trouble))

    def _note(self, work: Work, progress: Progress) -> bool:
        with self._database.write() as session:
            devices.lock(session, self._cluster_name)
            plan = store.find(session, work.plan_id)
            if plan.edition == work.edition:
                store.write(plan, progress)
        return True

    def _record(self, work: Work, task: Task, outcome: Outcome, now: datetime) -> bool:
        """Write what came of a task, with the ledger's part where it is done."""
        with self._database.write() as session:
            devices.lock(session, self._cluster_name)
            plan = store.find(session, work.plan_id)
            if plan.edition != work.edition:
                return True  # somebody paused or cancelled it meanwhile
            if outcome.news is News.DONE:
                outcome = self._settle(session, work, task, now)
            after = rules.follow(work.progress, outcome, len(work.tasks), now=now)
            if after == work.progress:
                return False
            store.write(plan, after)
            self._tell(session, plan, work.progress, now)
            nodes = sorted({told["node"] for told in plan.found.values()})
        if after.state in rules.ENDED:
            self._on_end(nodes)
        return after.state is PlanState.RUNNING and outcome.news is not News.WAIT

    def _settle(self, session: Session, work: Work, task: Task, now: datetime) -> Outcome:
        try:
            with session.begin_nested():
                if isinstance(task, Move):
                    _move(session, task, now=now)
                elif self._hands is None or work.method is not Method.MIG_MANAGER:
                    _cut(session, task, now=now)
                else:
                    self._hands.settle(session, task, now=now)
        except Problem as trouble:
            return Outcome(News.PAUSE, trouble.detail)
        return Outcome(News.DONE)

    def _tell(self, session: Session, plan: MigPlan, before: Progress, now: datetime) -> None:
        if plan.state in rules.ENDED:
            store.close(session, plan, now=now)
        if plan.state in _EVENT_OF:
            store.say(session, plan, _EVENT_OF[plan.state], now=now)
        elif plan.is_undoing and not before.is_undoing:
            store.say(session, plan, "mig.plan.undoing", now=now)
        elif plan.position != before.position:
            store.say(session, plan, "mig.plan.progressed", now=now)


def _cut(session: Session, task: Cut, *, now: datetime) -> None:
    """Give devices their layouts in the ledger."""
    for device_id, places in task.after.items():
        device = devices.find_device(session, device_id)
        mig.apply_layout(session, device, [Placement(*place) for place in places], now=now)


def _move(session: Session, task: Move, *, now: datetime) -> None:
    """Move an allocation in the ledger; one that has ended, or never moved, has nothing to move."""
    held = rehoming.tenancy(
        session, task.allocation_id, task.from_device, task.profile, task.from_start
    )
    if held is None or not held.is_ours:
        rehoming.unpark_claim(session, task.allocation_id, now=now)
        return
    target = _target(session, task)
    if target is None:
        raise Conflict(f"{task.to_device} has no free {task.profile} for {task.allocation_id}")
    rehoming.rehome(session, task.allocation_id, held.slice, target, now=now)


def _target(session: Session, task: Move) -> MigInstance | None:
    query = (
        select(MigInstance)
        .join(Device, Device.id == MigInstance.device_id)
        .where(
            Device.live_id == task.to_device,
            MigInstance.live_id.is_not(None),
            MigInstance.held.is_(False),
            MigInstance.profile_name == task.profile,
        )
        .order_by(MigInstance.placement_start != task.to_start, MigInstance.placement_start)
        .limit(1)
    )
    return session.scalars(query).one_or_none()
