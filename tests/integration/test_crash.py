"""Servers killed with -9 in the middle of concurrent allocations: nothing doubled, nothing lost."""

import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from gpu_management.allocations.models import Allocation, Hold, IdempotencyKey, Phase
from gpu_management.core.database import Database, open_database
from tests.support.ledger import check_ledger
from tests.support.postgres import Postgres
from tests.support.server import LiveServer, serving

pytestmark = pytest.mark.integration

REQUESTS = 500
CALLERS = 16
KILL_AFTER = 150
NODES = 30
GPUS = 8
FAILOVER_SECONDS = 10.0


@dataclass(slots=True)
class Callers:
    """What the callers asked for and were told; counts answers, to kill in the middle."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    middle: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, client: httpx2.Client, number: int, urls: Sequence[str]) -> None:
        """Ask once, at one of the servers; no answer is an answer too."""
        key = f"request-{number}"
        try:
            answer = client.post(
                urls[number % len(urls)] + "/api/v1/gpu/allocations",
                json=body_of(number),
                headers={"Idempotency-Key": key},
            )
        except httpx2.HTTPError:
            with self.lock:
                self.unanswered.add(key)
            return
        with self.lock:
            if answer.status_code == 200:
                self.answers[key] = answer.json()
            else:
                assert answer.status_code in {409, 503}, answer.text
                self.refused.add(key)
            if len(self.answers) >= KILL_AFTER:
                self.middle.set()


def body_of(number: int) -> dict[str, Any]:
    """Return one of several kinds of request: shares, whole GPUs, slices, pairs."""
    plain = {"namespace": "crash", "podName": f"p-{number}", "workloadType": "Training"}
    kinds: list[dict[str, Any]] = [
        {"requiredMemoryGb": 16, "gpuMilli": 250, "modelIds": ["t4"]},
        {"requiredMemoryGb": 16, "gpuMilli": 100, "modelIds": ["t4"]},
        {"requiredMemoryGb": 10, "useMig": True},
        {"requiredMemoryGb": 40},
        {"requiredMemoryGb": 16, "count": 2, "modelIds": ["t4"]},
    ]
    return plain | kinds[number % len(kinds)]


def _fill(server: LiveServer) -> None:
    for node in range(NODES):
        model = "a100-sxm4-80gb" if node % 3 == 0 else "t4"
        for index in range(GPUS if node % 3 else 4):
            device = {"nodeName": f"n{node}", "deviceIndex": index, "modelId": model}
            cut = {"migEnabled": node % 6 == 0}
            server.ask("POST", "/api/v1/gpu/devices", device | cut)


def _storm(callers: Callers, urls: Sequence[str], victim: int) -> None:
    """Ask for everything at once and kill one server when a part has been answered."""
    with (
        httpx2.Client(timeout=60, limits=httpx2.Limits(max_connections=CALLERS)) as client,
        ThreadPoolExecutor(CALLERS) as pool,
    ):
        waiting = [pool.submit(callers.ask, client, n, urls) for n in range(REQUESTS)]
        assert callers.middle.wait(120), "too few answers"
        os.kill(victim, signal.SIGKILL)
        for one in waiting:
            one.result()


def _again(callers: Callers, url: str) -> dict[str, dict[str, Any]]:
    """Ask again, at a server that lives, whatever was not answered or was answered already."""
    told = {}
    with httpx2.Client(timeout=60) as client:
        for key in sorted(callers.unanswered | set(callers.answers)):
            answer = client.post(
                url + "/api/v1/gpu/allocations",
                json=body_of(int(key.split("-")[1])),
                headers={"Idempotency-Key": key},
            )
            assert answer.status_code in {200, 409}, answer.text
            if answer.status_code == 200:
                told[key] = answer.json()
    return told


def _check_nothing_lost(database: Database, callers: Callers) -> None:
    with database.read() as session:
        check_ledger(session)
        for told in callers.answers.values():
            kept = session.get(Allocation, told["allocationId"])
            assert kept is not None, "an acknowledged allocation is gone"
            assert kept.phase is Phase.ALLOCATED
            assert kept.allocated_resource == told["allocatedResource"]
            query = select(func.count()).where(
                Hold.allocation_id == kept.allocation_id, Hold.ended_at.is_(None)
            )
            assert session.scalar(query) == kept.gpu_count


def _check_one_allocation_per_key(
    database: Database, callers: Callers, told: dict[str, dict[str, Any]]
) -> None:
    for key, first in callers.answers.items():
        assert told[key]["allocationId"] == first["allocationId"]
    with database.read() as session:
        check_ledger(session)
        keys = session.scalar(select(func.count()).select_from(IdempotencyKey))
        made = session.scalar(select(func.count()).select_from(Allocation))
        assert keys == made == len(told)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    found = [tmp_path / name for name in ("one", "two", "three")]
    for folder in found:
        folder.mkdir()
    return found


def test_one_of_two_replicas_on_postgresql_dies_in_the_middle(
    postgres: Postgres, folders: list[Path]
) -> None:
    url = postgres.fresh_url()
    one_folder, other_folder, _ = folders
    told = ("--database-url", url, "--insecure")
    with serving(one_folder, *told) as one, serving(other_folder, *told) as other:
        _fill(one)
        callers = Callers()
        _storm(callers, [one.url, other.url], one.pid)
        assert callers.unanswered, "the kill came too late to matter"
        database = open_database(url, schema="gpu_admin", pool_size=2)
        _check_nothing_lost(database, callers)
        again = _again(callers, other.url)
        _check_one_allocation_per_key(database, callers, again)
        database.close()
        _release_some(other, again)


def _release_some(server: LiveServer, told: dict[str, dict[str, Any]]) -> None:
    """Show that the survivor goes on: what is released can be given again."""
    for key in sorted(told)[::10]:
        path = f"/api/v1/gpu/allocations/{told[key]['allocationId']}"
        assert server.ask("DELETE", path)["phase"] == "Released"
    status, content = server.call("POST", "/api/v1/gpu/allocations", body_of(0))
    assert status == 200, content


def test_the_one_server_on_sqlite_dies_in_the_middle_and_starts_again(
    folders: list[Path],
) -> None:
    folder = folders[0]
    with serving(folder) as server:
        _fill(server)
        callers = Callers()
        _storm(callers, [server.url], server.pid)
        assert callers.unanswered
    with serving(folder) as server:
        database = open_database(f"sqlite:///{folder / 'server.db'}")
        _check_nothing_lost(database, callers)
        again = _again(callers, server.url)
        _check_one_allocation_per_key(database, callers, again)
        database.close()
        _release_some(server, again)


def _wait_for_release(server: LiveServer, allocation_id: str, seconds: float) -> float:
    """Return the seconds until the timers of whoever leads have served the queue."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        shown = server.ask("GET", f"/api/v1/gpu/allocations/{allocation_id}")
        if shown["phase"] == "Allocated":
            return time.monotonic() - started
        time.sleep(0.1)
    raise AssertionError(f"nobody served the queue for {seconds} s")


def test_when_the_leader_dies_another_replica_runs_the_timers(
    postgres: Postgres, folders: list[Path]
) -> None:
    url = postgres.fresh_url()
    told = ("--database-url", url, "--insecure")
    with serving(folders[0], *told) as one, serving(folders[1], *told) as other:
        device = {"nodeName": "n1", "deviceIndex": 0, "modelId": "t4"}
        one.ask("POST", "/api/v1/gpu/devices", device)
        held = one.ask("POST", "/api/v1/gpu/allocations", body_of(0) | {"gpuMilli": 1000})
        wait = {"wait": True, "gpuMilli": 1000}
        queued = one.ask("POST", "/api/v1/gpu/allocations", body_of(0) | wait)
        assert queued["phase"] == "Pending"
        log = (folders[0] / "server.log").read_text()
        leader, heir = (one, other) if "leads from now on" in log else (other, one)
        os.kill(leader.pid, signal.SIGKILL)
        heir.ask("DELETE", f"/api/v1/gpu/allocations/{held['allocationId']}")
        took = _wait_for_release(heir, queued["allocationId"], FAILOVER_SECONDS)
        assert took <= FAILOVER_SECONDS
