"""Alerts on PostgreSQL, of several processes at once, and of a server that is killed."""

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from gpu_management.alerts.jobs import Watch
from gpu_management.alerts.models import Alert
from gpu_management.core.database import open_database
from gpu_management.events.models import Event
from tests.support.house import House
from tests.support.server import LiveServer, serving
from tests.support.waiting import until
from tests.support.watched_gpus import STEP, Watched

pytestmark = pytest.mark.integration


def _race(watched: Watched, watches: Sequence[Watch]) -> None:
    """Let all of them look at the same moment; who loses looks again next time, as the loops do."""
    barrier = Barrier(len(watches))

    def look(watch: Watch) -> None:
        barrier.wait()
        with suppress(OSError, SQLAlchemyError):
            watch.run(watched.now)

    with ThreadPoolExecutor(len(watches)) as threads:
        list(threads.map(look, watches))


def test_of_processes_that_look_at_once_each_alert_is_told_of_once(postgres_house: House) -> None:
    postgres_house.node(gpus=40)
    watched = Watched(postgres_house)
    watches = [watched.process() for _ in range(3)]
    for celsius in (90.0, 50.0, 90.0):
        for _ in range(24):
            watched.house.clock.now += STEP
            watched.measure(temperature_celsius=celsius)
            _race(watched, watches)
    fired = Counter(one["fingerprint"] for one in watched.events("alert.firing"))
    ended = Counter(one["fingerprint"] for one in watched.events("alert.resolved"))
    assert len(fired) == 80, "two rules, forty GPUs"
    assert set(fired.values()) == {2}
    assert set(ended.values()) == {1}
    rows = [row for row in watched.alerts() if row.resolved_at is None]
    assert len({row.fingerprint for row in rows}) == len(rows) == 80


def test_the_whole_of_it_on_postgresql(postgres_house: House) -> None:
    postgres_house.node(gpus=2)
    watched = Watched(postgres_house, escalate_after=timedelta(minutes=2))
    watched.look(330, temperature_celsius=89.0)
    with postgres_house.client() as client:
        first, second = client.get("/api/v1/gpu/alerts", params={"sort": "severity"}).json()
        taken = client.post(f"/api/v1/gpu/alerts/{first['alertId']}/acknowledge", json={})
        assert taken.json()["status"] == "acknowledged"
        matcher = {"name": "deviceId", "operator": "=", "value": second["deviceId"]}
        ends = (watched.now + timedelta(hours=1)).isoformat()
        body = {"matchers": [matcher], "endsAt": ends, "comment": "x"}
        assert client.post("/api/v1/gpu/alerts/silences", json=body).status_code == 201
        watched.look(300, temperature_celsius=89.0)
        rows = client.get("/api/v1/gpu/alerts").json()
    assert {row["status"] for row in rows} == {"acknowledged", "silenced"}
    assert not watched.events("alert.escalated")


def _tell(server: LiveServer, names: Sequence[str], xid: int) -> None:
    readings = [{"uuid": f"GPU-{name}", "values": {"lastXid": xid}} for name in names]
    at = datetime.now(UTC).isoformat()
    body = {"nodeName": "n1", "collectedAt": at, "readings": readings}
    server.ask("POST", "/api/v1/gpu/metrics/ingest", body)


def _fired(folder: Path) -> Counter[Any]:
    database = open_database(f"sqlite:///{folder / 'server.db'}")
    with database.read() as session:
        told = session.scalars(select(Event.data).where(Event.type == "alert.firing")).all()
        rows = session.scalars(select(Alert.fingerprint).order_by(Alert.id)).all()
    database.close()
    found = Counter(one["fingerprint"] for one in told)
    assert found == Counter(rows), "an event for each row, and a row for each event"
    return found


@pytest.mark.parametrize("pause_seconds", [0.0, 1.0])
def test_a_server_killed_while_alerts_begin_tells_of_each_once(
    tmp_path: Path, pause_seconds: float
) -> None:
    told = ("--set", "alerts.evaluation-seconds=1")
    names = [f"n1-GPU-{index:02d}" for index in range(50)]
    with serving(tmp_path, *told) as server:
        for index in range(len(names)):
            body = {"nodeName": "n1", "deviceIndex": index, "modelId": "t4"}
            server.ask("POST", "/api/v1/gpu/devices", body | {"uuid": f"GPU-{names[index]}"})
        _tell(server, names, 0)
        time.sleep(2.5)  # one look has seen them well
        _tell(server, names, 79)
        time.sleep(pause_seconds)
        os.kill(server.pid, signal.SIGKILL)
    with serving(tmp_path, *told) as server:
        _tell(server, names, 79)

        def hardware() -> int:
            path = "/api/v1/gpu/alerts?alertType=GPUHardwareError"
            return len(server.ask("GET", path))

        assert until(hardware, len(names)) == len(names)
    fired = _fired(tmp_path)
    assert set(fired.values()) == {1}
