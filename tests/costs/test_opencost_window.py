"""Windows and steps are those of OpenCost."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.costs.opencost_window import (
    Span,
    Unreadable,
    accumulated,
    parse_window,
    steps,
)

UTC_ZONE = ZoneInfo("UTC")
NOW = datetime(2026, 3, 4, 10, 30, 45, 500_000, tzinfo=UTC)
"""A Wednesday."""


def told(text: str, zone: str = "UTC", now: datetime = NOW) -> str:
    """Return a window as `start end`, without seconds and zone where they are none."""
    span = parse_window(text, ZoneInfo(zone), now=now)
    return " ".join(f"{moment:%m-%dT%H:%M:%S}" for moment in (span.start, span.end))


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("today", "03-04T00:00:00 03-05T00:00:00"),
        ("yesterday", "03-03T00:00:00 03-04T00:00:00"),
        ("week", "03-01T00:00:00 03-04T10:30:45"),
        ("month", "03-01T00:00:00 03-04T10:30:45"),
        ("lastweek", "02-22T00:00:00 03-01T00:00:00"),
        ("lastmonth", "02-01T00:00:00 03-01T00:00:00"),
        ("7d", "02-26T00:00:00 03-05T00:00:00"),
        ("1d", "03-04T00:00:00 03-05T00:00:00"),
        ("1w", "02-26T00:00:00 03-05T00:00:00"),
        ("2w", "02-19T00:00:00 03-05T00:00:00"),
        ("1h", "03-04T10:00:00 03-04T11:00:00"),
        ("24h", "03-03T11:00:00 03-04T11:00:00"),
        ("45m", "03-04T09:46:00 03-04T10:31:00"),
        ("45m offset 15m", "03-04T09:30:45 03-04T10:15:45"),
        ("1d offset 1w", "02-24T10:30:45 02-25T10:30:45"),
        ("2026-02-01T00:00:00Z,2026-02-03T00:00:00Z", "02-01T00:00:00 02-03T00:00:00"),
        ("2026-02-01T09:00:00+09:00,2026-02-03T00:00:00Z", "02-01T00:00:00 02-03T00:00:00"),
        ("1769904000,1770076800", "02-01T00:00:00 02-03T00:00:00"),
        ("1769904000-1770076800", "02-01T00:00:00 02-03T00:00:00"),
    ],
)
def test_windows_are_read_as_opencost_reads_them(text: str, window: str) -> None:
    assert told(text) == window


def test_a_duration_that_ends_on_a_boundary_is_still_rounded_up() -> None:
    midnight = datetime(2026, 3, 4, tzinfo=UTC)
    assert told("1d", now=midnight) == "03-04T00:00:00 03-05T00:00:00"
    assert told("1h", now=midnight) == "03-04T00:00:00 03-04T01:00:00"


def test_days_begin_at_midnight_of_the_billing_zone() -> None:
    assert told("today", "Asia/Seoul") == "03-03T15:00:00 03-04T15:00:00"
    assert told("7d", "Asia/Seoul") == "02-25T15:00:00 03-04T15:00:00"
    assert told("month", "Asia/Seoul") == "02-28T15:00:00 03-04T10:30:45"


def test_a_week_of_daylight_saving_has_an_hour_less() -> None:
    after = datetime(2026, 3, 11, 12, tzinfo=UTC)
    span = parse_window("7d", ZoneInfo("America/New_York"), now=after)
    assert span.end - span.start == timedelta(days=7, hours=-1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "7",
        "7y",
        "-7d",
        "0d",
        "7s",
        "7d offset",
        "999999999d",
        "1101d",
        "2026-02-03T00:00:00Z,2026-02-01T00:00:00Z",
        "2026-02-01T00:00:00,2026-02-03T00:00:00",
        "2026-02-01T00:00:00Z",
        "1770076800,1769904000",
        "99999999999,99999999999",
        "nan,nan",
        "1,2,3",
    ],
)
def test_other_windows_are_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="Invalid 'window' parameter"):
        parse_window(text, UTC_ZONE, now=NOW)


def test_steps_cut_the_window_from_its_start_and_the_last_may_be_shorter() -> None:
    window = parse_window("2d", UTC_ZONE, now=NOW)
    assert steps(window, "") == [window]
    hours = [(span.end - span.start) / timedelta(hours=1) for span in steps(window, "20h")]
    assert hours == [20, 20, 8]
    assert len(steps(window, "1d12h")) == 2


@pytest.mark.parametrize("step", ["0d", "d", "1", "1y", "1d ", "1s", "-1d", "1.5h"])
def test_other_steps_are_refused(step: str) -> None:
    window = parse_window("2d", UTC_ZONE, now=NOW)
    with pytest.raises(Unreadable, match="Invalid 'step' parameter"):
        steps(window, step)


@pytest.mark.parametrize(
    ("word", "count"),
    [("true", 1), ("all", 1), ("false", 90), ("", 90), ("day", 90), ("week", 14), ("month", 4)],
)
def test_sums_are_made_of_calendar_stretches(word: str, count: int) -> None:
    window = parse_window("90d", UTC_ZONE, now=NOW)
    assert len(accumulated(window, steps(window, "1d"), word, UTC_ZONE)) == count


def test_no_more_than_a_thousand_stretches_are_made() -> None:
    window = parse_window("90d", UTC_ZONE, now=NOW)
    with pytest.raises(Unreadable, match="more than 1000 of hour"):
        accumulated(window, [window], "hour", UTC_ZONE)
    with pytest.raises(Unreadable, match="one of hour, day, week, month, quarter"):
        accumulated(window, [window], "decade", UTC_ZONE)


@pytest.mark.parametrize("word", ["week", "month"])
def test_in_the_second_a_month_begins_it_is_a_second_long(word: str) -> None:
    start = datetime(2026, 2, 1, tzinfo=UTC)  # a Sunday
    window = parse_window(word, UTC_ZONE, now=start)
    assert window == Span(start, start + timedelta(seconds=1))


@given(
    text=st.sampled_from(["1h", "36h", "9d", "40d", "week", "month", "lastmonth", "95d"]),
    word=st.sampled_from(["hour", "day", "week", "month", "quarter", "none", "all"]),
    step=st.sampled_from(["", "1h", "7h", "1d", "1w"]),
    zone=st.sampled_from(["UTC", "Asia/Seoul", "America/New_York"]),
    now=st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1)),  # noqa: DTZ001 - made aware below
)
def test_stretches_adjoin_and_fill_the_window(
    text: str, word: str, step: str, zone: str, now: datetime
) -> None:
    window = parse_window(text, ZoneInfo(zone), now=now.replace(tzinfo=UTC))
    try:
        spans = accumulated(window, steps(window, step), word, ZoneInfo(zone))
    except Unreadable:
        return
    marks = [span.start for span in spans] + [spans[-1].end]
    assert spans == [Span(*pair) for pair in pairwise(marks)]
    assert (marks[0], marks[-1]) == (window.start, window.end)
    assert sorted(set(marks)) == marks
