"""Bring a database's schema up to date, once, whoever else tries at the same moment.

The revisions are in the package `migrations`, which stands below everything: it is found by name.
"""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from gpu_management.core.database import Database

_LOCK_NUMBER = 0x6770_7573
"""Any number that nobody else uses: `gpus`."""


class DatabaseTooNew(Exception):
    """The database was written by a newer version of the product."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("gpu_management") / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """Return the revision this version of the product works with."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None  # noqa: S101 - the package has revisions
    return found


def current(connection: Connection) -> str | None:
    """Return the revision a database is at; None before its first migration."""
    return MigrationContext.configure(connection).get_current_revision()


def wait_for_others(connection: Connection) -> None:
    """Let one process at a time prepare a database, until commit; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(:number)")
        connection.execute(lock, {"number": _LOCK_NUMBER})


def upgrade(database: Database) -> tuple[str | None, str]:
    """Migrate an empty or older database under a lock; return the revisions before and after.

    Raises:
        DatabaseTooNew: the database is at a revision this version does not know.
    """
    with database.write() as session:
        connection = session.connection()
        wait_for_others(connection)
        before = current(connection)
        if before == head():
            return before, before
        known = {
            script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()
        }
        if before is not None and before not in known:
            raise DatabaseTooNew(
                f"the database is at revision {before}, which this version does not know;"
                " install the version that wrote it, or a newer one"
            )
        command.upgrade(_config(connection), "head")
        return before, head()


def downgrade(database: Database, revision: str) -> None:
    """Take revisions back down to `revision` (`base`: all of them)."""
    with database.write() as session:
        command.downgrade(_config(session.connection()), revision)


def write_revision(database: Database, message: str, revision: str) -> None:
    """Write a new revision from the difference of models and database; for developers."""
    with database.write() as session:
        command.revision(
            _config(session.connection()), message=message, rev_id=revision, autogenerate=True
        )
