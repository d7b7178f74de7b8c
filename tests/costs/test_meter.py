"""The meter in memory agrees with the holds costed one by one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_management.allocations.errors import GpuNotAvailable
from gpu_management.core.database import MICROS
from gpu_management.costs import service as costs
from gpu_management.costs.days import day_start, next_day
from gpu_management.costs.ledger import steps_of
from gpu_management.costs.pieces import micros
from gpu_management.rates.pricing import RatePeriod, cost_until_micros
from gpu_management.rates.service import Price, set_rate
from tests.support.costs import close_days
from tests.support.house import H100, T4, House, prepared_database
from tests.support.principals import ADMIN

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


def spent_one_by_one(house: House) -> dict[str, Decimal]:
    """Cost every hold from the database, day by day."""
    zone = house.desk.zone
    today = house.now.astimezone(zone).date()
    month = costs.Window(day_start(today.replace(day=1), zone), house.now.replace(microsecond=0))
    with house.database.read() as session:
        book = house.keeper.book(session)
        found = list(costs.pieces(session, book, zone, month))
    return {
        "daily_cost": Decimal(sum(p.micros or 0 for p in found if p.day == today)) / MICROS,
        "monthly_cost": Decimal(sum(p.micros or 0 for p in found)) / MICROS,
    }


def spent_by_meter(house: House) -> dict[str, Decimal]:
    """Ask the meter that the overview asks."""
    with house.database.read() as session:
        return costs.today_and_month(session, house.desk, now=house.now)


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["take", "share", "slice", "release", "price", "restart", "close"]),
            st.integers(1, 40 * 3600),
        ),
        min_size=1,
        max_size=14,
    ),
    zone=st.sampled_from(["UTC", "Asia/Seoul", "America/New_York"]),
)
def test_the_meter_agrees_with_the_holds_through_any_history(
    steps: list[tuple[str, int]], zone: str
) -> None:
    with TemporaryDirectory() as folder:
        house = House(prepared_database(Path(folder)), zone=zone)
        house.node("n1", gpus=3, model=H100)
        house.node("n2", gpus=2, model=T4)
        house.node("n3", gpus=1, model=H100, layout=[])
        held: list[str] = []
        for deed, seconds in steps:
            house.clock.forward(seconds=seconds)
            _do(house, deed, held)
            assert spent_by_meter(house) == spent_one_by_one(house)
        house.database.close()


def _do(house: House, deed: str, held: list[str]) -> None:
    asked = {
        "take": {"required_memory_gb": 16},
        "share": {"required_memory_gb": 16, "gpu_milli": 150},
        "slice": {"required_memory_gb": 10, "use_mig": True},
    }
    if deed in asked:
        try:
            held.append(house.request(**asked[deed]).allocation_id)
        except GpuNotAvailable:
            return
    elif deed == "release" and held:
        house.release(held.pop(0))
    elif deed == "price":
        with house.database.write() as session:
            price = Price(H100, Decimal(len(held) + 1), effective_from=house.now)
            set_rate(session, price, principal=ADMIN, now=house.now)
    elif deed == "restart":
        house.restart()
    elif deed == "close":
        close_days(house)


def test_what_was_ever_spent_never_falls_when_a_hold_ends(tmp_path: Path) -> None:
    house = House(prepared_database(tmp_path))
    house.node("n1", gpus=1, model=H100)
    taken = house.request(required_memory_gb=80)
    seen = []
    for _ in range(3):
        house.clock.forward(seconds=1234)
        seen.append(ever(house))
    house.release(taken.allocation_id)
    seen.append(ever(house))
    house.clock.forward(seconds=3600)
    seen.append(ever(house))
    house.restart()
    seen.append(ever(house))
    assert seen == sorted(seen)
    assert seen[-1] == seen[-2] == seen[-3] > 0


def ever(house: House) -> Decimal:
    """Ask what was ever spent."""
    with house.database.read() as session:
        return costs.total_ever(session, house.desk, now=house.now)


@given(
    rates=st.lists(st.integers(0, 10**12), min_size=1, max_size=4),
    starts=st.lists(st.integers(0, 10**8), min_size=1, max_size=5),
    milli=st.integers(1, 1000),
    until=st.integers(0, 2 * 10**8),
)
def test_many_holds_cost_what_each_costs_alone_even_beyond_64_bits(
    rates: list[int], starts: list[int], milli: int, until: int
) -> None:
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    steps = [begin + timedelta(days=400 * n) for n in range(len(rates))]
    periods = [
        RatePeriod(moment, following, rate)
        for moment, following, rate in zip(steps, [*steps[1:], None], rates, strict=True)
    ]
    alone = sum(
        cost_until_micros(
            periods,
            milli=milli,
            started_at=begin + timedelta(seconds=start),
            until=max(begin + timedelta(seconds=until), begin + timedelta(seconds=start)),
        )
        for start in starts
    )
    count = len(starts)
    ends, parts = np.full(count, until), np.full(count, milli)
    costs = micros(steps_of(tuple(periods)), parts, np.array(starts, np.int64), ends)
    assert int(costs.sum()) == alone


def test_a_day_lasts_23_or_25_hours_where_clocks_change() -> None:
    zone = ZoneInfo("America/New_York")
    lengths = {
        day: (next_day(day, zone) - day_start(day, zone)) / timedelta(hours=1)
        for day in (datetime(2026, 3, 8).date(), datetime(2026, 11, 1).date())  # noqa: DTZ001 - days
    }
    assert list(lengths.values()) == [23, 25]
