"""Read the files of `gpuctl mig replay` and `gpuctl mig plan`, and say exactly what is wrong.

Every message names the file, the field and what is allowed there.
"""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from gpu_management.core.text import did_you_mean
from gpu_management.mig.geometry import Geometry, load_geometries

_MOST_GPUS: Final = 100_000
_COLUMNS: Final = ("id", "arrival_s", "duration_s", "profile")
_Read = TypeVar("_Read")


class BadInput(ValueError):
    """A file cannot be used; the message names the file, the field and what is allowed."""


@dataclass(frozen=True, slots=True)
class Expected:
    """How often a profile is asked for, and for how long on average."""

    share: Annotated[float, Field(ge=0)]
    mean_duration_s: Annotated[float, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class FleetFile:
    """The MIG GPUs of a replay, expanded: the index is the position in `boards`."""

    name: str
    boards: tuple[Geometry, ...]
    measure_from: int
    expected: Mapping[str, Expected] | None


@dataclass(frozen=True, slots=True)
class Arrival:
    """One row of a request file; times in seconds."""

    id: int
    arrival_s: float
    duration_s: float
    profile: str


@dataclass(frozen=True, slots=True)
class _RawBoards:
    count: Annotated[int, Field(ge=0, le=_MOST_GPUS)]
    geometry: str


@dataclass(frozen=True, slots=True)
class _RawFleet:
    version: Literal[1]
    gpus: list[_RawBoards]
    name: str = ""
    measure_from: Annotated[int, Field(ge=0)] = 0
    expected_demand: dict[str, Expected] | None = None


def read_fleet(file: Path) -> FleetFile:
    """Return the fleet in a `*.fleet.json`.

    Raises:
        BadInput: the file cannot be read or used.
    """
    raw = read_json(file, _RawFleet)
    boards: list[Geometry] = []
    for position, several in enumerate(raw.gpus):
        field = f"gpus.{position}.geometry"
        boards += [geometry_named(file, field, several.geometry)] * several.count
    if len(boards) > _MOST_GPUS:
        raise BadInput(f"{file}: gpus: {len(boards)} GPUs; at most {_MOST_GPUS} are allowed")
    for name in raw.expected_demand or {}:
        check_profile(file, f"expected_demand.{name}", name, boards=set(boards))
    return FleetFile(raw.name, tuple(boards), raw.measure_from, raw.expected_demand)


def read_arrivals(file: Path, fleet: FleetFile) -> Iterator[Arrival]:
    """Yield the rows of a `*.requests.csv` or `.csv.gz`, one at a time.

    Raises:
        BadInput: the file cannot be read, or a row cannot be used.
    """
    boards = set(fleet.boards)
    known = {name for board in boards for name in board.by_name}
    last_s, seen = float("-inf"), set[int]()
    for line, row in _rows(file):
        where = f"line {line}"
        arrival = _arrival(file, where, row)
        if arrival.profile not in known:
            check_profile(file, f"{where}, profile", arrival.profile, boards=boards)
        if arrival.arrival_s < last_s:
            raise BadInput(
                f"{file}: {where}, arrival_s: {arrival.arrival_s:g} is before the row above"
                f" ({last_s:g}); rows stand in order of arrival"
            )
        if arrival.id in seen:
            raise BadInput(f"{file}: {where}, id: {arrival.id} is there twice; ids are unique")
        seen.add(arrival.id)
        last_s = arrival.arrival_s
        yield arrival


def read_json(file: Path, kind: type[_Read]) -> _Read:
    """Return the JSON document in `file` as a `kind`.

    Raises:
        BadInput: there is no such file, or it is not of that form.
    """
    try:
        return TypeAdapter(kind).validate_python(json.loads(file.read_bytes()))
    except OSError as error:
        raise BadInput(f"{file}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise BadInput(_told(file, error)) from error
    except (ValueError, RecursionError) as error:  # also wrong encodings
        raise BadInput(f"{file}: is no JSON: {error}") from error


def geometry_named(file: Path, field: str, name: str) -> Geometry:
    """Return the geometry of this name.

    Raises:
        BadInput: there is none.
    """
    found = load_geometries().get(name)
    if found is None:
        known = sorted(load_geometries())
        raise BadInput(
            f"{file}: {field}: '{name}' is no MIG geometry; known are"
            f" {', '.join(known)}{did_you_mean(name, known)}"
        )
    return found


def check_profile(file: Path, field: str, name: str, *, boards: set[Geometry]) -> None:
    """Refuse a profile that none of `boards` has.

    Raises:
        BadInput: it is unknown there.
    """
    if any(name in board.by_name for board in boards):
        return
    known = sorted({profile.name for board in boards for profile in board.profiles})
    raise BadInput(
        f"{file}: {field}: '{name}' is no profile of these GPUs; they have"
        f" {', '.join(known) or 'none, for there are no GPUs'}{did_you_mean(name, known)}"
    )


def _rows(file: Path) -> Iterator[tuple[int, Mapping[str, str | None]]]:
    opened = gzip.open if file.suffix == ".gz" else open
    try:
        with opened(file, "rt", encoding="utf-8", newline="") as text:
            reader = csv.DictReader(text)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise BadInput(
                    f"{file}: line 1: column {missing[0]} is missing; a request file has"
                    f" {','.join(_COLUMNS)}"
                )
            for row in reader:
                yield reader.line_num, row
    except OSError as error:
        raise BadInput(f"{file}: cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, EOFError, zlib.error, csv.Error) as error:
        raise BadInput(f"{file}: is no CSV text: {error}") from error


def _arrival(file: Path, where: str, row: Mapping[str, str | None]) -> Arrival:
    number = row["id"] or ""
    if not (number.isascii() and number.isdecimal()):
        raise BadInput(f"{file}: {where}, id: {row['id']!r} is no whole number from 0 on")
    arrival_s = _seconds(file, f"{where}, arrival_s", row["arrival_s"])
    duration_s = _seconds(file, f"{where}, duration_s", row["duration_s"])
    return Arrival(int(number), arrival_s, duration_s, row["profile"] or "")


def _seconds(file: Path, field: str, text: str | None) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise BadInput(f"{file}: {field}: {text!r} is no number of seconds from 0 on")
    return value


def _told(file: Path, error: ValidationError) -> str:
    found: Any = error.errors()[0]
    field = ".".join(str(part) for part in found["loc"]) or "the document"
    message = found["msg"][0].lower() + found["msg"][1:]
    got = "" if found["type"] == "missing" else f" (got {str(found['input'])[:60]!r})"
    more = error.error_count() - 1
    return f"{file}: {field}: {message}{got}" + (f"; and {more} more" if more else "")
