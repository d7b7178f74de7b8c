"""What commands print: tables that fit the terminal, JSON, YAML and CSV."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gpu_management.cli import text

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]
GAP = 2
"""Blanks between columns."""
_NARROWEST = 8
"""Cells of a column that bends, at least."""
NO_LIMIT = 100_000
"""Width of a page that is read by a program."""


class Format(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class View:
    """What a cell may depend on beside its row."""

    now: datetime
    wide: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how its cells read, and how soon it gives way on a narrow terminal.

    `rank` 0 stays; columns of the highest rank go first. Where that is not enough, `flexible`
    ones are cut; ids never are.
    """

    title: str
    cell: Callable[[Row, View], str]
    right: bool = False
    rank: int = 0
    flexible: bool = False


def col(title: str, field: str, *, rank: int = 0, flexible: bool = False) -> Column:
    """Return a column that shows a field as it is."""
    return Column(
        title, lambda row, _view: text.plain(row.get(field)), rank=rank, flexible=flexible
    )


def num(title: str, cell: Callable[[Row], str], *, rank: int = 0) -> Column:
    """Return a column of numbers, aligned right."""
    return Column(title, lambda row, _view: cell(row), right=True, rank=rank)


def when(title: str, field: str, *, rank: int = 0) -> Column:
    """Return a column of times: relative, with the moment in the wide format."""

    def cell(row: Row, view: View) -> str:
        return text.ago(row.get(field), view.now, wide=view.wide)

    return Column(title, cell, rank=rank)


_STYLES = {
    "AVAILABLE": "green",
    "READY": "green",
    "OK": "green",
    "Ready": "green",
    "Allocated": "green",
    "ALLOCATED": "cyan",
    "PARTIAL": "cyan",
    "MIG": "cyan",
    "Pending": "yellow",
    "MAINTENANCE": "yellow",
    "Cordoned": "yellow",
    "Failed": "red",
    "FAILED": "red",
    "OFFLINE": "red",
    "DENIED": "red",
    "Released": "dim",
}


