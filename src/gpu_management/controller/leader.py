"""Which replica runs the timers: whoever holds an advisory lock of the database."""

from threading import Lock

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger

log = get_logger(__name__)

_LOCK_NUMBER = 0x6770_756D
"""Any number that nobody else uses: `gpum`."""


class Leader:
    """Leadership by a session's advisory lock on PostgreSQL; alone on SQLite."""

    def __init__(self, database: Database) -> None:
        """Follow until the first question."""
        self._database = database
        self._connection: Connection | None = None
        self._one_asks = Lock()  # each timer has a thread of its own

    def leads(self) -> bool:
        """Say whether this process leads now; take the lead where nobody has it."""
        if self._database.engine.dialect.name != "postgresql":
            return True
        with self._one_asks:
            try:
                return self._still_holds() or self._take()
            except SQLAlchemyError as lost:
                log.warning("GPU controller lost its leadership: %s", str(lost).splitlines()[0])
                self.resign()
                return False

    def _still_holds(self) -> bool:
        if self._connection is None:
            return False
        self._connection.execute(text("SELECT 1"))  # a dead session has lost its lock
        return True

    def _take(self) -> bool:
        connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        lock = text("SELECT pg_try_advisory_lock(:number)")
        if connection.execute(lock, {"number": _LOCK_NUMBER}).scalar_one():
            self._connection = connection
            log.info("GPU controller leads from now on")
            return True
        connection.close()
        return False

    def resign(self) -> None:
        """Give the lead up, if it is ours."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
