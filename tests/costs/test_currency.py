from decimal import Decimal

import pytest
from sqlalchemy import func, select

from gpu_management.cli.wiring import prepare
from gpu_management.core.settings_items import SettingsError
from gpu_management.costs.currency import OtherCurrency, settle
from gpu_management.costs.models import BillingMonth
from gpu_management.rates.models import Rate
from tests.support.house import CLUSTER, House


def _prices(house: House) -> int:
    with house.database.read() as session:
        return session.scalar(select(func.count(Rate.id))) or 0


def _close(house: House, currency: str) -> None:
    month = BillingMonth(
        month="2026-01",
        closed_at=house.now,
        closed_by="tester",
        currency=currency,
        timezone="UTC",
        total=Decimal(0),
        line_count=0,
        fingerprint="",
    )
    with house.database.write() as session:
        session.add(month)


def test_a_fresh_book_of_another_currency_has_no_dollar_prices(house: House) -> None:
    assert _prices(house) > 0
    prepare(house.database, CLUSTER, house.clock, currency="KRW")
    assert _prices(house) == 0


def test_the_same_currency_keeps_everything(house: House) -> None:
    before = _prices(house)
    _close(house, "USD")
    prepare(house.database, CLUSTER, house.clock)
    assert _prices(house) == before


def test_what_was_held_at_dollar_prices_cannot_become_another_currency(house: House) -> None:
    house.node()
    house.request()
    with house.database.write() as session, pytest.raises(OtherCurrency, match="held at list"):
        settle(session, "KRW")
    assert _prices(house) > 0


def test_closed_months_of_another_currency_are_not_read_as_this_one(house: House) -> None:
    _close(house, "EUR")
    with pytest.raises(SettingsError, match="months of this database were closed in EUR"):
        prepare(house.database, CLUSTER, house.clock)
