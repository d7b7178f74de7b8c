"""What tests of alerts share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.house import House, prepared_database
from tests.support.watched_gpus import Watched


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house with two GPUs on one node."""
    made = House(prepared_database(tmp_path))
    made.node(gpus=2)
    yield made
    made.database.close()


@pytest.fixture
def watched(house: House) -> Watched:
    """The same, measured and watched."""
    return Watched(house)
