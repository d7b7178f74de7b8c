from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from gpu_management.allocations.models import Hold
from gpu_management.costs import jobs, service
from gpu_management.costs.ledger import Buckets
from gpu_management.costs.models import HoldDay
from gpu_management.costs.reader import Reader
from gpu_management.costs.using import Measured, split
from gpu_management.metrics.attribution import Busy, Held, Use
from gpu_management.metrics.attribution import split as by_the_rule
from gpu_management.metrics.models import MinuteUse
from gpu_management.metrics.use import Claim, alone, uses
from gpu_management.mig.models import MigInstance
from tests.support.house import A100, House
from tests.support.principals import ADMIN

HOUR = 3600


def minutes(
    house: House,
    device: int,
    busy: Iterable[float | None],
    *,
    since: datetime,
    instance: int = -1,
    samples: int = 4,
) -> None:
    """Write a minute of each figure; None: a gap."""
    start = int(since.timestamp())
    with house.database.write() as session:
        for place, pct in enumerate(busy):
            if pct is not None:
                row = MinuteUse(
                    device_id=device,
                    gpu_instance_id=instance,
                    at_ts=start + 60 * place,
                    samples=4,
                    utilization_samples=samples,
                    utilization_pct=pct,
                )
                session.add(row)


def used(house: House, since: datetime, until: datetime) -> dict[int, Use]:
    span = (int(since.timestamp()), int(until.timestamp()))
    with house.database.read() as session:
        found = uses(session, [span], interval_seconds=15)
    return {hold: use for (hold, _), use in found.items()}


def test_a_gpu_half_busy_for_an_hour_was_used_for_half_an_hour(house: House) -> None:
    house.node()
    house.request()
    since = house.now
    minutes(house, 1, [50.0] * 60, since=since)
    (use,) = used(house, since, house.clock.forward(hours=1)).values()
    assert (use.used, use.idle, use.unattributed) == (1_800_000, 1_800_000, 0)


def test_gaps_and_minutes_with_too_few_samples_are_unattributed(house: House) -> None:
    house.node()
    house.request()
    since = house.now
    minutes(house, 1, [100.0] * 30 + [None] * 15, since=since)
    minutes(house, 1, [100.0] * 15, since=since.replace(minute=45), samples=1)
    (use,) = used(house, since, house.clock.forward(hours=1)).values()
    assert (use.used, use.idle, use.unattributed) == (1_800_000, 0, 1_800_000)


def test_only_the_held_part_of_a_minute_counts(house: House) -> None:
    house.node()
    start = house.now
    minutes(house, 1, [100.0] * 10, since=start)
    house.clock.forward(seconds=90)
    given_back = house.request().allocation_id
    house.clock.forward(seconds=75)
    house.release(given_back)
    (use,) = used(house, start, house.clock.forward(hours=1)).values()
    assert (use.used, use.held) == (75_000, 75_000)


