"""What callers of the cost routes get, and what they are told."""

from datetime import timedelta
from decimal import Decimal

import pytest
from fastapi.testclient import TestClient

from gpu_management.auth.access import Permission, Role
from gpu_management.costs import answers
from gpu_management.costs import service as costs
from gpu_management.costs.grouping import Dimension
from gpu_management.devices.models import DeviceState
from gpu_management.rates.service import Price, set_rate
from tests.support.costs import close_days
from tests.support.house import T4, House
from tests.support.principals import ADMIN, principal

BY = "/api/v1/gpu/cost/by"
BUCKETS = "/api/v1/gpu/ledger/buckets"


@pytest.fixture
def busy(house: House) -> House:
    """Two teams for two days on two GPUs at 1 an hour, the first of them closed."""
    with house.database.write() as session:
        set_rate(session, Price(T4, Decimal(1)), principal=ADMIN, now=house.now)
    house.node("n1", gpus=2)
    house.request(team_id="ml", user_id="kim")
    house.request(team_id="=cmd()", gpu_milli=250)
    house.clock.forward(hours=36)
    close_days(house)
    return house


@pytest.fixture
def caller(busy: House) -> TestClient:
    return busy.client()


def test_costs_by_any_dimensions_sum_to_the_total(caller: TestClient) -> None:
    total = caller.get("/api/v1/gpu/cost/analysis?days=7").json()["data"]["totalCost"]
    assert total == 45
    for group in ("", *Dimension, "team,day", "node,model,month"):
        rows = caller.get(BY, params={"group": group, "days": 7}).json()
        assert sum(row["cost"] for row in rows) == total, group
    rows = caller.get(BY, params={"group": "team,day", "days": 7, "team": "ml"}).json()
    assert [(row["team"], row["day"], row["cost"]) for row in rows] == [
        ("ml", "2026-03-02", 12),
        ("ml", "2026-03-03", 24),
    ]
    assert caller.get(BY, params={"group": "node", "node": "n9"}).json() == []


def test_a_window_is_told_in_the_words_of_opencost(caller: TestClient) -> None:
    def days(**asked: str) -> list[str]:
        rows = caller.get(BY, params={"group": "day", **asked}).json()
        return [row["day"] for row in rows]

    assert days(window="today") == []
    assert days(window="yesterday") == ["2026-03-03"]
    assert days(window="month") == days(window="7d") == ["2026-03-02", "2026-03-03"]
    assert days(window="2026-03-02T00:00:00Z,2026-03-02T18:00:00Z") == ["2026-03-02"]
    assert caller.get(BUCKETS, params={"window": "yesterday"}).json()[0]["gpuHours"] == 48
    for asked, said in (
        ({"window": "soon"}, "soon is no window such as 7d or lastmonth"),
        ({"window": "7d", "days": "7"}, "give window, or days, or start and end"),
        ({"window": "2027-01-01T00:00:00Z,2027-01-02T00:00:00Z"}, "has not begun yet"),
    ):
        refused = caller.get(BY, params=asked)
        assert refused.status_code == 422, asked
        assert said in refused.json()["detail"]


def test_rows_are_paged_sorted_and_exported_with_formulas_disarmed(caller: TestClient) -> None:
    first = caller.get(BY, params={"group": "team", "limit": 1})
    assert first.headers["X-Total-Count"] == "2"
    assert [row["team"] for row in first.json()] == ["ml"]
    cursor = first.headers["X-Next-Cursor"]
    then = caller.get(BY, params={"group": "team", "limit": 1, "cursor": cursor})
    assert [row["team"] for row in then.json()] == ["=cmd()"]
    sheet = caller.get(BY, params={"group": "team", "sort": "cost", "format": "csv"})
    assert sheet.headers["content-type"].startswith("text/csv")
    assert sheet.text.splitlines()[1].startswith("'=cmd()")


