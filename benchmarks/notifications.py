"""Measure notifications: from the commit of an event to the request that Slack gets, and floods.

    python -m benchmarks.notifications [--quick] [--json FILE]

A real server follows the events of its database; this process writes them and receives what is
sent, so both ends are read from one clock. Beside the channel that is measured stands another that
never answers.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from gpu_management.core.database import Database, open_database
from gpu_management.events import service as events
from tests.support import postgres
from tests.support.receivers import Receiver, receiving
from tests.support.server import LiveServer, serving

CALLS = 200
FLOOD = 5000
_CHANNELS = "/api/v1/gpu/notifications/channels"
_OPTIONS = (
    "alerts.notification.allowed-networks=127.0.0.0/8",
    "alerts.notification.allow-http=true",
    "alerts.enabled=false",
)
_LONGEST_SECONDS = 120.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write the figures as JSON."""
    parser = argparse.ArgumentParser(description="Measure notifications.")
    parser.add_argument("--quick", action="store_true", help="fewer events")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    found = measure(quick=options.quick)
    print_table(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def measure(*, quick: bool = False) -> list[dict[str, Any]]:
    """Return the figures on SQLite and, where it is there, on PostgreSQL."""
    calls, flood = (30, 1000) if quick else (CALLS, FLOOD)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        found = [_on("SQLite", url, calls=calls, flood=flood)]
    try:
        with postgres.running(durable=True) as server:
            url = server.fresh_url()
            found.append(_on("PostgreSQL", url, calls=calls, flood=flood))
    except pytest.skip.Exception as missing:
        print(f"{missing}; it is left out", file=sys.stderr)
    return found


def print_table(found: Sequence[dict[str, Any]]) -> None:
    """Print the figures for people."""
    print(f"{'':12} {'p50':>7} {'p99':>7} {'most':>7} {'digest of':>10} {'after':>7} {'each':>8}")
    for row in found:
        print(
            f"{row['database']:12} {row['p50_seconds']:6.2f}s {row['p99_seconds']:6.2f}s"
            f" {row['most_seconds']:6.2f}s {row['flood']:10,} {row['digest_seconds']:6.2f}s"
            f" {row['webhooks_per_second']:6.0f}/s"
        )


def _on(name: str, url: str, *, calls: int, flood: int) -> dict[str, Any]:
    options = [part for option in _OPTIONS for part in ("--set", option)]
    with (
        tempfile.TemporaryDirectory() as folder,
        _receivers() as (slack, hook, dead),
        serving(Path(folder), *options, "--database-url", url) as server,
        closing(open_database(url, schema="gpu_admin")) as database,
    ):
        _add(server, "slack", slack, events=["alert.firing"], maxPerMinute=600)
        _add(server, "slack", dead, name="never answers", events=["alert.firing"])
        waits = _waits(database, slack, calls)
        _add(server, "webhook", hook, events=["alert.firing"])
        digest, each = _flood(database, slack, hook, flood)
    return {
        "database": name,
        "events": calls,
        "p50_seconds": round(float(np.percentile(waits, 50)), 3),
        "p99_seconds": round(float(np.percentile(waits, 99)), 3),
        "most_seconds": round(max(waits), 3),
        "flood": flood,
        "digest_seconds": round(digest, 3),
        "webhooks_per_second": round(flood / each, 1),
    }


@contextmanager
def _receivers() -> Iterator[tuple[Receiver, Receiver, Receiver]]:
    with receiving() as slack, receiving() as hook, receiving() as dead:
        dead.hold = Event()
        yield slack, hook, dead


def _add(server: LiveServer, kind: str, receiver: Receiver, **more: object) -> None:
    body = {"name": kind, "kind": kind, "url": receiver.url, **more}
    server.ask("POST", _CHANNELS, body)


def _waits(database: Database, slack: Receiver, calls: int) -> list[float]:
    """Return the seconds from each commit to the request about it."""
    chance = random.Random(7)
    waits = []
    for number in range(calls):
        time.sleep(chance.uniform(0.1, 0.9))  # anywhere between two looks of the server
        before = len(slack.got)
        _fire(database, [number])
        committed = time.monotonic()
        _until(slack, before + 1)
        waits.append(time.monotonic() - committed)
    return waits


def _flood(database: Database, slack: Receiver, hook: Receiver, flood: int) -> tuple[float, float]:
    """Return the seconds to the digest for people, and to the last message for a machine."""
    before = len(slack.got)
    _fire(database, range(10**6, 10**6 + flood))
    committed = time.monotonic()
    _until(slack, before + 1)
    digest = time.monotonic() - committed
    _until(hook, flood)
    return digest, time.monotonic() - committed


def _until(receiver: Receiver, count: int) -> None:
    ends = time.monotonic() + _LONGEST_SECONDS
    while len(receiver.got) < count:
        assert time.monotonic() < ends, f"{len(receiver.got)} of {count} arrived"
        receiver.came.wait(0.5)
        receiver.came.clear()


def _fire(database: Database, numbers: Sequence[int]) -> None:
    now = datetime.now(UTC)
    with database.write() as session:
        for number in numbers:
            told = {
                "alertId": f"bench-{number}",
                "name": "GPUHighTemperature",
                "severity": "warning",
                "labels": {"gpu": str(number)},
                "annotations": {"summary": f"GPU {number} is hot"},
                "value": 87.5,
            }
            events.record(
                session,
                "alert.firing",
                subject_kind="alert",
                subject_id=f"bench-{number}",
                data=told,
                now=now,
            )


if __name__ == "__main__":
    sys.exit(main())
