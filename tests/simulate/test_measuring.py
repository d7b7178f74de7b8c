"""What the demonstration's GPUs do, and what its collector leaves of that."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from gpu_management.allocations.models import HoldKind, WorkloadType
from gpu_management.devices.models import Device
from gpu_management.metrics.models import WHOLE_GPU, HourUse, MinuteUse, RollUp, Sample
from gpu_management.metrics.rollup import roll_up
from gpu_management.simulate import measuring
from gpu_management.simulate.collecting import Collector, write_past
from gpu_management.simulate.measuring import Card, Fleet, Part, use_of
from tests.support.house import CLUSTER, House

CARD = Card(1, "GPU-1", "n1", 80_000.0, 400.0, (), ((1000.0, 2000.0),))


@given(st.integers(0, 5), st.text(max_size=12), st.sampled_from(WorkloadType), st.floats(0, 2e9))
def test_use_is_a_share_and_always_the_same(
    seed: int, pod: str, workload: WorkloadType, at: float
) -> None:
    busy = use_of(seed, pod, workload, at)
    assert 0 <= busy <= 1.05
    assert use_of(seed, pod, workload, at) == busy


def _cards(house: House, gpus: int) -> None:
    """Register GPUs whose UUIDs are known: others cannot be measured."""
    house.node(gpus=gpus)
    with house.database.write() as session:
        session.execute(update(Device).values(uuid=Device.device_id, live_uuid=Device.device_id))


def _part(**facts: object) -> Part:
    told = {"kind": HoldKind.WHOLE, "milli": 1000, "start": None}
    told |= {"pod": "p", "workload": WorkloadType.TRAINING, "since": 0.0, "until": 500.0}
    return Part(**(told | facts))  # type: ignore[arg-type]


def test_a_gpu_nobody_holds_rests_and_one_that_is_away_says_nothing() -> None:
    fleet = Fleet(1, [CARD], {1: [_part()]})
    (held,) = fleet.readings(100)
    (free,) = fleet.readings(600)
    assert held.gpu_util_pct
    assert held.gpu_util_pct > 10
    assert (free.gpu_util_pct, free.sm_clock_mhz) == (0, 210)
    assert free.power_w
    assert held.power_w
    assert free.power_w < held.power_w <= 400
    assert list(fleet.readings(1500)) == []


def test_a_card_that_is_cut_tells_its_slices_and_no_gpu_util() -> None:
    card = Card(1, "GPU-1", "n1", 80_000.0, 400.0, ((0, 500, "3g.40gb"), (4, 500, "3g.40gb")), ())
    part = _part(kind=HoldKind.MIG, milli=500, start=4, workload=WorkloadType.INFERENCE)
    whole, idle, used = Fleet(1, [card], {1: [part]}).readings(100)
    assert whole.gpu_util_pct is None
    assert (idle.placement_start, idle.engine_active_ratio) == (0, 0)
    assert used.target.gpu_instance_id == 5
    assert used.engine_active_ratio
    assert whole.engine_active_ratio
    assert whole.engine_active_ratio == pytest.approx(used.engine_active_ratio / 2, abs=0.002)


def test_the_collector_looks_every_15_seconds_and_once(house: House) -> None:
    _cards(house, 3)
    collector = Collector(CLUSTER, 1)
    for _ in range(16):
        collector.look(house.database, house.now)
        house.clock.forward(seconds=2)
    with house.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Sample)) == 3 * 3


def test_the_past_has_hours_then_minutes_and_measuring_goes_on_from_there(house: House) -> None:
    _cards(house, 2)
    house.request()
    since = house.now
    house.clock.forward(hours=5)
    with house.database.write() as session:
        write_past(session, CLUSTER, 1, since=since, now=house.now)
    with house.database.read() as session:
        hours = session.scalars(select(HourUse).where(HourUse.gpu_instance_id == WHOLE_GPU)).all()
        first, last = session.execute(
            select(func.min(MinuteUse.at_ts), func.max(MinuteUse.at_ts))
        ).one()
        done = {row.tier: row.done_until_ts for row in session.scalars(select(RollUp))}
    assert max(row.at_ts for row in hours) + 3600 == first == done["hour"]
    assert last + 60 == done["minute"] == int(house.now.timestamp()) // 60 * 60
    assert {row.measured_minutes for row in hours} == {60}
    assert max(row.measured_pct or 0 for row in hours) > 0
    house.clock.forward(minutes=90)
    with house.database.write() as session:
        assert roll_up(session, now=house.now) > 0


def test_the_fleet_of_a_window_has_those_who_held_in_it(house: House) -> None:
    _cards(house, 2)
    made = house.request()
    house.clock.forward(hours=1)
    house.release(made.allocation_id)
    house.clock.forward(hours=1)
    hour = timedelta(hours=1)
    with house.database.read() as session:
        before = measuring.fleet_of(
            session, CLUSTER, 1, since=house.now - 2 * hour, until=house.now
        )
        after = measuring.fleet_of(session, CLUSTER, 1, since=house.now - hour, until=house.now)
    assert sum(map(len, before.parts.values())) == 1
    assert after.parts == {}
    assert len(after.cards) == 2
