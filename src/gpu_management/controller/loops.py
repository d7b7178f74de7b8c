"""Run the nouns' jobs on timers, on one leader; a job that fails is logged and runs again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from prometheus_client import Counter, Histogram
from sqlalchemy.exc import SQLAlchemyError

from gpu_management.allocations import displacing
from gpu_management.allocations import jobs as allocations
from gpu_management.allocations.office import Office
from gpu_management.controller.leader import Leader
from gpu_management.core.clock import Clock
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger
from gpu_management.core.problems import Problem
from gpu_management.costs import jobs as costs
from gpu_management.costs import limits, notices
from gpu_management.costs.budgets import Purse
from gpu_management.costs.service import Desk
from gpu_management.metrics.rollup import Ages, purge, roll_up
from gpu_management.rates.service import BookKeeper

log = get_logger(__name__)

JOB_SECONDS = Histogram("gpu_management_job_seconds", "Time of one run of a job.", ["job"])
JOB_FAILURES = Counter("gpu_management_job_failures", "Runs of a job that failed.", ["job"])
_MOST_PER_RUN = 200
"""Queued requests that one run places at most; the next run goes on."""
_SUMS_SECONDS = 10
"""Sums of budgets are younger than what a request would count again itself."""
_CLOSING_SECONDS = 60
_ROLL_UP_SECONDS = 60
_PURGE_SECONDS = 300
_PURGED_AT_ONCE = 50_000
_MOST_BATCHES = 20
"""Batches of days that one run closes at most; each is a transaction of its own."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every `seconds`; `everywhere` does not wait for leadership."""

    name: str
    seconds: float
    run: Callable[[datetime], object]
    everywhere: bool = False


class Loops:
    """The timers of one process."""

    def __init__(self, clock: Clock, leader: Leader, jobs: list[Job]) -> None:
        """Prepare `jobs`; nothing runs before `start`."""
        self._clock = clock
        self._leader = leader
        self._scheduler = BackgroundScheduler(timezone="UTC")
        for job in jobs:
            # A late run is made up for once; a run never overtakes itself (CFG-05).
            self._scheduler.add_job(
                self._run,
                "interval",
                seconds=job.seconds,
                args=[job],
                id=job.name,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=None,
            )

    def start(self) -> None:
        """Start the timers in threads of their own."""
        self._scheduler.start()

    def stop(self) -> None:
        """Let running jobs end, then stop."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        self._leader.resign()

    def _run(self, job: Job) -> None:
        if not job.everywhere and not self._leader.leads():
            return
        started = time.perf_counter()
        try:
            job.run(self._clock())
        except (Problem, SQLAlchemyError, OSError) as failure:
            JOB_FAILURES.labels(job.name).inc()
            log.warning("GPU job %s failed, will run again: %s", job.name, failure)
        finally:
            JOB_SECONDS.labels(job.name).observe(time.perf_counter() - started)


def allocation_jobs(
    database: Database, office: Office, *, expiry_seconds: float, queue_seconds: float
) -> list[Job]:
    """Return the jobs of allocations: expiry, warnings, the queue."""

    def end(now: datetime) -> None:
        with database.write() as session:
            allocations.expire(session, now=now)
            allocations.warn_expiring(session, now=now)
            allocations.give_up_waiting(session, now=now)

    def queue(now: datetime) -> None:
        for _ in range(_MOST_PER_RUN):
            with database.write() as session:
                placed = allocations.serve_queue(session, office, now=now)
            if not placed:
                return

    return [
        Job("allocations-expire", expiry_seconds, end),
        Job("allocations-queue", queue_seconds, queue),
    ]


def preemption_job(
    database: Database, office: Office, *, notice_seconds: float, seconds: float
) -> Job:
    """Return the job that makes room for the first in line."""
    notice = timedelta(seconds=notice_seconds)

    def make_room(now: datetime) -> None:
        with database.write() as session:
            displacing.displace(session, office, notice=notice, now=now)

    return Job("allocations-preempt", seconds, make_room)


def limit_job(database: Database, keeper: BookKeeper, *, currency: str, seconds: float) -> Job:
    """Return the job that ends what has reached its cost limit."""

    def look(now: datetime) -> None:
        with database.read() as session:
            found = limits.near(session, keeper.book(session), now=now)
        if found:
            with database.write() as session:
                limits.enforce(session, found, currency=currency, now=now)

    return Job("allocations-cost-limit", seconds, look)


def budget_jobs(database: Database, purse: Purse, *, seconds: float) -> list[Job]:
    """Return the jobs of budgets: sums ready for the next request, and warnings."""

    def warn(now: datetime) -> None:
        snapshot = purse.tally.refresh(now=now)
        with database.read() as session:
            found = notices.due(session, snapshot, now=now)
        if found:
            with database.write() as session:
                notices.give(session, purse, found, now=now)

    def count(now: datetime) -> None:
        purse.tally.refresh(now=now)

    return [
        Job("budget-sums", _SUMS_SECONDS, count, everywhere=True),
        Job("budget-warnings", seconds, warn),
    ]


def closing_job(database: Database, desk: Desk) -> Job:
    """Return the job that closes the days of the ledger."""

    def close(now: datetime) -> None:
        for _ in range(_MOST_BATCHES):
            with database.read() as session:
                if not costs.has_days_to_close(session, desk, now=now):
                    return
            with database.write() as session:
                closed = costs.close_days(session, desk, now=now)
            if not closed:
                return

    return Job("costs-close-days", _CLOSING_SECONDS, close)


def metrics_jobs(database: Database, ages: Ages, *, least: int = 2) -> list[Job]:
    """Return the jobs of measurements: minutes and hours of samples, and letting go of the old.

    Minutes with `least` samples count for the ledger.
    """

    def make(now: datetime) -> None:
        with database.write() as session:
            roll_up(session, now=now, least=least)

    def let_go(now: datetime) -> None:
        for _ in range(_MOST_BATCHES):
            with database.write() as session:
                gone = purge(session, ages, now=now, most=_PURGED_AT_ONCE)
            if gone < _PURGED_AT_ONCE:
                return

    return [
        Job("metrics-roll-up", _ROLL_UP_SECONDS, make),
        Job("metrics-purge", _PURGE_SECONDS, let_go),
    ]
