"""The database: engines, sessions, and the column types every table shares."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Enum,
    Integer,
    MetaData,
    Row,
    Select,
    Table,
    Text,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.dialects import oracle, postgresql, sqlite
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator, TypeEngine

from gpu_management.core.clock import as_utc

_IDLE_SINCE = "idle_since"

MICROS = 1_000_000
"""Money is kept in whole millionths of the billing currency."""

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

AnyRow = Row[*tuple[Any, ...]]
"""A row of a query with many columns, read by name."""

AnySelect = Select[*tuple[Any, ...]]
"""A query with many columns."""

_E = TypeVar("_E", bound=StrEnum)
_Key = TypeVar("_Key")
_IN_ONE_QUERY = 500

_INSERTS: Mapping[str, Callable[[Table], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


class Base(DeclarativeBase):
    """Parent of every table."""

    metadata = MetaData(naming_convention=_NAMING)


def table_of(model: type[Base]) -> Table:
    """Return the table of a model, for statements that need no mapped objects."""
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101 - every model of ours is a table
    return table


def insert_new(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows whose primary key is not there yet; return how many that were.

    Raises:
        NotImplementedError: the engine has no way to do that which is known here.
    """
    connection = session.connection()
    name = connection.dialect.name
    if name not in _INSERTS:
        raise NotImplementedError(f"inserting only new rows is not known for {name}")
    statement = _INSERTS[name](table).on_conflict_do_nothing()
    return int(connection.execute(statement, list(rows)).rowcount)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC; naive values are refused on the way in."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Keep the zone where the engine can; Oracle's DATE would drop the fraction."""
        if dialect.name == "oracle":
            return dialect.type_descriptor(oracle.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(DateTime(timezone=dialect.name != "sqlite"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; SQLite stores it without the zone."""
        if value is None:
            return None
        moment = as_utc(value)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give every value its zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """An amount of the billing currency, stored as whole millionths."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """Write millionths.

        Raises:
            ValueError: the amount is finer than a millionth.
        """
        if value is None:
            return None
        micros = value * MICROS
        if micros != micros.to_integral_value():
            raise ValueError(f"money is kept to the millionth; got {value}")
        return int(micros)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        """Read millionths."""
        return None if value is None else Decimal(value) / MICROS


class JsonText(TypeDecorator[Any]):
    """A small JSON document in a text column, the same on every engine."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write canonical JSON: sorted keys."""
        if value is None:
            return None
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read it back."""
        return None if value is None else orjson.loads(value)


RowId = BigInteger().with_variant(Integer, "sqlite")
"""Surrogate key; SQLite numbers rows only in an INTEGER column."""

_ORACLE_FLAG: TypeEngine[Any] = oracle.NUMBER(1, 0)  # type: ignore[no-untyped-call]
Flag = Boolean().with_variant(_ORACLE_FLAG, "oracle")
"""Yes or no; Oracle before 23 has no BOOLEAN."""


def enum_text(kind: type[_E], length: int = 24) -> Enum:
    """Return a column type that stores a StrEnum by its value, without a native enum."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=length,
        values_callable=lambda members: [member.value for member in members],
    )


class Database:
    """One database: its engine, and sessions for reading and for writing."""

    def __init__(self, engine: Engine) -> None:
        """Wrap `engine`; on SQLite writers begin IMMEDIATE, so they queue instead of failing."""
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._writer = engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session for reading; nothing it does is kept."""
        with self.reader() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session, commit it at the end; roll back when the body raises."""
        with self.writer() as session, session.begin():
            yield session

    def reader(self) -> Session:
        """Return a session for reading; it touches the database when first used."""
        return Session(self.engine, autoflush=False)

    def writer(self) -> Session:
        """Return a session for writing, to be committed or closed by the caller."""
        return Session(self._writer, expire_on_commit=False)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def open_database(
    url: str,
    *,
    pool_size: int = 50,
    connect_timeout_seconds: int = 10,
    schema: str | None = None,
    believed_seconds: float = 1.0,
) -> Database:
    """Open the database at `url` (SQLAlchemy form); on PostgreSQL, its tables are in `schema`.

    A connection that worked is taken to work still for `believed_seconds`; after that it is asked.

    Raises:
        sqlalchemy.exc.ArgumentError: the address cannot be read.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return Database(_open_sqlite(url))
    is_postgres = parsed.get_backend_name() == "postgresql"
    engine = create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=max(1, pool_size // 5),
        connect_args=_postgres_options(connect_timeout_seconds) if is_postgres else {},
    )
    _ping_the_idle(engine, believed_seconds)
    if is_postgres and schema:
        _use_schema(engine, schema)
    return Database(engine)


def _postgres_options(connect_timeout_seconds: int) -> dict[str, Any]:
    """Return how psycopg connects; it prepares nothing itself, because `trips` does.

    What it prepares it forgets at every rollback, so with every read, and ours with it.
    """
    return {"connect_timeout": connect_timeout_seconds, "prepare_threshold": None}


def _ping_the_idle(engine: Engine, believed_seconds: float) -> None:
    """Ask a connection that lay idle whether it still is one, as `pool_pre_ping` does always.

    One that was just in use is believed: asking costs a trip to the database, every time.
    """

    @event.listens_for(engine, "checkin")
    def _note(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_IDLE_SINCE] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _ping(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        since = record.info.get(_IDLE_SINCE)
        if since is None or time.monotonic() - since < believed_seconds:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as gone:
            raise InvalidatePoolError from gone


def _use_schema(engine: Engine, schema: str) -> None:
    @event.listens_for(engine, "connect")
    def _search(connection: Any, _record: Any) -> None:
        was_autocommit = connection.autocommit
        connection.autocommit = True
        quoted = '"' + schema.replace('"', '""') + '"'
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted}")
            cursor.execute(f"SET search_path TO {quoted}")
        connection.autocommit = was_autocommit


def _open_sqlite(url: str) -> Engine:
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 30})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy says BEGIN itself, below
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # an answered request survives a power cut
            "foreign_keys=ON",
            "busy_timeout=30000",
            "temp_store=MEMORY",
            "cache_size=-65536",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        begin = connection.get_execution_options().get("sqlite_begin", "BEGIN")
        connection.exec_driver_sql(begin)

    return engine


def in_parts(keys: Sequence[_Key]) -> Iterator[Sequence[_Key]]:
    """Yield `keys` in parts that fit the `IN` of one statement; every engine has a limit."""
    for start in range(0, len(keys), _IN_ONE_QUERY):
        yield keys[start : start + _IN_ONE_QUERY]
