"""A real Prometheus and a real VictoriaMetrics for tests, filled with what is told."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import yaml

_START_SECONDS = 30.0


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed; on Debian: apt-get install {package}")
    return found


@contextmanager
def prometheus(folder: Path, exposition: str) -> Iterator[httpx2.Client]:
    """Run a Prometheus whose blocks are made of an OpenMetrics text."""
    server = _program("prometheus", "prometheus")
    tool = _program("promtool", "prometheus")
    text = folder / "past.om"
    text.write_text(exposition)
    blocks = folder / "tsdb"
    subprocess.run(
        [tool, "tsdb", "create-blocks-from", "openmetrics", str(text), str(blocks)],
        check=True,
        capture_output=True,
    )
    config = folder / "prometheus.yml"
    config.write_text("global: {scrape_interval: 15s}\n")
    port = _free_port()
    command = [
        server,
        f"--config.file={config}",
        f"--storage.tsdb.path={blocks}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with _running(command, folder, port, "/-/ready") as client:
        yield client


@contextmanager
def scraping(folder: Path, config: Mapping[str, object], *options: str) -> Iterator[httpx2.Client]:
    """Run an empty Prometheus with a configuration; paths in it are seen from `folder`."""
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(dict(config), sort_keys=False))
    port = _free_port()
    command = [
        _program("prometheus", "prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        *options,
    ]
    with _running(command, folder, port, "/-/ready") as client:
        yield client


@contextmanager
def victoria(folder: Path, exposition: str) -> Iterator[httpx2.Client]:
    """Run a VictoriaMetrics into which an OpenMetrics text is imported."""
    port = _free_port()
    command = [
        _program("victoria-metrics", "victoria-metrics"),
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={folder / 'vm'}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",
    ]
    with _running(command, folder, port, "/health") as client:
        client.post("/api/v1/import/prometheus", content=_in_milliseconds(exposition))
        client.get("/internal/force_flush")
        yield client


def _in_milliseconds(exposition: str) -> str:
    """The older text format, which tells times in milliseconds."""
    lines = []
    for line in exposition.splitlines():
        if not line.startswith("#"):
            series, at = line.rsplit(" ", 1)
            lines.append(f"{series} {int(at) * 1000}")
    return "\n".join(lines) + "\n"


@contextmanager
def _running(command: list[str], folder: Path, port: int, ready: str) -> Iterator[httpx2.Client]:
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            _wait(client, ready, process, log)
            yield client
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(client: httpx2.Client, ready: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            if client.get(ready).is_success:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{log.name}: {log.read_text('utf-8', 'replace')[-1000:]}")
