"""Fixtures of tests that run the whole product on a database of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.support.house import House, prepared_database
from tests.support.live import empty, live, locked

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