def test_an_instance_owns_what_was_measured_of_it(house: House) -> None:
    house.node(model=A100, layout=[("3g.40gb", 0), ("1g.10gb", 4)])
    house.request(use_mig=True, required_memory_gb=40)
    since = house.now
    with house.database.write() as session:
        for one in session.scalars(select(MigInstance)):
            one.gpu_instance_id = 2 if one.profile_name == "3g.40gb" else 9
            milli = one.milli if one.held else 0
            if one.held:
                held = one.gpu_instance_id
                size = milli
    minutes(house, 1, [25.0] * 60, since=since, instance=held)
    minutes(house, 1, [100.0] * 60, since=since, instance=11 - held)
    (use,) = used(house, since, house.clock.forward(hours=1)).values()
    assert (use.used, use.held) == (HOUR * size // 4, HOUR * size)


def test_an_instance_without_a_number_is_unattributed(house: House) -> None:
    house.node(model=A100, layout=[("3g.40gb", 0)])
    house.request(use_mig=True, required_memory_gb=40)
    minutes(house, 1, [25.0] * 60, since=house.now, instance=2)
    assert used(house, house.now, house.clock.forward(hours=1)) == {}


def claim(hold: int, since: int, until: int | None, *, is_share: bool = True) -> Claim:
    return Claim(hold, 1, -1, is_share, 250, since, until)


def test_a_share_owns_its_gpu_while_nobody_is_beside_it() -> None:
    mine = claim(1, 0, 100)
    others = [mine, claim(2, 20, 30), claim(3, 25, 40), claim(4, 90, None), claim(5, 200, 300)]
    assert alone(mine, others, (0, 100)) == [(0, 20), (40, 90)]
    assert alone(claim(1, 0, 100, is_share=False), others, (0, 100)) == [(0, 100)]


def test_a_share_that_is_alone_used_what_the_gpu_did(house: House) -> None:
    house.node()
    house.request(gpu_milli=250)
    since = house.now
    minutes(house, 1, [10.0] * 60, since=since)
    (use,) = used(house, since, house.clock.forward(hours=1)).values()
    assert (use.used, use.idle) == (100 * HOUR, 150 * HOUR)


@given(
    busy=st.lists(st.none() | st.integers(0, 100), min_size=1, max_size=40),
    begins=st.integers(0, 1200),
    lasts=st.integers(1, 2400),
    milli=st.integers(1, 1000),
)
def test_it_agrees_with_the_rule_and_the_parts_sum(
    tmp_path_factory: pytest.TempPathFactory,
    busy: list[int | None],
    begins: int,
    lasts: int,
    milli: int,
) -> None:
    house = _shared_house(tmp_path_factory)
    start = int(house.now.timestamp())
    with house.database.write() as session:
        session.query(MinuteUse).delete()
        hold = session.scalars(select(Hold)).one()
        hold.milli = milli
        hold.started_at = datetime.fromtimestamp(start + begins, UTC)
    minutes(house, 1, [None if one is None else float(one) for one in busy], since=house.now)
    span = (start + begins, start + begins + lasts)
    found = used(house, *(datetime.fromtimestamp(at, UTC) for at in span))
    (use,) = found.values() or [Use(0, 0, lasts * milli)]
    samples = [Busy(start, None)]
    for place, pct in enumerate(busy):
        samples.append(Busy(start + 60 * (place + 1), None if pct is None else pct * 10))
    expected = by_the_rule(Held(*span, milli), samples, interval_seconds=30)
    assert use.held == lasts * milli
    assert min(use.used, use.idle, use.unattributed) >= 0
    assert use.unattributed == expected.unattributed
    assert abs(use.used - expected.used) <= 1


_HOUSES: list[House] = []


def _shared_house(folder: pytest.TempPathFactory) -> House:
    from tests.support.house import prepared_database

    if not _HOUSES:
        made = House(prepared_database(folder.mktemp("shared")))
        made.node()
        made.request()
        _HOUSES.append(made)
    return _HOUSES[0]


def answers(house: House) -> tuple[dict[str, float], float]:
    """Return the GPU-hours of the buckets, and the idle cost, of the last two days."""
    with house.database.read() as session:
        told = service.analysis(session, house.desk, days=2, reader=Reader(ADMIN), now=house.now)
    hours = {name: told["buckets"][name]["gpu_hours"] for name in ("used", "idle", "unattributed")}
    whole = sum(told["buckets"][name]["cost"] for name in hours)
    assert whole == told["total_cost"]
    return hours, told["idle_cost"]


def test_the_ledger_tells_used_idle_and_unattributed_before_and_after_a_day_is_closed(
    house: House,
) -> None:
    house.node()
    since = house.now
    mine = house.request(team_id="ml").allocation_id
    minutes(house, 1, [75.0] * 60, since=since)
    house.clock.forward(hours=2)
    house.release(mine)
    told = answers(house)
    assert told[0] == {"used": 0.75, "idle": 0.25, "unattributed": 1.0}
    assert told[1] > 0
    house.clock.forward(days=1)
    with house.database.write() as session:
        assert jobs.close_days(session, house.desk, now=house.now)
    assert answers(house) == told
    with house.database.read() as session:
        (row,) = session.scalars(select(HoldDay))
        figures = (row.milli_seconds, row.used_milli_seconds, row.idle_milli_seconds)
    assert figures == (7_200_000, 2_700_000, 900_000)


def test_what_was_found_once_stays_when_the_minutes_are_gone(house: House) -> None:
    house.node(gpus=2)
    since = house.now
    mine = house.request(team_id="ml").allocation_id
    minutes(house, 1, [75.0] * 60, since=since)
    minutes(house, 2, [75.0] * 60, since=since)
    house.clock.forward(hours=1)
    house.release(mine)
    house.clock.forward(days=1)
    for _ in range(2):
        with house.database.write() as session:
            jobs.close_days(session, house.desk, now=house.now)
            session.query(MinuteUse).delete()
        house.clock.forward(days=1)
    with house.database.read() as session:
        assert [row.used_milli_seconds for row in session.scalars(select(HoldDay))] == [2_700_000]


def test_no_more_is_used_than_held() -> None:
    whole = Buckets(unattributed=100, free=50, charged_micros=10, card_micros=20, free_micros=5)
    told = split(whole, Measured(80, 70, 9, 8))
    assert (told.used, told.idle, told.unattributed) == (80, 20, 0)
    assert (told.used_micros, told.idle_micros) == (9, 1)
    assert told.total == whole.total
    assert told.adjustment_micros == whole.adjustment_micros
