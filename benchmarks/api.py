"""Measure the API at 1,213 nodes / 6,212 GPUs: allocations beside bare rows, lists, memory.

python -m benchmarks.api [--postgres URL] [--calls N] [--json FILE]
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.load import Call, Figures, run

_MEMORY_GB = (8, 16, 16, 16, 24, 32, 80)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description="Measure the API.")
    parser.add_argument("--postgres", help="SQLAlchemy address of an empty PostgreSQL database")
    parser.add_argument("--calls", type=int, default=125, help="calls of each of the 8 clients")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    figures = measure(options.calls, options.postgres)
    print_table(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def measure(calls: int, postgres: str | None) -> dict[str, Any]:
    """Return the figures of every set-up that can be run here."""
    figures: dict[str, Any] = {"load_average": os.getloadavg()[0], "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/bench.db"
        with servers(url, 1) as (ports, pids):
            figures["sqlite"] = _writes(ports, calls)
            figures["reads"] = _reads(ports)
            figures["rss_mib"] = rss_mib(pids[0])
    if postgres:
        with servers(postgres, 2) as (ports, _pids):
            figures["postgresql_2_replicas"] = _writes(ports, calls)
    return figures


@contextmanager
def servers(url: str, count: int) -> Iterator[tuple[list[int], list[int]]]:
    """Start servers on one database; the first fills it. Yields their ports and pids."""
    started: list[subprocess.Popen[bytes]] = []
    ports = []
    try:
        for number in range(count):
            port = _free_port()
            fill = ["--fill"] if number == 0 else []
            command = [sys.executable, "-m", "benchmarks.bench_server", str(port), url, *fill]
            started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            _wait(port)
            ports.append(port)
        yield ports, [server.pid for server in started]
    finally:
        for server in started:
            server.send_signal(signal.SIGINT)
            server.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/actuator/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"the server on port {port} did not start")


def _allocation(source: random.Random) -> Call:
    body = {
        "namespace": "bench",
        "podName": f"pod-{source.getrandbits(40):x}",
        "workloadType": "Training",
        "requiredMemoryGb": source.choice(_MEMORY_GB),
        "cpuMilli": source.choice((1000, 4000, 8000)),
        "memoryMib": 8192,
        "teamId": f"team-{source.randrange(5)}",
    }
    if source.random() < 0.4:  # as many shares as in the trace
        body["gpuMilli"] = source.choice((100, 200, 250, 500))
    return "POST", "/api/v1/gpu/allocations", body


def _row(_source: random.Random) -> Call:
    return "POST", "/bench/row", None


def _writes(ports: Sequence[int], calls: int) -> dict[str, Any]:
    run(ports, clients=8, calls_each=10, make=_allocation)  # warm: imports, plans, caches
    run(ports, clients=8, calls_each=10, make=_row)
    rounds = []
    for _ in range(3):
        rows = run(ports, clients=8, calls_each=calls, make=_row).shown()
        allocations = run(ports, clients=8, calls_each=calls, make=_allocation).shown()
        rounds.append({"bare_row": rows, "allocation": allocations})
    rounds.sort(key=lambda pair: pair["allocation"]["per_s"])
    middle = rounds[1]
    middle["ratio"] = round(middle["bare_row"]["per_s"] / middle["allocation"]["per_s"], 2)
    return middle


def _reads(ports: Sequence[int]) -> dict[str, Any]:
    questions = {
        "devices_page_of_50": ("/api/v1/gpu/devices?limit=50", 100),
        "overview": ("/api/v1/gpu/overview", 100),
        "all_devices": ("/api/v1/gpu/devices", 10),
        "allocations_page_of_50": ("/api/v1/gpu/allocations?limit=50", 100),
        "cost_analysis_30_days": ("/api/v1/gpu/cost/analysis?days=30", 30),
    }
    found = {}
    for name, (path, calls) in questions.items():
        run(ports, clients=1, calls_each=2, make=_getter(path))  # warm: imports, plans, caches
        found[name] = run(ports, clients=1, calls_each=calls, make=_getter(path)).shown()
    found["overview_after_a_change"] = _after_changes(ports, "/api/v1/gpu/overview").shown()
    return found


def _after_changes(ports: Sequence[int], path: str) -> Figures:
    """Read `path` after every allocation, so that nothing that is kept can be answered."""
    source, figures = random.Random(1), Figures()
    for _ in range(60):
        run(ports, clients=1, calls_each=1, make=lambda _own: _allocation(source))
        figures.add(run(ports, clients=1, calls_each=1, make=_getter(path)))
    return figures


def _getter(path: str) -> Any:
    return lambda _source: ("GET", path, None)


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def print_table(figures: dict[str, Any]) -> None:
    """Print the figures, one line each."""
    print(f"{'measure':42} {'per s':>8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8}")
    for set_up in ("sqlite", "postgresql_2_replicas"):
        if set_up in figures:
            for name in ("bare_row", "allocation"):
                _line(f"{set_up} {name}", figures[set_up][name])
            print(f"{set_up + ' ratio bare row / allocation':42} {figures[set_up]['ratio']:>8}")
    for name, found in figures["reads"].items():
        _line(name, found)
    print(f"{'resident memory, MiB':42} {figures['rss_mib']:>8}")
    print(
        f"{'load average before, cores':42} {figures['load_average']:>8.1f} {figures['cores']:>8}"
    )


def _line(name: str, found: dict[str, Any]) -> None:
    numbers = " ".join(f"{found[key]:>8}" for key in ("per_s", "p50_ms", "p95_ms", "p99_ms"))
    print(f"{name:42} {numbers}")


if __name__ == "__main__":
    sys.exit(main())