class Printer:
    """Prints answers in the format that was asked for."""

    def __init__(self, form: Format) -> None:
        """Print as `form`."""
        self.form = form

    @cached_property
    def console(self) -> "Console":
        """Return the terminal, or a page without colour and width."""
        return _console(sys.stdout, NO_LIMIT if self.form is Format.WIDE else None)

    @property
    def view(self) -> View:
        """Return what cells depend on."""
        return View(datetime.now(UTC), self.form is Format.WIDE)

    def is_for_people(self) -> bool:
        """Tell whether tables are printed, so that remarks may be."""
        return self.form in {Format.TABLE, Format.WIDE}

    def rows(self, rows: Sequence[Row], columns: Sequence[Column], *, empty: str = "") -> None:
        """Print a list; `empty` is said when there is nothing in it."""
        if not self.is_for_people():
            self.data(rows)
        elif not rows:
            remark(empty or "nothing found")
        else:
            self.table(rows, columns)

    def one(self, row: Row, columns: Sequence[Column]) -> None:
        """Print one object: its fields under each other."""
        if not self.is_for_people():
            self.data(row)
            return
        self.pairs((column.title, column.cell(row, self.view)) for column in columns)

    def pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print names and values under each other."""
        found = list(pairs)
        wide = max((len(name) for name, _value in found), default=0) + GAP
        for name, value in found:
            title = _styled(name.ljust(wide))
            title.stylize("bold")
            self.console.print(title + _styled(value), soft_wrap=True)

    def fields(self, row: Row) -> None:
        """Print every field of an object."""
        if self.is_for_people():
            self.pairs((name, text.plain(value)) for name, value in row.items())
        else:
            self.data(row)

    def gap(self) -> None:
        """Print an empty line."""
        sys.stdout.write("\n")

    def line(self, value: Any) -> None:
        """Print one of many objects: a line of JSON, or one document of YAML."""
        if self.form is Format.YAML:
            sys.stdout.write("---\n")
            self.data(value)
        else:
            sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        sys.stdout.flush()

    def table(self, rows: Sequence[Row], columns: Sequence[Column]) -> None:
        """Print as many columns as fit, the important ones first to stay."""
        view = self.view
        cells = {id(c): [c.cell(row, view) for row in rows] for c in columns}
        kept = list(columns) if view.wide else _fitting(columns, cells, self.console.width)
        self.grid(
            [(c.title, c.right) for c in kept],
            list(zip(*(cells[id(c)] for c in kept), strict=True)),
            flexible=[c.title for c in kept if c.flexible],
        )

    def grid(
        self,
        heads: Sequence[tuple[str, bool]],
        rows: Sequence[Sequence[str]],
        *,
        flexible: Sequence[str] = (),
    ) -> None:
        """Print cells under their titles; True in a head aligns its column right."""
        from rich.table import Table

        grid = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
        widths = [_width(title, [row[at] for row in rows]) for at, (title, _) in enumerate(heads)]
        bends = [title in flexible for title, _ in heads]
        for (title, right), width in zip(
            heads, _bent(widths, bends, self.console.width), strict=True
        ):
            grid.add_column(
                title,
                justify="right" if right else "left",
                no_wrap=True,
                overflow="ellipsis",
                min_width=width,
                max_width=width,
            )
        for row in rows:
            grid.add_row(*(_styled(cell) for cell in row))
        # Ends of lines carry no blanks: what is piped is compared and cut by other tools.
        with self.console.capture() as captured:
            self.console.print(grid, crop=False)
        for line in captured.get().splitlines():
            sys.stdout.write(line.rstrip() + "\n")

    def data(self, value: Any) -> None:
        """Print for programs: JSON, YAML, or CSV with every field of the wire."""
        if self.form is Format.YAML:
            import yaml

            sys.stdout.write(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))
        elif self.form is Format.CSV:
            from gpu_management.core.wire import to_csv

            rows = value if isinstance(value, list) else [value]
            sys.stdout.write(to_csv(json.dumps(rows).encode()).replace("\r\n", "\n"))
        else:
            sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def done(self, sentence: str, value: Any = None) -> None:
        """Say what was done; programs get the object instead."""
        if self.is_for_people():
            sys.stdout.write(sentence + "\n")
            sys.stdout.flush()
        elif value is not None:
            self.data(value)


def remark(sentence: str) -> None:
    """Tell people something beside the answer: on standard error."""
    sys.stderr.write(sentence + "\n")


def error_console() -> "Console":
    """Return standard error as a terminal."""
    return _console(sys.stderr)


def _console(stream: Any, width: int | None = None) -> "Console":
    from rich.console import Console

    told = os.environ.get("COLUMNS", "")
    is_terminal = bool(getattr(stream, "isatty", lambda: False)())
    if width is None and told.isdigit() and int(told) > 0:
        width = int(told)
    if width is None and not is_terminal:
        width = NO_LIMIT
    return Console(file=stream, width=width, highlight=False, force_terminal=is_terminal or None)


def _styled(cell: str) -> Any:
    from rich.text import Text

    return Text(cell, style=_STYLES.get(cell, "dim" if cell == text.UNKNOWN else ""))


def _width(title: str, cells: Iterable[str]) -> int:
    from rich.cells import cell_len

    return max(cell_len(title), *(cell_len(cell) for cell in cells), 0)


def _bent(widths: Sequence[int], bends: Sequence[bool], room: int) -> list[int]:
    """Return the widths with those that bend made narrower, the widest first, until all fit."""
    found = list(widths)
    excess = sum(found) + GAP * (len(found) - 1) - room
    while excess > 0:
        at = max(range(len(found)), key=lambda place: found[place] if bends[place] else 0)
        if not bends[at] or found[at] <= _NARROWEST:
            break
        found[at] -= 1
        excess -= 1
    return found


def _fitting(
    columns: Sequence[Column], cells: Mapping[int, Sequence[str]], width: int
) -> list[Column]:
    """Return the columns that tell something and fit beside each other."""
    widths = {id(c): _width(c.title, cells[id(c)]) for c in columns}
    kept = [c for c in columns if c.rank == 0 or set(cells[id(c)]) != {text.UNKNOWN}]
    while sum(widths[id(c)] + GAP for c in kept) - GAP > width:
        first_to_go = max(kept, key=lambda c: c.rank)
        if first_to_go.rank == 0:
            break
        kept.remove(first_to_go)
    return kept
