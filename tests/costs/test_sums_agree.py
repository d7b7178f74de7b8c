"""Whoever is asked, the bill is the same: every answer about money, after a random history."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, select

from gpu_management.allocations.errors import GpuNotAvailable
from gpu_management.costs import closing
from gpu_management.costs.grouping import Dimension
from gpu_management.devices.models import Device, DeviceState
from gpu_management.metrics.models import WHOLE_GPU, MinuteUse
from gpu_management.rates.service import Price, set_rate
from tests.support.billing import ended_holds, shorten
from tests.support.house import A100, T4, V100, House, prepared_database
from tests.support.principals import ADMIN

GPU = "/api/v1/gpu"
START = datetime(2026, 2, 24, 7, 31, 13, tzinfo=UTC)
TEAMS = ("ml", "web", '=cmd|"/c calc"!A1', None)
PARTS = ("used", "idle", "unattributed")
MICRO = Decimal(1_000_000)


def micros(amount: float) -> int:
    """Return an amount of the wire in millionths; there is nothing finer."""
    exact = Decimal(str(amount)) * MICRO
    assert exact == int(exact)
    return int(exact)


def added(amounts: Iterable[float]) -> int:
    return sum(micros(amount) for amount in amounts)


def live_through(house: House, seed: int, *, steps: int) -> None:
    """Take, return, fail, price anew, correct and close days, by chance."""
    random = Random(seed)  # noqa: S311 - a history, not a secret
    house.clock.now = START
    machines = [
        *house.node("n1", gpus=2, model=T4),
        *house.node("n2", gpus=2, model=V100),
        *house.node("n3", gpus=1, model=A100, layout=[("1g.10gb", 0), ("3g.40gb", 4)]),
    ]
    running: list[str] = []
    for _ in range(steps):
        since = house.now
        house.clock.forward(seconds=random.randint(1, 60_000))
        _measure(house, random, since)
        _step(house, random, machines, running)


def _measure(house: House, random: Random, since: datetime) -> None:
    """Write some minutes of what GPUs and slices did; the others were not measured."""
    first, last = (int(moment.timestamp()) // 60 for moment in (since, house.now))
    minutes = random.sample(range(first, last), min(15, last - first))
    with house.database.write() as session:
        devices = session.scalars(select(Device.id)).all()
        rows = [
            {
                "device_id": device,
                "gpu_instance_id": instance,
                "at_ts": 60 * minute,
                "samples": 4,
                "utilization_samples": 4,
                "utilization_pct": random.choice((0.0, 37.5, 100.0)),
            }
            for device in devices
            for instance in (WHOLE_GPU, 1)
            for minute in minutes
        ]
        if rows:
            session.execute(insert(MinuteUse), rows)


def _step(house: House, random: Random, machines: list[str], running: list[str]) -> None:
    match random.randrange(8):
        case 0 | 1 | 2:
            _take(house, random, running)
        case 3 | 4 if running:
            house.release(running.pop(random.randrange(len(running))))
        case 5:
            state = random.choice((DeviceState.READY, DeviceState.FAILED))
            house.set_state(random.choice(machines), state)
        case 6:
            amount = Decimal(random.randint(0, 9_999_999)) / MICRO
            with house.database.write() as session:
                price = Price(random.choice((T4, V100, A100)), amount)
                set_rate(session, price, principal=ADMIN, now=house.now)
        case 7 if ended := ended_holds(house):
            shorten(house, random.choice(ended), seconds=random.randint(0, 90_000))
        case _:
            with house.database.write() as session:
                closing.close_days(session, house.desk.terms(session), now=house.now)


def _take(house: House, random: Random, running: list[str]) -> None:
    shapes: list[dict[str, Any]] = [
        {},
        {"gpu_milli": random.randint(1, 999)},
        {"use_mig": True, "required_memory_gb": 9},
    ]
    team, user = random.choice(TEAMS), random.choice(("kim", "지민", None))
    with suppress(GpuNotAvailable):
        made = house.request(**random.choice(shapes), team_id=team, user_id=user)
        running.append(made.allocation_id)


@pytest.fixture(params=[(1, "UTC"), (2, "America/New_York"), (3, "Australia/Lord_Howe")])
def lived(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    seed, zone = request.param
    database = prepared_database(tmp_path)
    house = House(database, zone=zone)
    live_through(house, seed, steps=120)
    yield house
    database.close()


@pytest.fixture
def caller(lived: House) -> Iterator[TestClient]:
    with lived.client() as opened:
        yield opened


def ask(caller: TestClient, path: str, **asked: Any) -> Any:
    answer = caller.get(f"{GPU}/{path}", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_every_answer_about_money_tells_the_same_sum(lived: House, caller: TestClient) -> None:
    window = {"start": START.isoformat(), "end": lived.now.isoformat()}
    found = ask(caller, "cost/analysis", **window)
    held = [found["buckets"][name]["cost"] for name in ("used", "idle", "unattributed")]
    days = [day["cost"] for day in found["dailySeries"]]
    months = [month["month"] for month in ask(caller, "statements")]
    allocations = [row["allocationId"] for row in ask(caller, "allocations")]
    costs = {
        "buckets": held,
        "dailySeries": days,
        **{name: found[name].values() for name in found if name.startswith("by")},
        **{
            group: [row["cost"] for row in ask(caller, "cost/by", group=group, **window)]
            for group in (*Dimension, ",".join(Dimension))
        },
        "statements": [ask(caller, f"statements/{month}")["totalCost"] for month in months],
        "allocations": [row["totalCost"] for row in ask(caller, "allocations")],
        "costs so far": [
            ask(caller, f"allocations/{name}/cost")["costSoFar"] for name in allocations
        ],
    }
    assert {name: added(parts) for name, parts in costs.items()} == dict.fromkeys(
        costs, micros(found["totalCost"])
    )
    assert found["totalCost"] > 0


def test_every_row_of_costs_is_parted_and_the_parts_sum_to_the_same(
    lived: House, caller: TestClient
) -> None:
    window = {"start": START.isoformat(), "end": lived.now.isoformat()}
    buckets = ask(caller, "cost/analysis", **window)["buckets"]
    fleet = [micros(buckets[name]["cost"]) for name in PARTS]
    assert min(fleet) > 0
    payers = [one for one in Dimension if one not in {Dimension.NODE, Dimension.ALLOCATION}]
    told = {}
    for group in ("", *Dimension, "team,day", "allocation,month", ",".join(payers)):
        rows = ask(caller, "cost/by", group=group, **window)
        parts = [[micros(row[f"{name}Cost"]) for name in PARTS] for row in rows]
        assert [sum(row) for row in parts] == [micros(row["cost"]) for row in rows]
        assert min(amount for row in parts for amount in row) >= 0
        told[group] = [sum(column) for column in zip(*parts, strict=True)]
    by_hold = [told.pop(group) for group in ("node", "allocation", "allocation,month")]
    assert told == dict.fromkeys(told, fleet)
    assert by_hold == [by_hold[0]] * 3
    ml = ask(caller, "cost/by", group="user", team="ml", **window)
    (whole,) = (
        row for row in ask(caller, "cost/by", group="team", **window) if row["team"] == "ml"
    )
    assert [added(row[f"{name}Cost"] for row in ml) for name in PARTS] == [
        micros(whole[f"{name}Cost"]) for name in PARTS
    ]


def test_opencost_clients_read_that_sum_rounded(lived: House, caller: TestClient) -> None:
    window = {"start": START.isoformat(), "end": lived.now.isoformat()}
    total = micros(ask(caller, "cost/analysis", **window)["totalCost"])
    edges = f"{START:%Y-%m-%dT%H:%M:%SZ},{lived.now:%Y-%m-%dT%H:%M:%SZ}"
    for aggregate in ("namespace", "label:team", "node", "pod"):
        asked = {"window": edges, "aggregate": aggregate}
        (rows,) = caller.get("/allocation", params=asked).json()["data"]
        told = added(row["totalCost"] for row in rows.values())
        assert abs(told - total) <= 5 * len(rows), aggregate


def test_meters_and_budgets_tell_what_the_month_and_the_day_cost(
    lived: House, caller: TestClient
) -> None:
    today = added(row["cost"] for row in ask(caller, "cost/by", group="day", days=1))
    this_month = ask(caller, "statements")[0]["month"]
    by_team = {
        row["teamId"]: micros(row["totalCost"])
        for row in ask(caller, f"statements/{this_month}")["teams"]
    }
    with lived.database.read() as session:
        spent = lived.desk.meter.spent(session, now=lived.now)
    assert (spent.today, spent.month) == (today, sum(by_team.values()))
    assert spent.ever >= micros(ask(caller, "cost/analysis", start=START.isoformat())["totalCost"])
    body = {"scope": "team", "scopeName": "ml", "period": "month", "amount": 10_000}
    made = caller.post(f"{GPU}/budgets", json=body).json()
    assert micros(made["status"]["spent"]) == by_team.get("ml", 0)
