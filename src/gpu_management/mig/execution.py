"""How a plan is carried out: where it has come to, and what follows from what the outside says.

Pure. What stands in the database is always enough to go on, or to go back: a task is begun there
before it is begun outside, and every task may be repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gpu_management.mig.plan_tasks import Task


class PlanState(StrEnum):
    """Where a plan is in its life."""

    DRAFT = "DRAFT"
    APPROVED = "APPROVED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    DONE = "DONE"
    FAILED = "FAILED"
    ROLLED_BACK = "ROLLED_BACK"


OPEN: Final = frozenset({PlanState.RUNNING, PlanState.PAUSED})
"""States in which a plan has its nodes to itself."""
ENDED: Final = frozenset({PlanState.DONE, PlanState.FAILED, PlanState.ROLLED_BACK})


class Method(StrEnum):
    """Who cuts the GPUs."""

    LEDGER = "ledger"
    """Nobody: no cluster is attached, or it is simulated."""
    MIG_MANAGER = "mig-manager"
    """NVIDIA's MIG manager; it makes every slice of a GPU anew."""
    DYNAMIC = "dynamic"
    """The DRA driver, when a claim asks for a slice: nothing is cut ahead."""
    COLLECTOR = "collector"
    """Our collector on the node, through NVML; slices that stay are left as they are."""


class OrderOutcome(StrEnum):
    """What a collector says came of an order to cut."""

    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a plan has come to.

    `position` counts tasks; `stage` is empty until the task there was begun, then says what it
    waits for; `since` is when that began to be so.
    """

    state: PlanState
    position: int = 0
    stage: str = ""
    since: datetime | None = None
    is_undoing: bool = False
    message: str | None = None


BEGUN: Final = "begun"
WRITTEN: Final = "written"
"""The layout is in the MIG manager's file; it takes a while until the manager can read it."""
ASKED: Final = "asked"
NOTICED: Final = "noticed"
"""Whoever holds the slice was told, and has its time."""
_PAUSED: Final = "; paused: "


class News(StrEnum):
    """What came of a look at the task in hand."""

    WAIT = "wait"
    DONE = "done"
    PAUSE = "pause"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it, the stage that is waited in, and a sentence for people."""

    news: News
    message: str | None = None
    stage: str = BEGUN


def task_in_hand(progress: Progress, tasks: Sequence[Task]) -> Task | None:
    """Return what is to be done now, or None where everything is done or taken back."""
    if not 0 <= progress.position < len(tasks):
        return None
    task = tasks[progress.position]
    return task.back if progress.is_undoing else task


def begin_task(progress: Progress, *, now: datetime) -> Progress:
    """Note that the task in hand is begun: from here it must be finished or taken back."""
    return replace(progress, stage=BEGUN, since=now)


def follow(progress: Progress, outcome: Outcome, count: int, *, now: datetime) -> Progress:
    """Return where a running plan of `count` tasks is after an outcome."""
    if outcome.news is News.DONE:
        return _next(progress, count, now=now)
    if outcome.news is News.FAIL:
        return _failed(progress, outcome, now=now)
    if outcome.news is News.PAUSE:
        before = f"{(progress.message or '').partition(_PAUSED)[0]}{_PAUSED}"
        why = f"{before if progress.is_undoing else ''}{outcome.message}"
        return replace(progress, state=PlanState.PAUSED, message=why)
    since = progress.since if outcome.stage == progress.stage else now
    message = progress.message if progress.is_undoing else outcome.message
    return replace(progress, stage=outcome.stage, since=since, message=message)


def _next(progress: Progress, count: int, *, now: datetime) -> Progress:
    position = progress.position + (-1 if progress.is_undoing else 1)
    moved = replace(progress, position=position, stage="", since=now)
    if progress.is_undoing:
        return replace(moved, state=PlanState.ROLLED_BACK) if position < 0 else moved
    moved = replace(moved, message=None)
    return replace(moved, state=PlanState.DONE) if position >= count else moved


def _failed(progress: Progress, outcome: Outcome, *, now: datetime) -> Progress:
    if progress.is_undoing:
        why = f"{progress.message}; taking it back failed too: {outcome.message}"
        return replace(progress, state=PlanState.FAILED, message=why)
    return undo(progress, outcome.message, now=now)


def undo(progress: Progress, why: str | None, *, now: datetime) -> Progress:
    """Turn a plan around: from the task in hand, if it was begun, back to the first."""
    position = progress.position if progress.stage else progress.position - 1
    state = PlanState.ROLLED_BACK if position < 0 else PlanState.RUNNING
    return Progress(state, position, "", now, is_undoing=True, message=why)


def resume(progress: Progress, *, now: datetime) -> Progress:
    """Go on with a paused plan; what it waited for gets its time again."""
    stage = BEGUN if progress.stage else ""
    return replace(progress, state=PlanState.RUNNING, stage=stage, since=now, message=None)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each thing may take."""

    settle: timedelta = timedelta(seconds=75)
    """Until a changed ConfigMap is seen where it is mounted (kubelet's sync period is 60 s)."""
    silence: timedelta = timedelta(seconds=120)
    pending: timedelta = timedelta(seconds=900)
    rebooting: timedelta = timedelta(seconds=1800)
    verify: timedelta = timedelta(seconds=300)
    drain: timedelta = timedelta(seconds=600)
    window_margin: timedelta = timedelta(seconds=300)
    """Before a maintenance window ends: nothing is begun that it could cut short."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What whoever cuts and the node say while a cut is under way.

    `config` is the layout that was asked for, `told_state` the word on it; `wrong` is what the node
    has other than wanted, None while all is as it should be.
    """

    config: str | None
    told_state: str | None
    wrong: str | None
    who: str = "the MIG manager"
    detail: str | None = None


