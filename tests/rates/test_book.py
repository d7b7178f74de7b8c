from datetime import timedelta
from decimal import Decimal

import pytest

from gpu_management.rates.book import Book, BookRow, Priced, charged
from gpu_management.rates.models import WHOLE_CARD
from gpu_management.rates.pricing import SliceRule
from tests.support.apps import NOON

GEOMETRY = "a100-sxm4-80gb"
CARD = Priced("m", None, None, 1000)
SLICE = Priced("m", GEOMETRY, "3g.40gb", 500)
HOUR = timedelta(hours=1)


def row(micros: int, hours: int = 0, profile: str = WHOLE_CARD) -> BookRow:
    return BookRow("m", profile, micros, NOON + hours * HOUR)


def test_a_price_holds_from_its_moment_to_the_next() -> None:
    book = Book([row(4_000_000, 2), row(2_000_000)])
    assert book.per_hour(CARD, NOON - timedelta(seconds=1)) is None
    assert book.per_hour(CARD, NOON) == 2
    assert book.per_hour(CARD, NOON + 2 * HOUR - timedelta(seconds=1)) == 2
    assert book.per_hour(CARD, NOON + 2 * HOUR) == 4
    assert book.card_micros("m", NOON) == 2_000_000
    assert book.cost_micros(CARD, started_at=NOON, until=NOON + 3 * HOUR) == 8_000_000


def test_what_has_no_price_costs_none_and_not_nothing() -> None:
    book = Book([])
    assert book.per_hour(CARD, NOON) is None
    assert book.cost_micros(CARD, started_at=NOON, until=NOON + HOUR) is None
    assert book.piece_micros(CARD, started_at=NOON, since=NOON, until=NOON + HOUR) is None
    assert book.priced_since(CARD) is None


def test_before_its_first_price_a_thing_has_none() -> None:
    book = Book([row(1_000_000, 5)])
    assert book.cost_micros(CARD, started_at=NOON, until=NOON + HOUR) is None
    assert book.cost_micros(CARD, started_at=NOON, until=NOON + 6 * HOUR) == 1_000_000
    assert book.priced_since(CARD) == NOON + 5 * HOUR


def test_a_share_costs_its_thousandths() -> None:
    book = Book([row(1_000_000)])
    assert book.per_hour(Priced("m", None, None, 333), NOON) == Decimal("0.333")


def test_a_slice_costs_its_share_of_the_card_until_it_has_a_price_of_its_own() -> None:
    book = Book([row(8_000_000), row(1_000_000, 2, "3g.40gb"), row(16_000_000, 3)])
    first = book.per_hour(SLICE, NOON)
    assert first is not None
    assert 3 <= first <= 5
    assert book.per_hour(SLICE, NOON + 2 * HOUR) == 1
    assert book.per_hour(SLICE, NOON + 3 * HOUR) == 1
    other = Priced("m", GEOMETRY, "4g.40gb", 500)
    before, after = book.per_hour(other, NOON), book.per_hour(other, NOON + 3 * HOUR)
    assert before is not None
    assert after is not None
    assert abs(after - 2 * before) <= Decimal("0.000001")


def test_a_slice_is_charged_by_its_own_price_and_not_by_its_thousandths() -> None:
    assert charged(SLICE) == 1000
    assert charged(Priced("m", None, None, 333)) == 333


@pytest.mark.parametrize("rule", SliceRule)
def test_every_rule_prices_every_slice(rule: SliceRule) -> None:
    book = Book([row(7_000_000)], rule=rule)
    try:
        cost = book.per_hour(SLICE, NOON)
    except ValueError:
        return
    assert cost is not None
    assert 2 < cost < 5
