"""Files of intervals are read as people write them, and refused with file and line."""

import gzip
import io
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.costs.metering import Intervals, MeteringError, second_of
from gpu_management.costs.metering_cells import milli_of, second_in, seconds_of_all
from gpu_management.costs.metering_files import read_intervals

SINCE = datetime(2025, 1, 1, tzinfo=UTC)
UNTIL = datetime(2025, 2, 1, tzinfo=UTC)
HEADER = "allocation_id,project,gpu_milli,start,end\n"
NOON = second_of(datetime(2025, 1, 10, 12, tzinfo=UTC))


def read(content: bytes | str) -> Intervals:
    """Read a file with projects."""
    packed = content.encode() if isinstance(content, str) else content
    return read_intervals(
        io.BufferedReader(io.BytesIO(packed)),
        "f.csv",
        columns=["project"],
        since=SINCE,
        until=UNTIL,
    )


def refused(content: bytes | str) -> str:
    """Return what is said about an unusable file."""
    with pytest.raises(MeteringError) as told:
        read(content)
    return str(told.value)


def start_of(text: str) -> int:
    """Return the start that is read from a cell."""
    return int(read(f"{HEADER}a,p,1000,{text},\n").starts[0])


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-10T12:00:00Z",
        "2025-01-10T12:00:00",
        "2025-01-10 12:00:00",
        "2025-01-10T12:00:00.999Z",
        "2025-01-10T21:00:00+09:00",
        "2025-01-10T07:00:00.5-0500",
        "20250110T120000Z",
        str(NOON),
        f"{NOON}.0",
        f"{NOON}.75",
        f" {NOON} ",
    ],
)
def test_one_moment_in_many_spellings(text: str) -> None:
    assert start_of(text) == NOON


def test_spellings_may_be_mixed_in_one_file() -> None:
    rows = f"a,p,1,2025-01-10T12:00:00Z,\nb,p,1,{NOON},\nc,p,1,,\nd,p,1,2025-01-10T12:00,\n"
    assert read(HEADER + rows).starts.tolist() == [NOON, NOON, second_of(SINCE), NOON]


@given(st.integers(-62_135_596_800, 253_402_300_799))
def test_the_quick_way_and_the_slow_way_read_the_same(second: int) -> None:
    text = (datetime(1970, 1, 1) + timedelta(seconds=second)).isoformat() + "Z"  # noqa: DTZ001 - spelt
    quick = seconds_of_all([text])
    assert quick is not None
    assert [second_in(text), second_in(str(second))] == [quick[0], second]


@given(st.lists(st.integers(0, 10**16), min_size=1, max_size=4))
def test_unix_seconds_are_read_together_as_one_by_one(seconds: list[int]) -> None:
    quick = seconds_of_all([str(second) for second in seconds])
    if max(seconds) > 253_402_300_799:
        assert quick is None
    else:
        assert quick is not None
        assert quick.tolist() == seconds


@given(st.text("0123456789-+:TZ. ", min_size=1, max_size=22))
def test_the_quick_way_reads_nothing_that_the_slow_way_refuses(text: str) -> None:
    quick = seconds_of_all([text])
    if quick is not None:
        assert second_in(text) == quick[0]


@given(
    st.datetimes(
        min_value=datetime(1, 1, 2),  # noqa: DTZ001 - hypothesis adds zones
        max_value=datetime(9999, 12, 30),  # noqa: DTZ001 - as above
        timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m))),
    )
)
def test_fractions_are_cut_to_the_second_they_lie_in(moment: datetime) -> None:
    second = second_in(moment.isoformat())
    assert 0 <= (moment - datetime.fromtimestamp(0, UTC)).total_seconds() - second < 1.001
    assert second_in("-0.5") == -1


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_the_first_and_last_year_are_read_whatever_the_offset(text: str) -> None:
    assert second_in(text) == second_of(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2016-12-31T23:59:60Z", "leap second"),
        ("2025-02-30T00:00:00Z", "neither ISO-8601 nor Unix seconds"),
        ("2025-01-10T25:00:00Z", "neither"),
        ("10000-01-01T00:00:00Z", "neither"),
        ("1736510400000", "milliseconds"),
        ("1e9", "neither"),
        ("١٧٣٦", "neither"),
        ("1_000", "neither"),
        ("yesterday", "neither"),
        ("9" * 5000, "neither"),
    ],
)
def test_times_that_cannot_be_read_are_refused_with_their_line(text: str, why: str) -> None:
    told = refused(f"{HEADER}a,p,1000,,\nb,p,1000,{text},\n")
    assert told.startswith("f.csv:3: start ")
    assert why in told
    assert len(told) < 200


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-1", "must be 0 to"),
        ("1000000001", "must be 0 to"),
        ("0.5", "half a GPU is 500"),
        ("", "whole number"),
        ("one", "whole number"),
        ("NaN", "whole number"),
        ("1e3", "whole number"),
        ("0x10", "whole number"),
    ],
)
def test_amounts_that_cannot_be_read_are_refused_with_their_line(text: str, why: str) -> None:
    told = refused(f"{HEADER}a,p,{text},,\n")
    assert told.startswith("f.csv:2: gpu_milli ")
    assert why in told


