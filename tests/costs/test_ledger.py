"""The five buckets of one GPU fill any window, in time and in money."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gpu_management.costs.ledger import (
    Buckets,
    Held,
    Life,
    Standing,
    Step,
    Steps,
    buckets,
    stretches,
)
from gpu_management.costs.pieces import cut
from gpu_management.costs.places import alike, places

DAY = 86_400
HOUR = 3_600
DAYS = [DAY * number for number in range(6)]
LAST = DAYS[-1]

seconds = st.integers(0, LAST)


@st.composite
def prices(draw: st.DrawFn) -> Steps:
    """Draw prices that begin now or later and follow each other without a gap."""
    starts = sorted(draw(st.sets(st.integers(-DAY, LAST), max_size=3)))
    rates = draw(st.lists(st.integers(0, 10**8), min_size=3, max_size=3))
    ends = [*starts[1:], None]
    return tuple(
        Step(since, until, rate) for since, until, rate in zip(starts, ends, rates, strict=False)
    )


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Draw a GPU that fails, changes its price, and is held by up to four at once."""
    card = draw(prices())
    since = draw(st.integers(-DAY, LAST))
    until = draw(st.none() | st.integers(since, LAST + DAY))
    changes = sorted(draw(st.sets(st.integers(since, LAST), max_size=4)))
    able = draw(st.lists(st.booleans(), min_size=5, max_size=5))
    pools = [card, draw(prices())]
    standings = tuple(
        Standing(at, able[place], pools[place % 2]) for place, at in enumerate([since, *changes])
    )
    holds = []
    for milli in draw(st.lists(st.sampled_from((1, 125, 250, 333)), max_size=3)):
        start = draw(st.integers(since, LAST))
        end = draw(st.integers(start, LAST))
        is_slice = draw(st.booleans())
        charged = 1000 if is_slice else milli
        holds.append(Held(start, end, milli, charged, draw(prices()), card))
    return Life(since, until, standings, tuple(holds))


@given(life=lives(), first=seconds, second=seconds)
def test_the_five_buckets_fill_every_window_in_time_and_in_money(
    life: Life, first: int, second: int
) -> None:
    span = (min(first, second), max(first, second))
    found = buckets(life, DAYS, span)
    since, until = life.clip(span)
    assert found.total == 1000 * max(0, until - since)
    assert found.used + found.idle + found.unattributed == found.held
    assert min(found.free, found.unavailable, found.held, found.unpriced) >= 0
    told = found.charged_micros + found.free_micros + found.unavailable_micros
    assert told + found.adjustment_micros == found.card_micros
    pieces = cut(life.holds, span) if span[0] < span[1] else ()
    assert found.charged_micros == sum(piece.micros for piece in pieces)


@given(life=lives(), cuts=st.lists(seconds, min_size=2, max_size=8))
def test_windows_that_adjoin_add_up_however_they_are_cut(life: Life, cuts: list[int]) -> None:
    marks = sorted(cuts)
    parts = sum((buckets(life, DAYS, span) for span in pairwise(marks)), Buckets())
    assert parts == buckets(life, DAYS, (marks[0], marks[-1]))


@given(life=lives())
def test_without_slices_the_adjustment_is_only_what_was_rounded(life: Life) -> None:
    """Whoever pays the card's price for its part leaves a micro or two a day."""
    card = life.standings[0].card
    holds = tuple(replace(hold, charged_milli=hold.milli, steps=card) for hold in life.holds)
    standings = tuple(replace(one, card=card) for one in life.standings)
    plain = Life(life.since, life.until, standings, holds)
    found = buckets(plain, DAYS, (0, LAST))
    assert abs(found.adjustment_micros) <= (len(holds) + 3) * (len(DAYS) - 1)


@given(life=lives(), first=seconds, second=seconds)
def test_a_timeline_has_no_gap_and_no_overlap(life: Life, first: int, second: int) -> None:
    span = (min(first, second), max(first, second))
    parts = list(stretches(life, span))
    assert all(a.until == b.since for a, b in pairwise(parts))
    assert all(0 <= part.held_milli <= 1000 for part in parts)


@given(life=lives(), bounds=st.lists(seconds, min_size=2, max_size=9, unique=True))
def test_many_holds_cut_together_cost_what_each_costs_alone(life: Life, bounds: list[int]) -> None:
    marks = sorted(bounds)
    found = {(one.hold, one.stretch): one for one in cut(life.holds, marks)}
    for place, hold in enumerate(life.holds):
        of_card = replace(hold, charged_milli=hold.milli, steps=hold.card)
        for stretch, (since, until) in enumerate(pairwise(marks)):
            piece = found.get((place, stretch))
            assert (piece.micros if piece else 0) == hold.micros(until) - hold.micros(since)
            worth = of_card.micros(until) - of_card.micros(since)
            assert (piece.card_micros if piece else 0) == worth
            ends = until if hold.until is None else min(until, hold.until)
            within = max(0, ends - max(since, hold.since))
            assert (piece.milli_seconds if piece else 0) == within * hold.milli


@given(some=st.lists(lives(), min_size=1, max_size=4), first=seconds, second=seconds)
def test_many_gpus_counted_together_are_what_each_is_alone(
    some: list[Life], first: int, second: int
) -> None:
    span = (min(first, second), max(first, second))
    # Four GPUs of each life, every second one without its holds.
    fleet = [(pk, life) for pk, life in enumerate(life for life in some for _ in range(4))]
    held = [(pk, hold) for pk, life in fleet for hold in life.holds if pk % 2]
    bare = [(pk, ("c", 1, "m"), replace(life, holds=())) for pk, life in fleet]
    for day in pairwise(DAYS):
        together = sum((sums for _, sums in places(alike(bare), held, day, span)), Buckets())
        alone = Buckets()
        for pk, life in fleet:
            mine = tuple(
                hold
                for hold in (life.holds if pk % 2 else ())
                if hold.since < day[1] and (hold.until is None or hold.until > day[0])
            )
            if mine or life.is_there(day):
                alone += buckets(replace(life, holds=mine), day, span)
        assert together == alone


def test_held_wins_over_failed_and_only_the_rest_is_unavailable() -> None:
    card = (Step(0, None, 4_000_000),)
    standings = (Standing(0, True, card), Standing(HOUR, False, card))
    hold = Held(0, 2 * HOUR, 250, 250, card, card)
    found = buckets(Life(0, None, standings, (hold,)), [0, DAY], (0, 3 * HOUR))
    assert found.held == 250 * 2 * HOUR
    assert found.free == 750 * HOUR
    assert found.unavailable == 750 * HOUR + 1000 * HOUR
    assert found.charged_micros == 2_000_000
    assert found.free_micros == 3_000_000
    assert found.unavailable_micros == 7_000_000
    assert found.adjustment_micros == 0
