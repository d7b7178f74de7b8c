"""Fixtures: one real server of each kind for the whole run."""

from collections.abc import Iterator

import pytest

from tests.support.server import LiveServer, guarded, register_fleet, serving


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server without authentication, with a small fleet."""
    with serving(tmp_path_factory.mktemp("live")) as server:
        register_fleet(server)
        yield server


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server without authentication and without GPUs."""
    with serving(tmp_path_factory.mktemp("empty")) as server:
        yield server


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that asks for API keys, with a small fleet."""
    folder = tmp_path_factory.mktemp("locked")
    options, keys = guarded(folder)
    with serving(folder, *options, keys=keys) as server:
        register_fleet(server)
        yield server
