"""A year of holds on 6,212 GPUs, from a fixed seed: what the ledger is measured with."""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table, insert, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import (
    Allocation,
    Hold,
    HoldKind,
    HoldSource,
    Phase,
    WorkloadType,
)
from gpu_management.core.database import Database, table_of
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval, Node

CLUSTER = "bench"
BEGINS = datetime(2025, 11, 20, tzinfo=UTC)
ENDS = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
GPUS = 6_212
PER_NODE = 8
_MODELS = ("h100-sxm5-80gb", "a100-sxm4-80gb", "t4", "v100-sxm2-16gb")
_TEAMS, _USERS = 40, 6
_BATCH = 20_000
_SEED = 42


def fill(database: Database, size: int) -> None:
    """Write a fleet, and `size` holds on it, spread over the year."""
    devices = _fleet(database)
    for rows in _batched(_holds(devices, size)):
        with database.write() as session:
            append(session, table_of(Allocation), [one for one, _ in rows])
            append(session, table_of(Hold), [one for _, one in rows])


def append(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; on PostgreSQL by COPY, which takes a tenth of the time."""
    connection = session.connection()
    dialect = connection.dialect
    if dialect.name != "postgresql":
        connection.execute(insert(table), list(rows))
        return
    names = list(rows[0])
    kinds = [table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names]
    target = f"COPY {table.name} ({', '.join(names)}) FROM STDIN"
    cursor = connection.connection.cursor()
    with cursor.copy(target) as copy:
        for row in rows:
            values = (row[name] for name in names)
            copy.write_row(
                [v if kind is None else kind(v) for v, kind in zip(values, kinds, strict=True)]
            )


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
