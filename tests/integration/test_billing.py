"""Month close and budgets on PostgreSQL: two at once, and the same answers as everywhere."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select

from gpu_management.allocations.office import Office
from gpu_management.costs import budgets, months, notices, statements
from gpu_management.costs.admission import admission
from gpu_management.costs.budgets import Changes, Purse, Whose
from gpu_management.costs.errors import BudgetExceeded
from gpu_management.costs.models import (
    BillingMonth,
    BudgetAction,
    BudgetPeriod,
    BudgetScope,
    BudgetUnit,
    StatementLine,
)
from gpu_management.costs.tally import Tally
from gpu_management.rates.service import Price, set_rate
from tests.support.billing import ended_holds, shorten
from tests.support.house import CLUSTER, T4, House
from tests.support.principals import ADMIN

pytestmark = pytest.mark.integration


@pytest.fixture
def used(postgres_house: House) -> House:
    """A house that was used in February 2026 at a dollar an hour."""
    house = postgres_house
    house.clock.now = datetime(2026, 2, 10, tzinfo=UTC)
    with house.database.write() as session:
        set_rate(session, Price(T4, Decimal(1)), principal=ADMIN, now=house.now)
    house.node(gpus=3)
    for team in ("ml", "web", None):
        made = house.request(team_id=team, namespace="plain")
        house.clock.forward(hours=10)
        house.release(made.allocation_id)
    house.clock.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    return house


def test_a_month_that_two_close_at_once_is_closed_once(used: House) -> None:
    def close(_number: int) -> tuple[str, int]:
        with used.database.write() as session:
            row = statements.close(session, used.desk, "2026-02", principal=ADMIN, now=used.now)
            return row.fingerprint, row.line_count

    with ThreadPoolExecutor(4) as several:
        answers = set(several.map(close, range(4)))
    assert len(answers) == 1
    with used.database.read() as session:
        assert session.scalar(select(func.count()).select_from(StatementLine)) == 3
        bill = statements.bill(session, used.desk, "2026-02", now=used.now)
        row = session.get_one(BillingMonth, "2026-02")
        assert row.fingerprint == months.fingerprint(bill.frame, bill.lines)
        assert sum(line.figures.micros for line in bill.lines) == row.total * 1_000_000 == 3 * 10**7


def test_a_correction_becomes_an_adjustment(used: House) -> None:
    with used.database.write() as session:
        statements.close(session, used.desk, "2026-02", principal=ADMIN, now=used.now)
    shorten(used, ended_holds(used)[0], hours=4)
    with used.database.read() as session:
        (line,) = statements.bill(session, used.desk, "2026-03", now=used.now).lines
    assert (line.origin_month, line.figures.micros) == ("2026-02", -4_000_000)


def test_a_budget_refuses_and_warns_once_with_two_replicas(used: House) -> None:
    def replica() -> Purse:
        return Purse(Tally(used.database, used.keeper, used.desk.zone), CLUSTER, "USD")

    mine, other = replica(), replica()
    with used.database.write() as session:
        row = budgets.create(
            session,
            mine,
            whose=Whose(BudgetScope.TEAM, "ml", BudgetUnit.MONEY, BudgetPeriod.DAY),
            terms=Changes(Decimal(3), BudgetAction.REFUSE, (50,)),
            principal=ADMIN,
            now=used.now,
        )
        number = row.id
    used.office = Office(used.office.placer, checks=(admission(mine),))
    used.request(team_id="ml", max_duration_hours=2)
    with pytest.raises(BudgetExceeded):
        used.request(team_id="ml", max_duration_hours=2)
    used.clock.forward(hours=2)

    def warn(purse: Purse) -> int:
        snapshot = purse.tally.refresh(now=used.now)
        with used.database.read() as session:
            found: Any = notices.due(session, snapshot, now=used.now)
        with used.database.write() as session:
            return notices.give(session, purse, found, now=used.now)

    with ThreadPoolExecutor(2) as several:
        assert sum(several.map(warn, [mine, other])) == 1
    with used.database.read() as session:
        given = budgets.notices(session, number, principal=ADMIN)
    assert {notice.mark for notice in given} == {"50", "run-rate"}
