from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_management.allocations import queries
from gpu_management.allocations.errors import GpuNotAvailable
from gpu_management.auth.access import Permission, Role
from gpu_management.costs import service as costs
from gpu_management.costs.days import day_start, next_day
from gpu_management.devices import library
from gpu_management.rates.service import Price, set_rate
from tests.support.house import A100, H100, T4, House, prepared_database
from tests.support.principals import ADMIN, principal

GROUPINGS = ("by_team", "by_user", "by_namespace", "by_model", "by_workload_type")


def analysis(house: House, days: int = 30, reader: costs.Reader | None = None) -> dict[str, Any]:
    with house.database.read() as session:
        return costs.analysis(
            session, house.desk, days=days, reader=reader or costs.Reader(ADMIN), now=house.now
        )


def price(house: House, model: str, dollars: str, **more: Any) -> None:
    with house.database.write() as session:
        told = Price(model, Decimal(dollars), **more)
        set_rate(session, told, principal=ADMIN, now=house.now)


def cost_of(house: House, allocation_id: str) -> Decimal | None:
    with house.database.read() as session:
        holds = queries.holds_of(session, [allocation_id])[allocation_id]
        return queries.cost_so_far(holds, house.keeper.book(session), now=house.now)


def own_model(house: House) -> None:
    facts = {"model_id": "own", "model_name": "Own", "manufacturer": "Us", "memory_gb": 24}
    facts |= {"architecture": None, "memory_mib": None, "tdp_watts": None}
    with house.database.write() as session:
        library.add_model(session, facts)


def test_an_hour_of_a_gpu_costs_its_price_an_hour(house: House) -> None:
    price(house, T4, "0.35")
    house.node()
    made = house.request(team_id="ml", user_id="kim")
    house.clock.forward(hours=1)
    found = analysis(house)
    assert found["total_cost"] == Decimal("0.35")
    assert found["gpu_hours"] == 1
    assert found["unpriced_gpu_hours"] == 0
    assert found["by_team"] == {"ml": Decimal("0.35")}
    assert found["by_user"] == {"kim": Decimal("0.35")}
    assert found["by_namespace"] == {"ml": Decimal("0.35")}
    assert found["by_model"] == {T4: Decimal("0.35")}
    assert found["by_workload_type"] == {"Training": Decimal("0.35")}
    assert cost_of(house, made.allocation_id) == Decimal("0.35")


def test_a_share_costs_its_part_and_a_slice_its_own_price(house: House) -> None:
    price(house, T4, "1")
    price(house, A100, "8")
    price(house, A100, "1.5", profile_name="1g.10gb")
    house.node("n1")
    house.node("n2", model=A100, layout=[])
    share = house.request(gpu_milli=250)
    slice_ = house.request(use_mig=True, required_memory_gb=10, model_preference=(A100,))
    house.clock.forward(hours=2)
    assert cost_of(house, share.allocation_id) == Decimal("0.5")
    assert share.cost_per_hour == Decimal("0.25")
    if slice_.resources[0].find("1g.10gb") > 0:
        assert slice_.cost_per_hour == Decimal("1.5")
        assert cost_of(house, slice_.allocation_id) == Decimal(3)


def test_what_is_over_costs_the_same_for_ever(house: House) -> None:
    price(house, T4, "2")
    house.node()
    made = house.request()
    house.clock.forward(minutes=30)
    house.release(made.allocation_id)
    house.clock.forward(days=1)
    price(house, T4, "99")
    house.clock.forward(days=1)
    assert cost_of(house, made.allocation_id) == 1
    assert analysis(house)["total_cost"] == 1


def test_a_new_price_holds_from_its_moment_and_not_before(house: House) -> None:
    price(house, T4, "2")
    house.node()
    made = house.request()
    price(house, T4, "4", effective_from=house.now + timedelta(hours=1))
    house.clock.forward(hours=3)
    assert cost_of(house, made.allocation_id) == 2 + 4 + 4


def test_a_model_without_a_price_costs_nobody_knows_what(house: House) -> None:
    own_model(house)
    house.node(model="own")
    made = house.request()
    house.clock.forward(hours=1)
    assert made.cost_per_hour is None
    assert cost_of(house, made.allocation_id) is None
    found = analysis(house)
    assert (found["total_cost"], found["gpu_hours"], found["unpriced_gpu_hours"]) == (0, 1, 1)
    assert found["by_model"] == {}


