"""Sums of budgets kept for a moment decide as sums counted afresh would, through any history."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_management.allocations.errors import GpuNotAvailable
from gpu_management.allocations.office import Admission, Office
from gpu_management.costs import budgets, jobs, service
from gpu_management.costs.admission import _exactly, admission
from gpu_management.costs.budgets import Changes, Purse, Whose
from gpu_management.costs.counting import scopes_of
from gpu_management.costs.errors import BudgetExceeded
from gpu_management.costs.models import BudgetAction, BudgetPeriod, BudgetScope, BudgetUnit
from gpu_management.costs.tally import Tally
from gpu_management.rates.service import Price, set_rate
from tests.support.house import CLUSTER, T4, House, prepared_database
from tests.support.principals import ADMIN

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["take", "take", "take", "release", "wait", "days", "price", "close", "replica"]
        ),
        st.sampled_from([{"team_id": "a"}, {"team_id": "b", "gpu_milli": 300}, {"user_id": "kim"}]),
        st.sampled_from([None, 1, 7]),
        st.integers(0, 14),
    ),
    min_size=4,
    max_size=24,
)


def new_replica(house: House) -> Purse:
    made = Purse(Tally(house.database, house.keeper, house.desk.zone), CLUSTER, "USD")
    house.office = Office(house.office.placer, checks=(admission(made),))
    return made


def set_budgets(house: House, purse: Purse) -> None:
    terms = [
        (BudgetScope.TEAM, "a", BudgetUnit.MONEY, BudgetPeriod.DAY, "9"),
        (BudgetScope.TEAM, "b", BudgetUnit.GPU_HOURS, BudgetPeriod.WEEK, "11"),
        (BudgetScope.USER, "kim", BudgetUnit.MONEY, BudgetPeriod.MONTH, "40"),
        (BudgetScope.CLUSTER, None, BudgetUnit.MONEY, BudgetPeriod.QUARTER, "90"),
    ]
    for scope, name, unit, period, amount in terms:
        with house.database.write() as session:
            budgets.create(
                session,
                purse,
                whose=Whose(scope, name, unit, period),
                terms=Changes(Decimal(amount), BudgetAction.REFUSE, ()),
                principal=ADMIN,
                now=house.now,
            )


def expected(house: House, request: Admission) -> bool:
    """Say by a count of its own whether a budget refuses."""
    fresh = Tally(house.database, house.keeper, house.desk.zone)
    ask = request.ask
    with house.database.read() as session:
        known = fresh.budgets(session, now=house.now)
        scopes = scopes_of(CLUSTER, ask.team_id, ask.namespace, ask.user_id)
        mine = [budget for scope in scopes for budget in known.get(scope, ())]
        sums = fresh.count(session, mine, now=house.now).sums
    return any(_exactly(budget, sums[budget.id], request).passes_it for budget in mine)


@settings(max_examples=20, deadline=None)
@given(steps=STEPS, zone=st.sampled_from(["UTC", "America/New_York"]))
def test_a_request_is_decided_as_a_count_afresh_would(
    steps: list[tuple[str, dict[str, Any], int | None, int]], zone: str
) -> None:
    with TemporaryDirectory() as folder:
        house = House(prepared_database(Path(folder)), zone=zone)
        with house.database.write() as session:
            set_rate(session, Price(T4, Decimal(1)), principal=ADMIN, now=house.now)
        house.node(gpus=6)
        replicas = [new_replica(house), new_replica(house)]
        set_budgets(house, replicas[0])
        house.clock.forward(seconds=6)
        held: list[str] = []
        for deed, asked, hours, number in steps:
            house.clock.forward(seconds=1)
            if deed == "replica":
                purse = replicas[number % 2]
                house.office = Office(house.office.placer, checks=(admission(purse),))
            elif deed == "take":
                _take(house, held, asked | {"max_duration_hours": hours})
            else:
                _do(house, deed, number, held)
        house.database.close()


def _take(house: House, held: list[str], asked: dict[str, Any]) -> None:
    seen: list[Admission] = []
    checks = house.office.checks
    watching = Office(house.office.placer, checks=(lambda _s, request: seen.append(request),))
    house.office, kept = watching, house.office
    try:
        with house.database.read() as session:
            service_preview(session, house, asked)
    except GpuNotAvailable:
        return
    finally:
        house.office = kept
    refuses = bool(seen) and expected(house, seen[0])
    assert checks is kept.checks
    if refuses:
        with pytest.raises(BudgetExceeded):
            house.request(**asked)
    elif seen:
        held.append(house.request(**asked).allocation_id)


def service_preview(session: Any, house: House, asked: dict[str, Any]) -> None:
    from gpu_management.allocations import service as allocations
    from tests.support.house import ask

    allocations.preview(session, house.office, ask(**asked), principal=ADMIN, now=house.now)


def _do(house: House, deed: str, number: int, held: list[str]) -> None:
    if deed == "release" and held:
        house.release(held.pop(number % len(held)))
    elif deed == "wait":
        house.clock.forward(seconds=number)
    elif deed == "days":
        house.clock.forward(hours=number * 3)
        house.end_of_time()
    elif deed == "price":
        with house.database.write() as session:
            price = Price(T4, Decimal(number) / 4, effective_from=house.now)
            set_rate(session, price, principal=ADMIN, now=house.now)
    elif deed == "close":
        with house.database.write() as session:
            jobs.close_days(session, house.desk, now=house.now)


def test_closed_days_and_holds_give_the_same_sums(house: House) -> None:
    purse = new_replica(house)
    house.node(gpus=2)
    set_budgets(house, purse)
    for _ in range(6):
        made = house.request(user_id="kim", gpu_milli=300)
        house.clock.forward(hours=7)
        house.release(made.allocation_id)
    house.request(user_id="kim")
    house.clock.forward(hours=9)
    before = purse.tally.refresh(now=house.now).sums
    with house.database.write() as session:
        assert jobs.close_days(session, house.desk, now=house.now) > 0
    purse.tally.forget()
    assert purse.tally.refresh(now=house.now).sums == before
    assert sum(sums.spent for sums in before.values()) > 0


def test_it_agrees_with_the_analysis_of_costs(house: House) -> None:
    purse = new_replica(house)
    house.node(gpus=2)
    set_budgets(house, purse)
    house.request(user_id="kim")
    house.clock.forward(days=3)
    month = purse.tally.refresh(now=house.now).sums[3]
    window = service.Window(month.span.since, house.now.replace(microsecond=0))
    with house.database.read() as session:
        book = house.keeper.book(session)
        found = list(service.pieces(session, book, house.desk.zone, window))
    assert month.spent == sum(piece.micros or 0 for piece in found) > 0


def test_a_snapshot_is_kept_no_longer_than_it_is_good(house: House) -> None:
    purse = new_replica(house)
    set_budgets(house, purse)
    snapshot = purse.tally.refresh(now=house.now)
    fresh = timedelta(seconds=15)
    assert snapshot.is_good(house.now + timedelta(seconds=14), fresh=fresh)
    assert not snapshot.is_good(house.now + fresh, fresh=fresh)
    assert not snapshot.is_good(house.now - timedelta(seconds=1), fresh=fresh)
    midnight = datetime.combine(house.now.date() + timedelta(days=1), datetime.min.time())
    assert not snapshot.is_good(midnight.replace(tzinfo=house.now.tzinfo), fresh=timedelta(days=2))
