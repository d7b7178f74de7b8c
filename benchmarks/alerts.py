"""Measure alerts: every rule over 10,000 GPUs, beside a Prometheus with the same rules and series.

    python -m benchmarks.alerts [--quick] [--json FILE]

A quarter of an hour of looks every 30 seconds is there, as an exporter tells them; then one round
of all rules is measured: ours on one core, then with reading and writing, then Prometheus's.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import httpx2
import numpy as np
import pytest
import yaml
from sqlalchemy import select, update

from gpu_management.alerts import measures as of
from gpu_management.alerts.evaluator import Memory, evaluate
from gpu_management.alerts.jobs import Watch
from gpu_management.alerts.journal import Terms
from gpu_management.alerts.past import Column, Key, Past, column, key_of
from gpu_management.alerts.reading import Reader
from gpu_management.alerts.rules import RULES, SHIPPED
from gpu_management.devices.bulk import NodePlan, register_all
from gpu_management.devices.models import Device
from gpu_management.devices.service import DeviceFacts, NodeFacts
from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.ingest import take
from gpu_management.metrics.latest import Latest
from gpu_management.metrics.readings import Reading, Target
from gpu_management.metrics.service import Intake
from tests.prometheus.rules import RULE_FILES
from tests.support.house import CLUSTER, House, prepared_database
from tests.support.prometheus import scraping

FLEET, A_NODE = 10_000, 8
STEP, TICKS = 30, 31
ROUNDS = 7
MODEL, MODEL_NAME = "a100-sxm4-40gb", "NVIDIA A100-SXM4-40GB"
HOT_EVERY = 100
"""One GPU of a hundred is too hot, and busy GPUs are all the others."""
MORE = tuple(
    replace(RULES[0], name=f"Above{celsius}", threshold=celsius) for celsius in (86, 87, 88)
)
"""Three rules more, so that there are thirty; Prometheus gets four."""
_FIELDS = {
    of.TEMPERATURE: "temperature_celsius",
    of.UTILIZATION: "gpu_util_pct",
    of.XID: "last_xid",
    of.DOUBLE_BIT: "ecc_double_bit",
    of.REMAP_FAILURE: "remap_failed",
    of.THERMAL_VIOLATION: "thermal_violation_ns",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write the figures as JSON."""
    parser = argparse.ArgumentParser(description="Measure alerts.")
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
    gpus = FLEET // 10 if quick else FLEET
    found = {"gpus": gpus, "rules": len(RULES) + len(MORE), **_pure(gpus), **_whole(gpus)}
    try:
        found["prometheus"] = _prometheus(gpus)
    except pytest.skip.Exception as missing:
        print(f"{missing}; it is left out", file=sys.stderr)
    return found


def print_table(found: dict[str, Any]) -> None:
    """Print what was measured."""
    print(f"\nalerts, {found['rules']} rules over {found['gpus']:,} GPUs, one round")
    print(f"  rules alone, one core       {found['rules_cpu_seconds'] * 1000:>8.0f} ms")
    print(f"  with reading, quiet         {found['quiet_cpu_seconds'] * 1000:>8.0f} ms CPU")
    print(
        f"  with writing                {found['storm_cpu_seconds'] * 1000:>8.0f} ms CPU,"
        f" {found['storm_alerts']:,} alerts at once"
    )
    told = found.get("prometheus")
    if told:
        print(
            f"  Prometheus, {told['rules']} rules        {told['cpu_seconds'] * 1000:>8.0f} ms CPU,"
            f" {told['evaluation_seconds'] * 1000:.0f} ms in its rule groups"
        )


def _value(name: str, gpu: int, tick: int) -> float:
    if name == of.TEMPERATURE:
        return 91.0 if gpu % HOT_EVERY == 0 else 60.0 + (gpu + tick) % 15
    if name == of.UTILIZATION:
        return float((gpu * 7 + tick) % 100)
    return float(tick * 1000) if name == of.THERMAL_VIOLATION else 0.0


def _labels(gpu: int) -> dict[str, str]:
    return {
        "instance": f"n{gpu // A_NODE:05}",
        "gpu": str(gpu % A_NODE),
        "UUID": f"GPU-{gpu}",
        "modelName": MODEL_NAME,
    }