def test_a_first_price_prices_nothing_that_was_before_it(house: House) -> None:
    own_model(house)
    house.node(model="own")
    house.request()
    house.clock.forward(hours=2)
    price(house, "own", "3")
    house.clock.forward(hours=1)
    found = analysis(house)
    assert (found["total_cost"], found["unpriced_gpu_hours"]) == (3, 2)
    assert found["gpu_hours"] == 3


def test_every_day_of_the_window_has_its_row_even_where_nothing_was_spent(house: House) -> None:
    found = analysis(house, days=3)
    assert [row["date"] for row in found["daily_series"]] == [
        date(2026, 2, 28),
        date(2026, 3, 1),
        date(2026, 3, 2),
    ]
    assert found["total_cost"] == 0
    assert found["period"]["start"] == datetime(2026, 2, 28, tzinfo=UTC)
    assert found["period"]["end"] == house.now


def test_who_sees_one_team_sees_its_cost_alone(house: House) -> None:
    house.node(gpus=2)
    house.request(team_id="ml-team")
    house.request(team_id="other")
    house.clock.forward(hours=1)
    mine = costs.Reader(principal(Role.USER, team="ml-team"), Permission.OWN_COST_READ)
    assert set(analysis(house, reader=mine)["by_team"]) == {"ml-team"}
    finance = costs.Reader(principal(Role.FINANCE))
    assert set(analysis(house, reader=finance)["by_team"]) == {"ml-team", "other"}
    nobody = costs.Reader(principal(Role.USER), Permission.OWN_COST_READ)
    assert analysis(house, reader=nobody)["by_team"] == {}


NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 7, 1), 24)],
)
def test_a_day_has_the_hours_its_clock_shows(tmp_path: Path, day: date, hours: int) -> None:
    assert next_day(day, NEW_YORK) - day_start(day, NEW_YORK) == timedelta(hours=hours)
    database = prepared_database(tmp_path)
    house = House(database, zone="America/New_York")
    house.clock.now = day_start(day, NEW_YORK) - timedelta(hours=2)
    house.node()
    price(house, T4, "1")
    house.request()
    house.clock.now = next_day(day, NEW_YORK) + timedelta(hours=3)
    series = {row["date"]: row["cost"] for row in analysis(house, days=3)["daily_series"]}
    assert list(series.values()) == [2, hours, 3]
    database.close()


lives = st.lists(
    st.tuples(
        st.sampled_from(
            (
                {"gpu_milli": 333},
                {"gpu_milli": 1},
                {"required_memory_gb": 80},
                {"use_mig": True, "required_memory_gb": 10},
                {},
            )
        ),
        st.sampled_from((None, "a", "b")),
        st.integers(0, 200_000),
        st.integers(0, 400_000),
    ),
    max_size=8,
)


@settings(max_examples=25, deadline=None)
@given(
    lives=lives,
    prices=st.lists(st.integers(1, 9_999_999), max_size=3),
    zone=st.sampled_from(("UTC", "America/New_York", "Asia/Seoul", "Asia/Kathmandu")),
)
def test_pieces_add_up_to_the_holds_and_every_grouping_to_the_total(
    lives: list[tuple[dict[str, Any], str | None, int, int]], prices: list[int], zone: str
) -> None:
    with TemporaryDirectory() as folder:
        database = prepared_database(Path(folder))
        house = House(database, zone=zone)
        house.clock.now = datetime(2026, 3, 6, 17, 0, 1, tzinfo=UTC)
        house.node("n1", gpus=3)
        house.node("n2", model=H100)
        house.node("n3", model=A100, layout=[])
        made = []
        for number, (asked, team, wait_seconds, run_seconds) in enumerate(lives):
            house.clock.forward(seconds=wait_seconds)
            if number < len(prices):
                price(house, T4, str(Decimal(prices[number]) / 1_000_000))
            try:
                one = house.request(team_id=team, **asked)
            except GpuNotAvailable:
                continue
            made.append(one.allocation_id)
            house.clock.forward(seconds=run_seconds)
            if run_seconds % 2:
                house.release(one.allocation_id)
        house.clock.forward(seconds=77_777)
        found = analysis(house, days=365)
        total = sum((cost_of(house, one) or Decimal(0) for one in made), Decimal(0))
        assert found["total_cost"] == total
        assert sum(row["cost"] for row in found["daily_series"]) == total
        for grouping in GROUPINGS:
            assert sum(found[grouping].values()) == total
        with house.database.read() as session:
            assert costs.total_ever(session, house.desk, now=house.now) == total
        database.close()
