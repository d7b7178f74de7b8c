"""Nobody reads another team's money: every way to costs, asked by someone of one team."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from gpu_management.auth import schemas, service
from gpu_management.auth.access import Role
from gpu_management.auth.authenticators import IssuedKeys
from gpu_management.auth.principals import Mode, Security
from tests.support.house import BROWSER, House
from tests.support.principals import ADMIN

GPU = "/api/v1/gpu"


@pytest.fixture
def used(house: House) -> House:
    """Two teams have held a GPU for two hours; one has given it back."""
    house.node(gpus=2)
    first = house.request(team_id="ml", user_id="kim")
    house.request(team_id="web", user_id="lee")
    house.clock.forward(hours=2)
    house.release(first.allocation_id)
    return house


@pytest.fixture
def caller(used: House) -> Iterator[TestClient]:
    keys = IssuedKeys(used.database)
    with used.client(Security(Mode.ENFORCED, authenticators=(keys,))) as opened:
        yield opened


def key(house: House, role: Role, team: str | None = None) -> dict[str, str]:
    asked = schemas.ApiKeyCreate(name=role.value, roles=[role], team=team)
    with house.database.write() as session:
        secret = service.create_key(session, asked, by=ADMIN, now=house.now).secret
    return BROWSER | {"Authorization": f"Bearer {secret}"}


def test_who_is_of_one_team_reads_its_money_and_no_other(used: House, caller: TestClient) -> None:
    user = key(used, Role.USER, "web")
    month = f"{used.now:%Y-%m}"
    admin = key(used, Role.ADMIN)
    listed = caller.get(f"{GPU}/allocations", headers=admin).json()
    ids = {row["teamId"]: row["allocationId"] for row in listed}
    for team in ("ml", "web"):
        body = {"scope": "team", "scopeName": team, "amount": 5}
        assert caller.post(f"{GPU}/budgets", json=body, headers=admin).status_code == 201

    own = caller.get(f"{GPU}/me/cost", headers=user).json()
    assert list(own["byTeam"]) == ["web"]
    assert own["budget"]["scopeName"] == "web"
    rows = caller.get(f"{GPU}/me/cost/by", params={"group": "team,user"}, headers=user).json()
    assert [(row["team"], row["user"]) for row in rows] == [("web", "lee")]
    for asked in ({"team": "ml"}, {"user": "kim"}, {"allocation": ids["ml"]}):
        assert caller.get(f"{GPU}/me/cost/by", params=asked, headers=user).json() == [], asked
    budgets = caller.get(f"{GPU}/budgets", headers=user).json()
    assert [budget["scopeName"] for budget in budgets] == ["web"]

    refused = {
        f"allocations/{ids['ml']}/cost": 404,
        f"statements/{month}/ml": 404,
        f"statements/{month}/unassigned": 404,
        "budgets/1": 404,
        f"statements/{month}": 403,
        "statements": 403,
        "cost/analysis": 403,
        "cost/by": 403,
        "ledger/buckets": 403,
        "ledger/devices/n1-GPU-00": 403,
        "rates": 403,
    }
    for path, status in refused.items():
        assert caller.get(f"{GPU}/{path}", headers=user).status_code == status, path
    assert caller.get("/allocation", params={"window": "1d"}, headers=user).status_code == 403
    assert caller.get(f"{GPU}/statements/{month}/web", headers=user).json()["teamId"] == "web"


def test_a_member_reads_the_months_of_its_team_and_what_that_was_billed(
    used: House, caller: TestClient
) -> None:
    month = f"{used.now:%Y-%m}"
    members = {team: key(used, Role.USER, team) for team in ("ml", "web", "idle")}
    stranger = key(used, Role.VIEWER)
    path = f"{GPU}/me/statements"
    (open_month,) = caller.get(path, headers=members["web"]).json()
    assert (open_month["month"], open_month["status"]) == (month, "open")
    assert open_month["totalCost"] is None
    used.clock.forward(days=32)
    closed = caller.post(f"{GPU}/billing/months/{month}/close", headers=key(used, Role.FINANCE))
    told = {team: caller.get(path, headers=who).json()[-1] for team, who in members.items()}
    assert {row["status"] for row in told.values()} == {"closed"}
    for team in ("ml", "web"):
        bill = caller.get(f"{GPU}/statements/{month}/{team}", headers=members[team]).json()
        assert told[team]["totalCost"] == bill["totalCost"] > 0
        assert told[team]["lineCount"] == len(bill["lines"])
    assert (told["idle"]["totalCost"], told["idle"]["lineCount"]) == (0, 0)
    both = told["ml"]["totalCost"] + told["web"]["totalCost"]
    assert both == pytest.approx(closed.json()["totalCost"], abs=1e-9)
    assert caller.get(path, headers=stranger).json() == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.USER])
def test_only_admins_and_finance_write_money(used: House, caller: TestClient, role: Role) -> None:
    there = key(used, role, "web")
    reason = {"reason": "mine"}
    budget = {"scope": "cluster", "amount": 1}
    rate = {"modelId": "t4", "costPerHour": 0}
    for path, body in (
        ("ledger/holds/1/corrections", reason),
        ("billing/months/2026-01/close", None),
        ("budgets", budget),
        ("rates", rate),
    ):
        assert caller.post(f"{GPU}/{path}", json=body, headers=there).status_code == 403, path
