"""Who makes room: only the lower, as few as possible, the least important, the youngest."""

from datetime import UTC, datetime, timedelta
from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as st

from gpu_management.allocations.preemption import Card, Choice, Need, Tenant, choose

BEGAN = datetime(2026, 3, 2, tzinfo=UTC)


def tenants(**priorities: int) -> dict[str, Tenant]:
    """Return tenants by name; the later named, the younger."""
    named = enumerate(priorities.items())
    return {name: Tenant(name, p, BEGAN + timedelta(hours=n)) for n, (name, p) in named}


def card(pk: int, *, node: str = "n1", free: int = 0, **held: int) -> Card:
    return Card(pk, node, free, held)


ONE = Need(priority=5, count=1, milli=1000)


def test_nobody_of_the_same_or_a_higher_priority_goes():
    cards = [card(1, a=1000), card(2, b=1000)]
    assert choose(ONE, cards, tenants(a=5, b=9)) is None


def test_a_card_shared_with_somebody_important_is_not_freed():
    cards = [card(1, a=500, b=500)]
    assert choose(ONE, cards, tenants(a=1, b=5)) is None


def test_what_nobody_gave_is_not_taken():
    assert choose(ONE, [card(1, foreign=1000)], {}) is None


def test_the_fewest_go_then_the_least_important_then_the_youngest():
    cards = [card(1, a=500, b=500), card(2, c=1000)]
    assert choose(ONE, cards, tenants(a=0, b=0, c=4)) == Choice("n1", ("c",))
    cards = [card(1, a=1000), card(2, b=1000), card(3, c=1000)]
    assert choose(ONE, cards, tenants(a=1, b=2, c=2)) == Choice("n1", ("a",))
    assert choose(ONE, cards, tenants(a=1, b=1, c=1)) == Choice("n1", ("c",))


def test_several_cards_are_freed_on_one_node():
    two = Need(priority=5, count=2, milli=1000)
    cards = [card(1, a=1000), card(2, node="n2", b=1000), card(3, node="n2", c=1000)]
    assert choose(two, cards, tenants(a=0, b=4, c=4)) == Choice("n2", ("b", "c"))


def test_one_tenant_of_many_cards_is_one_victim():
    four = Need(priority=5, count=4, milli=1000)
    cards = [card(n, big=1000) for n in range(4)]
    cards += [card(n, node="n2", **{f"t{n}": 1000}) for n in range(4)]
    others = {f"t{n}": 0 for n in range(4)}
    assert choose(four, cards, tenants(big=4, **others)) == Choice("n1", ("big",))


def test_who_had_notice_already_is_not_exchanged_for_another():
    cards = [card(1, a=1000), card(2, b=1000)]
    assert choose(ONE, cards, tenants(a=0, b=0), noticed=["a"]) == Choice("n1", ("a",))


def test_where_there_is_room_nobody_goes():
    assert choose(ONE, [card(1, free=1000)], {}) == Choice("n1", ())


@st.composite
def situations(draw: st.DrawFn) -> tuple[Need, list[Card], dict[str, Tenant]]:
    priorities = draw(st.lists(st.integers(0, 4), min_size=1, max_size=7))
    who = {f"t{n}": p for n, p in enumerate(priorities)}
    cards = []
    for pk in range(draw(st.integers(1, 5))):
        names = draw(st.lists(st.sampled_from(sorted(who)), max_size=3, unique=True))
        held = {name: 1000 // max(1, len(names)) for name in names}
        free = 0 if held else 1000
        cards.append(Card(pk, draw(st.sampled_from(["n1", "n2"])), free, held))
    need = Need(
        draw(st.integers(0, 4)), draw(st.integers(1, 4)), draw(st.sampled_from([500, 1000]))
    )
    return need, cards, tenants(**who)


def _serves(need: Need, cards: list[Card], node: str, gone: set[str]) -> bool:
    free = [
        c.free_milli + sum(m for n, m in c.held.items() if n in gone)
        for c in cards
        if c.node == node
    ]
    return sum(milli >= need.milli for milli in free) >= need.count


@given(situations())
def test_a_choice_serves_with_the_fewest_of_lower_priority_and_none_is_missed(
    told: tuple[Need, list[Card], dict[str, Tenant]],
):
    need, cards, who = told
    lower = [name for name, tenant in who.items() if tenant.priority < need.priority]
    ways = chain.from_iterable(combinations(lower, n) for n in range(len(lower) + 1))
    sizes = [
        len(way) for way in ways for node in ("n1", "n2") if _serves(need, cards, node, set(way))
    ]
    choice = choose(need, cards, who)
    if choice is None:
        assert sizes == []
        return
    assert set(choice.victims) <= set(lower)
    assert _serves(need, cards, choice.node, set(choice.victims))
    assert len(choice.victims) == min(sizes) or min(sizes) > 3
    for name in choice.victims:
        assert not _serves(need, cards, choice.node, set(choice.victims) - {name})
