"""Closed days say what the holds say, whatever happened and whenever they were closed."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, update

from gpu_management.allocations.corrections import Correction, correct
from gpu_management.allocations.errors import GpuNotAvailable
from gpu_management.allocations.models import Hold
from gpu_management.costs import jobs
from gpu_management.costs import service as costs
from gpu_management.costs.grouping import Dimension
from gpu_management.costs.models import Closing, DayCapacity, DayCost, DayTotal, HoldDay
from gpu_management.devices import library
from gpu_management.devices.models import DeviceState
from gpu_management.rates.pricing import SliceRule
from gpu_management.rates.service import BookKeeper, Price, set_rate
from tests.support.costs import answered, close_days, fleet_buckets, from_raw
from tests.support.house import A100, H100, T4, House, prepared_database
from tests.support.principals import ADMIN

DEEDS = ("take", "share", "slice", "release", "release", "fail", "repair", "price", "close")
ASKED: dict[str, dict[str, Any]] = {
    "take": {"required_memory_gb": 16},
    "share": {"required_memory_gb": 16, "gpu_milli": 333},
    "slice": {"required_memory_gb": 10, "use_mig": True},
}


class Life:
    """A house in which things happen; it forgets nothing it was asked for."""

    def __init__(self, folder: str, zone: str) -> None:
        self.house = House(prepared_database(Path(folder)), zone=zone)
        self.house.clock.now = datetime(2026, 3, 6, 17, 0, 1, tzinfo=UTC)
        self.began = self.house.now
        self.devices = [
            *self.house.node("n1", gpus=2, model=H100),
            *self.house.node("n2", gpus=1, model=T4),
            *self.house.node("n3", gpus=1, model=A100, layout=[]),
        ]
        with self.house.database.write() as session:
            facts: dict[str, Any] = {"model_id": "own", "model_name": "Own"}
            facts |= {"manufacturer": "Us", "memory_gb": 16, "memory_mib": None, "tdp_watts": None}
            library.add_model(session, {**facts, "architecture": None})
        self.devices += self.house.node("n4", gpus=1, model="own")
        self.held: list[str] = []

    def do(self, deed: str, pick: int) -> None:
        house = self.house
        if deed in ASKED:
            try:
                made = house.request(team_id=("a", "b", None)[pick % 3], **ASKED[deed])
                self.held.append(made.allocation_id)
            except GpuNotAvailable:
                return
        elif deed == "release" and self.held:
            house.release(self.held.pop(pick % len(self.held)))
        elif deed in {"fail", "repair"}:
            state = DeviceState.FAILED if deed == "fail" else DeviceState.READY
            house.set_state(self.devices[pick % len(self.devices)], state)
        elif deed == "price":
            self.price(("own", H100, T4)[pick % 3], pick)
        elif deed == "close":
            close_days(house)
        elif deed == "restart":
            house.restart()

    def price(self, model: str, pick: int) -> None:
        with self.house.database.write() as session:
            told = Price(model, Decimal(1 + pick % 9_000_000) / 1_000_000)
            set_rate(session, told, principal=ADMIN, now=self.house.now)


steps = st.lists(
    st.tuples(st.sampled_from(DEEDS), st.integers(1, 40 * 3600), st.integers(0, 10**7)),
    min_size=3,
    max_size=14,
)
zones = st.sampled_from(("UTC", "Asia/Seoul", "America/New_York", "Asia/Kathmandu"))


@settings(max_examples=12, deadline=None)
@given(steps=steps, zone=zones, cut=st.integers(0, 20 * 86_400))
def test_closed_days_answer_what_the_holds_say(
    steps: list[tuple[str, int, int]], zone: str, cut: int
) -> None:
    with TemporaryDirectory() as folder:
        life = Life(folder, zone)
        house = life.house
        for deed, seconds, pick in steps:
            house.clock.forward(seconds=seconds)
            life.do(deed, pick)
        house.clock.forward(seconds=12_345)
        since = life.began - timedelta(days=1)
        before = everything(house, since, house.now)
        close_days(house)
        assert everything(house, since, house.now) == before
        raw = from_raw(house, since, house.now, "day", "team_id", "model_id")
        groups = (Dimension.DAY, Dimension.TEAM, Dimension.MODEL)
        assert answered(house, since, house.now, *groups) == raw
        middle = min(since + timedelta(seconds=cut), house.now)
        halves = (everything(house, since, middle), everything(house, middle, house.now))
        assert [sum(parts) for parts in zip(*halves, strict=True)] == before
        house.database.close()


def everything(house: House, since: datetime, until: datetime) -> list[int]:
    """Return every figure of a window; each way of adding them up must give the same."""
    holds = answered(house, since, until)
    total = holds.get((), (0, 0, 0))
    for group in Dimension:
        grouped = answered(house, since, until, group).values()
        assert tuple(map(sum, zip(*grouped, strict=True))) in {total, ()}
    fleet = fleet_buckets(house, since, until).get(())
    if fleet is None:
        return [*total, *[0] * 8]
    for group in (Dimension.NODE, Dimension.MODEL, Dimension.DAY, Dimension.MONTH):
        parts = list(fleet_buckets(house, since, until, group).values())
        assert sum(parts[1:], parts[0]) == fleet
    assert (fleet.held, fleet.charged_micros) == (total[0], total[2])
    told = fleet.charged_micros + fleet.free_micros + fleet.unavailable_micros
    assert told + fleet.adjustment_micros == fleet.card_micros
    return [*total, fleet.used, fleet.idle, fleet.unattributed, fleet.free, fleet.unavailable,
            fleet.card_micros, fleet.free_micros, fleet.unavailable_micros]  # fmt: skip


def spent_a_while(house: House, *, days: int = 3) -> str:
    """Hold a GPU over some midnights; return the allocation."""
    house.node(gpus=2)
    made = house.request(team_id="ml")
    house.clock.forward(days=days)
    return made.allocation_id


def the_hold(house: House, allocation_id: str) -> Hold:
    with house.database.read() as session:
        query = select(Hold).where(Hold.allocation_id == allocation_id).order_by(Hold.id.desc())
        return session.scalars(query).first()  # type: ignore[return-value]


def rows_of(house: House) -> int:
    with house.database.read() as session:
        tables = (HoldDay, DayCost, DayTotal, DayCapacity)
        return sum(session.scalar(select(func.count()).select_from(one)) or 0 for one in tables)


def agrees(house: House) -> bool:
    """Say whether closed days tell the same as the holds alone."""
    since = house.now - timedelta(days=30)
    groups = (Dimension.DAY, Dimension.TEAM, Dimension.MODEL)
    raw = from_raw(house, since, house.now, "day", "team_id", "model_id")
    return counts_on(house) and answered(house, since, house.now, *groups) == raw


def counts_on(house: House) -> bool:
    """Say whether the running sum and the day totals tell what the sums of days tell."""
    with house.database.read() as session:
        told = session.scalar(select(Closing.micros)) or 0
        sums = [session.scalar(select(func.sum(one.micros))) or 0 for one in (DayCost, DayTotal)]
    return [told, told] == sums


def test_a_day_is_closed_ten_minutes_after_its_end(house: House) -> None:
    spent_a_while(house, days=1)
    house.clock.now = datetime(2026, 3, 4, 0, 9, 59, tzinfo=UTC)
    close_days(house)
    with house.database.read() as session:
        assert session.scalars(select(Closing.closed_until)).one() == datetime(
            2026, 3, 3, tzinfo=UTC
        )
    house.clock.forward(seconds=1)
    assert close_days(house) == 1
    assert agrees(house)


def test_closing_again_or_by_another_replica_writes_nothing_more(house: House) -> None:
    spent_a_while(house)
    close_days(house)
    before = rows_of(house)
    with house.database.read() as session:
        assert not jobs.has_days_to_close(session, house.desk, now=house.now)
    house.restart()
    assert close_days(house) == 0
    assert rows_of(house) == before > 0


def test_who_dies_before_the_commit_has_closed_nothing(house: House) -> None:
    spent_a_while(house)
    with suppress(ZeroDivisionError), house.database.write() as session:
        assert jobs.close_days(session, house.desk, now=house.now) > 0
        raise ZeroDivisionError
    assert rows_of(house) == 0
    assert agrees(house)
    assert close_days(house) > 0
    assert agrees(house)


def test_a_correction_of_closed_days_counts_at_once_and_is_appended_later(house: House) -> None:
    made = spent_a_while(house)
    house.release(made)
    house.clock.forward(days=1)
    close_days(house)
    wrong = the_hold(house, made)
    with house.database.write() as session:
        told = Correction("too long", ended_at=wrong.started_at + timedelta(hours=5))
        correct(session, wrong.id, told, principal=ADMIN, now=house.now)
    before = everything(house, wrong.started_at - timedelta(days=2), house.now)
    assert agrees(house)
    close_days(house)
    assert agrees(house)
    assert everything(house, wrong.started_at - timedelta(days=2), house.now) == before
    with house.database.read() as session:
        appended = session.scalars(select(DayCost).where(DayCost.is_correction)).all()
    assert min(row.micros for row in appended) < 0
    size = rows_of(house)
    close_days(house)
    assert rows_of(house) == size


def test_a_hold_that_came_late_or_ended_earlier_than_thought_is_made_up_for(house: House) -> None:
    made = spent_a_while(house)
    close_days(house)
    hold = the_hold(house, made)
    late = house.now - timedelta(days=2)
    with house.database.write() as session:
        session.execute(update(Hold).where(Hold.id == hold.id).values(ended_at=late, open_key=None))
        values = {"device_id": hold.device_id, "kind": "SHARE", "source": "observed", "milli": 100}
        times = {"started_at": late, "ended_at": late + timedelta(hours=30)}
        session.execute(insert(Hold).values(**values, **times))
    assert agrees(house)
    close_days(house)
    assert agrees(house)


@pytest.mark.parametrize("what", ["zone", "rule"])
def test_another_zone_or_slice_rule_builds_every_day_again(house: House, what: str) -> None:
    spent_a_while(house)
    close_days(house)
    zone = ZoneInfo("Asia/Seoul") if what == "zone" else house.desk.zone
    rule = SliceRule.COMPUTE_SHARE if what == "rule" else SliceRule.DOMINANT_SHARE
    house.keeper = BookKeeper(rule)
    house.desk = costs.Desk("USD", zone, house.keeper)
    assert agrees(house)
    assert close_days(house) >= 3
    assert agrees(house)
    with house.database.read() as session:
        row = session.get_one(Closing, 1)
        assert (row.timezone, row.slice_rule) == (zone.key, rule.value)


def test_the_counter_of_all_cost_never_falls_when_a_correction_gives_money_back(
    house: House,
) -> None:
    made = spent_a_while(house)
    house.release(made)
    seen = [ever(house)]
    for step in ("correct", "restart", "close", "restart", "wait"):
        if step == "correct":
            hold = the_hold(house, made)
            with house.database.write() as session:
                told = Correction("less", ended_at=hold.started_at + timedelta(hours=1))
                correct(session, hold.id, told, principal=ADMIN, now=house.now)
        elif step == "restart":
            house.restart()
        elif step == "close":
            house.clock.forward(days=1)
            close_days(house)
        else:
            house.clock.forward(hours=1)
        seen.append(ever(house))
    assert seen == sorted(seen)
    assert seen[0] == seen[-1] > 0


def ever(house: House) -> Decimal:
    with house.database.read() as session:
        return costs.total_ever(session, house.desk, now=house.now)
