"""The demonstration's collector: it takes in what the GPUs do, and writes down what they did."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from gpu_management.core.database import Database, table_of
from gpu_management.costs.bulk import append
from gpu_management.metrics.models import WHOLE_GPU, HourUse, MinuteUse, RollUp
from gpu_management.metrics.rollup import least_samples
from gpu_management.metrics.service import Intake, ingest, note_instances
from gpu_management.simulate import measuring
from gpu_management.simulate.measuring import Fleet

SECONDS: Final = 15
"""Between two looks."""
_MINUTE, _HOUR = 60, 3600
_NEWEST: Final = timedelta(minutes=75)
"""How much of the past has minutes at least: what idle GPUs are told by."""
_MEANT: Final = (
    "utilization_pct",
    "memory_used_mib",
    "temperature_celsius",
    "power_w",
    "sm_clock_mhz",
    "tensor_active_ratio",
    "dram_active_ratio",
)
_MAXED: Final = _MEANT[:4]


@dataclass(slots=True)
class Collector:
    """Looks at all GPUs of the demonstration every 15 seconds."""

    cluster_name: str
    seed: int
    intake: Intake = field(default_factory=Intake)
    _looked: int = 0

    def look(self, database: Database, now: datetime) -> None:
        """Take in what is measured now, if it is time for it."""
        at = int(now.timestamp()) // SECONDS * SECONDS
        if at <= self._looked:
            return
        self._looked = at
        moment = datetime.fromtimestamp(at, tz=UTC)
        with database.read() as session:
            fleet = measuring.fleet_of(
                session, self.cluster_name, self.seed, since=moment, until=now
            )
        with database.write() as session:
            readings = list(fleet.readings(at))
            ingest(session, self.intake, readings, collected_at=moment, now=now)


def write_past(
    session: Session, cluster_name: str, seed: int, *, since: datetime, now: datetime
) -> None:
    """Write the minutes and hours that a collector would have left from `since` to `now`.

    A real one looks 240 times an hour; here one look stands for all, so that a new fleet is ready
    in seconds.
    """
    last = int(now.timestamp()) // _MINUTE * _MINUTE
    border = int((now - _NEWEST).timestamp()) // _HOUR * _HOUR
    first = int(since.timestamp()) // _HOUR * _HOUR
    fleet = measuring.fleet_of(session, cluster_name, seed, since=since, until=now)
    for at in range(border, last, _MINUTE):
        _write(session, MinuteUse, _rows(fleet, at, _MINUTE))
    least = least_samples(SECONDS)
    for at in range(first, border, _HOUR):
        _write(session, HourUse, (_counted(row, least) for row in _rows(fleet, at, _HOUR)))
    devices = {card.uuid: card.device for card in fleet.cards}
    note_instances(session, list(fleet.readings(last)), devices)
    session.add(RollUp(tier="minute", done_until_ts=last))
    session.add(RollUp(tier="hour", done_until_ts=max(border, first)))


def _write(session: Session, kind: type[Any], rows: Iterator[dict[str, Any]]) -> None:
    append(session, table_of(kind), list(rows))


def _rows(fleet: Fleet, at: int, seconds: int) -> Iterator[dict[str, Any]]:
    """Yield the stretch [at, at + seconds) of every target, told from one look in its middle."""
    devices = {card.uuid: card.device for card in fleet.cards}
    samples = seconds // SECONDS
    for reading in fleet.readings(at + seconds // 2):
        number = reading.target.gpu_instance_id
        told = {name: getattr(reading, name) for name in _MEANT}
        yield {
            "device_id": devices[reading.target.uuid],
            "gpu_instance_id": WHOLE_GPU if number is None else number,
            "at_ts": at,
            "samples": samples,
            "utilization_samples": samples,
            **told,
            **{f"{name}_max": told[name] for name in _MAXED},
        }


def _counted(row: Mapping[str, Any], least: int) -> dict[str, Any]:
    minutes = row["samples"] * SECONDS // _MINUTE
    measured = {
        "measured_least": least,
        "measured_minutes": minutes,
        "measured_pct": minutes * row["utilization_pct"],
    }
    return {**row, **measured}
