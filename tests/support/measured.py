"""A small fleet that was measured for two hours, in our tables and as a Prometheus keeps it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from gpu_management.devices.models import Device
from gpu_management.metrics.ingest import take
from gpu_management.metrics.readings import Reading, Target
from gpu_management.metrics.rollup import roll_up
from gpu_management.metrics.service import Intake
from gpu_management.mig.models import MigInstance
from tests.support.house import A100, House

INTERVAL = 15
BEGINS = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ENDS = BEGINS + timedelta(hours=2)
_GAP = range(1800, 2700)
"""Seconds in which the second GPU told nothing."""


def measured_house(house: House) -> House:
    """Return the house with two T4, of which one is held, and an A100 that is cut."""
    house.node(gpus=2)
    house.node("n2", model=A100, layout=[("3g.40gb", 0), ("1g.10gb", 4)])
    with house.database.write() as session:
        for device in session.scalars(select(Device)):
            uuid = f"GPU-{device.id}"
            change = update(Device).where(Device.id == device.id)
            session.execute(change.values(uuid=uuid, live_uuid=uuid))
        for instance in session.scalars(select(MigInstance)):
            instance.gpu_instance_id = 2 if instance.profile_name == "3g.40gb" else 9
    return house


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the fleet told."""

    at: datetime
    readings: list[Reading]


def looks() -> Iterator[Look]:
    """Yield two hours of looks: waves, a gap, and a T4 of which two pods' rows tell the same."""
    for second in range(0, 7200, INTERVAL):
        wave = (1 + math.sin(second / 300)) / 2
        readings = [
            Reading(Target("GPU-1"), gpu_util_pct=100 * wave, memory_used_mib=4000 + second / 10),
            Reading(Target("GPU-3", 2), engine_active_ratio=wave / 2, memory_used_mib=20_000.0),
            Reading(Target("GPU-3", 9), engine_active_ratio=0.75, memory_used_mib=5_000.0),
        ]
        if second not in _GAP:
            second_gpu = Reading(Target("GPU-2"), gpu_util_pct=5.0, temperature_celsius=50.0)
            readings.append(second_gpu)
        for reading in readings[:1]:
            reading.temperature_celsius = 40 + 30 * wave
            reading.power_w = 70.0
        yield Look(BEGINS + timedelta(seconds=second), readings)


def fill(house: House) -> None:
    """Take everything in, and make minutes and hours of it."""
    intake = Intake(kept=timedelta(days=3))
    with house.database.write() as session:
        for look in looks():
            take(
                session,
                intake.devices,
                look.readings,
                collected_at=look.at,
                oldest=BEGINS,
                now=ENDS,
            )
    house.clock.now = ENDS + timedelta(minutes=5)
    with house.database.write() as session:
        roll_up(session, now=house.now)


_SERIES = {
    "DCGM_FI_DEV_GPU_UTIL": "gpu_util_pct",
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": "engine_active_ratio",
    "DCGM_FI_DEV_FB_USED": "memory_used_mib",
    "DCGM_FI_DEV_GPU_TEMP": "temperature_celsius",
    "DCGM_FI_DEV_POWER_USAGE": "power_w",
}


def exposition() -> str:
    """Return the same as OpenMetrics with times; GPU-1 is shared: two pods, two equal rows."""
    rows: dict[str, list[str]] = {name: [] for name in _SERIES}
    for look in looks():
        for reading in look.readings:
            for name, field in _SERIES.items():
                value = getattr(reading, field)
                if value is not None:
                    at = int(look.at.timestamp())
                    rows[name] += [f"{name}{{{told}}} {value} {at}" for told in _labels(reading)]
    lines = []
    for name, some in rows.items():
        lines += [f"# TYPE {name} gauge", *some]
    return "\n".join([*lines, "# EOF", ""])


def _labels(reading: Reading) -> list[str]:
    target = reading.target
    told = f'UUID="{target.uuid}",gpu="0",Hostname="n1"'
    if target.gpu_instance_id is not None:
        told += f',GPU_I_ID="{target.gpu_instance_id}",GPU_I_PROFILE="x"'
    if target.uuid == "GPU-1":
        return [f'{told},exported_pod="a"', f'{told},exported_pod="b"']
    return [told]
