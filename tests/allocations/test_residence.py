"""Which holds have to follow pods that are elsewhere than was assumed."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gpu_management.allocations.residence import Move, Spot, Stay, moves_of, possible


def stay(hold: int, card: int, instance: int = 0, *, share: bool = False) -> Stay:
    milli = 250 if share else 1000
    return Stay(hold, Spot(card, instance), milli, is_share=share)


def targets(moves: list[Move] | None) -> dict[int, Spot]:
    assert moves is not None
    return {move.hold_id: move.target for move in moves}


def test_who_is_where_the_ledger_says_stays():
    assert moves_of([stay(1, 7), stay(2, 8)], {Spot(8), Spot(7)}) == []


def test_only_the_hold_of_the_wrong_card_moves():
    assert targets(moves_of([stay(1, 7), stay(2, 8)], {Spot(8), Spot(9)})) == {1: Spot(9)}


def test_slices_are_compared_with_slices_whatever_is_told_of_their_cards():
    told = {Spot(7), Spot(7, 2)}
    assert targets(moves_of([stay(1, 7, 1)], told)) == {1: Spot(7, 2)}
    assert moves_of([stay(1, 7, 1)], {Spot(7)}) is None


def test_a_number_that_differs_says_nothing():
    assert moves_of([stay(1, 7)], {Spot(7), Spot(8)}) is None
    assert moves_of([stay(1, 7), stay(2, 8)], {Spot(9)}) is None


def test_shares_of_one_pod_may_be_of_one_card():
    shares = [stay(1, 7, share=True), stay(2, 8, share=True)]
    assert targets(moves_of(shares, {Spot(8)})) == {1: Spot(8)}


def test_two_that_changed_places_move_together():
    a, b = Move(1, Spot(1), Spot(2), 1000), Move(2, Spot(2), Spot(1), 1000)
    held = {Spot(1): 1000, Spot(2): 1000}
    assert possible([[a], [b]], held) == [[a], [b]]
    assert possible([[a]], held) == []


def test_who_waits_for_somebody_that_cannot_move_stays_too():
    a, b = Move(1, Spot(1), Spot(2), 1000), Move(2, Spot(2), Spot(3), 1000)
    assert possible([[a], [b]], {Spot(1): 1000, Spot(2): 1000, Spot(3): 1000}) == []
    assert possible([[a], [b]], {Spot(1): 1000, Spot(2): 1000}) == [[a], [b]]


spots = st.builds(Spot, st.integers(1, 5))


@given(st.lists(st.tuples(spots, spots, st.sampled_from([250, 500, 1000])), max_size=8))
def test_what_moves_never_overfills_a_card(wanted: list[tuple[Spot, Spot, int]]):
    held: Counter[Spot] = Counter()
    groups = []
    for number, (source, target, milli) in enumerate(wanted):
        if held[source] + milli <= 1000:
            held[source] += milli
            groups.append([Move(number, source, target, milli)])
    after = Counter(held)
    for [move] in possible(groups, held):
        after[move.source] -= move.milli
        after[move.target] += move.milli
    assert all(0 <= milli <= 1000 for milli in after.values())
