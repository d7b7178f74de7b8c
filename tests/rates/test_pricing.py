from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.devices.catalog import catalog
from gpu_management.mig.geometry import LayoutError, load_geometries
from gpu_management.mig.layout import Variants, legal_layouts
from gpu_management.rates.pricing import (
    OwnedGpu,
    RatePeriod,
    ShareUnknown,
    SliceRule,
    cost_until_micros,
    hold_cost_micros,
    list_price_micros,
    list_prices,
    owned_examples,
    owned_rate,
    piece_cost_micros,
    slice_rate_micros,
    slice_share,
)

GEOMETRIES = load_geometries()
A100, A30 = GEOMETRIES["a100-sxm4-40gb"], GEOMETRIES["a30"]
START = datetime(2026, 3, 1, tzinfo=UTC)


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def period(since: int, until: int | None, rate_micros: int) -> RatePeriod:
    return RatePeriod(at(since), None if until is None else at(until), rate_micros)


@st.composite
def rate_histories(draw: st.DrawFn) -> list[RatePeriod]:
    edges = sorted(draw(st.sets(st.integers(0, 10_000_000), min_size=1, max_size=6)))
    rates = draw(st.lists(st.integers(0, 20_000_000), min_size=len(edges), max_size=len(edges)))
    ends = [*edges[1:], None]
    return [period(*each) for each in zip(edges, ends, rates, strict=True)]


SECONDS = st.integers(0, 12_000_000)
MILLI = st.integers(1, 8_000)


@st.composite
def holds(draw: st.DrawFn) -> tuple[int, datetime, datetime]:
    return draw(MILLI), at(draw(SECONDS)), at(draw(SECONDS))


@given(rate_histories(), holds(), st.sets(SECONDS, min_size=2, max_size=8))
def test_pieces_of_any_cut_add_up_to_the_whole(
    rates: list[RatePeriod], hold: tuple[int, datetime, datetime], cuts: set[int]
) -> None:
    milli, started, _ = hold
    pieces = [
        piece_cost_micros(rates, milli=milli, started_at=started, since=since, until=until)
        for since, until in pairwise(map(at, sorted(cuts)))
    ]
    since, until = at(min(cuts)), at(max(cuts))
    whole = piece_cost_micros(rates, milli=milli, started_at=started, since=since, until=until)
    assert sum(pieces) == whole
    assert all(piece >= 0 for piece in pieces)


@given(rate_histories(), holds())
def test_the_cost_is_the_floor_of_the_exact_sum_and_a_whole_number(
    rates: list[RatePeriod], hold: tuple[int, datetime, datetime]
) -> None:
    milli, started, until = hold
    cost = cost_until_micros(rates, milli=milli, started_at=started, until=until)
    exact = Fraction(0)
    for each in rates:
        open_for = min(each.ends_at or until, until) - max(each.starts_at, started)
        seconds = max(0, open_for // timedelta(seconds=1))
        exact += Fraction(each.rate_micros * milli * seconds, 3_600_000)
    assert type(cost) is int
    assert cost == exact.numerator // exact.denominator


@given(holds(), st.integers(1, 9_000_000))
def test_stating_the_same_price_again_changes_no_bill(
    hold: tuple[int, datetime, datetime], change: int
) -> None:
    milli, started, until = hold
    once = [period(0, None, 2_744_705)]
    twice = [period(0, change, 2_744_705), period(change, None, 2_744_705)]
    bills = {
        cost_until_micros(rates, milli=milli, started_at=started, until=until)
        for rates in (once, twice)
    }
    assert len(bills) == 1


def test_an_hour_of_a_whole_gpu_costs_its_rate_and_a_quarter_a_quarter() -> None:
    assert hold_cost_micros(6_880_000, 1000, 3600) == 6_880_000
    assert hold_cost_micros(6_880_000, 250, 3600) == 1_720_000
    assert hold_cost_micros(1, 1, 1) == 0


def test_time_without_a_price_costs_nothing() -> None:
    rates = [period(0, 3600, 1_000_000), period(7200, None, 2_000_000)]
    cost = cost_until_micros(rates, milli=1000, started_at=at(0), until=at(10_800))
    assert cost == 3_000_000


@pytest.mark.parametrize(
    "rates",
    [
        [period(0, None, 1), period(10, None, 1)],
        [period(0, 20, 1), period(10, None, 1)],
        [period(0, None, -1)],
        [RatePeriod(datetime(2026, 1, 1), None, 1)],  # noqa: DTZ001 - naive on purpose
        [RatePeriod(START + timedelta(microseconds=1), None, 1)],
    ],
)
def test_contradictory_rates_and_inexact_times_are_refused(rates: list[RatePeriod]) -> None:
    with pytest.raises(ValueError, match=r"overlap|negative|zone|whole second"):
        cost_until_micros(rates, milli=1000, started_at=at(0), until=at(60))


def test_a_piece_may_not_end_before_it_starts_and_nothing_may_be_negative() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        piece_cost_micros([], milli=1, started_at=at(0), since=at(2), until=at(1))
    with pytest.raises(ValueError, match="negative"):
        hold_cost_micros(1, -1, 1)


@pytest.mark.parametrize(
    ("rule", "share"),
    [(SliceRule.COMPUTE_SHARE, Fraction(1, 7)), (SliceRule.MEMORY_SHARE, Fraction(1, 4)),
     (SliceRule.DOMINANT_SHARE, Fraction(1, 4)), (SliceRule.SM_SHARE, Fraction(14, 98))],
)  # fmt: skip
def test_each_rule_charges_its_share_of_the_board(rule: SliceRule, share: Fraction) -> None:
    assert slice_share(A100, "1g.10gb", rule) == share


def full_shares(key: str, rule: SliceRule) -> list[Fraction]:
    geometry = GEOMETRIES[key]
    return [
        sum(
            (slice_share(geometry, place.profile, rule, layout=[p.profile for p in layout])
             for place in layout),
            Fraction(0),
        )
        for layout in legal_layouts(geometry, variants=Variants.DOUBLE_MEMORY)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "least", "most"),
    [(SliceRule.COMPUTE_SHARE, "0.571", "1.000"), (SliceRule.MEMORY_SHARE, "0.875", "1.000"),
     (SliceRule.DOMINANT_SHARE, "0.893", "1.107"),
     (SliceRule.DOMINANT_SHARE_NORMALISED, "0.893", "1.000")],
)  # fmt: skip
def test_full_layouts_recover_between_these_shares_of_the_card(
    rule: SliceRule, least: str, most: str
) -> None:
    shares = full_shares("a100-sxm4-40gb", rule)
    assert (f"{float(min(shares)):.3f}", f"{float(max(shares)):.3f}") == (least, most)


