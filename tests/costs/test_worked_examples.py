"""The examples of docs/concepts/ledger.md, executed: the numbers are read from the page."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from gpu_management.costs import service as costs
from gpu_management.devices.models import DeviceState
from gpu_management.rates.service import Price, set_rate
from tests.support.costs import close_days, fleet_buckets
from tests.support.house import A100, T4, House
from tests.support.principals import ADMIN

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "ledger.md"
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
NAMES = ("unattributed", "free", "unavailable")


def tables() -> list[dict[str, list[str]]]:
    """Return the tables of the worked examples, row by row."""
    section = PAGE.read_text().split("## Worked examples")[1].split("\n## ")[0]
    found: list[dict[str, list[str]]] = []
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ---"):
            found.append({})
        elif line.startswith("|") and cells[0] not in {"bucket", "piece"}:
            found[-1][cells[0]] = cells[1:]
    return found


def price(house: House, model: str, told: str, at: datetime | None = None) -> None:
    with house.database.write() as session:
        wanted = Price(model, Decimal(told), effective_from=at)
        set_rate(session, wanted, principal=ADMIN, now=house.now)


def told_by_the_ledger(house: House) -> dict[str, list[str]]:
    """Ask where the day went, in the words of the page."""
    found = fleet_buckets(house, MIDNIGHT, MIDNIGHT + timedelta(days=1))[()]
    worth = {
        "unattributed": found.charged_micros,
        "free": found.free_micros,
        "unavailable": found.unavailable_micros,
    }
    rows = {name: [_hours(getattr(found, name)), _money(worth[name])] for name in NAMES}
    rows["tariff adjustment"] = ["", _money(found.adjustment_micros)]
    rows["card"] = [_hours(found.total), _money(found.card_micros)]
    return rows


def _hours(milli_seconds: int) -> str:
    return f"{Decimal(milli_seconds) / 3_600_000:f}"


def _money(micros: int) -> str:
    return f"{(Decimal(micros) / 1_000_000).normalize():f}"


def test_a_gpu_that_fails_while_a_part_of_it_is_held(house: House) -> None:
    house.clock.now = MIDNIGHT
    price(house, T4, "0.35")
    (device,) = house.node()
    house.clock.forward(hours=8)
    made = house.request(gpu_milli=250)
    house.clock.forward(hours=2)
    house.set_state(device, DeviceState.FAILED)
    house.clock.forward(hours=2)
    house.release(made.allocation_id)
    house.clock.forward(hours=6)
    house.set_state(device, DeviceState.READY)
    house.clock.forward(hours=7)
    assert told_by_the_ledger(house) == tables()[0]
    close_days(house)
    assert told_by_the_ledger(house) == tables()[0]


def test_a_slice_pays_more_than_its_physical_part_of_the_card(house: House) -> None:
    house.clock.now = MIDNIGHT
    price(house, A100, "4")
    house.node(model=A100, layout=[("1g.10gb", 0)])
    house.request(use_mig=True, required_memory_gb=10)
    house.clock.forward(hours=25)
    close_days(house)
    assert told_by_the_ledger(house) == tables()[1]


def test_a_price_that_changes_within_a_hold(house: House) -> None:
    house.clock.now = MIDNIGHT
    price(house, T4, "1")
    price(house, T4, "2", at=MIDNIGHT + timedelta(hours=6))
    house.node()
    house.clock.forward(hours=6, seconds=-1)
    made = house.request(gpu_milli=333)
    begins = house.now
    house.clock.forward(seconds=3)
    house.release(made.allocation_id)
    spans = {"first second": (0, 1), "second and third": (1, 3), "whole": (0, 3)}
    for name, (cost,) in tables()[2].items():
        since, until = (begins + timedelta(seconds=at) for at in spans[name])
        with house.database.read() as session:
            book = house.keeper.book(session)
            window = costs.Window(since, until)
            pieces = costs.pieces(session, book, house.desk.zone, window)
            assert _money(sum(piece.micros or 0 for piece in pieces)) == cost