def test_amounts_are_whole_thousandths_however_they_are_spelt() -> None:
    assert [milli_of(text) for text in ("250", "250.0", " 8000 ", "+1", "0")] == [
        250,
        250,
        8000,
        1,
        0,
    ]


def test_columns_may_stand_in_any_order_among_others() -> None:
    held = read("note,end,gpu_milli,project,start,allocation_id\nx,,7,p,,a\n")
    assert (held.milli.tolist(), held.group_names) == ([7], [("p",)])


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("allocation_id,project,gpu_milli,start", "there is no column 'end'"),
        ("allocation_id,gpu_milli,start,end", "there is no column 'project'"),
        ("allocation_id,project,gpu_milli,start,end,end", "more than one column 'end'"),
        ("", "there is nothing"),
    ],
)
def test_missing_columns_are_told(header: str, why: str) -> None:
    told = refused(header)
    assert told.startswith("f.csv:1: ")
    assert why in told


def test_a_mark_at_the_start_quotes_and_windows_line_ends_are_understood() -> None:
    header = '\ufeffallocation_id,"project",gpu_milli,start,end\r\n'
    text = header + 'a,"p, ""q""\r\nr",1,,\r\n\r\nb,p,2,,\r\n'
    held = read(text)
    assert held.group_names == [('p, "q"\r\nr',), ("p",)]
    assert held.lines.tolist() == [2, 5]


def test_gzip_is_known_by_its_content() -> None:
    text = f"{HEADER}a,p,1,,\n".encode()
    assert read(gzip.compress(text)).milli.tolist() == read(text).milli.tolist() == [1]


def test_an_empty_table_is_no_error() -> None:
    held = read(HEADER)
    assert (len(held.lines), held.allocation_count) == (0, 0)


def test_reversed_intervals_are_refused() -> None:
    told = refused(f"{HEADER}a,p,1,2025-01-05,2025-01-04\n")
    assert told == "f.csv:2: it ends (2025-01-04) before it starts (2025-01-05)"


def test_what_ended_before_the_window_opened_and_has_no_start_is_not_reversed() -> None:
    assert len(read(f"{HEADER}a,p,1,,2024-12-01\n").lines) == 1


def test_the_first_ten_bad_rows_are_told_and_how_many_there_are() -> None:
    told = refused(HEADER + "".join(f"a{n},p,x,,\n" for n in range(25))).splitlines()
    assert [line.split(":")[1] for line in told[:10]] == [str(n) for n in range(2, 12)]
    assert told[10:] == ["and 15 more"]


def test_lines_are_right_far_down_in_the_file() -> None:
    rows = "".join(f'a{n},"p\n",1,,\n' for n in range(12_000))
    assert refused(f"{HEADER}{rows}z,p,-5,,\n").startswith("f.csv:24002: gpu_milli")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f"{HEADER}a,p,1,\n", "f.csv:2: 4 cells where the header has 5"),
        (f"{HEADER}a,p,1,,,\n", "f.csv:2: 6 cells"),
        (f"{HEADER},p,1,,\n", "f.csv:2: allocation_id is empty"),
        (f'{HEADER}"a\nb",p,1,,\n', "line break"),
        (f'{HEADER}"a" b,p,1,,\n', "f.csv:2:"),
        (f'{HEADER}a,"p,1,,\n', "f.csv:2:"),
        (f"{HEADER}a,{'p' * 10_000_000},1,,\n", "f.csv:2: field larger than field limit"),
        (HEADER.encode() + b"a,\xff,1,,\n", "not text in UTF-8"),
        (HEADER.encode("utf-16"), "not text in UTF-8"),
        (gzip.compress(HEADER.encode() * 9, mtime=0)[:-9], "damaged or cut short"),
        (b"\x1f\x8bnothing", "damaged or cut short"),
    ],
)
def test_damaged_files_are_told(content: bytes | str, why: str) -> None:
    assert why in refused(content)


def test_a_file_on_disk_is_read_as_well(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text(f"{HEADER}a,p,1,,\n")
    with file.open("rb") as stream:
        assert len(read_intervals(stream, "x", columns=[], since=SINCE, until=UNTIL).lines) == 1
