"""Nobody is displaced without notice, for nothing, or by an equal."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from gpu_management.allocations.displacing import displace
from gpu_management.allocations.models import Allocation, Phase
from gpu_management.cluster.protocol import Kind
from gpu_management.events.models import Event
from tests.support.clusters import Yard
from tests.support.house import A100, House
from tests.support.kube import pod
from tests.support.ledger import check_ledger

NOTICE = timedelta(seconds=120)


def turn(house: House, *, after_seconds: float = 0) -> int:
    house.clock.forward(seconds=after_seconds)
    house.serve_queue()
    with house.database.write() as session:
        return displace(session, house.office, notice=NOTICE, now=house.now)


def conditions(house: House, made: Allocation) -> set[str]:
    return {c["type"] for c in house.find(made.allocation_id).conditions if c["status"] == "True"}


def phase(house: House, made: Allocation) -> Phase:
    return house.find(made.allocation_id).phase


@pytest.fixture
def full(house: House) -> tuple[Allocation, Allocation]:
    house.node("n1", gpus=2, model=A100)
    return house.request(priority=3), house.request(priority=1)


def test_the_lower_gets_notice_then_goes_and_the_higher_takes_its_place(
    house: House, full: tuple[Allocation, Allocation]
):
    more, less = full
    waiting = house.request(priority=5, wait_seconds=3600)
    assert turn(house) == 1
    assert "Preempting" in conditions(house, less)
    assert conditions(house, more) == set()
    assert turn(house, after_seconds=119) == 0
    assert phase(house, less) is Phase.ALLOCATED
    assert turn(house, after_seconds=1) == 1
    gone = house.find(less.allocation_id)
    assert (gone.phase, gone.release_reason) == (Phase.RELEASED, "preempted")
    turn(house)
    assert phase(house, waiting) is Phase.ALLOCATED
    assert phase(house, more) is Phase.ALLOCATED
    with house.database.read() as session:
        check_ledger(session)
        kinds = [event.type for event in session.scalars(select(Event).order_by(Event.id))]
        notice = session.scalars(select(Event).where(Event.type == "allocation.preempting")).one()
    assert notice.subject_id == less.allocation_id
    assert kinds.index("allocation.preempting") < kinds.index("allocation.released")


def test_an_equal_displaces_nobody_however_long_it_waits(
    house: House, full: tuple[Allocation, Allocation]
):
    house.request(priority=1, wait_seconds=360_000)
    assert turn(house, after_seconds=100_000) == 0
    assert [phase(house, one) for one in full] == [Phase.ALLOCATED] * 2


def test_notice_is_withdrawn_when_room_comes_otherwise(
    house: House, full: tuple[Allocation, Allocation]
):
    more, less = full
    waiting = house.request(priority=5, wait_seconds=3600)
    turn(house)
    house.release(more.allocation_id)
    assert turn(house, after_seconds=5) == 1
    assert phase(house, waiting) is Phase.ALLOCATED
    assert "Preempting" not in conditions(house, less)
    assert turn(house, after_seconds=500) == 0
    assert phase(house, less) is Phase.ALLOCATED


def test_pods_of_the_displaced_are_evicted_and_the_place_is_free_when_they_ended(house: House):
    yard = Yard(house, cards=1)
    less = house.request()
    yard.enforce()
    yard.cluster.put(Kind.POD, pod("train-0"))
    yard.use(less.allocation_id, "train-0")
    waiting = house.request(priority=5, wait_seconds=3600)
    turn(house)
    turn(house, after_seconds=120)
    yard.enforce()
    assert yard.cluster.list(Kind.POD).objects == []
    assert phase(house, less) is Phase.ALLOCATED
    assert turn(house, after_seconds=5) == 0
    yard.use(less.allocation_id)
    yard.enforce(after_seconds=5)
    turn(house)
    assert phase(house, less) is Phase.RELEASED
    assert phase(house, waiting) is Phase.ALLOCATED
