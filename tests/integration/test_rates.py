"""The price book on PostgreSQL: the same questions, and editors that really act at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from threading import Barrier

import pytest

from gpu_management.core.paging import Page
from gpu_management.rates import queries, service
from gpu_management.rates.errors import RateChanged, RateExists
from gpu_management.rates.models import Rate
from gpu_management.rates.queries import RateFilter
from tests.support.house import A100, T4, House
from tests.support.principals import ADMIN

pytestmark = pytest.mark.integration


def _set(house: House, dollars: int, **more: object) -> Rate:
    with house.database.write() as session:
        price = service.Price(T4, Decimal(dollars), **more)  # type: ignore[arg-type]
        return service.set_rate(session, price, principal=ADMIN, now=house.now)


def _listed(house: House, asked: RateFilter) -> list[tuple[Decimal, str]]:
    page = Page(limit=None, cursor=None, sort="id")
    with house.database.read() as session:
        rows = queries.list_rates(session, asked, now=house.now, page=page).rows
    return [(row["cost_per_hour"], row["state"].value) for row in rows]


def test_the_book_answers_as_on_sqlite(postgres_house: House) -> None:
    house = postgres_house
    house.node("n1", gpus=2)
    house.node("n2", model=A100, layout=[("3g.40gb", 0)], labels={"pool": "x"})
    _set(house, 2)
    planned = _set(house, 3, effective_from=house.now + timedelta(hours=1))
    assert _listed(house, RateFilter(model_id=T4)) == [
        (Decimal("0.526"), "past"),
        (Decimal(2), "inForce"),
        (Decimal(3), "planned"),
    ]
    later = RateFilter(model_id=T4, at=house.now + timedelta(hours=2))
    assert _listed(house, later) == [(Decimal(3), "planned")]
    keeper = service.BookKeeper()
    with house.database.read() as session:
        assert keeper.book(session) is keeper.book(session)
        assert queries.unpriced(session, keeper.book(session), now=house.now) == []
    with house.database.write() as session:
        service.withdraw(session, planned.id, principal=ADMIN, now=house.now)
    with house.database.read() as session:
        at = house.now + timedelta(hours=2)
        assert keeper.book(session).card_micros(T4, at) == 2_000_000


def test_of_editors_at_once_who_saw_the_same_price_one_wins(postgres_house: House) -> None:
    house = postgres_house
    seen = _set(house, 1).id
    start = Barrier(4)

    def edit(number: int) -> str:
        start.wait()
        since = house.now + timedelta(seconds=number)
        try:
            _set(house, number, based_on=seen, effective_from=since)
        except (RateChanged, RateExists) as lost:
            return lost.code
        return "SET"

    with ThreadPoolExecutor(4) as pool:
        ends = sorted(pool.map(edit, range(1, 5)))
    assert ends == ["RATE_CHANGED", "RATE_CHANGED", "RATE_CHANGED", "SET"]
