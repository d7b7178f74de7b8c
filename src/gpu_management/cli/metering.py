"""`gpuctl costs meter`: what was held, metered from a file without a server."""

import csv
import io
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from gpu_management.cli.errors import CliError, Misused
from gpu_management.cli.output import Format, Printer, remark
from gpu_management.cli.shell import failing_well
from gpu_management.cli.text import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

_AMOUNTS = 3
"""Columns of figures at the end of a row."""
_TIME = "ISO-8601 (UTC where it has no offset) or Unix seconds."


def meter(
    file: Annotated[
        str, typer.Argument(metavar="ALLOCATIONS", help="CSV, also gzip; - for standard input.")
    ],
    *,
    since: Annotated[str, typer.Option("--from", metavar="TIME", help=f"Window start: {_TIME}")],
    until: Annotated[str, typer.Option("--to", metavar="TIME", help=f"Window end: {_TIME}")],
    group_by: Annotated[
        str, typer.Option(metavar="WORDS", help="Columns of the file; day or month.")
    ] = "project,month",
    timezone: Annotated[str, typer.Option(help="Zone of days and months.")] = "UTC",
    csv_file: Annotated[
        str | None, typer.Option("--csv", metavar="OUT", help="Write CSV there; - for stdout.")
    ] = None,
) -> None:
    """Add up GPU time by project and month from a CSV of allocations.

    Columns, in any order: allocation_id, project, gpu_milli, start, end. Times are ISO-8601 (UTC
    where they have no offset) or Unix seconds. An empty start or end is the edge of the window.
    """
    with failing_well():
        rows, told = _metered(file, (since, until), group_by=group_by, timezone=timezone)
        if csv_file == "-":
            sys.stdout.write(_csv(rows))
            remark(told)
            return
        if csv_file is None:
            heads, *body = rows
            amounts = len(heads) - _AMOUNTS
            titles = [(head.upper(), at >= amounts) for at, head in enumerate(heads)]
            Printer(Format.TABLE).grid(titles, body)
        else:
            _write(Path(csv_file), _csv(rows))
        Printer(Format.TABLE).done(told if csv_file is None else f"{csv_file}: {told}")


def _metered(
    file: str, window: tuple[str, str], *, group_by: str, timezone: str
) -> tuple[list[list[str]], str]:
    """Return the rows, header first, and a sentence about them."""
    from gpu_management.costs import metering
    from gpu_management.costs.metering_files import read_intervals

    since, until = _moment("--from", window[0]), _moment("--to", window[1])
    zone = _zone(timezone)
    try:
        by = metering.grouping(group_by)
        cut = metering.buckets(since, until, zone, by.split)
        with _opened(file) as stream:
            held = read_intervals(stream, file, columns=by.columns, since=since, until=until)
        found = metering.meter(held, cut)
    except metering.MeteringError as error:
        raise Misused(str(error)) from error
    total = sum(row.milli_seconds for row in found)
    hours = metering.gpu_hours_text(total)
    told = f"{count(len(held.lines), 'interval')}, {count(len(found), 'sum')}"
    return metering.table(found, by, zone), f"{told}, {total} milli-GPU-seconds, {hours} GPU-hours"


def _moment(option: str, told: str) -> "datetime":
    from gpu_management.costs.metering_cells import moment_in

    try:
        return moment_in(told)
    except ValueError as error:
        raise Misused(f"{option} {error}") from error


def _zone(told: str) -> "ZoneInfo":
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(told)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Misused(f"--timezone takes a name such as Asia/Seoul, not {told!r}") from error


@contextmanager
def _opened(file: str) -> "Iterator[io.BufferedReader]":
    if file == "-":
        yield io.BufferedReader(cast("io.RawIOBase", sys.stdin.buffer))
        return
    try:
        with Path(file).open("rb") as stream:
            yield stream
    except OSError as error:
        raise Misused(f"cannot read {file}: {error.strerror}") from error


def _csv(rows: "Sequence[Sequence[str]]") -> str:
    from gpu_management.core.wire import csv_cell

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([csv_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise CliError(f"cannot write {file}: {error.strerror}") from error
