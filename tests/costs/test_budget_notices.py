"""Warnings about budgets are given once a period, whoever looks and however often."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.core.database import Database
from gpu_management.costs import budgets, notices
from gpu_management.costs.budgets import Changes, Purse, Whose
from gpu_management.costs.models import (
    BudgetAction,
    BudgetNotice,
    BudgetPeriod,
    BudgetScope,
    BudgetUnit,
)
from gpu_management.costs.tally import Tally
from gpu_management.events.models import Event
from gpu_management.rates.service import Price, set_rate
from tests.support.house import CLUSTER, T4, House
from tests.support.principals import ADMIN


@pytest.fixture
def purse(house: House) -> Purse:
    with house.database.write() as session:
        set_rate(session, Price(T4, Decimal(1)), principal=ADMIN, now=house.now)
    house.node(gpus=2)
    return purse_of(house)


def purse_of(house: House) -> Purse:
    return Purse(Tally(house.database, house.keeper, house.desk.zone), CLUSTER, "USD")


def budget(house: House, purse: Purse, amount: str, scope: BudgetScope, name: str | None) -> int:
    with house.database.write() as session:
        row = budgets.create(
            session,
            purse,
            whose=Whose(scope, name, BudgetUnit.MONEY, BudgetPeriod.DAY),
            terms=Changes(Decimal(amount), BudgetAction.WARN, (50, 80, 100)),
            principal=ADMIN,
            now=house.now,
        )
        return row.id


def look(house: House, purse: Purse) -> int:
    """Run the job as the controller does."""
    snapshot = purse.tally.refresh(now=house.now)
    with house.database.read() as session:
        found = notices.due(session, snapshot, now=house.now)
    with house.database.write() as session:
        return notices.give(session, purse, found, now=house.now)


def told(database: Database) -> list[tuple[str, Any]]:
    with database.read() as session:
        query = select(Event).where(Event.type.startswith("budget.")).order_by(Event.id)
        return [(row.type, row.data["mark"]) for row in session.scalars(query)]


def test_each_threshold_is_told_once(house: House, purse: Purse) -> None:
    budget(house, purse, "10", BudgetScope.TEAM, "ml")
    house.request(team_id="ml")
    for _ in range(23):
        house.clock.forward(minutes=30)
        look(house, purse)
    assert told(house.database) == [
        ("budget.threshold", "50"),
        ("budget.threshold", "80"),
        ("budget.run-rate", "run-rate"),
        ("budget.threshold", "100"),
    ]


def test_several_thresholds_passed_at_once_are_told_as_one(house: House, purse: Purse) -> None:
    number = budget(house, purse, "2", BudgetScope.TEAM, "ml")
    house.request(team_id="ml", count=2)
    house.clock.forward(hours=1)
    assert look(house, purse) == 1
    assert told(house.database) == [("budget.threshold", "100")]
    with house.database.read() as session:
        given = budgets.notices(session, number, principal=ADMIN)
        assert {notice.mark for notice in given} == {"50", "80", "100"}
        assert given[0].spent == 2


def test_two_replicas_and_a_restart_do_not_repeat(house: House, purse: Purse) -> None:
    budget(house, purse, "1", BudgetScope.CLUSTER, None)
    house.request()
    house.clock.forward(hours=1)
    other = purse_of(house)
    both = [purse.tally.refresh(now=house.now), other.tally.refresh(now=house.now)]
    found = []
    with house.database.read() as session:
        found = [notices.due(session, one, now=house.now) for one in both]
    counts = []
    for due in found:
        with house.database.write() as session:
            counts.append(notices.give(session, purse, due, now=house.now))
    assert counts == [1, 0]
    house.restart()
    assert look(house, purse_of(house)) == 0


def test_a_clock_that_jumps_back_does_not_repeat_and_a_new_period_begins_afresh(
    house: House, purse: Purse
) -> None:
    budget(house, purse, "1", BudgetScope.USER, "kim")
    house.request(user_id="kim")
    house.clock.forward(hours=2)
    assert look(house, purse) == 1
    house.clock.forward(hours=11)
    assert look(house, purse) == 1
    house.clock.forward(hours=-11)
    assert look(house, purse) == 0
    house.clock.forward(hours=11)
    assert look(house, purse) == 0


def test_another_amount_starts_the_warnings_afresh(house: House, purse: Purse) -> None:
    number = budget(house, purse, "1", BudgetScope.USER, "kim")
    house.request(user_id="kim")
    house.clock.forward(hours=1)
    assert look(house, purse) == 1
    with house.database.write() as session:
        row = budgets.lock(session, number, principal=ADMIN, if_match=None)
        budgets.change(
            session,
            row,
            purse=purse,
            changes=Changes(Decimal(2), BudgetAction.WARN, (50,)),
            principal=ADMIN,
            now=house.now,
        )
    assert look(house, purse) == 1
    assert told(house.database)[-1] == ("budget.threshold", "50")


@pytest.mark.parametrize(
    ("scope", "name", "seen_by"),
    [
        (BudgetScope.TEAM, "ml", ("ml", None)),
        (BudgetScope.NAMESPACE, "ml", (None, "ml")),
        (BudgetScope.USER, "kim", (None, "*")),
        (BudgetScope.CLUSTER, None, (None, "*")),
    ],
)
def test_a_warning_is_for_its_team_or_for_those_who_see_all(
    house: House,
    purse: Purse,
    scope: BudgetScope,
    name: str | None,
    seen_by: tuple[str | None, str | None],
) -> None:
    budget(house, purse, "1", scope, name)
    house.request(team_id="ml", user_id="kim")
    house.clock.forward(hours=1)
    look(house, purse)
    with house.database.read() as session:
        row = session.scalars(select(Event).where(Event.type == "budget.threshold")).one()
    assert (row.team, row.namespace) == seen_by


def test_a_removed_budget_warns_of_nothing(house: House, purse: Purse) -> None:
    number = budget(house, purse, "1", BudgetScope.USER, "kim")
    house.request(user_id="kim")
    house.clock.forward(hours=1)
    snapshot = purse.tally.refresh(now=house.now)
    with house.database.read() as session:
        found = notices.due(session, snapshot, now=house.now)
    with house.database.write() as session:
        row = budgets.lock(session, number, principal=ADMIN, if_match=None)
        budgets.remove(session, row, purse=purse, principal=ADMIN, now=house.now)
    with house.database.write() as session:
        assert notices.give(session, purse, found, now=house.now) == 0
        assert session.scalars(select(BudgetNotice)).all() == []
