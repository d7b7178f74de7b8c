"""Controllers killed and API servers away on a real control plane: what was promised is kept."""

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.admin import Admin, until
from tests.controlplane.plane import ControlPlane
from tests.support.kube import gpu
from tests.support.postgres import Postgres
from tests.support.server import LiveServer, serving

pytestmark = pytest.mark.cluster

ALLOCATIONS = "/api/v1/gpu/allocations"
FAILOVER_SECONDS = 10.0


def options(plane: ControlPlane, **more: str) -> list[str]:
    told = {
        "cluster.connection": "kubeconfig",
        "cluster.kubeconfig": str(plane.kubeconfig()),
        "cluster.enforcement": "dra",
        **more,
    }
    return [part for key, value in told.items() for part in ("--set", f"{key}={value}")]


def request(server: LiveServer) -> dict[str, Any]:
    asked = {
        "namespace": "ml",
        "podName": "train",
        "workloadType": "Training",
        "requiredMemoryGb": 40,
        "useMig": False,
    }
    made: dict[str, Any] = server.ask("POST", ALLOCATIONS, asked)
    return made


def claim(admin: Admin, made: dict[str, Any]) -> Any:
    return admin.claim(f"gpualloc-{made['allocationId']}", "ml")


def has_devices(server: LiveServer) -> bool:
    return bool(server.ask("GET", "/api/v1/gpu/devices?envelope=false"))


def test_the_second_controller_makes_claims_within_ten_seconds_of_the_firsts_death(
    tmp_path: Path, plane: ControlPlane, admin: Admin, postgres: Postgres
):
    admin.add_node("n1", [gpu(n, f"GPU-{n}") for n in range(2)])
    told = [*options(plane), "--database-url", postgres.fresh_url()]
    with ExitStack() as stack:
        servers = []
        for name in ("first", "second"):
            folder = tmp_path / name
            folder.mkdir()
            servers.append(stack.enter_context(serving(folder, *told)))
        first, second = servers
        until(lambda: has_devices(second))
        before = request(second)
        until(lambda: claim(admin, before))
        os.kill(first.pid, signal.SIGKILL)
        killed = time.monotonic()
        made = request(second)
        until(lambda: claim(admin, made), seconds=FAILOVER_SECONDS)
        assert time.monotonic() - killed <= FAILOVER_SECONDS
        assert claim(admin, before) is not None


def test_a_hundred_allocations_while_the_api_server_is_away_are_all_claimed_later(
    tmp_path: Path, plane: ControlPlane, admin: Admin
):
    for number in range(13):
        admin.add_node(f"n{number}", [gpu(n, f"GPU-{number}-{n}") for n in range(8)])
    quick = options(plane, **{"cluster.enforcement-deadline-seconds": "2"})
    with serving(tmp_path, *quick) as server:
        until(lambda: len(server.ask("GET", "/api/v1/gpu/devices?envelope=false&limit=200")) == 104)
        made = [request(server) for _ in range(50)]
        plane.stop_apiserver()
        made += [request(server) for _ in range(50)]
        gone = made[::10]
        for one in gone:
            server.ask("DELETE", f"{ALLOCATIONS}/{one['allocationId']}")
        away_until = time.monotonic() + 6  # three times the deadline of a claim
        until(lambda: time.monotonic() > away_until)
        plane.start_apiserver()
        kept = [one for one in made if one not in gone]
        until(lambda: all(claim(admin, one) for one in kept), seconds=60)
        until(lambda: not any(claim(admin, one) for one in gone))
        phases = [
            server.ask("GET", f"{ALLOCATIONS}/{one['allocationId']}")["phase"] for one in kept
        ]
        assert set(phases) == {"Allocated"}
