"""The command `gpu-collector`: settings from the environment, then rounds until it is stopped."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

import httpx2
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from gpu_management.collector import lines
from gpu_management.collector.agent import Agent, Eyes, Sources, seconds_to_next
from gpu_management.collector.exposition import OwnReadings
from gpu_management.collector.mig_agent import MigAgent
from gpu_management.collector.mig_nvml import nvml_slicer
from gpu_management.collector.podresources import SOCKET
from gpu_management.collector.sender import Sender

_VARIABLES: Final = """environment:
  GPU_MANAGEMENT_API       address of the server (http://localhost:8080)
  GPU_MANAGEMENT_API_KEY   key with the role OPERATOR; or
  GPU_MANAGEMENT_API_KEY_FILE  a file that holds it, read anew for each request
  NODE_NAME                name of this node in the cluster (required)
  DCGM_URL                 metrics of this node's dcgm-exporter; without it NVML is read
  KUBELET_SOCKET           pod-resources socket of the kubelet; empty: pods are not looked up
  COLLECTION_INTERVAL      seconds between two looks (15)
  METRICS_PORT             port of this process's own metrics (9401); 0: none
  MIG_AGENT                true: cut this node's GPUs where an approved repartition plan says so
"""
_LONGEST_INTERVAL_SECONDS: Final = 3600


class Misused(Exception):
    """The environment does not say what is needed."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the environment says."""

    sources: Sources
    api: str
    key: str | None
    key_file: Path | None
    interval_seconds: int
    metrics_port: int
    cuts_gpus: bool = False

    def read_key(self) -> str | None:
        """Return the key, from the file where one is named."""
        if self.key_file is None:
            return self.key
        try:
            return self.key_file.read_text(encoding="utf-8").strip() or None
        except OSError:
            return None


def options(environ: Mapping[str, str]) -> Options:
    """Return the options.

    Raises:
        Misused: a variable is missing or is no number.
    """
    node = environ.get("NODE_NAME", "").strip()
    if not node:
        raise Misused("NODE_NAME is not set: give it from the pod's spec.nodeName")
    socket = environ.get("KUBELET_SOCKET", str(SOCKET))
    file = environ.get("GPU_MANAGEMENT_API_KEY_FILE")
    return Options(
        Sources(
            node,
            dcgm_url=environ.get("DCGM_URL") or None,
            kubelet_socket=Path(socket) if socket else None,
        ),
        api=environ.get("GPU_MANAGEMENT_API", "http://localhost:8080"),
        key=environ.get("GPU_MANAGEMENT_API_KEY") or None,
        key_file=Path(file) if file else None,
        interval_seconds=_whole(
            environ, "COLLECTION_INTERVAL", 15, low=1, high=_LONGEST_INTERVAL_SECONDS
        ),
        metrics_port=_whole(environ, "METRICS_PORT", 9401, low=0, high=65535),
        cuts_gpus=_yes(environ, "MIG_AGENT"),
    )


def _whole(environ: Mapping[str, str], name: str, default: int, *, low: int, high: int) -> int:
    text = environ.get(name, str(default)).removesuffix("s")
    if not text.isdecimal() or not low <= int(text) <= high:
        raise Misused(f"{name} must be a whole number from {low} to {high}, not {environ[name]!r}")
    return int(text)


def _yes(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name, "").strip().casefold()
    if text not in {"", "true", "false"}:
        raise Misused(f"{name} must be true or false, not {environ[name]!r}")
    return text == "true"


class OwnCounts(Collector):
    """How sending goes."""

    def __init__(self, sender: Sender) -> None:
        """Tell of `sender`."""
        self._sender = sender

    def collect(self) -> list[CounterMetricFamily | GaugeMetricFamily]:
        """Return the counts."""
        counts = self._sender.counts
        batches = CounterMetricFamily(
            "gpu_collector_batches", "Batches by what became of them.", labels=["outcome"]
        )
        batches.add_metric(["sent"], counts.sent)
        batches.add_metric(["dropped_full"], counts.dropped_full)
        batches.add_metric(["dropped_refused"], counts.dropped_refused)
        failures = CounterMetricFamily("gpu_collector_send_failures", "Attempts that failed.")
        failures.add_metric([], counts.failures)
        waiting = GaugeMetricFamily("gpu_collector_waiting_batches", "Batches that wait.")
        waiting.add_metric([], self._sender.waiting)
        return [batches, failures, waiting]


def run(told: Options, stop: threading.Event, *, rounds: int | None = None) -> None:
    """Look and send until `stop` is set, or for some rounds."""
    client = httpx2.Client(base_url=told.api, timeout=10)
    eyes = Eyes(told.sources, client)
    sender = Sender(client, told.read_key)
    own = OwnReadings()
    agent = Agent(eyes, sender, own, lambda: datetime.now(UTC))
    registry = CollectorRegistry()
    registry.register(own)
    registry.register(OwnCounts(sender))
    if told.metrics_port:
        start_http_server(told.metrics_port, registry=registry)
    cutter = MigAgent(client, told.read_key, told.sources.node_name, nvml_slicer)
    done = 0
    try:
        while not stop.is_set() and done != rounds:
            agent.round()
            if told.cuts_gpus:
                cutter.round()
            done += 1
            if done != rounds:
                stop.wait(seconds_to_next(datetime.now(UTC), told.interval_seconds))
    finally:
        eyes.close()
        client.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the collector; 0 when it was stopped, 2 when the environment is not enough."""
    parser = argparse.ArgumentParser(
        prog="gpu-collector",
        description="Report what this node's GPUs do, and which pods use them.",
        epilog=_VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--once", action="store_true", help="look once, send, and end")
    asked = parser.parse_args(arguments)
    lines.configure()
    try:
        told = options(os.environ)
    except Misused as error:
        print(f"gpu-collector: {error}", file=sys.stderr)  # noqa: T201 - the command's answer
        return 2
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    run(told, stop, rounds=1 if asked.once else None)
    return 0
