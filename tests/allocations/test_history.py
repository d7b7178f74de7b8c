"""DESIGN 3 by property: random histories on SQLite, with crashes, restarts and two replicas."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings

from gpu_management.core.database import Database
from tests.support.history import History
from tests.support.house import prepared_database

_QUICK = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class OnSqlite(History):
    """Histories on a SQLite file of their own."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        super().__init__()

    def open_database(self) -> Database:
        return prepared_database(Path(self.folder.name))

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


TestHistory = OnSqlite.TestCase
TestHistory.settings = _QUICK
