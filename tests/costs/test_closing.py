"""Closed days say what the holds say, whatever happened and whenever they were closed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_management.allocations.errors import GpuNotAvailable
from gpu_management.costs.grouping import Dimension
from gpu_management.devices import library
from gpu_management.devices.models import DeviceState
from gpu_management.rates.service import Price, set_rate
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
            facts = {"model_id": "own", "model_name": "Own", "manufacturer": "Us"}
            facts |= {"memory_gb": 16, "memory_mib": None, "tdp_watts": None}
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