PATIENCE: Final = Patience()


def judge_cut(
    seen: Seen,
    wanted: str | None,
    progress: Progress,
    *,
    now: datetime,
    patience: Patience = PATIENCE,
) -> Outcome:
    """Return what became of a cut that somebody was asked for; his word alone is not believed."""
    if seen.config != wanted:
        return Outcome(News.PAUSE, f"somebody set nvidia.com/mig.config to {seen.config}")
    if seen.told_state == "failed":
        why = f": {seen.detail}" if seen.detail else ""
        return Outcome(News.FAIL, f"{seen.who} reports failed{why}")
    stage = seen.told_state or ASKED
    if stage == "success" and seen.wrong is None:
        return Outcome(News.DONE)
    since = progress.since if stage == progress.stage else now
    limit = _limit(stage, patience)
    if since is not None and now - since >= limit:
        return Outcome(News.FAIL, _late(stage, seen, limit))
    return Outcome(News.WAIT, f"{seen.who} says {seen.told_state or 'nothing yet'}", stage)


def _limit(stage: str, patience: Patience) -> timedelta:
    known = {
        ASKED: patience.silence,
        "rebooting": patience.rebooting,
        "success": patience.verify,
    }
    return known.get(stage, patience.pending)


def judge_notice(progress: Progress, notice: timedelta, *, now: datetime) -> Outcome:
    """Return whether an allocation that is to stop has had its notice."""
    begun = progress.since if progress.stage == NOTICED else None
    if notice and (begun is None or now - begun < notice):
        until = (begun or now) + notice
        return Outcome(News.WAIT, f"gives notice until {until:%Y-%m-%dT%H:%M:%SZ}", NOTICED)
    return Outcome(News.DONE)


def _late(stage: str, seen: Seen, limit: timedelta) -> str:
    seconds = int(limit.total_seconds())
    if stage == "success":
        return f"{seen.who} reports success, but after {seconds} s {seen.wrong}"
    if stage == ASKED:
        return f"{seen.who} has said nothing for {seconds} s"
    return f"{seen.who} has been {stage} for {seconds} s"


def judge_drain(
    users: Sequence[str],
    delayed: str | None,
    progress: Progress,
    *,
    now: datetime,
    patience: Patience = PATIENCE,
) -> Outcome:
    """Return what became of asking the pods of one allocation to end."""
    if not users:
        return Outcome(News.DONE)
    waited = now - (progress.since or now)
    why = delayed or f"waiting until {', '.join(users)} end"
    if waited >= patience.drain:
        seconds = int(patience.drain.total_seconds())
        return Outcome(News.PAUSE, f"not drained in {seconds} s: {why}")
    return Outcome(News.WAIT, why)
