"""Budgets from the command line, against a real server."""

import re
from collections.abc import Iterator

import pytest

from tests.support.cli import gpuctl
from tests.support.server import LiveServer


@pytest.fixture(autouse=True)
def nothing_left(live: LiveServer) -> Iterator[None]:
    """Remove whatever a test set."""
    yield
    for budget in gpuctl(live, "budgets", "list", "-o", "json").json:
        gpuctl(live, "budgets", "delete", str(budget["id"]))


def _set(live: LiveServer, *more: str) -> str:
    ran = gpuctl(live, "budgets", "create", *more)
    assert ran.code == 0, ran.err
    found = re.match(r"budget (\d+) set: ", ran.out)
    assert found
    return found[1]


def test_a_budget_is_set_shown_changed_and_removed(live: LiveServer) -> None:
    number = _set(live, "500", "--team", "cli-team", "--refuse", "--warn-at", "75")
    (row,) = gpuctl(live, "budgets", "list", columns=160).lines[1:]
    assert row.split()[:5] == [number, "team", "cli-team", "500.00", "USD"]
    shown = gpuctl(live, "budgets", "get", number)
    assert re.search(r"IF PASSED +refuse", shown.out)
    assert re.search(r"WARNS AT % +75", shown.out)
    changed = gpuctl(live, "budgets", "update", number, "--amount", "600", "--warn")
    assert changed.out == f"budget {number} changed: team cli-team, 600.00 USD a month, warn\n"
    assert gpuctl(live, "budgets", "notices", number).err == "no warning was given\n"
    assert gpuctl(live, "budgets", "delete", number).code == 0
    assert gpuctl(live, "budgets", "get", number).code == 1


def test_a_request_over_a_budget_is_refused_with_the_numbers(live: LiveServer) -> None:
    _set(live, "0.01", "--namespace", "cli-budget", "--period", "week", "--refuse")
    ran = gpuctl(live, "request", "-g", "40", "-n", "cli-budget")
    assert ran.code == 1
    assert "namespace cli-budget has 0.01 USD a week: 0.00 spent" in ran.err


def test_gpu_hours_are_a_unit(live: LiveServer) -> None:
    number = _set(live, "12.5", "--cluster", "--unit", "gpu-hours", "--period", "day")
    assert "GPU-hours" in gpuctl(live, "budgets", "get", number).out


@pytest.mark.parametrize(
    "wrong",
    [
        ("10",),
        ("10", "--team", "a", "--user", "b"),
        ("ten", "--team", "a"),
        ("10", "--team", "a", "--period", "year"),
        ("10", "--team", "a", "--unit", "hours"),
    ],
)
def test_wrong_usage_ends_with_2(live: LiveServer, wrong: tuple[str, ...]) -> None:
    assert gpuctl(live, "budgets", "create", *wrong).code == 2
