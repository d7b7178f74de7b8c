"""What is said of requests, nodes and packing."""

import pytest

from gpu_management.resources.analysis import (
    Amounts,
    Heat,
    Load,
    Verdict,
    heat,
    judge,
    pack,
    pct,
)

HOUR = 3600.0
ASKED = Amounts(4000, 8192)


@pytest.mark.parametrize(
    ("peak", "verdict"),
    [
        (Amounts(3000, 8000), Verdict.FITTING),
        (Amounts(1999, 8000), Verdict.OVER_REQUESTED),
        (Amounts(3000, 4000), Verdict.OVER_REQUESTED),
        (Amounts(9000, 8000), Verdict.FITTING),  # CPU may burst
        (Amounts(100, 8193), Verdict.UNDER_REQUESTED),
    ],
)
def test_requests_are_judged_by_the_most_that_was_used(peak: Amounts, verdict: Verdict):
    assert judge(ASKED, peak, measured_seconds=HOUR).verdict is verdict


def test_nothing_is_said_of_what_was_not_measured_for_an_hour():
    assert judge(ASKED, None, measured_seconds=HOUR).verdict is Verdict.UNKNOWN
    early = judge(ASKED, Amounts(1, 1), measured_seconds=HOUR - 1)
    assert (early.verdict, early.waste) == (Verdict.UNKNOWN, None)


def test_waste_is_what_is_asked_for_beyond_that():
    told = judge(ASKED, Amounts(5000, 1000), measured_seconds=HOUR)
    assert told.waste == Amounts(0, 7192)


def test_a_little_too_much_is_not_worth_a_word():
    told = judge(Amounts(100, 100), Amounts(1, 1), measured_seconds=HOUR)
    assert told.verdict is Verdict.FITTING


def test_who_asks_for_nothing_is_told_so():
    assert judge(Amounts(0, 0), None, measured_seconds=0).verdict is Verdict.NO_REQUEST


@pytest.mark.parametrize(
    ("used", "told"),
    [
        (Amounts(100, 900), Heat.HOT),
        (Amounts(850, 100), Heat.HOT),
        (Amounts(100, 300), Heat.WARM),
        (Amounts(199, 199), Heat.COLD),
        (None, None),
    ],
)
def test_a_node_is_as_hot_as_its_fuller_half(used: Amounts | None, told: Heat | None):
    assert heat(Amounts(1000, 1000), used) is told


def node(cpu: int = 0, memory: int = 0, *, gpus: int = 0, held: int = 0, up: bool = True) -> Load:
    return Load(Amounts(10_000, 10_000), Amounts(cpu, memory), gpus, held, is_open=up)


def test_packing_counts_the_nodes_that_would_do():
    told = pack([node(3000, 2000), node(3000, 2000), node(5000, 1000), node()])
    assert (told.nodes_in_use, told.nodes_needed) == (3, 2)
    assert pack([]).nodes_needed == 0


def test_free_cpu_without_memory_beside_it_is_stranded():
    told = pack([node(2000, 9990), node(9999, 3000), node(9999, 3000, up=False)])
    assert told.stranded == Amounts(8000, 7000)


def test_a_free_gpu_is_stranded_where_no_pod_could_start():
    nodes = [node(9500, 0, gpus=8, held=6), node(1000, 1000, gpus=8), node(0, 9900, gpus=4)]
    assert pack(nodes).stranded_gpus == 6


def test_a_share_of_nothing_is_unknown():
    assert (pct(1, 0), pct(None, 5), pct(1, 3), pct(3, 2)) == (None, None, 33.33, 150.0)
