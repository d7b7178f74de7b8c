"""Read a file of utilisation samples: pod, ts, duty_pct; a bad one is refused with its line."""

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from gpu_management.optimization.idle import Sample

COLUMNS = ("pod", "ts", "duty_pct")
_GZIP_MAGIC = b"\x1f\x8b"
_LATEST_TS = 253_402_300_799
_WHOLE_PCT = 100


class SeriesInvalid(ValueError):
    """The file cannot be used; the message names file, line and what is wrong."""


def read_series(path: Path) -> dict[str, list[Sample]]:
    """Return each pod's samples in order of time; rows without a value were not sampled.

    The file may be gzip; its rows may be in any order; of two samples of a pod at one second the
    later row counts.

    Raises:
        SeriesInvalid: unreadable, a column is missing, or a value is none.
    """
    seen: dict[str, dict[int, float]] = defaultdict(dict)
    try:
        with _open(path) as file:
            for line, row in _rows(path, file):
                pod, sample = _parsed(path, line, row)
                seen[pod]
                if sample is not None:
                    seen[pod][sample.ts] = sample.busy_pct
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise SeriesInvalid(f"{path.name} cannot be read: {error}") from error
    return {pod: [Sample(ts, pct) for ts, pct in sorted(at.items())] for pod, at in seen.items()}


def _open(path: Path) -> TextIO:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP_MAGIC
    if packed:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _rows(path: Path, file: TextIO) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file, strict=True)
    header = [name.strip() for name in next(reader, [])]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise SeriesInvalid(
            f"{path.name} has no column {', '.join(missing)}; it needs {', '.join(COLUMNS)}"
            f" and has {', '.join(header) or 'nothing'}"
        )
    places = [header.index(name) for name in COLUMNS]
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise SeriesInvalid(
                f"{path.name} line {reader.line_num}: {len(row)} values for {len(header)} columns"
            )
        yield reader.line_num, [row[place].strip() for place in places]


def _parsed(path: Path, line: int, row: list[str]) -> tuple[str, Sample | None]:
    pod, ts, duty = row
    if not pod:
        raise SeriesInvalid(f"{path.name} line {line}: the pod has no name")
    try:
        moment = int(ts)
        value = float(duty) if duty else None
    except ValueError as error:
        raise SeriesInvalid(
            f"{path.name} line {line}: ts must be whole Unix seconds and duty_pct a number,"
            f" not {ts!r} and {duty!r}"
        ) from error
    if not 0 <= moment <= _LATEST_TS:
        raise SeriesInvalid(f"{path.name} line {line}: ts {moment} is no time in Unix seconds")
    if value is None:
        return pod, None
    if not 0 <= value <= _WHOLE_PCT:
        raise SeriesInvalid(f"{path.name} line {line}: duty_pct {duty} is not within 0 to 100")
    return pod, Sample(moment, value)
