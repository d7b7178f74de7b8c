"""DESIGN 3 by property, for longer than the default tier does."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.allocations.test_history import OnSqlite

pytestmark = pytest.mark.integration


def test_many_long_histories_keep_the_ledger_whole() -> None:
    run_state_machine_as_test(
        OnSqlite,
        settings=settings(
            max_examples=80,
            stateful_step_count=80,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
