"""The ledger on PostgreSQL: the same sums, and replicas that close and correct at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select

from gpu_management.allocations.corrections import Correction, correct
from gpu_management.allocations.errors import HoldNotOver
from gpu_management.allocations.models import Hold
from gpu_management.costs import jobs
from gpu_management.costs.grouping import Dimension
from gpu_management.costs.models import DayCapacity, DayCost, HoldDay
from tests.support.costs import answered, close_days, fleet_buckets, from_raw
from tests.support.house import H100, T4, House
from tests.support.principals import ADMIN

pytestmark = pytest.mark.integration


def _some_days(house: House) -> int:
    house.node("n1", gpus=2, model=H100)
    house.node("n2", model=T4)
    made = house.request(team_id="a")
    house.request(team_id="b", gpu_milli=333)
    house.clock.forward(hours=40)
    house.release(made.allocation_id)
    house.clock.forward(hours=40)
    with house.database.read() as session:
        query = select(Hold.id).where(Hold.allocation_id == made.allocation_id)
        return session.scalars(query).one()


def _check(house: House) -> None:
    since = house.now - timedelta(days=9)
    groups = (Dimension.DAY, Dimension.TEAM, Dimension.MODEL)
    raw = from_raw(house, since, house.now, "day", "team_id", "model_id")
    assert answered(house, since, house.now, *groups) == raw
    total = answered(house, since, house.now)[()]
    for group in Dimension:
        parts = answered(house, since, house.now, group).values()
        assert tuple(map(sum, zip(*parts, strict=True))) == total
    whole = fleet_buckets(house, since, house.now)[()]
    by_node = list(fleet_buckets(house, since, house.now, Dimension.NODE).values())
    assert sum(by_node[1:], by_node[0]) == whole
    assert (whole.held, whole.charged_micros) == (total[0], total[2])


def _rows(house: House) -> int:
    with house.database.read() as session:
        tables = (HoldDay, DayCost, DayCapacity)
        return sum(session.scalar(select(func.count()).select_from(one)) or 0 for one in tables)


def test_two_replicas_that_close_at_once_write_every_day_once(postgres_house: House) -> None:
    house = postgres_house
    wrong = _some_days(house)
    before = fleet_buckets(house, house.now - timedelta(days=9), house.now)
    barrier = Barrier(2)

    def replica(_number: int) -> int:
        barrier.wait()
        with house.database.write() as session:
            return jobs.close_days(session, house.desk, now=house.now)

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(replica, range(2))) == [0, 3]
    assert fleet_buckets(house, house.now - timedelta(days=9), house.now) == before
    _check(house)
    size = _rows(house)
    assert close_days(house) == 0
    assert _rows(house) == size
    with house.database.write() as session:
        started = session.get_one(Hold, wrong).started_at
        told = Correction("less", ended_at=started + timedelta(hours=1))
        correct(session, wrong, told, principal=ADMIN, now=house.now)
    _check(house)
    close_days(house)
    _check(house)


def test_of_two_corrections_of_one_hold_at_once_one_counts(postgres_house: House) -> None:
    house = postgres_house
    wrong = _some_days(house)
    barrier = Barrier(2)

    def editor(hours: int) -> str:
        barrier.wait()
        try:
            with house.database.write() as session:
                started = session.get_one(Hold, wrong).started_at
                told = Correction("less", ended_at=started + timedelta(hours=hours))
                correct(session, wrong, told, principal=ADMIN, now=house.now)
        except HoldNotOver:
            return "refused"
        return "done"

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(editor, (1, 2))) == ["done", "refused"]
    _check(house)
