import threading
import time
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from gpu_management.allocations.models import Phase
from gpu_management.controller.leader import Leader
from gpu_management.controller.loops import JOB_FAILURES, Job, Loops, allocation_jobs
from gpu_management.core.problems import Conflict
from tests.support.apps import Hands
from tests.support.house import House


class Following(Leader):
    """A replica that never leads."""

    def __init__(self) -> None:
        """Ask nobody."""

    def leads(self) -> bool:
        return False

    def resign(self) -> None:
        """Nothing to give up."""


def run_for(jobs: list[Job], leader: Leader, seconds: float = 0.5) -> None:
    loops = Loops(Hands(), leader, jobs)
    loops.start()
    time.sleep(seconds)
    loops.stop()


def test_a_job_runs_again_and_again_with_the_moment(house: House) -> None:
    moments: list[datetime] = []
    run_for([Job("tick", 0.05, moments.append)], Leader(house.database))
    assert len(moments) >= 3
    assert moments[0] == Hands()()


@pytest.mark.parametrize("failure", [Conflict("no"), OSError("gone"), None])
def test_a_job_that_fails_runs_again(house: House, failure: Exception | None) -> None:
    problem = failure or OperationalError("SELECT 1", {}, Exception("locked"))
    runs: list[Any] = []

    def fail(_now: datetime) -> None:
        runs.append(1)
        raise problem

    before = JOB_FAILURES.labels("fail")._value.get()
    run_for([Job("fail", 0.05, fail)], Leader(house.database))
    assert len(runs) >= 2
    assert JOB_FAILURES.labels("fail")._value.get() - before == len(runs)


def test_who_follows_runs_only_what_runs_everywhere() -> None:
    ran: list[str] = []
    jobs = [
        Job("leaders", 0.05, lambda _: ran.append("leader")),
        Job("all", 0.05, lambda _: ran.append("all"), everywhere=True),
    ]
    run_for(jobs, Following())
    assert set(ran) == {"all"}


def test_a_job_never_overtakes_itself_and_stopping_waits_for_it(house: House) -> None:
    running: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def slow(_now: datetime) -> None:
        with lock:
            running.append(1)
            most.append(len(running))
        time.sleep(0.2)
        with lock:
            running.pop()

    run_for([Job("slow", 0.02, slow)], Leader(house.database))
    assert max(most) == 1
    assert running == []


def test_the_jobs_of_allocations_end_what_is_over_and_serve_who_waits(house: House) -> None:
    house.node()
    first = house.request(max_duration_hours=1)
    second = house.request(wait_seconds=86_400, max_duration_hours=1)
    third = house.request(wait_seconds=60)
    jobs = allocation_jobs(house.database, house.office, expiry_seconds=1, queue_seconds=1)
    house.clock.forward(hours=1)
    for job in jobs:
        job.run(house.now)
    phases = [house.find(one.allocation_id).phase for one in (first, second, third)]
    assert phases == [Phase.RELEASED, Phase.ALLOCATED, Phase.FAILED]


def test_on_sqlite_the_one_process_leads(house: House) -> None:
    leader = Leader(house.database)
    assert leader.leads()
    leader.resign()
    assert leader.leads()
