"""Splitting many holds together says what splitting each of them says."""

import random

import pytest
from sqlalchemy import delete, event, insert, update

from gpu_management.core.database import table_of
from gpu_management.costs import using
from gpu_management.metrics.attribution import Use
from gpu_management.metrics.models import HourUse, MinuteUse, RollUp
from gpu_management.metrics.rollup import least_samples, roll_up
from gpu_management.metrics.use import uses
from gpu_management.metrics.use_many import measured, whole_hours
from tests.support.house import House

GPUS = 112
HOURS = 5
RANDOM = random.Random(7)  # noqa: S311 - figures of a test


@pytest.fixture
def fleet(house: House) -> House:
    return filled(house)


def filled(house: House) -> House:
    """Return more whole GPUs than are split one by one, held for five hours and a bit."""
    house.clock.now = house.now.replace(minute=20, second=30, microsecond=0)
    for node in range(GPUS // 8):
        house.node(f"n{node}", gpus=8)
    for _ in range(GPUS):
        house.request()
    start = int(house.now.timestamp()) // 60 * 60
    rows = []
    for device in range(1, GPUS + 1):
        for at in range(start, start + HOURS * 3600, 60):
            samples = RANDOM.choice([0, 1, 2, 4, 4, 4])
            pct = RANDOM.choice([0.0, 12.5, 50.0, 99.5])
            rows.append(
                {
                    "device_id": device,
                    "gpu_instance_id": -1,
                    "at_ts": at,
                    "samples": 4,
                    "utilization_samples": samples,
                    "utilization_pct": pct if samples else None,
                }
            )
    with house.database.write() as session:
        session.connection().execute(insert(table_of(MinuteUse)), rows)
        session.add(RollUp(tier="minute", done_until_ts=start + HOURS * 3600))
    house.clock.forward(hours=HOURS)
    with house.database.write() as session:
        roll_up(session, now=house.now, least=2)
    return house


def split(
    house: House, span: tuple[int, int], *, together: bool, interval: int = 15
) -> dict[int, Use]:
    """Return the splits by hold, of all at once, or of a few GPUs at a time."""
    found = dict[int, Use]()
    groups = [range(1, GPUS + 1)] if together else [range(at, at + 8) for at in range(1, GPUS, 8)]
    with house.database.read() as session:
        for devices in groups:
            told = uses(session, [span], interval_seconds=interval, devices=devices)
            found |= {hold: use for (hold, _), use in told.items()}
    return found


def span_of(house: House, skipped: int) -> tuple[int, int]:
    until = int(house.now.timestamp())
    return until - HOURS * 3600 + skipped, until - skipped


@pytest.mark.parametrize("skipped", [0, 17, 1800, 3000, 8000])
def test_together_says_what_one_by_one_says(fleet: House, skipped: int) -> None:
    span = span_of(fleet, skipped)
    together, alone = (split(fleet, span, together=told) for told in (True, False))
    assert len(together) == GPUS
    assert together.keys() == alone.keys()
    for hold, use in together.items():
        assert use.held == alone[hold].held
        assert use.unattributed == alone[hold].unattributed
        assert abs(use.used - alone[hold].used) <= 1


@pytest.mark.parametrize("skipped", [0, 17, 3000])
def test_one_by_one_hours_say_what_their_minutes_say(fleet: House, skipped: int) -> None:
    span = span_of(fleet, skipped)
    by_hours = split(fleet, span, together=False)
    with fleet.database.write() as session:
        session.execute(update(RollUp).where(RollUp.tier == "hour").values(done_until_ts=0))
    by_minutes = split(fleet, span, together=False)
    assert by_hours.keys() == by_minutes.keys()
    for hold, use in by_hours.items():
        assert use.unattributed == by_minutes[hold].unattributed
        assert abs(use.used - by_minutes[hold].used) <= 1


@pytest.mark.parametrize("together", [True, False])
def test_whole_hours_are_known_when_their_minutes_are_gone(fleet: House, *, together: bool) -> None:
    span = span_of(fleet, 0)
    before = split(fleet, span, together=together)
    with fleet.database.write() as session:
        session.execute(delete(MinuteUse))
    after = split(fleet, span, together=together)
    assert after.keys() == before.keys()
    for hold, use in after.items():
        assert use.held == before[hold].held
        lost = use.unattributed - before[hold].unattributed
        assert 0 <= lost <= 3600 * 1000  # the parts of hours at both ends
        assert use.used + use.idle > 0


def test_hours_that_were_counted_otherwise_are_counted_by_their_minutes(fleet: House) -> None:
    span = span_of(fleet, 0)
    wanted = split(fleet, span, together=True)
    with fleet.database.write() as session:
        session.execute(update(HourUse).values(measured_least=9, measured_minutes=0))
    assert split(fleet, span, together=True) == wanted


def test_hours_that_are_not_made_yet_are_counted_by_their_minutes(fleet: House) -> None:
    span = span_of(fleet, 0)
    with fleet.database.read() as session:
        before = measured(session, span, least=2, hours=whole_hours(session, span, least=2))
    with fleet.database.write() as session:
        session.execute(
            update(RollUp)
            .where(RollUp.tier == "hour")
            .values(done_until_ts=RollUp.done_until_ts - 7200)
        )
        after = measured(session, span, least=2, hours=whole_hours(session, span, least=2))
    assert {key: one.seconds for key, one in after.items()} == {
        key: one.seconds for key, one in before.items()
    }


def test_it_takes_a_few_statements_whatever_the_number_of_holds(fleet: House) -> None:
    sent: list[str] = []
    engine = fleet.database.engine
    event.listen(engine, "before_cursor_execute", lambda *told: sent.append(told[2]))
    split(fleet, span_of(fleet, 0), together=True)
    assert len([one for one in sent if "gpu_usage" in one]) <= 7


def test_holds_that_last_through_are_split_however_many_there_are(fleet: House) -> None:
    span = span_of(fleet, 0)
    with fleet.database.read() as session:
        told = uses(session, [span], interval_seconds=15, most=0)
    assert len(told) == GPUS
    later = (span[0] - 60, span[1])
    with fleet.database.read() as session:
        assert uses(session, [later], interval_seconds=15, most=GPUS - 1) == {}
        assert len(uses(session, [later], interval_seconds=15, most=GPUS)) == GPUS
    assert using.MOST_OPEN >= GPUS


@pytest.mark.parametrize(("interval", "least"), [(5, 6), (15, 2), (30, 1), (60, 1), (120, 1)])
def test_half_the_samples_of_a_minute_are_enough(interval: int, least: int) -> None:
    assert least_samples(interval) == least
