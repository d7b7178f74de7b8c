"""Fixtures of tests that run the whole product on a database of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import settings

from gpu_management.cli.wiring import prepare
from tests.support.apps import Hands
from tests.support.house import CLUSTER, House, prepared_database
from tests.support.live import empty, live, locked
from tests.support.postgres import Postgres, running

# A busy machine makes examples slow, not wrong.
settings.register_profile("product", deadline=None)
settings.load_profile("product")

__all__ = ["client", "empty", "house", "live", "locked"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    database = prepared_database(tmp_path)
    yield House(database)
    database.close()


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with house.client() as opened:
        yield opened


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture
def postgres_house(postgres: Postgres) -> Iterator[House]:
    database = postgres.fresh_database()
    prepare(database, CLUSTER, Hands())
    yield House(database)
    database.close()
