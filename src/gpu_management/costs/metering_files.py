"""Read intervals from CSV: any order of columns, plain or gzip, ISO-8601 or Unix seconds."""

import csv
import gzip
import io
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any

import numpy as np

from gpu_management.costs.metering import (
    Intervals,
    Ints,
    MeteringError,
    second_of,
)
from gpu_management.costs.metering_cells import milli_of, second_in, seconds_of_all

REQUIRED = ("allocation_id", "gpu_milli", "start", "end")
_ROWS_AT_ONCE = 10_000
"""Few, or the garbage collector walks through them again and again: 7 s became 1.4 s."""
_TEXT_AT_ONCE = 1_000_000
_LONG_LINE = 100_000
"""Characters; the CSV reader looks at longer ones, and refuses cells beyond its limit."""
_MOST_TOLD = 10
_COLUMNS = 5
"""Of figures, in a portion."""
_GZIP = b"\x1f\x8b"
_BREAK = re.compile(r"\r\n|\r|\n")


class _Codes:
    """Names numbered in the order in which they come."""

    def __init__(self) -> None:
        self.numbers: defaultdict[Any, int] = defaultdict()
        self.numbers.default_factory = self.numbers.__len__

    def of(self, names: Iterable[Any], rows: int) -> Ints:
        return np.fromiter(map(self.numbers.__getitem__, names), np.int64, rows)


class _Ids:
    """Ids of allocations, numbered only where one comes twice: a million names cost a second."""

    def __init__(self) -> None:
        self._hashes: list[Ints] = []
        self._texts: list[str] = []

    def take(self, cells: Sequence[str]) -> None:
        """Add cells; none of them holds a line break."""
        self._hashes.append(np.fromiter(map(hash, cells), np.int64, len(cells)))
        self._texts.append("\n".join(cells))

    def codes(self) -> tuple[Ints, int]:
        """Return a number for each cell, the same for the same id, and how many ids there are."""
        hashes = np.concatenate(self._hashes) if self._hashes else np.zeros(0, np.int64)
        if (np.diff(np.sort(hashes)) > 0).all():
            return np.arange(len(hashes)), len(hashes)
        known = _Codes()
        names = (name for text in self._texts for name in text.split("\n"))
        return known.of(names, len(hashes)), len(known.numbers)


@dataclass(frozen=True, slots=True)
class _Portion:
    """Some rows of a file: the line each begins on, and its cells column by column."""

    lines: Sequence[int]
    cells: Mapping[str, Sequence[str]]


def read_intervals(
    stream: io.BufferedReader,
    name: str,
    *,
    columns: Sequence[str],
    since: datetime,
    until: datetime,
) -> Intervals:
    """Read rows from CSV; an empty start or end is the edge of the window.

    `columns` are those that sums are made by; further ones are ignored. `name` is what messages
    call the file.

    Raises:
        MeteringError: the first unusable rows, each with its line; or the file cannot be read.
    """
    reading = _Reading(name, (second_of(since), second_of(until)))
    with _readable(name), _text(stream) as text:
        for portion in _portions(text, name, (*REQUIRED, *columns)):
            reading.take(portion, columns)
    return reading.result()


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turn what the libraries say about damaged files into our error."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise MeteringError(f"{name}: it is not text in UTF-8: {error.reason}") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise MeteringError(f"{name}: the gzip data is damaged or cut short: {error}") from error


@contextmanager
def _text(stream: io.BufferedReader) -> Iterator[io.TextIOWrapper]:
    is_packed = stream.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
    plain = gzip.GzipFile(fileobj=stream) if is_packed else stream
    with io.TextIOWrapper(plain, encoding="utf-8-sig", newline="") as text:
        yield text


