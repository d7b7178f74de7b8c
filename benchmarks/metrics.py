"""Measure measuring: taking samples in, asking about them, and the collector itself.

    python -m benchmarks.metrics [--quick] [--json FILE]

Where Prometheus and VictoriaMetrics are installed, they do the same work beside it in the same run.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from benchmarks.metrics_sustained import GPUS_A_NODE, INTERVAL, body_of, core_share_pct, reading
from benchmarks.metrics_sustained import cpu_seconds as _cpu_seconds
from gpu_management.core.database import table_of
from gpu_management.devices.models import Device
from gpu_management.metrics.answers import series
from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.fleet import Only
from gpu_management.metrics.models import HourUse, MinuteUse, RollUp, Sample
from gpu_management.metrics.promql import Promql
from gpu_management.metrics.questions import Group, How, Metric, Question, question
from gpu_management.metrics.rollup import roll_up
from gpu_management.metrics.store import Store
from tests.support.house import House, prepared_database
from tests.support.prometheus import prometheus, victoria

FLEET = 10_000
ASKED_FLEET = 1_000
DAYS = 7
BESIDE_GPUS, BESIDE_SECONDS = 40, 3600
_FIELDS = {
    "DCGM_FI_DEV_GPU_UTIL": "gpu_util_pct",
    "DCGM_FI_DEV_MEM_COPY_UTIL": "memory_copy_util_pct",
    "DCGM_FI_DEV_FB_USED": "memory_used_mib",
    "DCGM_FI_DEV_GPU_TEMP": "temperature_celsius",
    "DCGM_FI_DEV_MEMORY_TEMP": "memory_temperature_celsius",
    "DCGM_FI_DEV_POWER_USAGE": "power_w",
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": "energy_mj",
    "DCGM_FI_DEV_SM_CLOCK": "sm_clock_mhz",
    "DCGM_FI_DEV_MEM_CLOCK": "memory_clock_mhz",
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": "tensor_active_ratio",
}
"""Ten metrics of each GPU."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write the figures as JSON."""
    parser = argparse.ArgumentParser(description="Measure measuring.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the fleet")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    found = measure(quick=options.quick)
    print_table(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def measure(*, quick: bool = False) -> dict[str, Any]:
    """Return all figures."""
    fleet = FLEET // 10 if quick else FLEET
    return {
        "ingest": _ingest(fleet, ticks=2 if quick else 8),
        "questions": _questions(ASKED_FLEET // 10 if quick else ASKED_FLEET),
        "beside": _beside(),
        "collector": _collector(rounds=5 if quick else 20),
    }


def print_table(found: dict[str, Any]) -> None:
    """Print what was measured."""
    took = found["ingest"]
    print(f"\nmeasurements, {took['gpus']:,} GPUs x {len(_FIELDS)} metrics each {INTERVAL} s")
    print(f"  stored, one core          {took['samples_per_cpu_second']:>12,.0f} samples/s")
    print(
        f"  CPU of one core           {took['core_share_pct']:>12.1f} % of a real server, sustained"
    )
    print(f"  roll-up of a minute       {took['roll_up_seconds']:>12.2f} s")
    print(f"  bytes a stored sample     {took['bytes_per_sample']:>12.1f}")
    asked = found["questions"]
    print(f"questions, {asked['gpus']:,} GPUs, {DAYS} days")
    print(f"  one GPU by hour           {asked['device_ms']:>12.1f} ms")
    print(f"  one GPU by 5 minutes      {asked['device_by_5_minutes_ms']:>12.1f} ms")
    print(f"  the cluster by hour       {asked['cluster_ms']:>12.1f} ms")
    print(f"the same {found['beside']['samples']:,} samples beside")
    for name, told in found["beside"]["stores"].items():
        print(
            f"  {name:<17} in {told['ingest_seconds']:.2f} s, {told['bytes_per_sample']:.1f} B,"
            f" one GPU {told['device_ms']:.1f} ms, cluster {told['cluster_ms']:.1f} ms"
        )
    told = found["collector"]
    print(
        f"collector, 8 GPUs: {told['resident_mib']:.0f} MiB resident,"
        f" {told['cpu_ms_a_look']:.1f} ms CPU a look = {told['core_share_pct']:.2f} % of a core"
    )


@contextmanager
def _house(gpus: int, *, a_node: int = GPUS_A_NODE) -> Iterator[House]:
    with tempfile.TemporaryDirectory() as folder:
        house = House(prepared_database(Path(folder)))
        for node in range(-(-gpus // a_node)):
            house.node(f"n{node:05}", gpus=min(a_node, gpus - node * a_node))
        with house.database.write() as session:
            session.execute(
                update(Device).values(uuid=Device.device_id, live_uuid=Device.device_id)
            )
        yield house
        house.database.close()


def _uuids(house: House) -> list[list[str]]:
    with house.database.read() as session:
        names = list(session.scalars(select(Device.device_id).order_by(Device.id)))
    return [names[at : at + GPUS_A_NODE] for at in range(0, len(names), GPUS_A_NODE)]


def _ingest(gpus: int, *, ticks: int) -> dict[str, Any]:
    """A tick of every node straight into the store, and a real server's CPU over some ticks."""
    with _house(gpus) as house:
        nodes = _uuids(house)
        start = house.now.replace(second=0)
        for tick in range(4):
            house.clock.now = start + timedelta(seconds=tick * INTERVAL)
            direct = _direct(house, nodes)
        house.clock.now = start + timedelta(minutes=3)
        began = perf_counter()
        with house.database.write() as session:
            roll_up(session, now=house.now)
        rolled = perf_counter() - began
        stored = _size(house, only=Sample.__tablename__)
    return {
        "gpus": gpus,
        "samples_per_cpu_second": direct,
        "core_share_pct": core_share_pct(gpus, ticks=ticks),
        "roll_up_seconds": rolled,
        "bytes_per_sample": stored,
    }


def _direct(house: House, nodes: Sequence[Sequence[str]]) -> float:
    """Bodies of 500 readings: JSON, checked, stored and committed, without the HTTP around it."""
    from gpu_management.metrics import schemas, service

    names = [name for node in nodes for name in node]
    intake = service.Intake()
    groups = [names[first : first + 500] for first in range(0, len(names), 500)]
    bodies = [body_of(house.now, group, 7) for group in groups]
    before = process_time()
    for body in bodies:
        told = schemas.BatchTold.model_validate_json(body)
        readings = [one.reading() for one in told.readings]
        with house.database.write() as session:
            service.ingest(session, intake, readings, collected_at=told.collected_at, now=house.now)
    return len(names) * len(_FIELDS) / (process_time() - before)


def _size(house: House, *, only: str | None = None) -> float:
    """Bytes of the database; of one table, a sample (a value that was measured)."""
    with house.database.read() as session:
        page = int(session.scalar(text("PRAGMA page_size")) or 0)
        if only is None:
            return page * float(session.scalar(text("PRAGMA page_count")) or 0)
        rows = int(session.scalar(text(f"SELECT count(*) FROM {only}")) or 0)  # noqa: S608 - ours
        try:
            query = text("SELECT sum(pgsize) FROM dbstat WHERE name = :name")
            used = float(session.scalar(query, {"name": only}) or 0)
        except Exception:
            return float("nan")
    return used / (rows * len(_FIELDS))


def _questions(gpus: int) -> dict[str, Any]:
    """A week of hours of every GPU, and of minutes of some."""
    until = datetime(2026, 3, 2, tzinfo=UTC)
    since = until - timedelta(days=DAYS)
    first, last = int(since.timestamp()), int(until.timestamp())
    with _house(gpus) as house:
        with house.database.write() as session:
            _fill(session.connection(), HourUse, range(first, last, 3600), range(1, gpus + 1), 240)
            _fill(session.connection(), MinuteUse, range(first, last, 60), range(1, 9), 4)
            session.add(RollUp(tier="hour", done_until_ts=last))
        one = question(
            Metric.UTILIZATION_PCT,
            How.AVG,
            since=first,
            until=last,
            step=3600,
            devices=frozenset({3}),
        )
        every = question(Metric.UTILIZATION_PCT, How.AVG, since=first, until=last, step=3600)
        fine = replace(one, step=300)
        return {
            "gpus": gpus,
            "device_by_5_minutes_ms": _asked(house, Embedded(), fine, Group.DEVICE),
            "device_ms": _asked(house, Embedded(), one, Group.DEVICE),
            "cluster_ms": _asked(house, Embedded(), every, Group.CLUSTER),
        }


def _fill(connection: Any, table: Any, times: range, devices: range, samples: int) -> None:
    rows = []
    for at in times:
        for device in devices:
            pct = 50 + 50 * math.sin(at / 9000 + device)
            rows.append(
                {
                    "device_id": device,
                    "gpu_instance_id": -1,
                    "at_ts": at,
                    "samples": samples,
                    "utilization_samples": samples,
                    "utilization_pct": pct,
                    "utilization_pct_max": pct,
                    "memory_used_mib": 1000.0,
                    "power_w": 300.0,
                    "temperature_celsius": 50.0,
                }
            )
    connection.execute(insert(table_of(table)), rows)


def _asked(house: House, store: Store, asked: Question, group: Group) -> float:
    """Return the median of nine askings, in milliseconds."""
    took = []
    for _ in range(9):
        began = perf_counter()
        with house.database.read() as session:
            rows = series(session, store, asked, group=group, only=Only())
        took.append(1000 * (perf_counter() - began))
        if not rows:
            raise RuntimeError("nothing was answered")
    return sorted(took)[len(took) // 2]


def _beside() -> dict[str, Any]:
    """The same hour of the same GPUs in our tables, in Prometheus and in VictoriaMetrics."""
    samples = BESIDE_GPUS * len(_FIELDS) * BESIDE_SECONDS // INTERVAL
    stores: dict[str, Any] = {}
    with _house(BESIDE_GPUS) as house:
        start = house.now.replace(minute=0, second=0)
        asked = question(
            Metric.UTILIZATION_PCT,
            How.AVG,
            since=int(start.timestamp()),
            until=int(start.timestamp()) + BESIDE_SECONDS,
            step=60,
        )
        stores["embedded"] = _ours(house, start, asked)
        past = _exposition(house, start)
        for name, run in (("prometheus", prometheus), ("victoria-metrics", victoria)):
            try:
                with tempfile.TemporaryDirectory() as folder:
                    stores[name] = _theirs(house, asked, partial(run, exposition=past), folder)
            except pytest.skip.Exception as missing:
                print(f"{missing}; it is left out", file=sys.stderr)
    for told in stores.values():
        told["bytes_per_sample"] = told.pop("bytes") / samples
    return {"samples": samples, "stores": stores}


def _ours(house: House, start: datetime, asked: Question) -> dict[str, Any]:
    from gpu_management.metrics.ingest import Devices, take

    names = [name for node in _uuids(house) for name in node]
    known = Devices()
    began = perf_counter()
    for tick in range(BESIDE_SECONDS // INTERVAL):
        at = start + timedelta(seconds=tick * INTERVAL)
        readings = [reading(name, tick) for name in names]
        with house.database.write() as session:
            take(session, known, readings, collected_at=at, oldest=start, now=at)
    took = perf_counter() - began
    house.clock.now = start + timedelta(seconds=BESIDE_SECONDS + 300)
    with house.database.write() as session:
        roll_up(session, now=house.now)
    samples = len(names) * len(_FIELDS) * BESIDE_SECONDS // INTERVAL
    size = _size(house, only=Sample.__tablename__) * samples
    return {"ingest_seconds": took, "bytes": size, **_both(house, Embedded(), asked)}


def _theirs(
    house: House, asked: Question, run: Callable[[Path], Any], folder: str
) -> dict[str, Any]:
    began = perf_counter()
    with run(Path(folder)) as client:
        took = perf_counter() - began
        told = _both(house, Promql(client, INTERVAL), asked)
    size = sum(
        one.stat().st_size
        for place in ("tsdb", "vm")
        for one in (Path(folder) / place).rglob("*")
        if one.is_file()
    )
    return {"ingest_seconds": took, "bytes": size, **told}


def _both(house: House, store: Store, asked: Question) -> dict[str, float]:
    one = Question(asked.metric, asked.how, asked.since, asked.until, asked.step, frozenset({3}))
    return {
        "device_ms": _asked(house, store, one, Group.DEVICE),
        "cluster_ms": _asked(house, store, asked, Group.CLUSTER),
    }


def _exposition(house: House, start: datetime) -> str:
    names = [name for node in _uuids(house) for name in node]
    lines = []
    for metric, field in _FIELDS.items():
        lines.append(f"# TYPE {metric} gauge")
        for tick in range(BESIDE_SECONDS // INTERVAL):
            at = int(start.timestamp()) + tick * INTERVAL
            for name in names:
                value = getattr(reading(name, tick), field)
                lines.append(f'{metric}{{UUID="{name}",gpu="0"}} {value} {at}')
    return "\n".join([*lines, "# EOF", ""])


class _Node(BaseHTTPRequestHandler):
    """A node's exporter and the server, for the collector."""

    def do_GET(self) -> None:
        lines = [
            f'{metric}{{gpu="{gpu}",UUID="GPU-{gpu}",hostname="n",modelName="H100"}} 42'
            for metric in _FIELDS
            for gpu in range(GPUS_A_NODE)
        ]
        self._answer("\n".join(lines).encode() + b"\n")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"{}")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _collector(*, rounds: int) -> dict[str, Any]:
    """The real process, looking once a second; CPU is counted a look, without the start."""
    server = HTTPServer(("127.0.0.1", 0), _Node)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    environ = os.environ | {
        "NODE_NAME": "n",
        "DCGM_URL": f"{url}/metrics",
        "GPU_MANAGEMENT_API": url,
        "KUBELET_SOCKET": "",
        "COLLECTION_INTERVAL": "1",
        "METRICS_PORT": "0",
    }
    command = [sys.executable, "-c", "from gpu_management.collector.main import main; main([])"]
    process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
    try:
        time.sleep(5)
        before = _cpu_seconds(process.pid)
        time.sleep(rounds)
        a_look = (_cpu_seconds(process.pid) - before) / rounds
        status = Path(f"/proc/{process.pid}/status").read_text()
    finally:
        process.terminate()
        process.wait()
        server.shutdown()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return {
        "resident_mib": int(resident.split()[1]) / 1024,
        "cpu_ms_a_look": 1000 * a_look,
        "core_share_pct": 100 * a_look / INTERVAL,
    }


if __name__ == "__main__":
    sys.exit(main())
