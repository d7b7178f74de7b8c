"""A database that goes away under a running server, and comes back."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.postgres import Restartable, running
from tests.support.server import LiveServer, register_fleet, serving

pytestmark = pytest.mark.integration

READY = "/actuator/health/readiness"
ASKED = {
    "namespace": "ml",
    "podName": "p",
    "workloadType": "Training",
    "requiredMemoryGb": 16,
}


@pytest.fixture
def database() -> Iterator[Restartable]:
    with running(durable=True) as server:
        yield server


def eventually(is_so: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.1)


def _ready(server: LiveServer) -> int:
    return server.call("GET", READY)[0]


def test_without_its_database_a_server_answers_503_and_recovers_with_it(
    database: Restartable, tmp_path: Path
) -> None:
    address = ("--database-url", database.fresh_url())
    with serving(tmp_path, *address) as server:
        register_fleet(server)
        kept = server.ask("POST", "/api/v1/gpu/allocations", ASKED)["allocationId"]
        database.stop()
        for method, path, body in (
            ("GET", "/api/v1/gpu/overview", None),
            ("GET", "/api/v1/gpu/devices", None),
            ("GET", f"/api/v1/gpu/allocations/{kept}", None),
            ("POST", "/api/v1/gpu/allocations", ASKED),
            ("DELETE", f"/api/v1/gpu/allocations/{kept}", None),
        ):
            status, problem = server.call(method, path, body)
            assert (method, path, status) == (method, path, 503), problem
            assert problem["code"] == "SERVICE_UNAVAILABLE"
            assert problem["data"] == []
        assert _ready(server) == 503
        assert server.call("GET", "/actuator/health/liveness")[0] == 200
        database.start()
        eventually(lambda: _ready(server) == 200)
        found = server.ask("GET", f"/api/v1/gpu/allocations/{kept}")
        assert found["phase"] == "Allocated"
        assert len(server.ask("GET", "/api/v1/gpu/allocations?envelope=false")) == 1
        server.ask("POST", "/api/v1/gpu/allocations", ASKED)
        assert server.ask("DELETE", f"/api/v1/gpu/allocations/{kept}")["phase"] == "Released"
