"""Several statements in one trip to the database: all of them happen, or none.

What is written under a lock is a handful of statements whose answers nobody needs before the last.
On PostgreSQL they travel together, by the pipeline of psycopg, which takes one wait instead of one
each; elsewhere they run one after the other. No other module knows a driver.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler

_OPEN = "trip"
_UNDO_POINT = "trip"

Statement = Select[*tuple[Any, ...]] | Insert | Update | Delete
"""What can travel; to be built once, at module level, because its translation is remembered."""


@dataclass(slots=True)
class Answer:
    """What a statement found or did; known when its trip is over."""

    rows: Sequence[Any] = ()
    changed: int = 0


@dataclass(frozen=True, slots=True)
class _Leg:
    statement: Statement
    values: Mapping[str, Any]
    otherwise: Exception | None
    then: Callable[[], None] | None
    answer: Answer = field(default_factory=Answer)

    def check(self) -> None:
        if self.otherwise is not None and self.answer.changed != 1:
            raise self.otherwise


@contextmanager
def one_trip(session: Session) -> Iterator[None]:
    """Let everything that is `send` in the block travel together at its end, all or none of it.

    What the session itself has to write goes ahead. A trip within a trip is part of it.

    Raises:
        Exception: the `otherwise` of a statement that did not change its row; nothing is kept.
    """
    if _OPEN in session.info:
        yield
        return
    legs: list[_Leg] = []
    session.info[_OPEN] = legs
    try:
        yield
    finally:
        del session.info[_OPEN]
    if legs:
        session.flush()
        _travel(session.connection(), legs)
        _went_well(legs)


def send(
    session: Session,
    statement: Statement,
    values: Mapping[str, Any],
    *,
    otherwise: Exception | None = None,
    then: Callable[[], None] | None = None,
) -> Answer:
    """Run a statement at the end of the open trip, or at once when there is none.

    `otherwise` is raised unless it changes exactly one row; nothing of its trip is kept then.
    `then` is called once the whole trip went well.
    """
    leg = _Leg(statement, values, otherwise, then)
    legs: list[_Leg] | None = session.info.get(_OPEN)
    if legs is None:
        _step(session.connection(), leg)
        _went_well([leg])
    else:
        legs.append(leg)
    return leg.answer


def _went_well(legs: Sequence[_Leg]) -> None:
    for leg in legs:
        if leg.then is not None:
            leg.then()


def _travel(connection: Connection, legs: Sequence[_Leg]) -> None:
    if connection.dialect.driver == "psycopg":
        _together(connection, legs)
    elif any(leg.otherwise for leg in legs[1:]):
        with connection.begin_nested():
            _one_by_one(connection, legs)
    else:
        _one_by_one(connection, legs)  # only the first may be refused: nothing to undo then


def _one_by_one(connection: Connection, legs: Sequence[_Leg]) -> None:
    for leg in legs:
        _step(connection, leg)


def _step(connection: Connection, leg: _Leg) -> None:
    result = connection.execute(leg.statement, dict(leg.values))
    if result.returns_rows:
        leg.answer.rows = result.all()
    else:
        leg.answer.changed = result.rowcount
    leg.check()


def _together(connection: Connection, legs: Sequence[_Leg]) -> None:
    driver: Any = connection.connection.driver_connection
    may_fail = any(leg.otherwise for leg in legs)
    try:
        with driver.pipeline():
            if may_fail:
                driver.execute(f"SAVEPOINT {_UNDO_POINT}")
            cursors = [_start(connection.dialect, driver, leg) for leg in legs]
        for leg, (plan, cursor) in zip(legs, cursors, strict=True):
            plan.read(cursor, leg.answer)
    except _errors(connection.dialect) as error:
        raise _told(connection, error) from error
    if may_fail:
        _check(driver, legs)


def _check(driver: Any, legs: Sequence[_Leg]) -> None:
    try:
        for leg in legs:
            leg.check()
    except Exception:
        driver.execute(f"ROLLBACK TO SAVEPOINT {_UNDO_POINT}")
        raise


def _errors(dialect: Dialect) -> type[Exception]:
    kind: type[Exception] = dialect.loaded_dbapi.Error
    return kind


def _told(connection: Connection, error: Exception) -> BaseException:
    """Return a driver's error as SQLAlchemy tells it; a lost connection is not used again."""
    dialect = connection.dialect
    lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)  # type: ignore[arg-type]
    told = DBAPIError.instance(
        "several statements in one trip",
        None,
        error,
        _errors(dialect),
        connection_invalidated=lost,
        dialect=dialect,
    )
    if lost:
        connection.invalidate(error)
    return told


def _start(dialect: Dialect, driver: Any, leg: _Leg) -> "tuple[_Plan, Any]":
    plan = _plan(leg.statement, tuple(leg.values), dialect)
    return plan, driver.cursor().execute(plan.text, plan.values(leg.values))


_Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A statement in the driver's words: its text, and how values go in and come out."""

    compiled: SQLCompiler
    text: str
    inward: Mapping[str, _Convert]
    outward: Sequence[tuple[int, _Convert]]
    row: Callable[[Sequence[Any]], Any]

    def values(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the driver is given for `told`."""
        given = dict(self.compiled.construct_params(told))
        for name, convert in self.inward.items():
            given[name] = convert(given[name])
        return given

    def read(self, cursor: Any, answer: Answer) -> None:
        """Fill `answer` from a cursor whose trip is over."""
        if cursor.description is None:
            answer.changed = cursor.rowcount
            return
        answer.rows = [self._row(found) for found in cursor.fetchall()]

    def _row(self, found: Sequence[Any]) -> Any:
        values = list(found)
        for number, convert in self.outward:
            values[number] = convert(values[number])
        return self.row(values)


@lru_cache(maxsize=256)
def _plan(statement: Statement, names: tuple[str, ...], dialect: Dialect) -> _Plan:
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    assert isinstance(compiled, SQLCompiler)  # noqa: S101 - what travels is not DDL
    inward = {
        name: convert
        for bind, name in compiled.bind_names.items()
        if (convert := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
    }
    columns = list(statement.exported_columns)
    outward = [
        (number, convert)
        for number, column in enumerate(columns)
        if (convert := column.type.dialect_impl(dialect).result_processor(dialect, None))
        is not None
    ]
    shape = namedtuple("shape", [column.key for column in columns], rename=True)  # type: ignore[misc]
    return _Plan(compiled, str(compiled), inward, outward, shape._make)
