"""Measuring, its split and reclaiming on a real PostgreSQL."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from gpu_management.allocations.models import Phase
from gpu_management.metrics.attribution import Use
from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.rollup import Ages, purge
from gpu_management.optimization import jobs
from gpu_management.optimization.models import Suggestion
from tests.costs import test_remeasured as late
from tests.metrics import test_pod_use as pods
from tests.metrics import test_use_many as many
from tests.optimization import test_jobs as reclaim
from tests.support.house import House

pytestmark = pytest.mark.integration


def test_shares_beside_others_own_what_their_pods_did(postgres_house: House) -> None:
    house = postgres_house
    house.node()
    first, second = pods.share(house, 250, "pod-a"), pods.share(house, 500, "pod-b")
    since = house.now
    pods.minutes(house, 25.0, {"pod-a": 5.0, "stranger": 10.0}, since=since)
    house.clock.forward(hours=1)
    found = pods.used(house, since)
    assert found[first] == Use(50 * 3600, 100 * 3600, 100 * 3600)
    assert found[second] == Use(0, 400 * 3600, 100 * 3600)


@pytest.mark.parametrize(
    "proof",
    [
        pods.test_minutes_of_pods_are_made_where_shares_are_held_and_again_when_looks_come_late,
        pods.test_the_same_look_twice_stores_a_pods_use_once,
        pods.test_use_by_pod_goes_when_the_rest_does,
        pods.test_the_ledger_keeps_the_split_of_shares_when_a_day_is_closed,
    ],
)
def test_use_by_pod_is_kept(postgres_house: House, proof: Callable[[House], None]) -> None:
    proof(postgres_house)


def test_late_samples_reach_a_closed_day(postgres_house: House) -> None:
    late.test_what_comes_after_a_day_was_closed_is_appended_to_it(late.lately(postgres_house))


def test_many_holds_together_say_what_each_says(postgres_house: House) -> None:
    house = many.filled(postgres_house)
    many.test_together_says_what_one_by_one_says(house, 1800)
    with house.database.write() as session:
        ages = Ages(timedelta(0), timedelta(0), timedelta(0))
        assert purge(session, ages, now=house.now + timedelta(days=1)) > 0


def test_two_leaders_at_once_release_an_idle_allocation_once(postgres_house: House) -> None:
    house = postgres_house
    house.node()
    sleeper = house.request(team_id="ml").allocation_id
    reclaim.measure(house, 0.0)
    for _ in range(2):
        reclaim.run(house, reclaim.RELEASE)
    reclaim.measure(house, 0.0, hours=1.1)
    with house.database.read() as session:
        idle = jobs.look(session, Embedded(), interval_seconds=15, now=house.now)

    def act(_leader: int) -> int:
        with house.database.write() as session:
            return jobs.act(session, idle, reclaim.RELEASE, now=house.now)

    with ThreadPoolExecutor(4) as leaders:
        assert sorted(leaders.map(act, range(4))) == [0, 0, 0, 1]
    assert house.find(sleeper).phase is Phase.RELEASED
    with house.database.read() as session:
        assert len(session.scalars(select(Suggestion)).all()) == 1
    assert len(reclaim.told(house, "allocation.released")) == 1
