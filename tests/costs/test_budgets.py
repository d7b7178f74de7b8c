"""Budgets over HTTP: set, read how they stand, change, remove; who sees which."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from gpu_management.auth.access import Role
from gpu_management.auth.models import AuditEntry
from gpu_management.core.paging import Page
from gpu_management.core.problems import Forbidden
from gpu_management.costs import budgets
from gpu_management.costs.budgets import BudgetFilter
from gpu_management.costs.errors import BudgetNotFound
from gpu_management.rates.service import Price, set_rate
from tests.support.house import T4, House
from tests.support.principals import ADMIN, principal

BUDGETS = "/api/v1/gpu/budgets"
ML = {"scope": "team", "scopeName": "ml", "period": "month", "amount": 100}


@pytest.fixture
def priced(house: House) -> House:
    """A house whose T4 costs one dollar an hour."""
    with house.database.write() as session:
        set_rate(session, Price(T4, Decimal(1)), principal=ADMIN, now=house.now)
    house.node(gpus=4)
    return house


@pytest.fixture
def caller(priced: House) -> Iterator[TestClient]:
    with priced.client() as opened:
        yield opened


def created(caller: TestClient, **changes: Any) -> dict[str, Any]:
    answer = caller.post(BUDGETS, json=ML | changes)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def status_of(caller: TestClient, budget: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = caller.get(f"{BUDGETS}/{budget['id']}").json()["status"]
    return found


def test_a_budget_says_what_is_spent_promised_and_left(priced: House, caller: TestClient) -> None:
    made = created(caller, amount=200)
    priced.request(team_id="ml", max_duration_hours=10)
    priced.request(team_id="ml")
    priced.request(team_id="other")
    priced.clock.forward(hours=4)
    status = status_of(caller, made)
    assert (status["spent"], status["promised"], status["remaining"]) == (8, 6 + 1, 192)
    assert (status["pct"], status["state"]) == (4, "ok")
    assert status["periodStart"] == "2026-03-01T00:00:00.000Z"
    assert status["periodEnd"] == "2026-04-01T00:00:00.000Z"


def test_a_budget_in_gpu_hours_counts_shares_and_needs_no_price(
    priced: House, caller: TestClient
) -> None:
    made = created(caller, unit="gpuHours", amount=2, period="day")
    priced.request(team_id="ml", gpu_milli=250)
    priced.clock.forward(hours=6)
    assert status_of(caller, made)["spent"] == 1.5
    assert status_of(caller, made)["state"] == "warning"


@pytest.mark.parametrize(
    ("scope", "name"),
    [("cluster", None), ("namespace", "research"), ("user", "kim"), ("team", "ml")],
)
def test_every_scope_counts_what_is_its_own(
    priced: House, caller: TestClient, scope: str, name: str | None
) -> None:
    made = created(caller, scope=scope, scopeName=name)
    priced.request(team_id="ml", namespace="research", user_id="kim")
    priced.request(team_id="x", namespace="y", user_id="z")
    priced.clock.forward(hours=1)
    assert status_of(caller, made)["spent"] == (2 if scope == "cluster" else 1)


def test_what_was_spent_before_the_period_does_not_count(priced: House, caller: TestClient) -> None:
    made = created(caller, period="day")
    priced.request(team_id="ml")
    priced.clock.forward(hours=15)
    assert status_of(caller, made)["spent"] == 3


def test_a_projection_is_the_pace_so_far(priced: House, caller: TestClient) -> None:
    made = created(caller, period="day", amount=10)
    priced.request(team_id="ml")
    priced.clock.forward(hours=6)
    assert status_of(caller, made)["projected"] == 8


def test_a_second_budget_of_the_same_kind_is_a_conflict(caller: TestClient) -> None:
    created(caller)
    again = caller.post(BUDGETS, json=ML)
    assert (again.status_code, again.json()["code"]) == (409, "BUDGET_EXISTS")
    created(caller, period="week")


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 0},
        {"amount": -5},
        {"amount": "NaN"},
        {"amount": 1e30},
        {"scopeName": None},
        {"scope": "cluster", "scopeName": "another"},
        {"thresholdsPct": [0]},
        {"thresholdsPct": [1001]},
        {"period": "year"},
        {"scopeName": 'a"b'},
    ],
)
def test_what_cannot_be_a_budget_is_refused(caller: TestClient, wrong: dict[str, Any]) -> None:
    assert caller.post(BUDGETS, json=ML | wrong).status_code == 422


def test_two_who_change_it_at_once_do_not_lose_an_update(caller: TestClient) -> None:
    path = f"{BUDGETS}/{created(caller)['id']}"
    tag = caller.get(path).headers["etag"]
    change = {"amount": 200, "action": "refuse"}
    first = caller.put(path, json=change, headers={"If-Match": tag})
    second = caller.put(path, json=change | {"amount": 300}, headers={"If-Match": tag})
    assert (first.status_code, second.status_code) == (200, 412)
    assert caller.get(path).json()["amount"] == 200
    assert caller.delete(path, headers={"If-Match": tag}).status_code == 412
    assert caller.delete(path, headers={"If-Match": first.headers["etag"]}).status_code == 200
    assert caller.get(path).status_code == 404


def test_every_change_is_audited(house: House, caller: TestClient) -> None:
    path = f"{BUDGETS}/{created(caller)['id']}"
    caller.put(path, json={"amount": 200})
    caller.delete(path)
    with house.database.read() as session:
        told = session.scalars(select(AuditEntry).where(AuditEntry.target_kind == "budget")).all()
    assert [entry.action for entry in told] == ["budget.create", "budget.update", "budget.delete"]
    assert told[1].before is not None
    assert told[1].after is not None
    assert (told[1].before["amount"], told[1].after["amount"]) == (100, 200)


def test_who_reads_no_costs_sees_the_budgets_of_its_team_and_its_own(
    house: House, caller: TestClient
) -> None:
    created(caller)
    foreign = created(caller, scopeName="other")
    created(caller, scope="user", scopeName="kim")
    created(caller, scope="cluster", scopeName=None)
    user = principal(Role.USER, team="ml", user="kim")
    with house.database.read() as session:
        seen = budgets.list_budgets(session, BudgetFilter(), principal=user, page=Page()).rows
        assert {row.scope_name for row in seen} == {"ml", "kim"}
        with pytest.raises(BudgetNotFound):
            budgets.find(session, foreign["id"], principal=user)
        auditor = principal(Role.VIEWER)
        every = budgets.list_budgets(session, BudgetFilter(), principal=auditor, page=Page())
        assert every.total == 4


def test_only_finance_and_administrators_set_budgets(house: House, caller: TestClient) -> None:
    made = created(caller)
    with house.database.write() as session, pytest.raises(Forbidden):
        budgets.lock(session, made["id"], principal=principal(Role.OPERATOR), if_match=None)
    with house.database.write() as session:
        budgets.lock(session, made["id"], principal=principal(Role.FINANCE), if_match=None)


def test_the_list_filters_and_exports(caller: TestClient) -> None:
    created(caller)
    created(caller, scope="user", scopeName="=kim")
    found = caller.get(BUDGETS, params={"scope": "team"}).json()
    assert [row["scopeName"] for row in found] == ["ml"]
    told = caller.get(BUDGETS, params={"format": "csv"})
    assert "'=kim" in told.text