@pytest.mark.parametrize(
    "query",
    [
        "group=moon",
        "days=3&start=2026-03-01T00:00:00Z",
        "end=2026-03-02T00:00:00Z",
        "start=2026-03-03T00:00:00Z&end=2026-03-02T00:00:00Z",
        "start=2999-01-01T00:00:00Z",
        "start=1999-01-01T00:00:00Z",
        "start=2026-02-30T00:00:00Z",
        "start=2016-12-31T23:59:60Z",
        "workloadType=Gardening",
        "cursor=mine",
        "sort=colour",
        "days=0",
    ],
)
def test_what_makes_no_sense_is_refused_with_its_reason(caller: TestClient, query: str) -> None:
    answer = caller.get(f"{BY}?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]


def test_a_window_may_begin_and_end_at_any_second(caller: TestClient) -> None:
    window = {"start": "2026-03-02T23:59:59Z", "end": "2026-03-03T00:00:01Z", "group": "day"}
    rows = caller.get(BY, params=window).json()
    assert [row["gpuMilliSeconds"] for row in rows] == [1250, 1250]


def test_buckets_tell_where_the_time_of_gpus_went(busy: House, caller: TestClient) -> None:
    busy.set_state("n1-GPU-01", DeviceState.FAILED)
    busy.clock.forward(hours=4)
    (row,) = caller.get(BUCKETS, params={"group": "model"}).json()
    assert row["model"] == T4
    hours = {name: row[name]["gpuHours"] for name in ("unattributed", "free", "unavailable")}
    assert hours == {"unattributed": 50, "free": 27, "unavailable": 3}
    assert row["used"]["gpuHours"] == row["idle"]["gpuHours"] == 0
    assert row["cardCost"] == row["gpuHours"] == 80
    assert row["tariffAdjustment"] == 0
    assert len(caller.get(BUCKETS, params={"group": "node,day"}).json()) == 3
    assert caller.get(BUCKETS, params={"team": "ml"}).status_code == 422


def test_a_gpu_shows_its_timeline_also_when_it_is_gone(busy: House, caller: TestClient) -> None:
    busy.set_state("n1-GPU-01", DeviceState.FAILED, "fell over")
    busy.clock.forward(hours=1)
    found = caller.get("/api/v1/gpu/ledger/devices/n1-GPU-01", params={"days": 3}).json()["data"]
    assert found["timeline"][-1]["state"] == "FAILED"
    assert found["timeline"][-1]["reason"] == "fell over"
    assert found["timeline"][-1]["ratePerHour"] == 1
    assert sum(row["heldMilli"] for row in found["timeline"]) >= 250
    assert found["buckets"]["gpuHours"] == 37
    told = {name for row in found["timeline"] for name in row["allocations"]}
    assert {row["allocationId"] for row in found["holders"]} == told != set()
    assert {row["namespace"] for row in found["holders"]} <= {"plain", "ml", "web", "vision"}
    assert caller.get("/api/v1/gpu/ledger/devices/nobody").status_code == 404


def test_an_allocation_tells_its_cost_at_its_end_and_when_its_limit_is_reached(
    house: House,
) -> None:
    with house.database.write() as session:
        set_rate(session, Price(T4, Decimal(1)), principal=ADMIN, now=house.now)
    house.node()
    made = house.request(max_duration_hours=10, cost_limit=Decimal(6))
    house.clock.forward(hours=2)
    path = f"/api/v1/gpu/allocations/{made.allocation_id}/cost"
    found = house.client().get(path).json()["data"]
    assert (found["costSoFar"], found["projectedCost"], found["costPerHour"]) == (2, 10, 1)
    assert found["limitReachedAt"].startswith(f"{house.now + timedelta(hours=4):%Y-%m-%dT%H:%M}")
    assert found["holds"][0]["gpuHours"] == 2
    assert house.client().get("/api/v1/gpu/allocations/none/cost").status_code == 404


def test_who_sees_one_team_is_told_nothing_of_the_fleet(busy: House) -> None:
    mine = costs.Reader(principal(Role.USER, team="ml"), Permission.OWN_COST_READ)
    window = costs.last_days(busy.desk, 7, now=busy.now)
    with busy.database.read() as session:
        found = costs.analysis(session, busy.desk, window=window, reader=mine, now=busy.now)
        for group in (Dimension.TEAM, Dimension.NODE):
            rows = answers.cost_by(
                session, busy.desk, window, groups=(group,), only={}, reader=mine
            )
            assert sum(row["cost"] for row in rows) == 36
    assert found["by_team"] == {"ml": 36}
    assert found["by_node"] == {"n1": 36}
    assert found["buckets"] is found["unallocated_cost"] is None


def test_the_trend_compares_with_the_window_before(busy: House, caller: TestClient) -> None:
    path = "/api/v1/gpu/cost/analysis?days=1"
    assert busy.now.hour == 0  # nothing was spent today yet
    assert caller.get(path).json()["data"]["trend"] == {"previousCost": 0, "changePct": None}
    ledger = caller.get("/api/v1/gpu/ledger/devices/n1-GPU-00?days=1").json()["data"]
    assert (ledger["timeline"], ledger["buckets"]["gpuHours"]) == ([], 0)
    busy.clock.forward(hours=6)
    assert caller.get(path).json()["data"]["trend"] == {"previousCost": 7.5, "changePct": 0}


def test_a_young_fleet_costs_a_day_what_its_days_cost(busy: House, caller: TestClient) -> None:
    busy.clock.forward(hours=2)  # 12 hours of the first day, the second, 2 hours of the third
    for days, spent, lived in ((1, 2.5, 1), (2, 32.5, 2), (3, 47.5, 3), (365, 47.5, 3)):
        found = caller.get(f"/api/v1/gpu/cost/analysis?days={days}").json()["data"]
        assert (found["period"]["days"], found["totalCost"]) == (days, spent)
        assert found["dailyAverage"] == pytest.approx(spent / lived, abs=1e-6)
        assert found["projectedMonthly"] == pytest.approx(30 * spent / lived, abs=1e-6)


def test_an_analysis_names_the_budget_of_what_it_covers(busy: House, caller: TestClient) -> None:
    path = "/api/v1/gpu/cost/analysis"
    assert caller.get(path).json()["data"]["budget"] is None
    budgets = (
        {"scope": "team", "scopeName": "ml", "period": "month", "amount": 50},
        {"scope": "cluster", "period": "day", "amount": 10},
        {"scope": "cluster", "period": "month", "amount": 90},
        {"scope": "cluster", "period": "month", "amount": 7, "unit": "gpuHours"},
    )
    for budget in budgets:
        assert caller.post("/api/v1/gpu/budgets", json=budget).status_code == 201
    found = caller.get(path).json()["data"]["budget"]
    assert (found["amount"], found["status"]["spent"], found["status"]["pct"]) == (90, 45, 50)
    mine = costs.Reader(principal(Role.USER, team="ml"), Permission.OWN_COST_READ)
    window = costs.last_days(busy.desk, 7, now=busy.now)
    purse = busy.app().state.purse
    with busy.database.read() as session:
        own = answers.analysis(session, busy.desk, purse, window=window, reader=mine, now=busy.now)
    assert (own["budget"]["scope_name"], own["budget"]["status"]["spent"]) == ("ml", 36)
