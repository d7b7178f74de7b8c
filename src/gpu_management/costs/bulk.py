"""Append many rows at once, the way each engine takes them fastest."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, insert
from sqlalchemy.orm import Session

Row = Mapping[str, Any]


def append(session: Session, table: Table, rows: Sequence[Row]) -> None:
    """Append rows that all name the same columns: by COPY on PostgreSQL, bare on SQLite.

    Anywhere else as usual; that takes five times as long.
    """
    if not rows:
        return
    connection = session.connection()
    names = list(rows[0])
    if connection.dialect.name == "postgresql":
        _copy(connection, table, names, rows)
    elif connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(names))
        text = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - names of ours
        connection.exec_driver_sql(text, list(_values(connection, table, names, rows)))
    else:
        connection.execute(insert(table), list(rows))


def _copy(connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Row]) -> None:
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
        for values in _values(connection, table, names, rows):
            copy.write_row(values)


def _values(
    connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Row]
) -> Iterator[tuple[Any, ...]]:
    """Yield what the driver takes: the columns' types turn values into it."""
    turns: list[Callable[[Any], Any] | None] = [
        table.c[name].type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
        for name in names
    ]
    pairs = list(zip(names, turns, strict=True))
    for row in rows:
        yield tuple(row[name] if turn is None else turn(row[name]) for name, turn in pairs)
