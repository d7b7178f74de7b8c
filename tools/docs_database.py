"""Makes docs/reference/database.md from the table metadata."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Column, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql

from gpu_management.core.database import Base
from gpu_management.migrations.tables import METADATA
from tools.docs_product import MADE, REFERENCE

PAGE = REFERENCE / "database.md"
_INTRO: Final = """\
SQLite by default, PostgreSQL for more than one replica; the schema is the same. `gpuctl migrate` or
the start of a server brings an empty or older database to the newest version, one process at a
time.

- Times are UTC. Money is whole millionths of the billing currency, never a fraction.
- On PostgreSQL the tables are in the schema `gpu_admin` (`database.schema-name`).
- `live_id`, `live_slot`, `live_uuid`, `open_key` and `open_device_id` are filled while a row is
  live or open and empty afterwards: a unique index over them allows one live row and any number of
  past ones, on every engine ([why](../decisions/0006-live-columns.md)).
- `version` counts what placement must see of a device, `edition` what people change (the `ETag`),
  `revision` is the cluster's turn in which a row last changed
  ([why](../decisions/0001-cluster-row-lock.md)).
- Holds and states that have ended never change; no retention deletes them."""


def page() -> str:
    """Return the text of the page."""
    lines = ["# Database", "", MADE, "", _INTRO, "", *_diagram(), ""]
    for table in _tables():
        lines += _table(table)
    return "\n".join(lines).rstrip() + "\n"


def _tables() -> list[Table]:
    return sorted(METADATA.tables.values(), key=lambda table: table.name)


def _diagram() -> Iterator[str]:
    yield from ("```mermaid", "erDiagram")
    for table in _tables():
        for column in table.columns:
            for key in column.foreign_keys:
                ends = "|o" if column.nullable else "||"
                yield f"    {key.column.table.name} {ends}--o{{ {table.name} : {column.name}"
    for table in _tables():
        yield f"    {table.name} {{"
        yield from (f"        {_kind(c)} {c.name}{_keys(c)}" for c in table.columns)
        yield "    }"
    yield "```"


def _kind(column: Column[object]) -> str:
    """Return the type as one word, as PostgreSQL calls it."""
    return str(column.type.compile(postgresql.dialect())).split("(")[0].replace(" ", "_").lower()


def _keys(column: Column[object]) -> str:
    keys = ["PK"] if column.primary_key else []
    keys += ["FK"] if column.foreign_keys else []
    keys += ["UK"] if _is_unique(column) else []
    return f" {', '.join(keys)}" if keys else ""


def _is_unique(column: Column[object]) -> bool:
    constraints = [c for c in column.table.constraints if isinstance(c, UniqueConstraint)]
    return any(list(c.columns) == [column] for c in constraints)


def _table(table: Table) -> Iterator[str]:
    yield from (f"## {table.name}", "", _about(table), "")
    yield from ("| Column | Type | Empty | Refers to |", "| --- | --- | --- | --- |")
    for column in table.columns:
        refers = ", ".join(f"`{key.target_fullname}`" for key in column.foreign_keys)
        kind = column.type.compile(postgresql.dialect())
        empty = "yes" if column.nullable else ""
        yield f"| `{column.name}` | {kind} | {empty} | {refers} |".replace("  |", " |")
    yield ""


def _about(table: Table) -> str:
    """Return the docstring of the model, on one line."""
    for mapper in Base.registry.mappers:
        if mapper.local_table is table:
            return " ".join((mapper.class_.__doc__ or "").split())
    return ""