@pytest.mark.parametrize(
    "rule", [SliceRule.COMPUTE_SHARE, SliceRule.MEMORY_SHARE, SliceRule.DOMINANT_SHARE]
)
def test_full_layouts_of_an_a30_recover_exactly_the_card(rule: SliceRule) -> None:
    assert set(full_shares("a30", rule)) == {Fraction(1)}


@pytest.mark.parametrize("key", GEOMETRIES)
def test_the_whole_board_as_one_instance_costs_the_board(key: str) -> None:
    geometry = GEOMETRIES[key]
    whole = next(kind for kind in geometry.profiles if kind.size == geometry.placement_units)
    for rule in (SliceRule.COMPUTE_SHARE, SliceRule.MEMORY_SHARE, SliceRule.DOMINANT_SHARE):
        assert slice_share(geometry, whole.name, rule) == 1


def test_a_share_that_cannot_be_known_is_refused_with_the_reason() -> None:
    with pytest.raises(ShareUnknown, match="SM count"):
        slice_share(GEOMETRIES["b200-180gb"], "1g.23gb", SliceRule.SM_SHARE)
    with pytest.raises(ShareUnknown, match="needs a layout"):
        slice_share(A100, "1g.5gb", SliceRule.DOMINANT_SHARE_NORMALISED)
    with pytest.raises(LayoutError):
        slice_share(A30, "1g.5gb")


def test_an_instance_rate_is_rounded_once_half_to_even() -> None:
    assert slice_rate_micros(5, Fraction(1, 2)) == 2
    assert slice_rate_micros(7, Fraction(1, 2)) == 4
    assert slice_rate_micros(6_880_000, Fraction(1, 7)) == 982_857


def test_list_prices_belong_to_known_models_and_unknown_stays_unknown() -> None:
    assert list_price_micros("a100-sxm4-40gb") == 2_744_705
    assert list_price_micros("p100-pcie-16gb") is None
    assert list_price_micros("no such model") is None
    assert all(catalog().get(model) for model in list_prices())
    assert all(price.micros_per_hour > 0 and price.source for price in list_prices().values())


@pytest.mark.parametrize(
    ("name", "total_usd"), [("h100-3-years", "1.4797"), ("h100-5-years-enterprise", "1.5290")]
)
def test_the_worked_examples_of_owned_gpus_come_out_as_published(name: str, total_usd: str) -> None:
    rate = owned_rate(owned_examples()[name])
    assert f"{Decimal(rate.rate_micros) / 1_000_000:.4f}" == total_usd
    parts = rate.capital_micros + rate.energy_micros + rate.upkeep_micros
    assert rate.rate_micros == round(parts)


def test_an_owned_gpu_needs_a_life_and_hours_to_sell() -> None:
    with pytest.raises(ValueError, match="must be > 0"):
        owned_rate(OwnedGpu(Decimal(1), Decimal(0), Decimal(1), Decimal(1)))
