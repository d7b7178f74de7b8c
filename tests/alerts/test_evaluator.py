"""A look with every rule, whatever the GPUs tell and however often they do not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_management.alerts.evaluator import Memory, evaluate, fingerprint_of
from gpu_management.alerts.machine import Move, State
from gpu_management.alerts.measures import KEEP_SECONDS, OF_GPUS, TEMPERATURE, XID
from gpu_management.alerts.past import Column, Past, key_of
from gpu_management.alerts.rules import HARDWARE_RULES, RULES

BEGAN = datetime(2026, 1, 2, tzinfo=UTC)
HOT = replace(RULES[0], for_seconds=30)
KEYS = tuple(key_of(instance="n1", gpu=str(number), modelName="Tesla T4") for number in range(3))
FIGURE = st.sampled_from([50.0, 90.0, float("nan"), None])
"""Cool, hot, a gap; None: the GPU is not in the fleet."""
LOOKS = st.lists(
    st.tuples(st.integers(-60, 300), st.booleans(), st.tuples(FIGURE, FIGURE, FIGURE)), max_size=40
)


@settings(max_examples=150)
@given(LOOKS)
def test_no_alert_is_open_twice_and_each_ends_once(looks: list[tuple]) -> None:  # type: ignore[type-arg]
    past, memory, now, is_open = Past(KEEP_SECONDS), Memory(), BEGAN, set()
    for seconds, is_away, figures in looks:
        now += timedelta(seconds=seconds)
        there = [place for place, figure in enumerate(figures) if figure is not None]
        told = Column(
            tuple(KEYS[place] for place in there), np.array([figures[place] for place in there])
        )
        columns = {} if is_away else {TEMPERATURE: told}
        past.add(now.timestamp(), columns, away=OF_GPUS if is_away else frozenset())
        found = evaluate(memory, past, [HOT], now=now)
        again = evaluate(memory, past, [HOT], now=now)
        assert again.memory == found.memory, "a look can be done again"
        memory = found.memory
        for news in found.news:
            if news.move is Move.FIRED:
                assert news.fingerprint not in is_open
                is_open.add(news.fingerprint)
            elif news.move is Move.RESOLVED:
                is_open.remove(news.fingerprint)
        firing = {
            fingerprint_of(name, key)
            for (name, key), standing in memory.standings.items()
            if standing.state is State.FIRING
        }
        assert firing == is_open


def test_a_source_that_is_away_ends_nothing_and_a_gpu_that_is_removed_does() -> None:
    past, memory = Past(KEEP_SECONDS), Memory()
    moves = []
    hot = Column(KEYS[:1], np.array([90.0]))
    for tick, (columns, away) in enumerate(
        [*[({TEMPERATURE: hot}, frozenset())] * 4, ({}, OF_GPUS), ({}, frozenset())]
    ):
        now = BEGAN + timedelta(seconds=15 * tick)
        past.add(now.timestamp(), columns, away=away)
        found = evaluate(memory, past, [HOT], now=now)
        memory = found.memory
        moves += [(tick, news.move) for news in found.news]
    assert moves == [(2, Move.FIRED), (4, Move.LOST), (5, Move.RESOLVED)]


def test_a_fingerprint_is_of_the_rule_and_every_label() -> None:
    names = {
        fingerprint_of("a", key_of(b="c")),
        fingerprint_of("a", key_of(b="d")),
        fingerprint_of("e", key_of(b="c")),
        fingerprint_of("a", key_of(bc="")),
    }
    assert len(names) == 4


def test_an_error_that_is_told_with_its_code_is_shown_with_it() -> None:
    (rule,) = (rule for rule in HARDWARE_RULES if rule.name == "GPUHardwareError")
    past, memory = Past(KEEP_SECONDS), Memory()
    for tick, code in enumerate((0.0, 48.0)):
        now = BEGAN + timedelta(seconds=15 * tick)
        past.add(now.timestamp(), {XID: Column(KEYS[:1], np.array([code]))})
        found = evaluate(memory, past, [rule], now=now)
        memory = found.memory
    (news,) = found.news
    assert news.description == "GPU 0 on n1 reported XID 48"
