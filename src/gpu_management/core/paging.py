"""Lists: named sort fields, keyset cursors, and a total."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

import orjson
from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from gpu_management.core.clock import as_utc
from gpu_management.core.database import AnySelect, UtcDateTime
from gpu_management.core.problems import FieldError, ValidationFailed
from gpu_management.core.text import nearest

SortColumn = ColumnElement[Any] | InstrumentedAttribute[Any]
_LARGEST = 2**63 - 1
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for; without a limit, all of it."""

    limit: int | None = None
    cursor: str | None = None
    sort: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows of one page, the size of the whole, and where the next page starts."""

    rows: Sequence[Any]
    total: int
    next_cursor: str | None


def list_rows(
    session: Session,
    query: AnySelect,
    *,
    sorts: Mapping[str, SortColumn],
    key: SortColumn,
    page: Page,
) -> Listing:
    """Run `query` in the asked order; the first of `sorts` is the default, `key` breaks ties.

    Sort columns must not be nullable: a keyset cursor cannot pass a null.

    Raises:
        ValidationFailed: an unknown sort field, or a cursor that is not ours.
    """
    name, descending = _sort_field(page.sort or next(iter(sorts)), sorts)
    column = sorts[name]
    ordered = query.order_by(*(c.desc() if descending else c.asc() for c in (column, key)))
    if page.cursor:
        sort = f"{'-' if descending else ''}{name}"
        here = tuple_(column, key)
        last = tuple_(*_read_cursor(page.cursor, sort, (column, key)))
        ordered = ordered.where(here < last if descending else here > last)
    if page.limit is None:
        rows = _run(session, ordered)
        return Listing(rows, len(rows) if page.cursor is None else _count(session, query), None)
    total = _count(session, query)
    found = _run(session, ordered.add_columns(column, key).limit(page.limit + 1))
    rows = found[: page.limit]
    cursor = None
    if len(found) > page.limit:
        cursor = _write_cursor(f"{'-' if descending else ''}{name}", rows[-1][-2], rows[-1][-1])
    return Listing(rows, total, cursor)


def _run(session: Session, query: AnySelect) -> Sequence[Any]:
    # Plain columns need no mapped objects; without them a long list takes half the time.
    has_objects = any(isinstance(found["expr"], type) for found in query.column_descriptions)
    return (session if has_objects else session.connection()).execute(query).all()


def _count(session: Session, query: AnySelect) -> int:
    whole = select(func.count()).select_from(query.order_by(None).subquery())
    return session.scalar(whole) or 0


def _sort_field(asked: str, sorts: Mapping[str, Any]) -> tuple[str, bool]:
    name = asked.removeprefix("-")
    if name not in sorts:
        hint = nearest(name, sorts)
        help_text = f"; did you mean {hint}?" if hint else ""
        message = f"cannot sort by {name}; allowed: {', '.join(sorts)}{help_text}"
        raise ValidationFailed(message, errors=[FieldError("sort", "allowed", message, asked)])
    return name, asked.startswith("-")


def _write_cursor(sort: str, value: Any, key: Any) -> str:
    packed = orjson.dumps([sort, _plain(value), _plain(key)], default=str)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _plain(value: Any) -> Any:
    return {"t": value.isoformat()} if isinstance(value, datetime) else value


def _read_cursor(cursor: str, sort: str, columns: Sequence[SortColumn]) -> list[Any]:
    try:
        packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        written_for, *parts = orjson.loads(packed)
        if written_for == sort:
            pairs = zip(parts, columns, strict=True)
            return [_value(part, _kind(column)) for part, column in pairs]
    except (binascii.Error, ValueError, TypeError, KeyError, OverflowError) as broken:
        message = "the cursor was not written by this list; start again without one"
        raise ValidationFailed(
            message, errors=[FieldError("cursor", "format", message, cursor[:80])]
        ) from broken
    message = f"the cursor belongs to sort={str(written_for)[:60]}, the request asks sort={sort}"
    raise ValidationFailed(message, errors=[FieldError("cursor", "sort", message, cursor[:80])])


def _kind(column: SortColumn) -> type[Any]:
    # A column type of our own does not say what it holds.
    return datetime if isinstance(column.type, UtcDateTime) else column.type.python_type


def _value(part: Any, kind: type[Any]) -> Any:
    """Return `part` as the column takes it.

    Raises:
        ValueError: no value of this column looks like that; likewise KeyError and TypeError.
    """
    if kind is datetime:
        return as_utc(datetime.fromisoformat(part["t"]))
    if issubclass(kind, StrEnum):
        return kind(part)
    if type(part) is not kind or (kind is int and not -_LARGEST <= part <= _LARGEST):
        raise ValueError(f"not of type {kind.__name__}")
    return part


def sort_rows(
    rows: Sequence[_Row], sort: str, keys: Mapping[str, Callable[[_Row], Any]]
) -> Sequence[_Row]:
    """Return rows that are all at hand in the asked order; those alike stay as they came.

    Raises:
        ValidationFailed: an unknown sort field.
    """
    name, descending = _sort_field(sort, keys)
    return sorted(rows, key=keys[name], reverse=descending)


def page_of_rows(rows: Sequence[Any], page: Page) -> Listing:
    """Return one page of rows that are all at hand; the cursor is the place of the next.

    Raises:
        ValidationFailed: a cursor that is not ours.
    """
    start = 0
    if page.cursor:
        if not page.cursor.isascii() or not page.cursor.isdigit():
            message = "the cursor was not written by this list"
            raise ValidationFailed(message, errors=[FieldError("cursor", "format", message)])
        start = int(page.cursor[:18])
    end = len(rows) if page.limit is None else start + page.limit
    return Listing(rows[start:end], len(rows), str(end) if end < len(rows) else None)
