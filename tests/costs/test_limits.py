"""A cost limit ends an allocation: warned before, released at it, never far above."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from gpu_management.allocations import queries
from gpu_management.allocations.models import Allocation, Phase
from gpu_management.core.clock import whole_second
from gpu_management.costs import limits
from gpu_management.devices import library
from gpu_management.events.models import Event
from gpu_management.rates.service import Price, set_rate
from tests.support.house import T4, House
from tests.support.principals import ADMIN

INTERVAL = timedelta(seconds=5)


def price(house: House, dollars: str, *, hours: float = 0) -> None:
    since = house.now + timedelta(hours=hours)
    told = Price(T4, Decimal(dollars), effective_from=since)
    with house.database.write() as session:
        set_rate(session, told, principal=ADMIN, now=house.now)


def look(house: House) -> int:
    """Run the job as the controller does."""
    with house.database.read() as session:
        found = limits.near(session, house.keeper.book(session), now=house.now)
    with house.database.write() as session:
        return limits.enforce(session, found, currency="USD", now=house.now)


def cost(house: House, allocation: Allocation) -> Decimal:
    with house.database.read() as session:
        holds = queries.holds_of(session, [allocation.allocation_id])[allocation.allocation_id]
        found = queries.cost_so_far(holds, house.keeper.book(session), now=house.now)
    assert found is not None
    return found


def told(house: House, kind: str) -> int:
    with house.database.read() as session:
        return len(session.scalars(select(Event).where(Event.type == kind)).all())


def test_it_is_released_in_the_last_second_that_the_limit_pays_for(house: House) -> None:
    price(house, "3600")
    house.node()
    made = house.request(cost_limit=Decimal(100))
    house.clock.forward(seconds=99)
    assert look(house) == 0
    house.clock.forward(seconds=1)
    assert look(house) == 1
    ended = house.find(made.allocation_id)
    assert (ended.phase, ended.release_reason) == (Phase.RELEASED, "cost-limit")
    assert cost(house, made) == 100
    assert look(house) == 0


def test_the_owner_is_warned_once_before(house: House) -> None:
    price(house, "1")
    house.node()
    made = house.request(cost_limit=Decimal(10), team_id="ml")
    house.clock.forward(hours=7, minutes=59)
    look(house)
    assert told(house, "allocation.cost-limit") == 0
    house.clock.forward(minutes=1)
    look(house)
    look(house)
    assert told(house, "allocation.cost-limit") == 1
    (mark,) = [c for c in house.find(made.allocation_id).conditions if c["type"] == "CostLimit"]
    assert mark["message"] == (
        "cost 8.00 of its limit of 10.00 USD; it is released when that is reached"
    )


def test_a_price_that_rises_soon_warns_early_with_the_moment(house: House) -> None:
    price(house, "1")
    price(house, "60", hours=1)
    house.node()
    made = house.request(cost_limit=Decimal(6))
    house.clock.forward(minutes=51)
    look(house)
    (mark,) = [c for c in house.find(made.allocation_id).conditions if c["type"] == "CostLimit"]
    assert mark["message"].endswith("it is released about 2026-03-02T13:05:00Z")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    dollars=st.decimals("0.01", 500, places=2),
    limit=st.decimals("0.01", 50, places=2),
    count=st.integers(1, 3),
    offset=st.integers(0, 4),
)
def test_what_it_cost_passes_the_limit_by_no_more_than_one_look(
    house: House, dollars: Decimal, limit: Decimal, count: int, offset: int
) -> None:
    house.clock.forward(seconds=60)
    price(house, str(dollars))
    house.node(f"n{house.now.timestamp():.0f}", gpus=count)
    made = house.request(cost_limit=limit, count=count)
    house.clock.forward(seconds=offset)
    with house.database.read() as session:
        book = house.keeper.book(session)
        holds = queries.holds_of(session, [made.allocation_id])[made.allocation_id]
    start = whole_second(house.now)
    last = limits.last_second(
        holds, book, int(limit * 10**6), since=start, until=start + timedelta(days=3000)
    )
    assert last is not None
    house.clock.now = max(house.now, last - 2 * INTERVAL)
    while house.find(made.allocation_id).phase is Phase.ALLOCATED:
        look(house)
        house.clock.now += INTERVAL
    most = limit + dollars * count * Decimal(INTERVAL.total_seconds()) / 3600 + Decimal("0.00001")
    assert cost(house, made) <= most


def test_without_a_price_nothing_is_known_so_nothing_ends(house: House) -> None:
    facts = {"model_id": "own", "model_name": "Own", "manufacturer": "Us", "memory_gb": 24}
    facts |= {"architecture": None, "memory_mib": None, "tdp_watts": None}
    with house.database.write() as session:
        library.add_model(session, facts)
    house.node(model="own")
    house.request(cost_limit=Decimal(1))
    house.clock.forward(days=30)
    assert look(house) == 0


def test_a_limit_of_nothing_ends_what_costs_anything(house: House) -> None:
    price(house, "1")
    house.node()
    house.request(cost_limit=Decimal(0))
    house.clock.forward(seconds=1)
    assert look(house) == 1


def test_an_allocation_that_ended_meanwhile_is_left_alone(house: House) -> None:
    price(house, "3600")
    house.node()
    made = house.request(cost_limit=Decimal(1))
    house.clock.forward(seconds=5)
    with house.database.read() as session:
        found = limits.near(session, house.keeper.book(session), now=house.now)
    house.release(made.allocation_id)
    with house.database.write() as session:
        limits.enforce(session, found, currency="USD", now=house.now)
    assert house.find(made.allocation_id).release_reason == "requested"


@pytest.mark.parametrize("seconds", [0, 1, 10_000_000])
def test_the_last_second_lies_within_what_was_asked(house: House, seconds: int) -> None:
    price(house, "3600")
    house.node()
    made = house.request()
    with house.database.read() as session:
        holds = queries.holds_of(session, [made.allocation_id])[made.allocation_id]
        book = house.keeper.book(session)
    start = whole_second(house.now)
    until = start + timedelta(days=100)
    found = limits.last_second(holds, book, seconds * 10**6, since=start, until=until)
    assert found == (None if seconds > 8_640_000 else start + timedelta(seconds=seconds))
