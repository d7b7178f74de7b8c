from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gpu_management.allocations.models import Phase
from gpu_management.auth import schemas, service
from gpu_management.auth.access import Role
from gpu_management.auth.authenticators import IssuedKeys
from gpu_management.auth.principals import Mode, Security
from gpu_management.core.clock import wire_time
from gpu_management.optimization.manners import Policies, Policy
from tests.optimization.test_jobs import NOTIFY, RELEASE, SUGGEST, measure, run, told
from tests.support.house import House
from tests.support.principals import ADMIN

SUGGESTIONS = "/api/v1/gpu/suggestions"


@pytest.fixture
def two(house: House) -> list[str]:
    """Two teams' allocations, both idle; returns their ids."""
    house.node(gpus=2)
    found = [
        house.request(team_id=team, pod_name=f"{team}-pod").allocation_id for team in ("ml", "nlp")
    ]
    start = house.clock.now
    measure(house, 0.0, device=1)
    house.clock.now = start
    measure(house, 0.0, device=2)
    run(house, SUGGEST)
    return found


def test_suggestions_are_listed_with_what_they_save(house: House, two: list[str]) -> None:
    with house.client() as caller:
        rows = caller.get(SUGGESTIONS, params={"status": "open", "teamId": "ml"}).json()
        (row,) = rows
        one = caller.get(f"{SUGGESTIONS}/{row['id']}").json()
    assert one["allocationId"] == two[0]
    assert one["target"] == "ml/ml-pod"
    assert (one["type"], one["risk"], one["projectedCost"]) == ("idle-release", "low", 0)
    assert one["saving"] == one["currentCost"] > 0
    assert one["evidence"][0]["deviceId"] == "n1-GPU-00"
    assert one["saved"] is None


def test_one_click_releases_and_writes_down_what_it_saves(house: House, two: list[str]) -> None:
    with house.client() as caller:
        (row,) = caller.get(SUGGESTIONS, params={"allocationId": two[0]}).json()
        done = caller.post(f"{SUGGESTIONS}/{row['id']}/apply").json()
        again = caller.post(f"{SUGGESTIONS}/{row['id']}/apply")
    assert (done["status"], done["endedBy"]) == ("applied", "anonymous")
    assert done["saved"] == pytest.approx(24 * done["currentCost"])
    assert house.find(two[0]).phase is Phase.RELEASED
    assert (again.status_code, again.json()["code"]) == (409, "SUGGESTION_ENDED")


def test_what_was_dismissed_is_never_suggested_again(house: House, two: list[str]) -> None:
    run(house, NOTIFY)
    with house.client() as caller:
        (row,) = caller.get(SUGGESTIONS, params={"allocationId": two[0]}).json()
        body = {"note": "it waits for data"}
        done = caller.post(f"{SUGGESTIONS}/{row['id']}/dismiss", json=body).json()
    assert (done["status"], done["endedReason"]) == ("dismissed", "it waits for data")
    assert [one["allocationId"] for one in told(house, "allocation.spared")] == [two[0]]
    measure(house, 0.0, hours=5)
    run(house, RELEASE)
    with house.client() as caller:
        rows = caller.get(SUGGESTIONS, params={"allocationId": two[0]}).json()
    assert [one["status"] for one in rows] == ["dismissed"]


@pytest.mark.parametrize("scope", ["allocation", "team", "namespace"])
def test_what_is_exempt_is_left_alone_until_its_moment(
    house: House, two: list[str], scope: str
) -> None:
    names = {"allocation": two[0], "team": "ml", "namespace": "ml"}
    until = house.now + timedelta(hours=3)
    wish = {"scope": scope, "scopeName": names[scope], "until": wire_time(until), "note": "demo"}
    with house.client() as caller:
        made = caller.post(f"{SUGGESTIONS}/exemptions", json=wish)
        assert made.status_code == 201
        assert [one["id"] for one in caller.get(f"{SUGGESTIONS}/exemptions").json()] == [
            made.json()["id"]
        ]
        run(house, RELEASE)
        (row,) = caller.get(SUGGESTIONS, params={"allocationId": two[0]}).json()
        assert row["status"] == "exempt"
        measure(house, 0.0, hours=4)
        run(house, RELEASE)
        rows = caller.get(SUGGESTIONS, params={"allocationId": two[0]}).json()
    assert [one["status"] for one in rows] == ["open", "exempt"]


def test_an_exemption_is_replaced_ended_and_bounded(house: House, two: list[str]) -> None:
    path = f"{SUGGESTIONS}/exemptions"

    def wish(days: int) -> dict[str, Any]:
        until = wire_time(house.now + timedelta(days=days))
        return {"scope": "team", "scopeName": "ml", "until": until}

    with house.client() as caller:
        first, second = (caller.post(path, json=wish(days)).json() for days in (1, 2))
        assert first["id"] == second["id"]
        for days in (-1, 91):
            assert caller.post(path, json=wish(days)).status_code == 422
        gone = caller.delete(f"{path}/{first['id']}")
        assert (gone.status_code, gone.json()["scopeName"]) == (200, "ml")
        assert caller.delete(f"{path}/{first['id']}").status_code == 404
        assert caller.get(path).json() == []
        lost = {"scope": "allocation", "scopeName": "none", "until": wish(1)["until"]}
        assert caller.post(path, json=lost).status_code == 404


def _guarded(house: House) -> tuple[TestClient, dict[str, str]]:
    asked = schemas.ApiKeyCreate(name="u", roles=[Role.USER], team="ml")
    with house.database.write() as session:
        secret = service.create_key(session, asked, by=ADMIN, now=house.now).secret
    security = Security(Mode.ENFORCED, authenticators=(IssuedKeys(house.database),))
    return house.client(security), {"Authorization": f"Bearer {secret}"}


def test_a_team_sees_and_changes_its_own_only(house: House, two: list[str]) -> None:
    client, key = _guarded(house)
    with client as caller:
        (row,) = caller.get(SUGGESTIONS, headers=key).json()
        assert row["teamId"] == "ml"
        other = row["id"] + 1 if row["id"] == 1 else row["id"] - 1
        for path in ("", "/dismiss", "/apply"):
            method = "POST" if path else "GET"
            answer = caller.request(method, f"{SUGGESTIONS}/{other}{path}", headers=key, json={})
            assert answer.status_code == 404
        until = wire_time(house.now + timedelta(days=1))
        for scope, name, status in (
            ("team", "ml", 201),
            ("team", "nlp", 403),
            ("namespace", "ml", 403),
            ("allocation", two[0], 201),
            ("allocation", two[1], 404),
        ):
            wish = {"scope": scope, "scopeName": name, "until": until}
            made = caller.post(f"{SUGGESTIONS}/exemptions", json=wish, headers=key)
            assert made.status_code == status, (scope, name)
        assert len(caller.get(f"{SUGGESTIONS}/exemptions", headers=key).json()) == 2


def test_a_policy_can_be_another_for_a_team(house: House, two: list[str]) -> None:
    run(house, Policies(Policy.SUGGEST, teams={"nlp": Policy.NOTIFY}))
    assert [one["teamId"] for one in told(house, "allocation.idle")] == ["nlp"]
