"""Carry out repartition plans: one task after the other, from what stands in the database.

A task is begun in the database, then outside; what came of it is written with the ledger's part of
it in one transaction. Killed at any moment, the next run does the task in hand again.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gpu_management.allocations import rehoming, stopping
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
from gpu_management.mig import plan_checks as checks
from gpu_management.mig import plan_store as store
from gpu_management.mig import service as mig
from gpu_management.mig.execution import NOTICED, Method, News, Outcome, PlanState, Progress
from gpu_management.mig.geometry import Placement
from gpu_management.mig.models import MigInstance
from gpu_management.mig.plan_models import MigPlan
from gpu_management.mig.plan_tasks import Cut, Move, Start, Stop, Task
from gpu_management.mig.windows import Closed
from gpu_management.rates.book import Book
from gpu_management.rates.service import BookKeeper

log = get_logger(__name__)

_MOST_AT_ONCE = 1000
"""Steps of one plan in one run; the next run goes on."""
_BY_PLAN = frozenset({Method.LEDGER, Method.DYNAMIC})
"""Methods whose cuts are as planned; the others' are read from what the node announces."""
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
    shut: Closed | None
    """Why the task in hand may not be begun now; taking back is bound by nothing."""
    notice: timedelta

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

    def settle(self, session: Session, work: Work, task: Cut, *, now: datetime) -> None:
        """Write the layout that was seen after a cut."""
        ...


class Repartitioner:
    """The plans of one cluster; runs on the leader. Without hands the ledger is all there is."""

    def __init__(
        self,
        database: Database,
        cluster_name: str,
        *,
        hands: Hands | None = None,
        keeper: BookKeeper | None = None,
        on_end: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        """Prepare; `on_end` is told the nodes of plans that have ended; `keeper` has the prices."""
        self._database = database
        self._cluster_name = cluster_name
        self._hands = hands
        self._keeper = keeper or BookKeeper()
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
                shut = store.shut_for(plan, None, now=now)
                different = checks.differences(session, plan, claims_of)
                if shut is not None and shut.is_over:
                    different = different or shut.why
                if different is None and shut is not None:
                    store.wait(plan, shut.why)
                    return
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
        work = self._read(plan_id, now)
        task = work.task
        if work.progress.state is not PlanState.RUNNING or task is None:
            return False
        if work.trouble is not None:
            news = News.FAIL if work.progress.is_undoing else News.PAUSE
            return self._record(work, task, Outcome(news, work.trouble), now)
        if not work.progress.stage:
            if work.shut is not None:
                news = News.PAUSE if work.shut.is_over else News.WAIT
                return self._record(work, task, Outcome(news, work.shut.why, ""), now)
            return self._note(work, rules.begin_task(work.progress, now=now))
        return self._record(work, task, self._act(work, task, now), now)

    def _read(self, plan_id: str, now: datetime) -> Work:
        with self._database.read() as session:
            plan = store.find(session, plan_id)
            progress, tasks = store.progress_of(plan), store.tasks_of(plan)
            task = rules.task_in_hand(progress, tasks)
            is_next = task is not None and not progress.stage and not progress.is_undoing
            trouble = checks.not_held_back(session, plan)
            if is_next and task is not None:
                trouble = trouble or checks.kept_away(session, plan, store.nodes_for(plan, task))
            return Work(
                plan_id,
                plan.edition,
                plan.method,
                progress,
                tasks,
                trouble,
                store.shut_for(plan, task, now=now) if is_next else None,
                timedelta(seconds=store.limits_of(plan).notice_seconds),
            )

    def _act(self, work: Work, task: Task, now: datetime) -> Outcome:
        """Do what a task needs outside the database."""
        if self._hands is None or work.method is Method.LEDGER:
            return _without_hands(work, task, now)
        try:
            return _by_hand(self._hands, work, task, now)
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
            elif outcome.stage == NOTICED and isinstance(task, Stop):
                until = now + work.notice
                stopping.give_notice(session, task.way.allocation_id, stops_at=until, now=now)
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
                if not isinstance(task, Cut):
                    _relocate(session, task, self._keeper.book(session), now=now)
                elif self._hands is None or work.method in _BY_PLAN:
                    _cut(session, task, now=now)
                else:
                    self._hands.settle(session, work, task, now=now)
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


def _without_hands(work: Work, task: Task, now: datetime) -> Outcome:
    """Nobody acts; whoever has to stop is told in time."""
    if isinstance(task, Stop) and not work.progress.is_undoing:
        return rules.judge_notice(work.progress, work.notice, now=now)
    return Outcome(News.DONE)


def _by_hand(hands: Hands, work: Work, task: Task, now: datetime) -> Outcome:
    if isinstance(task, Cut):
        is_ahead = work.method is Method.DYNAMIC  # the driver cuts when a claim asks
        return Outcome(News.DONE) if is_ahead else hands.cut(work, task, now=now)
    if isinstance(task, Start):
        return Outcome(News.DONE)  # its claim is made anew, pinned to the slice
    return hands.drain(work, task if isinstance(task, Move) else task.way, now=now)


def _cut(session: Session, task: Cut, *, now: datetime) -> None:
    """Give devices their layouts in the ledger."""
    for device_id, places in task.after.items():
        device = devices.find_device(session, device_id)
        mig.apply_layout(session, device, [Placement(*place) for place in places], now=now)


def _relocate(session: Session, task: Move | Stop | Start, book: Book, *, now: datetime) -> None:
    if isinstance(task, Move):
        _move(session, task, book, now=now)
    elif isinstance(task, Stop):
        _stop(session, task.way, now=now)
    else:
        _start(session, task.way, book, now=now)


def _move(session: Session, task: Move, book: Book, *, now: datetime) -> None:
    """Move an allocation in the ledger; one that has ended, or never moved, has nothing to move."""
    held = _tenancy(session, task)
    if held is None or not held.is_ours:
        rehoming.unpark_claim(session, task.allocation_id, now=now)
        return
    target = _target(session, task)
    rehoming.rehome(session, task.allocation_id, held.slice, target, book=book, now=now)


def _stop(session: Session, way: Move, *, now: datetime) -> None:
    """Let an allocation go without a slice; one that has none there has nothing to leave."""
    held = _tenancy(session, way)
    if held is not None and held.is_ours:
        stopping.stop(session, way.allocation_id, held.slice, now=now)


def _start(session: Session, way: Move, book: Book, *, now: datetime) -> None:
    """Let a stopped allocation hold its new slice; one that ended or never stopped needs none."""
    name = way.allocation_id
    if not stopping.is_stopped(session, name):
        rehoming.unpark_claim(session, name, now=now)
        return
    source = stopping.left_slice(session, name, way.profile)
    if source is not None:
        stopping.start(session, name, source, _target(session, way), book=book, now=now)


def _tenancy(session: Session, way: Move) -> rehoming.Tenancy | None:
    return rehoming.tenancy(
        session, way.allocation_id, way.from_device, way.profile, way.from_start
    )


def _target(session: Session, task: Move) -> MigInstance:
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
    found = session.scalars(query).one_or_none()
    if found is None:
        raise Conflict(f"{task.to_device} has no free {task.profile} for {task.allocation_id}")
    return found
