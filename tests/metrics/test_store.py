from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from gpu_management.devices.models import Device
from gpu_management.metrics.ingest import Devices, Taken, take
from gpu_management.metrics.models import HourUse, MinuteUse, Sample
from gpu_management.metrics.readings import Reading, Target
from gpu_management.metrics.rollup import Ages, purge, roll_up
from tests.support.house import House

KEPT = timedelta(hours=6)


@pytest.fixture
def measured(house: House) -> House:
    """Return a house with one node whose GPUs have UUIDs."""
    house.node(gpus=2)
    with house.database.write() as session:
        for device in session.scalars(select(Device)):
            uuid = f"GPU-{device.device_index}"
            values = update(Device).where(Device.id == device.id)
            session.execute(values.values(uuid=uuid, live_uuid=uuid))
    return house


def reading(index: int = 0, busy: float | None = 50, **more: Any) -> Reading:
    return Reading(Target(f"GPU-{index}"), gpu_util_pct=busy, **more)


def send(house: House, at: datetime, readings: Sequence[Reading]) -> Taken:
    with house.database.write() as session:
        return take(
            session,
            Devices(),
            readings,
            collected_at=at,
            oldest=house.now - KEPT,
            now=house.now,
        )


def minutes(house: House) -> list[MinuteUse]:
    with house.database.read() as session:
        return list(session.scalars(select(MinuteUse).order_by(MinuteUse.at_ts)))


def roll(house: House) -> int:
    with house.database.write() as session:
        return roll_up(session, now=house.now)


def count(house: House, table: type[Any] = Sample) -> int:
    with house.database.read() as session:
        return int(session.scalar(select(func.count()).select_from(table)) or 0)


def test_a_sample_is_stored_once_however_often_it_is_sent(measured: House) -> None:
    at = measured.now
    assert send(measured, at, [reading(0), reading(1)]).accepted == 2
    again = send(measured, at, [reading(0), reading(1, busy=99)])
    assert (again.accepted, again.duplicates) == (0, 2)
    assert count(measured) == 2


def test_a_device_that_is_not_known_is_named_and_the_others_stored(measured: House) -> None:
    taken = send(measured, measured.now, [reading(0), reading(7)])
    assert taken.accepted == 1
    assert taken.unknown_uuids == ["GPU-7"]


def test_a_clock_that_runs_ahead_or_a_look_too_old_is_refused_with_the_reason(
    measured: House,
) -> None:
    ahead = send(measured, measured.now + timedelta(minutes=3), [reading()])
    assert ahead.refused is not None
    assert "the clock of the node is wrong" in ahead.refused
    old = send(measured, measured.now - timedelta(hours=7), [reading()])
    assert old.refused is not None
    assert "samples are kept since" in old.refused
    assert count(measured) == 0


def test_minutes_hold_means_and_highest_values_of_what_was_measured(measured: House) -> None:
    start = measured.now.replace(second=0, microsecond=0)
    for second, busy in ((0, 10.0), (15, None), (30, 20.0), (45, 60.0)):
        send(measured, start + timedelta(seconds=second), [reading(busy=busy)])
    measured.clock.forward(minutes=4)
    assert roll(measured) > 0
    (minute,) = minutes(measured)
    assert minute.at_ts == int(start.timestamp())
    assert (minute.samples, minute.utilization_samples) == (4, 3)
    assert minute.utilization_pct == pytest.approx(30)
    assert minute.utilization_pct_max == 60
    assert minute.memory_used_mib is None
    assert roll(measured) == 0


def test_hours_weigh_their_minutes_by_samples(measured: House) -> None:
    hour = measured.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    measured.clock.forward(hours=2)
    for second in range(0, 60, 15):
        send(measured, hour + timedelta(seconds=second), [reading(busy=100, power_w=400.0)])
    send(measured, hour + timedelta(minutes=1), [reading(busy=0, power_w=100.0)])
    measured.clock.forward(hours=1)
    roll(measured)
    with measured.database.read() as session:
        (made,) = session.scalars(select(HourUse))
    assert made.samples == 5
    assert made.utilization_pct == pytest.approx(80)
    assert made.power_w == pytest.approx(340)
    assert made.power_w_max == 400


def test_samples_that_come_late_are_rolled_up_after_all(measured: House) -> None:
    start = measured.now.replace(second=0, microsecond=0)
    send(measured, start, [reading(busy=0)])
    measured.clock.forward(minutes=10)
    send(measured, measured.now, [reading(busy=0)])
    roll(measured)
    late = send(measured, start + timedelta(seconds=15), [reading(busy=100)])
    assert late.accepted == 1
    assert roll(measured) == 1
    assert minutes(measured)[0].utilization_pct == pytest.approx(50)
    assert roll(measured) == 0


def test_a_gap_has_no_minutes(measured: House) -> None:
    start = measured.now.replace(second=0, microsecond=0)
    send(measured, start, [reading()])
    measured.clock.forward(minutes=30)
    send(measured, measured.now, [reading()])
    measured.clock.forward(minutes=5)
    roll(measured)
    assert len(minutes(measured)) == 2


def test_old_rows_go_in_bounded_batches(measured: House) -> None:
    start = measured.now
    for second in range(10):
        send(measured, start + timedelta(seconds=second), [reading(0), reading(1)])
    measured.clock.forward(hours=7)
    ages = Ages(samples=KEPT, minutes=timedelta(days=30), hours=timedelta(days=400))
    with measured.database.write() as session:
        first = purge(session, ages, now=measured.now, most=6)
    assert 6 <= first <= 8
    assert count(measured) == 20 - first
    with measured.database.write() as session:
        purge(session, ages, now=measured.now)
    assert count(measured) == 0
