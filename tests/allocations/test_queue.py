from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gpu_management.allocations.queue import Waiting, in_order, kept_node, outranks
from tests.support.apps import NOON


def waiting(name: str, priority: int = 0, waited_seconds: float = 0) -> Waiting:
    return Waiting(name, priority, NOON - timedelta(seconds=waited_seconds))


def order(*queue: Waiting, aging_seconds: int = 0) -> list[str]:
    found = in_order(queue, now=NOON, aging_seconds=aging_seconds)
    return [entry.allocation_id for entry in found]


def test_the_higher_priority_goes_first_and_among_equals_the_older() -> None:
    assert order(waiting("late"), waiting("early", 0, 9), waiting("high", 1)) == [
        "high",
        "early",
        "late",
    ]


def test_at_the_same_moment_the_id_decides_so_that_the_order_is_always_the_same() -> None:
    assert order(waiting("b"), waiting("a")) == ["a", "b"]


def test_waiting_counts_as_priority_step_by_step() -> None:
    patient, important = waiting("patient", 0, 600), waiting("important", 1)
    assert order(important, patient, aging_seconds=0) == ["important", "patient"]
    assert order(important, patient, aging_seconds=601) == ["important", "patient"]
    assert order(important, patient, aging_seconds=599) == ["patient", "important"]


@given(st.integers(-1000, 1000), st.integers(1, 10_000))
def test_whoever_waits_long_enough_passes_any_newcomer(priority: int, aging_seconds: int) -> None:
    steps = priority + 1000 + 1
    patient = waiting("patient", -1000, steps * aging_seconds)
    newcomer = waiting("new", priority)
    assert order(newcomer, patient, aging_seconds=aging_seconds)[0] == "patient"
    assert not outranks(newcomer, patient, now=NOON, aging_seconds=aging_seconds)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 10_000)), max_size=8))
def test_the_order_is_total_and_agrees_with_who_outranks_whom(
    entries: list[tuple[int, int]],
) -> None:
    queue = [waiting(str(n), *entry) for n, entry in enumerate(entries)]
    found = in_order(queue, now=NOON, aging_seconds=600)
    assert sorted(found, key=lambda w: w.allocation_id) == queue
    for before, after in pairwise(found):
        assert outranks(before, after, now=NOON, aging_seconds=600)


def test_the_node_kept_so_far_stays_while_it_can_serve() -> None:
    assert kept_node([("n1", 10), ("n2", 900)], present="n1") == "n1"


def test_else_the_node_with_most_room_is_kept_the_lower_rank_among_equals() -> None:
    assert kept_node([("n1", 10), ("n2", 900), ("n3", 900)], present="gone") == "n2"


def test_where_no_node_can_serve_none_is_kept() -> None:
    assert kept_node([], present="n1") is None
