"""What is remembered of families, and the functions of Prometheus over it."""

import math

import numpy as np
import pytest

from gpu_management.alerts.past import Column, Past, column, key_of

A, B = key_of(gpu="a"), key_of(gpu="b")
KEEP = {"x": 900.0}


def _past(*rows: dict[str, float], step: float = 60.0) -> Past:
    past = Past(KEEP)
    for number, row in enumerate(rows):
        told = {key_of(gpu=name): value for name, value in row.items()}
        past.add(number * step, {"x": column(told)})
    return past


def _of(past: Past, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, float]:
    return dict(zip(past.labels("x", "gpu"), values.tolist(), strict=True))


def test_the_newest_values_are_those_of_the_keys_that_are_told_now() -> None:
    past = _past({"a": 1, "b": 2}, {"b": 3, "c": 4})
    assert _of(past, past.latest("x")) == {"b": 3, "c": 4}


def test_a_counter_that_begins_again_has_grown_by_what_it_says() -> None:
    past = _past({"a": 10}, {"a": 12}, {"a": 3})
    grown = _of(past, past.increase("x", 120))["a"]
    assert grown == pytest.approx(5)


def test_the_growth_of_one_value_is_not_known() -> None:
    past = _past({"a": 10})
    assert math.isnan(_of(past, past.increase("x", 120))["a"])


def test_growth_is_extrapolated_to_the_edge_of_the_window_but_not_below_zero() -> None:
    past = _past(*({"a": 100.0 + 60 * minute} for minute in range(5)))
    assert _of(past, past.increase("x", 270))["a"] == pytest.approx(270)
    fresh = _past(*({"a": float(minute)} for minute in range(5)))
    assert _of(fresh, fresh.increase("x", 900))["a"] == pytest.approx(4)


def test_a_gap_is_no_change() -> None:
    past = _past({"a": 1}, {"a": math.nan}, {"a": 1}, {"a": 2})
    assert _of(past, past.changes("x", 600))["a"] == 1


def test_lowest_and_highest_leave_gaps_out() -> None:
    past = _past({"a": 5}, {"a": math.nan}, {"a": 3})
    assert _of(past, past.lowest("x", 600))["a"] == 3
    assert _of(past, past.highest("x", 600))["a"] == 5


def test_what_is_older_than_the_window_is_forgotten() -> None:
    past = _past(*({"a": float(minute)} for minute in range(60)))
    assert _of(past, past.lowest("x", 900))["a"] == 44


def test_a_clock_that_goes_back_forgets_the_future() -> None:
    past = _past({"a": 9}, {"a": 8})
    past.add(30.0, {"x": column({A: 1.0})})
    assert _of(past, past.highest("x", 900))["a"] == 9
    assert _of(past, past.latest("x"))["a"] == 1


def test_a_family_whose_source_is_away_is_a_gap_for_the_same_keys() -> None:
    past = _past({"a": 1, "b": 2})
    past.add(60.0, {}, away=frozenset({"x"}))
    assert past.labels("x", "gpu") == ["a", "b"]
    assert np.isnan(past.latest("x")).all()
    assert not past.knows("x")


def test_a_family_that_is_not_told_of_has_no_series() -> None:
    past = _past({"a": 1})
    past.add(60.0, {})
    assert past.keys("x") == ()
    assert past.knows("x")


def test_when_a_key_had_a_value_last_can_be_recalled() -> None:
    past = Past(KEEP)
    past.recall("x", {B: 7.0})
    past.add(60.0, {"x": Column((A, B), np.array([1.0, math.nan]))})
    assert past.told_at("x").tolist() == [60.0, 7.0]
