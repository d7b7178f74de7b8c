"""The CPU that a real server needs to take in what a fleet's collectors send, all the time.

Collectors send at their real pace to a process of its own, whose loops make minutes meanwhile; what
it used is read from the kernel, so what sending costs is not in it.
"""

import http.client
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from sqlalchemy import select, update

from gpu_management.devices.models import Device
from gpu_management.metrics.batches import Batch, pack
from gpu_management.metrics.readings import Reading, Target
from tests.support.house import House, prepared_database

INTERVAL = 15
GPUS_A_NODE = 8
_START_SECONDS = 60
_PATH = "/api/v1/gpu/metrics/ingest"


def core_share_pct(gpus: int, *, ticks: int) -> float:
    """Return the percentage of one core that taking in `ticks` looks of every node needs."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'house.db'}"
        nodes = _fill(Path(folder), gpus)
        with _serving(url) as (port, pid):
            _tick(port, nodes, 0)
            _wait_for_tick()
            before, began = cpu_seconds(pid), time.monotonic()
            for tick in range(1, ticks + 1):
                _tick(port, nodes, tick)
                _wait_for_tick()
            used = cpu_seconds(pid) - before
            return 100 * used / (time.monotonic() - began)


def reading(uuid: str, tick: int) -> Reading:
    """Return what a GPU does at a tick: ten metrics of a slow wave."""
    wave = (1 + math.sin(tick / 20)) / 2
    return Reading(
        Target(uuid),
        gpu_util_pct=round(100 * wave),
        memory_copy_util_pct=round(40 * wave),
        memory_used_mib=30_000 + round(9_000 * wave),
        temperature_celsius=40 + round(30 * wave),
        memory_temperature_celsius=45 + round(30 * wave),
        power_w=round(100 + 500 * wave, 3),
        energy_mj=1e9 + tick * 5_000.0,
        sm_clock_mhz=1_980,
        memory_clock_mhz=2_619,
        tensor_active_ratio=round(wave / 3, 6),
    )


def body_of(at: datetime, names: Sequence[str], tick: int) -> bytes:
    """Return what the collector of a node sends."""
    readings = [reading(name, tick) for name in names]
    return json.dumps(pack(Batch("n", at, "dcgm", readings)), separators=(",", ":")).encode()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _fill(folder: Path, gpus: int) -> list[list[str]]:
    house = House(prepared_database(folder))
    for node in range(-(-gpus // GPUS_A_NODE)):
        house.node(f"n{node:05}", gpus=min(GPUS_A_NODE, gpus - node * GPUS_A_NODE))
    with house.database.write() as session:
        session.execute(update(Device).values(uuid=Device.device_id, live_uuid=Device.device_id))
        names = list(session.scalars(select(Device.device_id).order_by(Device.id)))
    house.database.close()
    return [names[at : at + GPUS_A_NODE] for at in range(0, len(names), GPUS_A_NODE)]


@contextmanager
def _serving(url: str) -> Iterator[tuple[int, int]]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
    command = [sys.executable, "-m", "benchmarks.bench_server", str(port), url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_ready(port, process)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/actuator/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def _tick(port: int, nodes: Sequence[Sequence[str]], tick: int) -> None:
    """Every node opens a connection of its own: none stays open between two looks."""
    at = datetime.now(UTC)
    for names in nodes:
        while not _send(port, body_of(at, names, tick), len(names)):
            time.sleep(0.1)  # as a collector does: it is sent again


def _send(port: int, body: bytes, readings: int) -> bool:
    """Send what a node saw; return whether it was taken: the database may be too busy."""
    caller = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    caller.request("POST", _PATH, body, {"Content-Type": "application/json"})
    answer = caller.getresponse()
    told = json.loads(answer.read())
    caller.close()
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return False
    if answer.status != HTTPStatus.OK or told["accepted"] + told["duplicates"] != readings:
        raise RuntimeError(str(told)[:300])
    return True


def _wait_for_tick() -> None:
    time.sleep(INTERVAL - time.time() % INTERVAL)


if __name__ == "__main__":
    print(f"{core_share_pct(int(sys.argv[1]), ticks=int(sys.argv[2])):.1f} % of a core")
