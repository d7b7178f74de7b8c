from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from gpu_management.mig.geometry import load_geometries
from gpu_management.rates.book import Book, BookRow, Priced, charged
from gpu_management.rates.models import SHARE, WHOLE_CARD
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


PRICEABLE = [rule for rule in SliceRule if rule is not SliceRule.DOMINANT_SHARE_NORMALISED]


@pytest.mark.parametrize("rule", PRICEABLE)
@pytest.mark.parametrize("key", load_geometries())
def test_every_rule_prices_the_slices_of_every_geometry_or_says_that_it_cannot(
    rule: SliceRule, key: str
) -> None:
    book = Book([row(8_000_000)], rule=rule)
    for profile in load_geometries()[key].profiles:
        cost = book.per_hour(Priced("m", key, profile.name, 125), NOON)
        if cost is None:
            assert rule is SliceRule.SM_SHARE
        else:
            assert 0 < cost <= 8


def test_a_slice_whose_share_is_unknown_has_no_price_until_one_is_set() -> None:
    unknown = Priced("m", "b200-180gb", "1g.23gb", 125)
    book = Book([row(8_000_000), row(2_000_000, 1, "1g.23gb")], rule=SliceRule.SM_SHARE)
    assert book.per_hour(unknown, NOON) is None
    assert book.priced_since(unknown) == NOON + HOUR
    assert book.per_hour(unknown, NOON + HOUR) == 2


def test_a_rule_that_needs_the_whole_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a layout"):
        Book([], rule=SliceRule.DOMINANT_SHARE_NORMALISED)


def pooled(micros: int, cluster: str, pool: str, *, profile: str = WHOLE_CARD) -> BookRow:
    return BookRow("m", profile, micros, NOON, cluster, pool)


PLACES = [("*", "*"), ("c", "*"), ("*", "p"), ("c", "p")]


@pytest.mark.parametrize("count", range(1, 5))
def test_the_most_specific_place_wins(count: int) -> None:
    book = Book([pooled(n, *place) for n, place in enumerate(PLACES[:count], 1)])
    assert book.card_micros("m", NOON, cluster_name="c", node_pool="p") == count
    assert book.card_micros("m", NOON) == 1
    assert book.card_micros("m", NOON, cluster_name="other", node_pool="other") == 1


def test_a_price_of_a_pool_or_a_cluster_is_none_anywhere_else() -> None:
    book = Book([pooled(7, "*", "p"), pooled(9, "c", "*")])
    assert book.card_micros("m", NOON) is None
    assert book.card_micros("m", NOON, cluster_name="d", node_pool="q") is None
    assert book.card_micros("m", NOON, node_pool="p") == 7
    assert book.card_micros("m", NOON, cluster_name="c", node_pool="q") == 9


def test_a_card_price_of_the_pool_goes_before_a_profile_price_that_holds_anywhere() -> None:
    anywhere = [row(8_000_000), row(1_000_000, profile="3g.40gb")]
    here = Priced("m", GEOMETRY, "3g.40gb", 500, "c", "p")
    assert Book(anywhere).per_hour(here, NOON) == 1
    book = Book([*anywhere, pooled(16_000_000, "*", "p")])
    assert book.per_hour(here, NOON) == 8
    own = pooled(3_000_000, "*", "p", profile="3g.40gb")
    book = Book([*anywhere, pooled(16_000_000, "*", "p"), own])
    assert book.per_hour(here, NOON) == 3


def test_a_share_has_a_tariff_of_its_own_which_the_whole_card_does_not_feel() -> None:
    book = Book([row(1_000_000), row(2_000_000, 1, SHARE)])
    share = Priced("m", None, None, 500)
    assert book.per_hour(share, NOON) == Decimal("0.5")
    assert book.per_hour(share, NOON + HOUR) == 1
    assert book.per_hour(CARD, NOON + HOUR) == 1


def test_a_tariff_names_its_row_and_its_part_of_it() -> None:
    own = BookRow("m", WHOLE_CARD, 8, NOON, "c", "*", row_id=5)
    found = Book([row(4), own]).tariff(Priced("m", GEOMETRY, "3g.40gb", 500, "c"), NOON)
    assert found is not None
    assert (found.row.row_id, found.share, found.rate_micros) == (5, Fraction(1, 2), 4)