def _pure(gpus: int) -> dict[str, float]:
    """One round of the rules over windows that are full; the median of some."""
    past, keys = Past(of.KEEP_SECONDS), tuple(key_of(**_labels(gpu)) for gpu in range(gpus))
    up: dict[Key, float] = {
        key_of(instance=f"n{node:05}", job=of.EXPORTER): 1.0 for node in range(-(-gpus // A_NODE))
    }
    up[key_of(instance="self", job=of.PRODUCT)] = 1.0
    told_up = column(up)
    memory, took = Memory(), []
    start = datetime(2026, 3, 2, tzinfo=UTC)
    for tick in range(TICKS + ROUNDS):
        now = start + timedelta(seconds=STEP * tick)
        told = {
            name: Column(keys, np.array([_value(name, gpu, tick) for gpu in range(gpus)]))
            for name in _FIELDS
        }
        began = process_time()
        past.add(now.timestamp(), {**told, of.UP: told_up})
        memory = evaluate(memory, past, (*RULES, *MORE), now=now).memory
        took.append(process_time() - began)
    return {"rules_cpu_seconds": median(took[-ROUNDS:])}


def _whole(gpus: int) -> dict[str, float]:
    """Whole looks of the job on SQLite: of a quiet fleet, and when all alerts begin at once."""
    with tempfile.TemporaryDirectory() as folder:
        house = House(prepared_database(Path(folder)))
        _register(house, gpus)
        reader = Reader(Latest(Embedded(), STEP), house.desk)
        watch = Watch(house.database, reader, Terms(CLUSTER), (*RULES, *MORE))
        intake, quiet = Intake(), []
        for tick in range(3 + ROUNDS):
            _measure(house, intake, gpus, tick=tick, xid=0)
            began = process_time()
            watch.run(house.now)
            quiet.append(process_time() - began)
        _measure(house, intake, gpus, tick=99, xid=79)
        began = process_time()
        alerts = watch.run(house.now)
        storm = process_time() - began
        house.database.close()
    return {
        "quiet_cpu_seconds": median(quiet[-ROUNDS:]),
        "storm_cpu_seconds": storm,
        "storm_alerts": alerts,
    }


def _register(house: House, gpus: int) -> None:
    devices = [DeviceFacts(model_id=MODEL)] * A_NODE
    plans = [NodePlan(f"n{node:05}", NodeFacts(), devices) for node in range(-(-gpus // A_NODE))]
    with house.database.write() as session:
        register_all(session, CLUSTER, plans, now=house.now)
        session.flush()
        for number, key in enumerate(session.scalars(select(Device.id).order_by(Device.id))):
            uuid = f"GPU-{number}"
            change = update(Device).where(Device.id == key)
            session.execute(change.values(uuid=uuid, live_uuid=uuid))


def _measure(house: House, intake: Intake, gpus: int, *, tick: int, xid: int) -> None:
    """Take in one look at every GPU; half of the fleet tells of the error at most."""
    now = house.clock.forward(seconds=STEP)
    readings = []
    for gpu in range(gpus):
        reading = Reading(Target(f"GPU-{gpu}"))
        for name, field in _FIELDS.items():
            setattr(reading, field, _value(name, gpu, tick))
        reading.last_xid, reading.remap_failed = (xid if gpu % 2 else 0), False
        readings.append(reading)
    with house.database.write() as session:
        oldest = now - timedelta(hours=6)
        take(session, intake.devices, readings, collected_at=now, oldest=oldest, now=now)


def _prometheus(gpus: int) -> dict[str, float]:
    """A round of Prometheus's rules over the same series, which end when it starts."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed; on Debian: apt-get install prometheus")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        text = folder / "past.om"
        ends = int(time.time()) + 30
        with text.open("w") as out:
            out.writelines(_exposition(gpus, ends))
        subprocess.run(
            [tool, "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "tsdb")],
            check=True,
            capture_output=True,
        )
        text.unlink()
        config = {
            "global": {"evaluation_interval": "10s"},
            "rule_files": [*map(str, RULE_FILES), str(_more_rules(folder))],
        }
        with scraping(folder, config) as client:
            return _rounds(client)


def _more_rules(folder: Path) -> Path:
    rules = [
        {"alert": f"Above{celsius}", "expr": f"{of.TEMPERATURE} > {celsius}", "for": "5m"}
        for celsius in (86, 87, 88, 89)
    ]
    file = folder / "more.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "more", "rules": rules}]}))
    return file


def _exposition(gpus: int, ends: int) -> Iterator[str]:
    for name in _FIELDS:
        yield f"# TYPE {name} gauge\n"
        for gpu in range(gpus):
            told = ",".join(f'{label}="{value}"' for label, value in _labels(gpu).items())
            for tick in range(TICKS):
                at = ends - STEP * (TICKS - 1 - tick)
                yield f"{name}{{{told}}} {_value(name, gpu, tick)} {at}\n"
    yield "# TYPE up gauge\n"
    for node in range(-(-gpus // A_NODE)):
        for tick in range(TICKS):
            at = ends - STEP * (TICKS - 1 - tick)
            yield f'up{{instance="n{node:05}",job="{of.EXPORTER}"}} 1 {at}\n'
    yield "# EOF\n"


def _rounds(client: httpx2.Client) -> dict[str, float]:
    """Let some rounds pass: the first ones have no recorded series yet."""
    for _ in range(2):
        _wait_for_round(client)
    used, sums = _cpu_seconds(client), []
    for _ in range(3):
        _wait_for_round(client)
        sums.append(_evaluation_seconds(client))
    cpu = (_cpu_seconds(client) - used) / 3
    return {"rules": len(SHIPPED) + 4, "cpu_seconds": cpu, "evaluation_seconds": median(sums)}


def _groups(client: httpx2.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/v1/rules").json()["data"]["groups"]
    return found


def _wait_for_round(client: httpx2.Client) -> None:
    """Wait until every group was evaluated once more."""
    began = perf_counter()
    before = {group["name"]: group["lastEvaluation"] for group in _groups(client)}
    while perf_counter() - began < 60:
        now = {group["name"]: group["lastEvaluation"] for group in _groups(client)}
        if all(now[name] != at and not now[name].startswith("0001") for name, at in before.items()):
            return
        time.sleep(0.5)
    raise TimeoutError("Prometheus evaluates no more rounds")


def _evaluation_seconds(client: httpx2.Client) -> float:
    return sum(float(group["evaluationTime"]) for group in _groups(client))


def _cpu_seconds(client: httpx2.Client) -> float:
    for line in client.get("/metrics").text.splitlines():
        if line.startswith("process_cpu_seconds_total "):
            return float(line.split()[1])
    raise LookupError("Prometheus does not tell its CPU time")


if __name__ == "__main__":
    sys.exit(main())
