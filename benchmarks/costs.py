"""Measure the ledger: a year of a million holds on 6,212 GPUs, on SQLite and on PostgreSQL.

    python -m benchmarks.costs [--sizes 10000,100000,1000000] [--postgres] [--json FILE]

Holds are generated from a fixed seed and written in bulk; days are closed by the product's job.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select

from gpu_management.allocations.models import (
    Allocation,
    Hold,
    HoldKind,
    HoldSource,
    Phase,
    WorkloadType,
)
from gpu_management.cli.wiring import prepare
from gpu_management.core.database import Database, open_database, table_of
from gpu_management.costs import jobs, service
from gpu_management.costs.grouping import Dimension, Question, added_up
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval, Node
from gpu_management.rates.service import BookKeeper
from tests.support import postgres

CLUSTER = "bench"
BEGINS = datetime(2025, 11, 20, tzinfo=UTC)
ENDS = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
GPUS = 6_212
PER_NODE = 8
SIZES = (10_000, 100_000, 1_000_000)
_MODELS = ("h100-sxm5-80gb", "a100-sxm4-80gb", "t4", "v100-sxm2-16gb")
_TEAMS, _USERS = 40, 6
_BATCH = 20_000
_SEED = 42


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every size on SQLite, the largest on PostgreSQL too; print a table."""
    parser = argparse.ArgumentParser(description="Measure the ledger.")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    sizes = [int(text) for text in options.sizes.split(",")]
    figures = measure(sizes, with_postgres=options.postgres)
    print_table(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def measure(sizes: Sequence[int], *, with_postgres: bool) -> list[dict[str, Any]]:
    """Return the figures of each size and engine."""
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            database = open_database(f"sqlite:///{folder}/bench.db")
            found.append({"engine": "SQLite", **_measure(database, size)})
            database.close()
    if with_postgres:
        try:
            with postgres.running(durable=True) as server:
                database = server.fresh_database()
                found.append({"engine": "PostgreSQL", **_measure(database, max(sizes))})
                database.close()
        except pytest.skip.Exception as missing:
            print(f"{missing}; it is left out", file=sys.stderr)
    return found


def print_table(figures: Sequence[dict[str, Any]]) -> None:
    """Print one line for each engine and size."""
    names = [name for name in figures[0] if name not in {"engine", "holds"}]
    print("| | holds | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 2) + "|")
    for row in figures:
        cells = " | ".join(str(row[name]) for name in names)
        print(f"| {row['engine']} | {row['holds']:,} | {cells} |")


def _measure(database: Database, size: int) -> dict[str, Any]:
    prepare(database, CLUSTER, lambda: BEGINS)
    fill(database, size)
    desk = service.Desk("USD", ZoneInfo("UTC"), BookKeeper())
    started = perf_counter()
    days = _close(database, desk)
    closing = perf_counter() - started
    question = _window(desk, 30, Dimension.TEAM, Dimension.DAY)
    year = _window(desk, 365, Dimension.TEAM, Dimension.DAY)
    raw = _window(desk, 1, Dimension.TEAM, Dimension.DAY)
    return {
        "holds": size,
        "closing s": round(closing, 1),
        "days": days,
        "30 days ms": _time(database, lambda s: added_up(s, desk.terms(s), question)),
        "year ms": _time(database, lambda s: added_up(s, desk.terms(s), year)),
        "today ms": _time(database, lambda s: added_up(s, desk.terms(s), raw)),
        "analysis ms": _time(database, lambda s: _analysis(s, desk)),
        "tile first ms": _time(database, lambda s: _tile(s, desk), times=1),
        "tile ms": _time(database, lambda s: _tile(s, desk)),
        "closed = raw": _equals_raw(database, desk, size),
    }


def _window(desk: service.Desk, days: int, *groups: Dimension) -> Question:
    window = service.last_days(desk, days, now=ENDS)
    return Question(window.since, window.until, groups)


def _analysis(session: Any, desk: service.Desk) -> Any:
    from tests.support.principals import ADMIN

    return service.analysis(session, desk, days=30, reader=service.Reader(ADMIN), now=ENDS)


def _tile(session: Any, desk: service.Desk) -> Any:
    return service.today_and_month(session, desk, now=ENDS)


def _time(database: Database, ask: Callable[[Any], Any], *, times: int = 5) -> float:
    """Return the median of a few runs in milliseconds; each has a session of its own."""
    runs = []
    for _ in range(times):
        with database.read() as session:
            started = perf_counter()
            ask(session)
            runs.append(perf_counter() - started)
    return round(sorted(runs)[len(runs) // 2] * 1000, 1)


def _close(database: Database, desk: service.Desk) -> int:
    done = 0
    while True:
        with database.write() as session:
            made = jobs.close_days(session, desk, now=ENDS)
        done += made
        if not made:
            return done


def _equals_raw(database: Database, desk: service.Desk, size: int) -> str:
    """Compare closed days with the holds costed one by one, over a month or the whole year."""
    days = 365 if size <= SIZES[0] else 30
    window = service.last_days(desk, days, now=ENDS)
    with database.read() as session:
        terms = desk.terms(session)
        groups = (Dimension.TEAM, Dimension.DAY)
        asked = Question(window.since, window.until, groups)
        closed = {key: sums.micros for key, sums in added_up(session, terms, asked).items()}
        raw: dict[tuple[Any, ...], int] = {}
        for piece in service.pieces(session, terms.book, desk.zone, window):
            key = (piece.hold.team_id, piece.day)
            raw[key] = raw.get(key, 0) + (piece.micros or 0)
    return f"{closed == raw} ({days} d)"


def fill(database: Database, size: int) -> None:
    """Write a fleet, and `size` holds on it, spread over the year."""
    devices = _fleet(database)
    for rows in _batched(_holds(devices, size)):
        with database.write() as session:
            session.execute(insert(table_of(Allocation)), [one for one, _ in rows])
            session.execute(insert(table_of(Hold)), [one for _, one in rows])


def _fleet(database: Database) -> list[int]:
    nodes = range((GPUS + PER_NODE - 1) // PER_NODE)
    with database.write() as session:
        session.execute(insert(table_of(Node)), [_node(number) for number in nodes])
        ids = list(session.scalars(select(Node.id).order_by(Node.rank)))
        session.execute(insert(table_of(Device)), [_device(number, ids) for number in range(GPUS)])
        devices = list(session.scalars(select(Device.id).order_by(Device.id)))
        states = [
            {
                "device_id": pk,
                "open_device_id": pk,
                "state": DeviceState.READY,
                "started_at": BEGINS,
            }
            for pk in devices
        ]
        session.execute(insert(table_of(DeviceStateInterval)), states)
    return devices


def _node(number: int) -> dict[str, Any]:
    return {
        "cluster_name": CLUSTER,
        "node_name": f"node-{number:04}",
        "rank": number,
        "is_schedulable": True,
        "labels": {},
        "taints": [],
        "cpu_held_milli": 0,
        "memory_held_mib": 0,
        "registered_at": BEGINS,
        "edition": 1,
        "revision": 1,
    }


def _device(number: int, nodes: Sequence[int]) -> dict[str, Any]:
    name = f"node-{number // PER_NODE:04}-GPU-{number % PER_NODE:02}"
    return {
        "cluster_name": CLUSTER,
        "device_id": name,
        "live_id": name,
        "node_id": nodes[number // PER_NODE],
        "model_id": _MODELS[number // PER_NODE % len(_MODELS)],
        "device_index": number % PER_NODE,
        "state": DeviceState.READY,
        "mig_enabled": False,
        "held_milli": 0,
        "nvlink_peers": [],
        "registered_at": BEGINS,
        "version": 1,
        "edition": 1,
        "revision": 1,
    }


Pair = tuple[dict[str, Any], dict[str, Any]]


def _holds(devices: Sequence[int], size: int) -> Iterator[Pair]:
    """Yield allocations with their holds in the order they began; a few go on to the end."""
    chance = random.Random(_SEED)
    year = int((ENDS - BEGINS).total_seconds())
    for number in range(size):
        since = BEGINS + timedelta(seconds=year * number // size)
        lasts = int(min(chance.expovariate(1 / 30_000), 20 * 86_400)) + 60
        until = since + timedelta(seconds=lasts)
        device = devices[chance.randrange(len(devices))]
        milli = chance.choice((1000, 1000, 1000, 500, 250))
        span = (since, None if until > ENDS else until)
        yield _pair(chance, number, device, milli, span)


def _pair(
    chance: random.Random, number: int, device: int, milli: int, span: tuple[datetime, Any]
) -> Pair:
    since, until = span
    team = chance.randrange(_TEAMS)
    name = f"alloc-{number:07}"
    allocation = {
        "allocation_id": name,
        "cluster_name": CLUSTER,
        "namespace": f"ns-{team}",
        "pod_name": f"pod-{number}",
        "workload_type": chance.choice(tuple(WorkloadType)),
        "required_memory_gb": 16,
        "use_mig": False,
        "gpu_count": 1,
        "cpu_milli": 0,
        "memory_mib": 0,
        "user_id": f"user-{team}-{chance.randrange(_USERS)}",
        "team_id": f"team-{team:02}",
        "model_preference": [],
        "model_ids": [],
        "node_selector": {},
        "priority": 0,
        "resources": [],
        "phase": Phase.ALLOCATED if until is None else Phase.RELEASED,
        "conditions": [],
        "requested_at": since,
        "edition": 1,
    }
    hold = {
        "allocation_id": name,
        "device_id": device,
        "kind": HoldKind.SHARE,
        "source": HoldSource.OBSERVED,
        "milli": milli,
        "started_at": since,
        "ended_at": until,
    }
    return allocation, hold


def _batched(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    rows: list[Pair] = []
    for pair in pairs:
        rows.append(pair)
        if len(rows) == _BATCH:
            yield rows
            rows = []
    if rows:
        yield rows


if __name__ == "__main__":
    sys.exit(main())
