from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_management.auth import models as _keys  # noqa: F401 - their tables
from gpu_management.core.database import Database
from gpu_management.events import models as _tables  # noqa: F401 - the tables of this slice
from tests.support.apps import Hands, fresh_database


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = fresh_database(tmp_path)
    yield opened
    opened.close()
