"""Samples that come after their day was closed."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, func, select, update

from gpu_management.costs import jobs, service
from gpu_management.costs.models import DayTotal, HoldDay
from gpu_management.costs.reader import Reader
from gpu_management.devices.models import Device
from gpu_management.metrics.ingest import Devices, take
from gpu_management.metrics.models import MinuteUse, RemadeMinute
from gpu_management.metrics.readings import Reading, Target
from gpu_management.metrics.rollup import roll_up
from tests.support.house import House
from tests.support.principals import ADMIN


@pytest.fixture
def held(house: House) -> House:
    return lately(house)


def lately(house: House) -> House:
    """Return a GPU held in the last hour before midnight, and nothing measured yet."""
    house.clock.now = house.now.replace(hour=23, minute=0, second=0, microsecond=0)
    house.node()
    with house.database.write() as session:
        session.execute(update(Device).values(uuid="GPU-1", live_uuid="GPU-1"))
    house.request(team_id="ml")
    return house


def send(house: House, since: datetime, minutes: int, busy: float) -> None:
    with house.database.write() as session:
        for tick in range(minutes * 4):
            at = since + timedelta(seconds=15 * tick)
            reading = Reading(Target("GPU-1"), gpu_util_pct=busy)
            now = max(at, house.now)
            take(session, Devices(), [reading], collected_at=at, oldest=since, now=now)


def run(house: House) -> None:
    """Make minutes and close days, as the controller does."""
    with house.database.write() as session:
        roll_up(session, now=house.now)
    with house.database.read() as session:
        due = jobs.has_days_to_close(session, house.desk, now=house.now)
    if due:
        with house.database.write() as session:
            jobs.close_days(session, house.desk, now=house.now)


def hours(house: House) -> dict[str, float]:
    with house.database.read() as session:
        told = service.analysis(session, house.desk, days=2, reader=Reader(ADMIN), now=house.now)
        tables = [
            session.execute(
                select(func.sum(table.used_milli_seconds), func.sum(table.idle_milli_seconds))
            ).one()
            for table in (HoldDay, DayTotal)
        ]
    assert tables[0] == tables[1]
    return {name: told["buckets"][name]["gpu_hours"] for name in ("used", "idle", "unattributed")}


def test_what_comes_after_a_day_was_closed_is_appended_to_it(held: House) -> None:
    since = held.now
    send(held, since, 30, 100.0)
    held.clock.now = since + timedelta(hours=1, minutes=15)
    run(held)
    before = hours(held)
    assert (before["used"], before["idle"]) == (0.5, 0)
    send(held, since + timedelta(minutes=30), 30, 50.0)
    run(held)
    held.clock.forward(minutes=11)
    run(held)
    after = hours(held)
    assert (after["used"], after["idle"]) == (0.75, 0.25)
    with held.database.read() as session:
        rows = session.scalars(select(HoldDay).where(HoldDay.is_correction)).all()
        assert [(one.milli_seconds, one.micros) for one in rows] == [(0, 0)]
        assert session.scalar(select(func.count()).select_from(RemadeMinute)) == 0
    run(held)
    assert hours(held) == after


def test_pieces_that_come_one_after_the_other_are_waited_for(held: House) -> None:
    since = held.now
    held.clock.now = since + timedelta(hours=1, minutes=15)
    run(held)
    for part in range(3):
        send(held, since + timedelta(minutes=10 * part), 10, 100.0)
        run(held)
        held.clock.forward(minutes=3)
    assert hours(held)["used"] == 0
    held.clock.forward(minutes=2)
    run(held)
    assert hours(held)["used"] == 0.5


def test_minutes_that_were_made_late_count_although_no_sample_was(held: House) -> None:
    since = held.now
    send(held, since, 60, 100.0)
    held.clock.now = since + timedelta(hours=1, minutes=15)
    with held.database.write() as session:  # the loops were away, and closing came first
        jobs.close_days(session, held.desk, now=held.now)
    assert hours(held)["used"] == 0
    run(held)
    held.clock.forward(minutes=11)
    run(held)
    assert hours(held)["used"] == 1


def test_a_day_whose_minutes_need_not_all_be_there_is_left_as_it_is(held: House) -> None:
    since = held.now
    send(held, since, 60, 100.0)
    held.clock.now = since + timedelta(hours=1, minutes=15)
    run(held)
    held.clock.forward(hours=48)
    with held.database.write() as session:
        session.execute(delete(MinuteUse))
        session.add(RemadeMinute(at_ts=int(since.timestamp()), made_ts=int(since.timestamp())))
        jobs.close_days(session, held.desk, now=held.now)
    with held.database.read() as session:
        used = session.scalar(select(func.sum(HoldDay.used_milli_seconds)))
    assert used == 3_600_000
