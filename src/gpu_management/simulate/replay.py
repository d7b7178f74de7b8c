"""Replay a cluster trace: its pods come and go as they did, only faster."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from gpu_management.allocations import service as allocations
from gpu_management.allocations.fleet import WHOLE_MILLI
from gpu_management.allocations.models import WorkloadType
from gpu_management.allocations.request import Ask
from gpu_management.core.problems import Problem
from gpu_management.events import told
from gpu_management.simulate import world as worlds
from gpu_management.simulate.openb_files import NAME, TracePod
from gpu_management.simulate.world import World

SPEED: Final = 600.0
"""Seconds of the trace that pass in one real second, unless asked for otherwise."""

_TELL_SECONDS: Final = 10.0
_LONGEST_PAUSE_SECONDS: Final = 2.0
"""Real time for which the replay waits; longer pauses, as openb's first 118 days, are skipped."""
_AT_ONCE: Final = 20
"""Events of one transaction: people's requests wait no longer than these take."""
_MOST_PER_STEP: Final = 200
_SECONDS_PER_DAY: Final = 86_400

_NAMESPACES: Final = {"ls": "latency-sensitive", "be": "best-effort"}
_WORKLOADS: Final = {"ls": WorkloadType.INFERENCE, "be": WorkloadType.TRAINING}
"""By the pods' class of service; the trace tells nothing of whose they are or what they do."""


@dataclass(slots=True)
class Counts:
    """What became of the pods so far; `skipped` asked for no GPU."""

    placed: int = 0
    refused: int = 0
    ended: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class _Event:
    """A pod comes or goes at a second of the trace."""

    at: int
    is_arrival: bool
    row: int


def _events(pods: Sequence[TracePod]) -> Sequence[_Event]:
    """Return the comings and goings in order; within a second, those who go make room first."""
    events = []
    for row, pod in enumerate(pods):
        if pod.gpus:
            # A pod that lives no second still comes before it goes.
            gone_at = max(pod.deleted_at, pod.created_at + 1)
            events.append(_Event(pod.created_at, is_arrival=True, row=row))
            events.append(_Event(gone_at, is_arrival=False, row=row))
    return sorted(events, key=lambda event: (event.at, event.is_arrival, event.row))


def ask_of(pod: TracePod) -> Ask:
    """Return the request of a pod; the trace tells no GPU memory, so any will do."""
    return Ask(
        namespace=_NAMESPACES.get(pod.qos, NAME),
        pod_name=pod.name,
        workload_type=_WORKLOADS.get(pod.qos, WorkloadType.DEVELOPMENT),
        required_memory_gb=1,
        count=pod.gpus,
        gpu_milli=pod.gpu_milli if pod.gpu_milli < WHOLE_MILLI else None,
        cpu_milli=pod.cpu_milli,
        memory_mib=pod.memory_mib,
        model_ids=pod.model_ids,
    )


@dataclass(slots=True)
class Replay:
    """The pods of a trace on the fleet of a process."""

    world: World
    pods: Sequence[TracePod]
    speed: float
    tell: Callable[[str], None]
    seconds: float = 0.5
    counts: Counts = field(default_factory=Counts)
    trace_second: float = 0.0
    """Where the replay is, in seconds of the trace."""
    _plan: Sequence[_Event] = field(init=False)
    _next: int = 0
    _running: dict[int, str] = field(default_factory=dict)
    _since: datetime | None = None
    _told_at: datetime | None = None

    def __post_init__(self) -> None:
        """Start where the first pod comes."""
        self._plan = _events(self.pods)
        self.counts.skipped = sum(not pod.gpus for pod in self.pods)
        self.trace_second = float(self._plan[0].at) if self._plan else 0.0

    @property
    def is_over(self) -> bool:
        """Say whether every pod has come and gone."""
        return self._next >= len(self._plan)

    def step(self, now: datetime) -> None:
        """Let the trace pass as far as real time did."""
        if self.is_over:
            return
        passed = (now - self._since).total_seconds() if self._since else 0.0
        self._since = now
        upcoming = self._plan[self._next].at
        if upcoming - self.trace_second > self.speed * _LONGEST_PAUSE_SECONDS:
            self.trace_second = float(upcoming)
        self.advance(now, to=self.trace_second + passed * self.speed, most=_MOST_PER_STEP)
        self._report(now)

    def advance(self, now: datetime, *, to: float, most: int) -> int:
        """Do what is due up to second `to` of the trace, `most` events; return how many it was.

        With more due than `most`, the time of the trace waits.
        """
        done = 0
        while done < most and (due := self._due(to, min(_AT_ONCE, most - done))):
            self._do(due, now)
            done += len(due)
        is_behind = not self.is_over and self._plan[self._next].at <= to
        self.trace_second = float(self._plan[self._next].at) if is_behind else to
        return done

    def _due(self, to: float, most: int) -> Sequence[_Event]:
        return [event for event in self._plan[self._next : self._next + most] if event.at <= to]

    def _do(self, events: Sequence[_Event], now: datetime) -> None:
        """Do events in one transaction; what they change here is kept only once it is committed."""
        running, counts = dict(self._running), replace(self.counts)
        try:
            with self.world.database.write() as session:
                told.keep_quiet(session)  # a trace runs faster than anybody reads
                for event in events:
                    if event.is_arrival:
                        self._come(session, event.row, now, running=running, counts=counts)
                    elif (known := running.pop(event.row, None)) is not None:
                        worlds.end(session, known, reason="completed", now=now)
                        counts.ended += 1
        except BaseException:
            self.world.office.placer.forget()  # it saw what was rolled back
            raise
        self._running, self.counts = running, counts
        self._next += len(events)

    def _come(
        self,
        session: Session,
        row: int,
        now: datetime,
        *,
        running: dict[int, str],
        counts: Counts,
    ) -> None:
        try:
            made = allocations.request(
                session,
                self.world.office,
                ask_of(self.pods[row]),
                principal=worlds.SIMULATOR,
                now=now,
            )
        except Problem:
            counts.refused += 1
            return
        running[row] = made.allocation_id
        counts.placed += 1

    def _report(self, now: datetime) -> None:
        if self._told_at is None:
            self._told_at = now
        if not self.is_over and (now - self._told_at).total_seconds() < _TELL_SECONDS:
            return
        self._told_at = now
        with self.world.database.read() as session:
            held = worlds.held_ratio(session, self.world.office.placer.cluster_name)
        day, last = (second / _SECONDS_PER_DAY for second in (self.trace_second, self._plan[-1].at))
        self.tell(
            f"day {min(day, last):.2f} of {last:.2f}: {self.counts.placed:,} placed,"
            f" {self.counts.refused:,} refused, {len(self._running):,} running,"
            f" {100 * held:.1f} % of the GPUs held" + ("; the trace is over" * self.is_over)
        )
