"""Metering of intervals from files counts what the bill would count."""

import io
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_management.costs import metering
from gpu_management.costs.days import day_start
from gpu_management.costs.metering import (
    Intervals,
    Metered,
    MeteringError,
    Split,
    buckets,
    grouping,
    meter,
    second_of,
    table,
)
from gpu_management.costs.metering_files import read_intervals
from gpu_management.rates.pricing import RatePeriod, piece_cost_micros

UTC_ZONE = ZoneInfo("UTC")
JANUARY = datetime(2025, 1, 1, tzinfo=UTC)
MARCH = datetime(2025, 3, 1, tzinfo=UTC)


def read(rows: str, *, since: datetime = JANUARY, until: datetime = MARCH) -> Intervals:
    """Read rows of allocation_id,project,gpu_milli,start,end."""
    text = "allocation_id,project,gpu_milli,start,end\n" + rows
    stream = io.BufferedReader(io.BytesIO(text.encode()))
    return read_intervals(stream, "f.csv", columns=["project"], since=since, until=until)


def metered(
    rows: str, split: Split | None = Split.MONTH, zone: ZoneInfo = UTC_ZONE
) -> list[Metered]:
    """Meter rows over January and February 2025."""
    return meter(read(rows), buckets(JANUARY, MARCH, zone, split))


def found(group: str, label: str, allocations: int, milli_seconds: int) -> Metered:
    """Return an expected sum of one project."""
    return Metered((group,), label, allocations, milli_seconds)


def test_a_month_begins_at_midnight_and_belongs_to_the_later_month() -> None:
    assert metered("a,p,1000,2025-01-31T23:59:50Z,2025-02-01T00:00:03Z\n") == [
        found("p", "2025-01", 1, 10_000),
        found("p", "2025-02", 1, 3_000),
    ]


def test_what_ends_at_midnight_leaves_no_row_in_the_next_month() -> None:
    assert metered("a,p,500,2025-01-31T00:00:00Z,2025-02-01T00:00:00Z\n") == [
        found("p", "2025-01", 1, 43_200_000)
    ]


def test_empty_edges_are_the_edges_of_the_window() -> None:
    assert metered("a,p,1,,\n", None) == [found("p", "", 1, 59 * 86400)]


def test_what_lies_outside_the_window_is_cut() -> None:
    rows = "a,p,1,2024-01-01T00:00:00Z,2025-01-01T00:00:01Z\nb,p,1,2026-01-01,2027-01-01\n"
    assert metered(rows) == [found("p", "2025-01", 1, 1)]


def test_zero_length_allocations_count_nothing_and_no_row_is_made_of_them() -> None:
    assert metered("a,p,1000,2025-01-05,2025-01-05\n") == []


def test_overlapping_allocations_of_one_project_add_up() -> None:
    rows = "a,p,1000,2025-01-05,2025-01-06\nb,p,250,2025-01-05T12:00:00Z,2025-01-07\n"
    assert metered(rows) == [found("p", "2025-01", 2, 86_400_000 + 250 * 129_600)]


def test_several_rows_of_one_allocation_add_up_and_count_once() -> None:
    rows = (
        "a,p,1000,2025-01-05,2025-01-06\n"
        "b,p,1,2025-01-05,2025-01-06\n"
        "a,p,500,2025-01-06,2025-02-02\n"
    )
    assert metered(rows) == [
        found("p", "2025-01", 2, 86_400_000 + 86_400 + 26 * 43_200_000),
        found("p", "2025-02", 1, 43_200_000),
    ]


def test_overlapping_rows_of_one_allocation_are_refused_with_both_lines() -> None:
    rows = (
        "a,p,1000,2025-01-05,2025-01-08\n"
        "b,p,1000,2025-01-05,2025-01-06\n"
        "a,p,1000,2025-01-07,2025-01-09\n"
    )
    with pytest.raises(MeteringError, match=r"f\.csv:4: the allocation of line 2 already holds"):
        metered(rows)


def test_allocations_may_hold_several_gpus_or_a_part_of_one() -> None:
    rows = "a,p,8000,2025-01-05,2025-01-06\nb,q,1,2025-01-05,2025-01-06\n"
    assert [row.milli_seconds for row in metered(rows)] == [8000 * 86400, 86400]


def test_days_have_23_or_25_hours_where_clocks_change() -> None:
    zone = ZoneInfo("America/New_York")
    since, until = (day_start(day, zone) for day in (date(2025, 3, 1), date(2025, 12, 1)))
    held = read("a,p,1000,,\n", since=since, until=until)
    hours = {
        row.label: row.milli_seconds / 3_600_000
        for row in meter(held, buckets(since, until, zone, Split.DAY))
    }
    assert hours["2025-03-09"] == 23
    assert hours["2025-11-02"] == 25
    assert set(hours.values()) == {23, 24, 25}
    assert len(hours) == 275


def test_months_begin_by_the_zone_that_is_asked_for() -> None:
    rows = "a,p,1000,2025-01-31T14:59:59Z,2025-01-31T15:00:01Z\n"
    assert metered(rows, zone=ZoneInfo("Asia/Seoul")) == [
        found("p", "2025-01", 1, 1000),
        found("p", "2025-02", 1, 1000),
    ]


