"""A small application around the routers under test, on a database of its own."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
from fastapi import APIRouter, FastAPI

from gpu_management.api import errors
from gpu_management.auth.principals import Mode, Security
from gpu_management.core.database import Base, Database, open_database
from gpu_management.core.http import Runtime

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Hands:
    """A clock that tests move."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


def fresh_database(folder: Path) -> Database:
    """Return an empty SQLite database with the tables of every imported slice."""
    database = open_database(f"sqlite:///{folder / 'test.db'}")
    Base.metadata.create_all(database.engine)
    return database


def application(
    database: Database,
    *routers: APIRouter,
    clock: Callable[[], datetime],
    security: Security | None = None,
) -> FastAPI:
    """Return an application of `routers` with problem documents; open unless told otherwise."""
    app = FastAPI()
    app.state.runtime = Runtime(database, clock, anyio.Semaphore(1), "test", ())
    app.state.security = security or Security(Mode.DISABLED)
    errors.install(app)
    for router in routers:
        app.include_router(router)
    return app