def _portions(text: io.TextIOWrapper, name: str, wanted: Sequence[str]) -> Iterator[_Portion]:
    """Yield the rows: by splitting as long as nothing is quoted, three times as fast."""
    reader = csv.reader(text, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise MeteringError(f"{name}:{reader.line_num}: {error}") from error
    places, line, width = _places(header, name, wanted), reader.line_num + 1, len(header)
    while lines := text.readlines(_TEXT_AT_ONCE):
        cells = _split(lines, width)
        if cells is None:
            yield from _careful(chain(lines, text), name, places, width=width, line=line)
            return
        columns = {word: cells[place::width] for word, place in places.items()}
        yield _Portion(range(line, line + len(lines)), columns)
        line += len(lines)


def _split(lines: Sequence[str], width: int) -> list[str] | None:
    """Return the cells of lines, row by row; None where that takes more than splitting."""
    text = "".join(lines).replace("\r\n", "\n").removesuffix("\n")
    if '"' in text or "\r" in text or max(map(len, lines)) > _LONG_LINE:
        return None
    if {line.count(",") for line in lines} != {width - 1}:
        return None
    return text.replace("\n", ",").split(",")


def _careful(
    text: Iterable[str], name: str, places: dict[str, int], *, width: int, line: int
) -> Iterator[_Portion]:
    reader = csv.reader(text, strict=True)
    before = line - 1
    try:
        while True:
            line = before + reader.line_num + 1
            rows = list(islice(reader, _ROWS_AT_ONCE))
            if not rows:
                return
            lines = _lines(rows, line, before + reader.line_num)
            if set(map(len, rows)) != {width}:
                lines, rows = _regular(lines, rows, name=name, width=width)
            cells = list(zip(*rows, strict=True)) or [()] * width
            yield _Portion(lines, {word: cells[place] for word, place in places.items()})
    except csv.Error as error:
        raise MeteringError(f"{name}:{before + reader.line_num}: {error}") from error


def _places(header: Sequence[str], name: str, wanted: Sequence[str]) -> dict[str, int]:
    names = [cell.strip() for cell in header]
    for word in wanted:
        if names.count(word) != 1:
            there = ", ".join(cell[:40] for cell in names[:20]) or "nothing"
            what = "more than one column" if word in names else "no column"
            raise MeteringError(f"{name}:1: there is {what} {word[:40]!r}; there is {there}")
    return {word: names.index(word) for word in wanted}


def _lines(rows: Sequence[Sequence[str]], first: int, last: int) -> Sequence[int]:
    """Return the line on which each row begins; cells may hold line breaks."""
    if last - first + 1 == len(rows):
        return range(first, last + 1)
    lines = []
    for row in rows:
        lines.append(first)
        first += 1 + sum(len(_BREAK.findall(cell)) for cell in row)
    return lines


def _regular(
    lines: Sequence[int], rows: Sequence[list[str]], *, name: str, width: int
) -> tuple[list[int], list[list[str]]]:
    """Leave blank lines out; refuse rows that are too short or too long."""
    kept = [(line, row) for line, row in zip(lines, rows, strict=True) if row]
    for line, row in kept:
        if len(row) != width:
            raise MeteringError(f"{name}:{line}: {len(row)} cells where the header has {width}")
    return [line for line, _ in kept], [row for _, row in kept]


class _Reading:
    """Turns portions into columns of numbers, and gathers what is wrong with them."""

    def __init__(self, name: str, window: tuple[int, int]) -> None:
        self._name = name
        self._window = window
        self._ids = _Ids()
        self._groups = _Codes()
        self._parts: list[tuple[Ints, ...]] = []
        self._wrong: list[tuple[int, str]] = []

    def take(self, portion: _Portion, columns: Sequence[str]) -> None:
        """Add a portion.

        Raises:
            MeteringError: some of its rows cannot be used.
        """
        cells, count = portion.cells, len(portion.lines)
        lines = np.fromiter(portion.lines, np.int64, count)
        self._check_ids(portion)
        names = zip(*(cells[word] for word in columns), strict=True) if columns else [()] * count
        groups = self._groups.of(names, count)
        milli = self._numbers(portion, "gpu_milli")
        starts = self._seconds(portion, "start", self._window[0])
        ends = self._seconds(portion, "end", self._window[1])
        self._check_direction(portion, starts, ends)
        self._refuse()
        self._ids.take(cells["allocation_id"])
        self._parts.append((lines, groups, milli, starts, ends))

    def result(self) -> Intervals:
        """Return everything that was taken."""
        none = (np.zeros(0, np.int64),) * _COLUMNS
        columns = zip(none, *self._parts, strict=True)
        lines, groups, milli, starts, ends = map(np.concatenate, columns)
        allocations, allocation_count = self._ids.codes()
        return Intervals(
            name=self._name,
            lines=lines,
            allocations=allocations,
            groups=groups,
            milli=milli,
            starts=starts,
            ends=ends,
            allocation_count=allocation_count,
            group_names=list(self._groups.numbers),
        )

    def _check_ids(self, portion: _Portion) -> None:
        for line, cell in zip(portion.lines, portion.cells["allocation_id"], strict=True):
            if not cell or "\n" in cell:
                self._wrong.append((line, "allocation_id is empty or has a line break"))

    def _numbers(self, portion: _Portion, column: str) -> Ints:
        """Read thousandths; few different ones occur, so each is read once."""
        cells = portion.cells[column]
        known: dict[str, int] = {}
        for text in set(cells):
            try:
                known[text] = milli_of(text)
            except ValueError as error:
                known[text] = 0
                where = (n for n, cell in enumerate(cells) if cell == text)
                self._wrong += [(portion.lines[n], f"gpu_milli {error}") for n in where]
        return np.fromiter(map(known.__getitem__, cells), np.int64, len(cells))

    def _seconds(self, portion: _Portion, column: str, edge: int) -> Ints:
        cells = portion.cells[column]
        filled = [cell for cell in cells if cell]
        found = seconds_of_all(filled) if filled else None
        if found is None:
            found = self._one_by_one(portion, column)
        if len(filled) == len(cells):
            return found
        seconds = np.full(len(cells), edge, np.int64)
        seconds[np.fromiter(map(bool, cells), np.bool_, len(cells))] = found
        return seconds

    def _one_by_one(self, portion: _Portion, column: str) -> Ints:
        cells = portion.cells[column]
        found = []
        for line, cell in zip(portion.lines, cells, strict=True):
            if not cell:
                continue
            try:
                found.append(second_in(cell))
            except ValueError as error:
                found.append(0)
                self._wrong.append((line, f"{column} {error}"))
        return np.array(found, np.int64)

    def _check_direction(self, portion: _Portion, starts: Ints, ends: Ints) -> None:
        bad = {line for line, _ in self._wrong}
        for row in np.flatnonzero(ends < starts).tolist():
            start, end = portion.cells["start"][row], portion.cells["end"][row]
            if start and end and portion.lines[row] not in bad:
                told = f"it ends ({end[:40]}) before it starts ({start[:40]})"
                self._wrong.append((portion.lines[row], told))

    def _refuse(self) -> None:
        if not self._wrong:
            return
        told = sorted(self._wrong)
        lines = [f"{self._name}:{line}: {what}" for line, what in told[:_MOST_TOLD]]
        if len(told) > _MOST_TOLD:
            lines.append(f"and {len(told) - _MOST_TOLD:,} more")
        raise MeteringError("\n".join(lines))
