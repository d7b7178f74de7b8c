"""The first screen in one answer: as the pages behind it, and only what one may see."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from gpu_management.auth import schemas, service
from gpu_management.auth.access import Role
from gpu_management.auth.authenticators import IssuedKeys
from gpu_management.auth.principals import Mode, Security
from gpu_management.devices.models import Device, DeviceState
from gpu_management.metrics.models import Sample
from gpu_management.optimization.models import Status, Suggestion, SuggestionType
from gpu_management.overview.people_now import quantile
from tests.support.apps import NOON
from tests.support.house import BROWSER, H100, House
from tests.support.principals import ADMIN

SCREEN = "/api/v1/gpu/overview/screen"


@pytest.fixture
def opened(house: House) -> Iterator[TestClient]:
    with house.client() as client:
        yield client


def _screen(client: TestClient, **query: Any) -> dict[str, Any]:
    answer = client.get(SCREEN, params=query, headers=BROWSER)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()["data"]
    return told


def _measure(house: House, name: str, busy_pct: float) -> None:
    with house.database.write() as session:
        pk = session.scalar(select(Device.id).where(Device.device_id == name))
        session.add(
            Sample(created_at=house.now, device_id=pk, gpu_instance_id=-1, utilization_pct=busy_pct)
        )


def test_the_funnel_leads_from_what_there_is_to_what_is_made_of_it(
    house: House, opened: TestClient
) -> None:
    house.node("n1", gpus=4)
    house.set_state("n1-GPU-03", DeviceState.FAILED)
    held = [house.request().resources[0] for _ in range(2)]
    _measure(house, held[0], 80.0)
    _measure(house, held[1], 1.0)
    funnel = _screen(opened)["funnel"]
    assert funnel == {
        "totalMilli": 4000,
        "healthyMilli": 3000,
        "allocatedMilli": 2000,
        "measuredMilli": 2000,
        "activeMilli": 1000,
        "effectiveMilli": 810,
    }


def test_what_nobody_measured_is_unknown_not_idle(house: House, opened: TestClient) -> None:
    house.node()
    house.request()
    told = _screen(opened)
    assert told["funnel"]["activeMilli"] is None
    assert told["funnel"]["effectiveMilli"] is None
    assert told["money"]["wastePct"] is None
    assert told["money"]["idleMonth"] is None
    assert told["nodes"][0]["utilization"] == [None]


def test_each_node_tells_its_gpus_in_order(house: House, opened: TestClient) -> None:
    house.node("n2", gpus=1)
    house.node("n1", gpus=3, model=H100)
    house.set_state("n1-GPU-01", DeviceState.OFFLINE)
    first, second = _screen(opened)["nodes"]
    assert (first["nodeName"], first["modelId"], first["indexes"]) == ("n1", H100, [0, 1, 2])
    assert first["states"] == ["READY", "OFFLINE", "READY"]
    assert second["nodeName"] == "n2"


def test_every_day_adds_up_to_all_gpus_for_as_long_as_it_lasted(
    house: House, opened: TestClient
) -> None:
    house.node("n1", gpus=2)
    house.request()
    house.clock.forward(hours=30)
    days = _screen(opened, days=2)["days"]
    assert [day["day"] for day in days] == ["2026-03-02", "2026-03-03"]
    for day, hours in zip(days, (12, 18), strict=True):
        parts = sum(day[name] for name in ("used", "idle", "unattributed", "free", "unavailable"))
        assert parts == pytest.approx(2 * hours)
    assert days[1]["hours"] == 18


def test_the_month_at_this_pace_is_the_month_so_far_and_its_rest(
    house: House, opened: TestClient
) -> None:
    house.node()
    house.request()
    house.clock.forward(hours=6)
    money = _screen(opened)["money"]
    left_hours = (datetime(2026, 4, 1, tzinfo=UTC) - house.now).total_seconds() / 3600
    assert money["monthForecast"] == pytest.approx(money["month"] + money["hourly"] * left_hours)
    assert money["today"] == pytest.approx(money["hourly"] * 6)


def test_it_agrees_with_the_overview(house: House, opened: TestClient) -> None:
    house.node("n1", gpus=3)
    house.request()
    overview = opened.get("/api/v1/gpu/overview", headers=BROWSER).json()
    told = _screen(opened)
    assert told["totalDevices"] == overview["totalDevices"]
    assert told["funnel"]["allocatedMilli"] == overview["heldMilli"]
    assert told["money"]["hourly"] == overview["hourlyCost"]
    assert told["activeAllocations"] == overview["activeAllocations"]


def test_who_waits_longest_comes_first_with_the_reason(house: House, opened: TestClient) -> None:
    house.node()
    house.request()
    for name in ("first", "second"):
        house.clock.forward(minutes=1)
        house.request(pod_name=name, wait_seconds=600)
    waiting = _screen(opened)["waiting"]
    assert waiting["count"] == 2
    assert [one["podName"] for one in waiting["longest"]] == ["first", "second"]
    assert waiting["longest"][0]["message"]
    assert (waiting["placed"], waiting["p50Seconds"]) == (1, 0)


def _suggest(house: House, team: str, cost: int) -> None:
    allocation = house.request(team_id=team)
    with house.database.write() as session:
        session.add(
            Suggestion(
                type=SuggestionType.IDLE_RELEASE,
                status=Status.OPEN,
                open_key=f"idle:{allocation.allocation_id}",
                allocation_id=allocation.allocation_id,
                team_id=team,
                namespace="ml",
                description="idle",
                evidence=[{"last_hour_pct": 1.0}, {"last_hour_pct": 2.0}],
                current_cost=Decimal(cost),
                created_at=house.now,
                judged_at=house.now,
            )
        )


def test_the_dearest_idle_holder_comes_first(house: House, opened: TestClient) -> None:
    house.node("n1", gpus=2)
    _suggest(house, "vision", 2)
    _suggest(house, "speech", 5)
    idle = _screen(opened)["idle"]
    assert (idle["count"], idle["costPerHour"]) == (2, 7)
    assert [one["teamId"] for one in idle["dearest"]] == ["speech", "vision"]
    assert idle["dearest"][0]["meanPct"] == 1.5


def test_a_user_sees_the_fleet_whole_and_people_of_its_team_only(house: House) -> None:
    house.node("n1", gpus=3)
    _suggest(house, "vision", 2)
    _suggest(house, "speech", 5)
    house.request(team_id="speech", required_memory_gb=16)
    house.request(team_id="speech", pod_name="waits", wait_seconds=600)
    security = Security(Mode.ENFORCED, authenticators=(IssuedKeys(house.database),))
    asked = schemas.ApiKeyCreate(name="u", roles=[Role.USER], team="vision")
    with house.database.write() as session:
        secret = service.create_key(session, asked, by=ADMIN, now=NOON).secret
    with house.client(security) as client:
        client.headers["Authorization"] = f"Bearer {secret}"
        told = _screen(client)
    assert told["totalDevices"] == 3
    assert [one["teamId"] for one in told["idle"]["dearest"]] == ["vision"]
    assert told["waiting"]["count"] == 0
    assert told["money"]["freeMonth"] is None


def test_without_gpus_it_is_empty_not_broken(opened: TestClient) -> None:
    told = _screen(opened)
    assert (told["totalDevices"], told["nodes"], told["slices"]) == (0, [], [])
    assert told["sources"][0] == {
        "name": "cluster",
        "state": "none",
        "at": None,
        "known": None,
        "of": None,
    }


@given(st.lists(st.integers(0, 100), min_size=1), st.integers(1, 100))
def test_a_quantile_is_a_value_that_so_many_do_not_exceed(values: list[int], pct: int) -> None:
    ordered = sorted(values)
    found = quantile(ordered, pct)
    assert found in values
    assert sum(value <= found for value in ordered) * 100 >= pct * len(ordered)


def _told_to(house: House, **asked: Any) -> dict[str, Any]:
    security = Security(Mode.ENFORCED, authenticators=(IssuedKeys(house.database),))
    with house.database.write() as session:
        key = schemas.ApiKeyCreate(name="k", roles=[Role.USER], **asked)
        secret = service.create_key(session, key, by=ADMIN, now=house.now).secret
    with house.client(security) as client:
        client.headers["Authorization"] = f"Bearer {secret}"
        return _screen(client)


def test_a_person_sees_first_what_waits_then_what_ends_soonest(house: House) -> None:
    house.node("n1", gpus=3)
    house.request(user_id="kim", team_id="vision", pod_name="long", max_duration_hours=48)
    house.request(user_id="kim", team_id="vision", pod_name="short", max_duration_hours=2)
    house.request(user_id="lee", team_id="vision", pod_name="another")
    house.request(user_id="kim", team_id="vision", pod_name="queued", wait_seconds=600)
    house.clock.forward(hours=1)
    own = _told_to(house, team="vision", user="kim")["own"]
    assert (own["whose"], own["name"]) == ("user", "kim")
    assert (own["running"], own["waiting"], own["endsSoon"]) == (2, 1, 1)
    assert [one["podName"] for one in own["first"]] == ["queued", "short", "long"]
    assert own["first"][0]["message"]
    assert own["first"][1]["message"] is None
    assert own["hourly"] > 0
    assert own["month"] == pytest.approx(own["hourly"])


def test_the_key_of_a_team_sees_what_the_team_has(house: House) -> None:
    house.node("n1", gpus=3)
    _suggest(house, "vision", 2)
    house.request(team_id="speech", required_memory_gb=16)
    own = _told_to(house, team="vision")["own"]
    assert (own["whose"], own["running"]) == ("team", 1)
    assert [one["isIdle"] for one in own["first"]] == [True]


def test_who_is_nobody_in_particular_has_nothing_own(house: House, opened: TestClient) -> None:
    house.node()
    house.request()
    assert _screen(opened)["own"] is None


def test_who_reads_costs_sees_what_each_team_cost_the_dearest_first(
    house: House, opened: TestClient
) -> None:
    house.node("n1", gpus=11)
    for number in range(10):
        house.request(team_id=f"team-{number}")
        house.clock.forward(hours=1)
    told = _screen(opened)
    teams = told["teams"]
    assert teams["month"] == f"{house.now:%Y-%m}"
    assert [one["teamId"] for one in teams["first"]] == [f"team-{number}" for number in range(8)]
    assert teams["others"]["count"] == 2
    for one in (*teams["first"], teams["others"]):
        parts = one["usedCost"] + one["idleCost"] + one["unattributedCost"]
        assert parts == pytest.approx(one["cost"])
    whole = sum(one["cost"] for one in teams["first"]) + teams["others"]["cost"]
    assert whole == pytest.approx(told["money"]["month"])


def test_a_user_does_not_see_what_other_teams_cost(house: House) -> None:
    house.node()
    house.request(team_id="speech")
    assert _told_to(house, team="vision")["teams"] is None
