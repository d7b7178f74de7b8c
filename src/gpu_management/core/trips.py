"""Several statements in one trip to the database: all of them happen, or none.

What is written under a lock is a handful of statements whose answers nobody needs before the last.
On PostgreSQL they travel together (`libpq.py`), which takes one wait instead of one each; on SQLite
they run one after the other, straight in the driver; elsewhere as SQLAlchemy runs them. No other
module knows a driver.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from gpu_management.core.plans import Plan, Statement, by_position, plan_of

__all__ = ["Answer", "Statement", "one_trip", "send"]

_OPEN = "trip"
_UNDO_POINT = "trip"
_PREPARED = "trip_plans"


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
    """Run one statement."""
    driver = connection.dialect.driver
    if driver == "psycopg":
        _exchange(connection, [leg])
    elif driver == "pysqlite":
        _run_in_sqlite(connection, leg)
    else:
        _run(connection, leg)
    leg.check()


def _run(connection: Connection, leg: _Leg) -> None:
    result = connection.execute(leg.statement, dict(leg.values))
    if result.returns_rows:
        leg.answer.rows = result.all()
    else:
        leg.answer.changed = result.rowcount


def _run_in_sqlite(connection: Connection, leg: _Leg) -> None:
    plan = plan_of(leg.statement, tuple(leg.values), connection.dialect)
    driver: Any = connection.connection.driver_connection
    try:
        cursor = driver.execute(plan.text, plan.values(leg.values))
        if cursor.description is None:
            leg.answer.changed = cursor.rowcount
        else:
            leg.answer.rows = plan.rows(cursor.fetchall())
    except _errors(connection.dialect) as error:
        raise _told(connection, error, plan) from error


def _together(connection: Connection, legs: Sequence[_Leg]) -> None:
    may_fail = any(leg.otherwise for leg in legs)
    _exchange(connection, legs, savepoint=_UNDO_POINT if may_fail else None)
    try:
        for leg in legs:
            leg.check()
    except Exception:
        driver: Any = connection.connection.driver_connection
        driver.execute(f"ROLLBACK TO SAVEPOINT {_UNDO_POINT}")
        raise


def _exchange(
    connection: Connection, legs: Sequence[_Leg], *, savepoint: str | None = None
) -> None:
    from gpu_management.core import libpq  # the driver is an extra

    dialect = by_position(connection.dialect)
    orders = [(plan_of(leg.statement, tuple(leg.values), dialect), leg.values) for leg in legs]
    driver: Any = connection.connection.driver_connection
    names: libpq.Names = connection.info.setdefault(_PREPARED, {})
    try:
        found = libpq.exchange(driver, orders, names=names, savepoint=savepoint)
    except _errors(connection.dialect) as error:
        raise _told(connection, error) from error
    for leg, one in zip(legs, found, strict=True):
        if one.rows is None:
            leg.answer.changed = one.changed
        else:
            leg.answer.rows = one.rows


def _errors(dialect: Dialect) -> type[Exception]:
    kind: type[Exception] = dialect.loaded_dbapi.Error
    return kind


def _told(connection: Connection, error: Exception, plan: Plan | None = None) -> BaseException:
    """Return a driver's error as SQLAlchemy tells it; a lost connection is not used again."""
    dialect = connection.dialect
    lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)  # type: ignore[arg-type]
    told = DBAPIError.instance(
        plan.text if plan else "several statements in one trip",
        None,
        error,
        _errors(dialect),
        connection_invalidated=lost,
        dialect=dialect,
    )
    if lost:
        connection.invalidate(error)
    return told