def test_sums_beyond_64_bits_are_exact() -> None:
    since, until = datetime(1950, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)
    held = read("".join(f"a{n},p,1000000000,,\n" for n in range(9)), since=since, until=until)
    seconds = (until - since) // timedelta(seconds=1)
    (row,) = meter(held, buckets(since, until, UTC_ZONE, None))
    assert row.milli_seconds == 9 * 10**9 * seconds > 2**63


@pytest.mark.parametrize(
    ("since", "until", "why"),
    [
        (MARCH, JANUARY, "reversed or empty"),
        (MARCH, MARCH, "reversed or empty"),
        (JANUARY, JANUARY.replace(year=2126), "longer than 100 years"),
        (datetime(9990, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC), "9998"),
    ],
)
def test_windows_that_make_no_sense_are_refused(since: datetime, until: datetime, why: str) -> None:
    with pytest.raises(MeteringError, match=why):
        buckets(since, until, UTC_ZONE, Split.DAY)


@pytest.mark.parametrize("told", ["", "project,", "project,project", "day,month"])
def test_groupings_that_make_no_sense_are_refused(told: str) -> None:
    with pytest.raises(MeteringError, match="--group-by"):
        grouping(told)


def test_rows_are_sorted_by_the_words_in_their_order() -> None:
    sums = [found("b", "2025-01", 1, 1), found("a", "2025-02", 1, 2), found("a", "2025-01", 1, 3)]
    by_project = table(sums, grouping("project,month"), UTC_ZONE)
    by_month = table(sums, grouping("month,project"), ZoneInfo("Asia/Seoul"))
    assert [row[:2] for row in by_project] == [
        ["project", "month_utc"],
        ["a", "2025-01"],
        ["a", "2025-02"],
        ["b", "2025-01"],
    ]
    assert [row[:2] for row in by_month] == [
        ["month", "project"],
        ["2025-01", "a"],
        ["2025-01", "b"],
        ["2025-02", "a"],
    ]


@pytest.mark.parametrize(
    ("milli_seconds", "hours"),
    [
        (0, "0.000000"),
        (9, "0.000002"),  # 2.5 millionths: half goes to even
        (27, "0.000008"),
        (3_600_000, "1.000000"),
        (2_896_228_499_000, "804507.916389"),
        (36 * 10**29, "1000000000000000000000000.000000"),
    ],
)
def test_hours_are_rounded_once_half_to_even(milli_seconds: int, hours: str) -> None:
    assert metering.gpu_hours_text(milli_seconds) == hours


MOMENT = st.integers(second_of(JANUARY) - 10**6, second_of(MARCH) + 10**6)
ROW = st.tuples(st.sampled_from("pqr"), st.integers(0, 9000), MOMENT, st.integers(0, 6 * 10**6))
ONE_MICRO_PER_MILLI_SECOND = [RatePeriod(datetime(1970, 1, 1, tzinfo=UTC), None, 3_600_000)]


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(ROW, max_size=12),
    zone=st.sampled_from(["UTC", "Asia/Seoul", "America/New_York"]),
    split=st.sampled_from([Split.DAY, Split.MONTH]),
    at_once=st.sampled_from([1, 40, 10**6]),
)
def test_files_and_the_bill_measure_alike(
    rows: list[tuple[str, int, int, int]], zone: str, split: Split, at_once: int
) -> None:
    """A GPU at 3.6 units an hour costs one millionth a milli-second: the bill counts for us."""
    told = "".join(f"a{n},{p},{m},{s},{s + d}\n" for n, (p, m, s, d) in enumerate(rows))
    billed: dict[tuple[str, str], int] = defaultdict(int)
    holders: dict[tuple[str, str], int] = defaultdict(int)
    cuts = _cut_by_hand(ZoneInfo(zone), split)
    for project, milli, start, lasts in rows:
        begun, ended = (datetime.fromtimestamp(t, UTC) for t in (start, start + lasts))
        for label, since, until in cuts:
            first, last = max(begun, since), min(ended, until)
            if first < last:
                holders[project, label] += 1
                billed[project, label] += piece_cost_micros(
                    ONE_MICRO_PER_MILLI_SECOND,
                    milli=milli,
                    started_at=begun,
                    since=first,
                    until=last,
                )
    held = read(told)
    cut = buckets(JANUARY, MARCH, ZoneInfo(zone), split)
    ours = meter(held, cut, at_once=at_once)
    assert {(row.group[0], row.label): row.milli_seconds for row in ours} == billed
    assert {(row.group[0], row.label): row.allocations for row in ours} == holders


def _cut_by_hand(zone: ZoneInfo, split: Split) -> list[tuple[str, datetime, datetime]]:
    """Walk day by day through the window, without the code under test."""
    cuts: list[tuple[str, datetime, datetime]] = []
    day = JANUARY.astimezone(zone).date()
    while (starts := day_start(day, zone)) < MARCH:
        label = day.isoformat() if split is Split.DAY else f"{day:%Y-%m}"
        day += timedelta(days=1)
        since, until = max(starts, JANUARY), min(day_start(day, zone), MARCH)
        if cuts and cuts[-1][0] == label:
            cuts[-1] = (label, cuts[-1][1], until)
        else:
            cuts.append((label, since, until))
    return cuts
