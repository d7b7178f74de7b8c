"""A request is weighed against every budget it falls under."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event

from gpu_management.allocations.models import Phase
from gpu_management.allocations.office import Office
from gpu_management.costs import budgets
from gpu_management.costs.admission import admission
from gpu_management.costs.budgets import Changes, Purse, Whose
from gpu_management.costs.errors import BudgetExceeded
from gpu_management.costs.models import BudgetAction, BudgetPeriod, BudgetScope, BudgetUnit
from gpu_management.costs.tally import Tally
from gpu_management.rates.service import Price, set_rate
from tests.support.house import CLUSTER, T4, House
from tests.support.principals import ADMIN


@pytest.fixture
def purse(house: House) -> Purse:
    """A house whose T4 costs a dollar an hour, and which weighs requests."""
    with house.database.write() as session:
        set_rate(session, Price(T4, Decimal(1)), principal=ADMIN, now=house.now)
    house.node(gpus=8)
    return weighing(house)


def weighing(house: House) -> Purse:
    made = Purse(Tally(house.database, house.keeper, house.desk.zone), CLUSTER, "USD")
    house.office = Office(house.office.placer, checks=(admission(made),))
    return made


def budget(house: House, purse: Purse, amount: str, **changes: Any) -> int:
    whose = {
        "scope": BudgetScope.TEAM,
        "scope_name": "ml",
        "unit": BudgetUnit.MONEY,
        "period": BudgetPeriod.DAY,
    }
    action = changes.pop("action", BudgetAction.REFUSE)
    with house.database.write() as session:
        row = budgets.create(
            session,
            purse,
            whose=Whose(**(whose | changes)),
            terms=Changes(Decimal(amount), action, (50, 80, 100)),
            principal=ADMIN,
            now=house.now,
        )
        return row.id


def test_a_request_that_would_pass_a_budget_is_refused_with_the_numbers(
    house: House, purse: Purse
) -> None:
    number = budget(house, purse, "10")
    house.request(team_id="ml", max_duration_hours=5)
    house.clock.forward(hours=2)
    with pytest.raises(BudgetExceeded) as refused:
        house.request(team_id="ml", max_duration_hours=6)
    assert refused.value.detail == (
        "team ml has 10.00 USD a day: 2.00 spent, 3.00 promised to what runs, this asks 6.00"
        " for 6 h, its maxDurationHours; 5.00 is left until 2026-03-03T00:00:00.000Z"
    )
    facts = refused.value.facts
    assert (facts["budgetId"], facts["amount"], facts["spent"]) == (number, 10, 2)
    assert (facts["promised"], facts["asked"], facts["remaining"]) == (3, 6, 5)
    house.request(team_id="ml", max_duration_hours=5)


def test_a_request_without_an_end_is_weighed_for_an_hour(house: House, purse: Purse) -> None:
    budget(house, purse, "1.5")
    house.request(team_id="ml")
    with pytest.raises(BudgetExceeded, match="for 1 h, as it has no maxDurationHours"):
        house.request(team_id="ml")


def test_a_request_is_weighed_no_further_than_the_period_and_its_cost_limit(
    house: House, purse: Purse
) -> None:
    budget(house, purse, "12.5")
    house.request(team_id="ml", max_duration_hours=100)
    with pytest.raises(BudgetExceeded):
        house.request(team_id="ml")
    house.request(team_id="ml", max_duration_hours=100, cost_limit=Decimal("0.5"))


def test_what_runs_is_promised_no_more_than_its_cost_limit(house: House, purse: Purse) -> None:
    budget(house, purse, "5")
    house.request(team_id="ml", max_duration_hours=10, cost_limit=Decimal(3))
    house.request(team_id="ml", max_duration_hours=2)
    with pytest.raises(BudgetExceeded, match=r"5\.00 promised"):
        house.request(team_id="ml")


def test_a_budget_that_warns_lets_pass_and_says_so(house: House, purse: Purse) -> None:
    budget(house, purse, "1", action=BudgetAction.WARN)
    assert "warning" not in (house.request(team_id="ml").message or "")
    second = house.request(team_id="ml")
    assert second.phase is Phase.ALLOCATED
    assert second.message is not None
    assert "; warning: team ml has 1.00 USD a day: 0.00 spent, 1.00 promised" in second.message


def test_whom_no_budget_is_for_is_not_asked(house: House, purse: Purse) -> None:
    budget(house, purse, "0.1")
    assert house.request(team_id="other", namespace="elsewhere").phase is Phase.ALLOCATED


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        (BudgetScope.CLUSTER, None),
        (BudgetScope.NAMESPACE, "ml"),
        (BudgetScope.USER, "kim"),
    ],
)
def test_every_scope_is_weighed(
    house: House, purse: Purse, scope: BudgetScope, name: str | None
) -> None:
    budget(house, purse, "0.9", scope=scope, scope_name=name)
    with pytest.raises(BudgetExceeded):
        house.request(user_id="kim")


def test_gpu_hours_count_a_share_as_its_part(house: House, purse: Purse) -> None:
    budget(house, purse, "1", unit=BudgetUnit.GPU_HOURS)
    for _ in range(4):
        house.request(team_id="ml", gpu_milli=250)
    with pytest.raises(BudgetExceeded, match=r"1\.00 GPU-hours a day"):
        house.request(team_id="ml", gpu_milli=10)


def test_what_was_given_back_may_be_used_again_at_once(house: House, purse: Purse) -> None:
    budget(house, purse, "4")
    first = house.request(team_id="ml", max_duration_hours=4)
    with pytest.raises(BudgetExceeded):
        house.request(team_id="ml")
    house.clock.forward(seconds=1)
    house.release(first.allocation_id)
    assert house.request(team_id="ml", max_duration_hours=3).phase is Phase.ALLOCATED


def test_what_another_replica_gave_counts_at_once(house: House, purse: Purse) -> None:
    budget(house, purse, "2")
    mine = house.office
    house.request(team_id="ml")
    weighing(house)
    house.request(team_id="ml")
    house.office = mine
    with pytest.raises(BudgetExceeded):
        house.request(team_id="ml")


def test_a_new_period_begins_with_nothing_spent(house: House, purse: Purse) -> None:
    budget(house, purse, "3")
    house.clock.forward(hours=9)
    first = house.request(team_id="ml", max_duration_hours=3)
    house.clock.forward(hours=2, minutes=59, seconds=58)
    house.release(first.allocation_id)
    with pytest.raises(BudgetExceeded):
        house.request(team_id="ml", max_duration_hours=3, gpu_milli=None, count=4)
    house.clock.forward(seconds=3)
    assert house.request(team_id="ml", max_duration_hours=3).phase is Phase.ALLOCATED


def test_a_queued_request_waits_for_the_budget(house: House, purse: Purse) -> None:
    budget(house, purse, "9", period=BudgetPeriod.DAY)
    house.request(team_id="x", count=8, max_duration_hours=1)
    waiting = house.request(team_id="ml", max_duration_hours=10, wait_seconds=80_000)
    assert waiting.phase is Phase.PENDING
    house.clock.forward(hours=1)
    house.end_of_time()
    house.serve_queue()
    assert "10.00 for 10 h" in (house.find(waiting.allocation_id).message or "")
    house.clock.forward(hours=2)
    house.serve_queue()
    assert house.find(waiting.allocation_id).phase is Phase.ALLOCATED


def test_nothing_is_asked_of_the_database_for_whom_no_budget_exists(
    house: House, purse: Purse
) -> None:
    budget(house, purse, "5")
    house.request(team_id="other", namespace="elsewhere")
    said: list[str] = []
    event.listen(
        house.database.engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_more: said.append(statement),
    )
    house.request(team_id="other", namespace="elsewhere")
    assert [statement for statement in said if "gpu_budgets" in statement] == []
    assert [statement for statement in said if "gpu_cost_daily" in statement] == []


def test_a_budget_set_by_another_replica_is_known_after_five_seconds(
    house: House, purse: Purse
) -> None:
    house.request(team_id="ml")
    other = Purse(Tally(house.database, house.keeper, house.desk.zone), CLUSTER, "USD")
    budget(house, other, "0.5")
    house.request(team_id="ml")
    house.clock.now += timedelta(seconds=5)
    with pytest.raises(BudgetExceeded):
        house.request(team_id="ml")
