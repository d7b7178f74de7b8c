import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.metrics.attribution import Busy, Held, Use, money, only_holder, split

HOUR = Held(0, 3600, 1000)
EVERY = 15


def steady(busy: int | None, since: int = 15, until: int = 3600) -> list[Busy]:
    return [Busy(ts, busy) for ts in range(since, until + 1, EVERY)]


def test_without_samples_everything_is_unattributed_and_nothing_idle() -> None:
    assert split(HOUR, [], interval_seconds=EVERY) == Use(0, 0, 3_600_000)


def test_half_busy_for_an_hour_is_half_an_hour_used() -> None:
    assert split(HOUR, steady(500), interval_seconds=EVERY) == Use(1_800_000, 1_800_000, 0)


def test_a_gap_is_neither_used_nor_idle() -> None:
    samples = [*steady(1000, 15, 900), *steady(1000, 2715, 3600)]
    found = split(HOUR, samples, interval_seconds=EVERY)
    # The first sample after the gap speaks for the 30 s before it.
    assert found == Use((900 + 915) * 1000, 0, (3600 - 1815) * 1000)


def test_a_sample_without_a_value_leaves_its_time_unattributed() -> None:
    samples = [Busy(15, 1000), Busy(30, None), Busy(45, 1000)]
    assert split(Held(0, 45, 1000), samples, interval_seconds=EVERY) == Use(30_000, 0, 15_000)


def test_a_slice_counts_with_its_part_of_the_gpu() -> None:
    found = split(Held(0, 3600, 125), steady(1000), interval_seconds=EVERY)
    assert found == Use(450_000, 0, 0)


def test_a_hold_that_begins_between_two_samples_gets_its_part() -> None:
    found = split(Held(20, 40, 1000), [Busy(30, 1000), Busy(45, 0)], interval_seconds=EVERY)
    assert found == Use(10_000, 10_000, 0)


def test_the_only_share_on_a_gpu_used_what_ran_on_it() -> None:
    share = Held(0, 3600, 250)
    found = only_holder(share, steady(100), interval_seconds=EVERY)
    assert found == Use(360_000, 540_000, 0)
    full = only_holder(share, steady(900), interval_seconds=EVERY)
    assert full == Use(900_000, 0, 0)


def test_money_follows_time_and_loses_nothing() -> None:
    assert money(1000, Use(1, 1, 1)) == (333, 333, 334)
    assert money(1000, Use(1, 2, 0)) == (333, 667, 0)
    assert money(7, Use(0, 0, 0)) == (0, 0, 7)


@pytest.mark.parametrize(
    ("held", "samples"),
    [
        (Held(10, 5, 1000), []),
        (Held(0, 5, 0), []),
        (Held(0, 5, 1001), []),
        (HOUR, [Busy(15, 1001)]),
        (HOUR, [Busy(15, -1)]),
        (HOUR, [Busy(30, 1), Busy(15, 1)]),
        (HOUR, [Busy(15, 1), Busy(15, 1)]),
    ],
)
def test_the_impossible_is_refused(held: Held, samples: list[Busy]) -> None:
    with pytest.raises(ValueError, match=r"."):
        split(held, samples, interval_seconds=EVERY)


samples_of_a_day = st.lists(
    st.tuples(st.integers(1, 80), st.one_of(st.none(), st.integers(0, 1000))), max_size=60
).map(
    lambda steps: [
        Busy(sum(step for step, _ in steps[: place + 1]), busy)
        for place, (_, busy) in enumerate(steps)
    ]
)


@given(
    samples_of_a_day,
    st.integers(0, 2000),
    st.integers(0, 2000),
    st.integers(1, 1000),
    st.integers(0, 10**12),
)
def test_the_parts_always_sum_to_what_was_held(
    samples: list[Busy], start: int, length: int, milli: int, micros: int
) -> None:
    use = split(Held(start, start + length, milli), samples, interval_seconds=EVERY)
    assert use.held == length * milli
    assert min(use.used, use.idle, use.unattributed) >= 0
    parts = money(micros, use)
    assert sum(parts) == micros
    assert min(parts) >= 0


@given(samples_of_a_day, st.integers(0, 2000), st.integers(0, 2000), st.data())
def test_a_cut_changes_no_part_by_more_than_a_thousandth_of_a_second(
    samples: list[Busy], start: int, length: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(start, start + length))
    whole = split(Held(start, start + length, 777), samples, interval_seconds=EVERY)
    first = split(Held(start, cut, 777), samples, interval_seconds=EVERY)
    both = first + split(Held(cut, start + length, 777), samples, interval_seconds=EVERY)
    assert both.unattributed == whole.unattributed
    assert 0 <= whole.used - both.used <= 1
