"""Take in what collectors send: each sample once, of devices that are known, in time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.core.clock import whole_second
from gpu_management.core.database import insert_new, table_of
from gpu_management.devices.models import Device
from gpu_management.metrics.arrivals import busy_of_pod, plausible
from gpu_management.metrics.models import WHOLE_GPU, PodSample, Sample
from gpu_management.metrics.readings import Reading
from gpu_management.metrics.rollup import note_late

SEEN_EVERY: Final = timedelta(minutes=1)
MOST_AHEAD: Final = timedelta(minutes=2)
"""How far a collector's clock may run before ours."""
_IN_TIME: Final = timedelta(seconds=30)
"""What is younger cannot be of a minute that is made: those are 90 s old."""
_TABLE: Final = table_of(Sample)
_PODS: Final = table_of(PodSample)
_KEYS: Final = frozenset({"created_at", "device_id", "gpu_instance_id", "utilization_pct"})
COLUMNS: Final = tuple(column.name for column in _TABLE.columns if column.name not in _KEYS)
"""The columns of a sample that are fields of a reading of the same name."""
_KNOWN = select(Device.live_uuid, Device.id).where(Device.live_uuid.is_not(None))


@dataclass(slots=True)
class Taken:
    """What became of a batch."""

    accepted: int = 0
    duplicates: int = 0
    unknown_uuids: list[str] = field(default_factory=list)
    refused: str | None = None


class Devices:
    """The devices by UUID, as they were when they were last looked up; shared by threads."""

    def __init__(self) -> None:
        """Know none yet."""
        self._ids: Mapping[str, int] = {}
        self._read_at: datetime | None = None
        self._lock = Lock()

    def ids(self, session: Session, uuids: Iterable[str], *, now: datetime) -> Mapping[str, int]:
        """Return device keys by UUID; reads again for one that is not known, once a minute."""
        with self._lock:
            stale = self._read_at is None or now - self._read_at >= timedelta(minutes=1)
            if stale and (self._read_at is None or any(uuid not in self._ids for uuid in uuids)):
                rows = session.connection().execute(_KNOWN)
                self._ids = {str(uuid): device for uuid, device in rows}
                self._read_at = now
            return self._ids


class Seen:
    """When this process last noted that a GPU was seen; shared by threads."""

    def __init__(self) -> None:
        """Know of none yet."""
        self._noted: dict[int, datetime] = {}

    def due(self, keys: Iterable[int], seen_at: datetime) -> set[int]:
        """Return the GPUs that are to be noted again, and take them for noted."""
        before = seen_at - SEEN_EVERY
        found = {key for key in keys if self._noted.get(key, before) <= before}
        self._noted.update(dict.fromkeys(found, seen_at))
        return found


def take(
    session: Session,
    devices: Devices,
    readings: Sequence[Reading],
    *,
    collected_at: datetime,
    oldest: datetime,
    now: datetime,
) -> Taken:
    """Store the readings of one look; a sample that is there already changes nothing.

    A look from before `oldest` (samples are not kept that long), or from further in the future than
    clocks may differ, is refused as a whole, with the reason in the answer.
    """
    moment = whole_second(collected_at)
    taken = Taken()
    if moment > now + MOST_AHEAD:
        taken.refused = (
            f"collected at {moment.isoformat()}, which is {moment - now} ahead of this server:"
            " the clock of the node is wrong"
        )
        return taken
    if moment < oldest:
        taken.refused = (
            f"collected at {moment.isoformat()}; samples are kept since {oldest.isoformat()}"
        )
        return taken
    known = devices.ids(session, (one.target.uuid for one in readings), now=now)
    taken.unknown_uuids = sorted(
        {one.target.uuid for one in readings if one.target.uuid not in known}
    )
    rows = list(_rows(readings, known, moment))
    if rows:
        taken.accepted = insert_new(session, _TABLE, rows)
        taken.duplicates = len(rows) - taken.accepted
    pods = list(_pod_rows(readings, known, moment))
    if pods:
        insert_new(session, _PODS, pods)
    if taken.accepted and moment < now - _IN_TIME:
        note_late(session, moment)
    return taken


def _rows(
    readings: Iterable[Reading], known: Mapping[str, int], moment: datetime
) -> Iterator[dict[str, Any]]:
    for reading in readings:
        device = known.get(reading.target.uuid)
        if device is not None:
            instance = reading.target.gpu_instance_id
            row: dict[str, Any] = {name: getattr(reading, name) for name in COLUMNS}
            row["created_at"] = moment
            row["device_id"] = device
            row["gpu_instance_id"] = WHOLE_GPU if instance is None else instance
            row["utilization_pct"] = reading.utilization_pct
            yield row


def _pod_rows(
    readings: Iterable[Reading], known: Mapping[str, int], moment: datetime
) -> Iterator[dict[str, Any]]:
    for reading in readings:
        device = known.get(reading.target.uuid)
        if device is None or not reading.pod_use:
            continue
        instance = reading.target.gpu_instance_id
        for one in reading.pod_use:
            memory = one.memory_mib
            yield {
                "created_at": moment,
                "device_id": device,
                "gpu_instance_id": WHOLE_GPU if instance is None else instance,
                "pod_uid": one.pod_uid,
                "busy_pct": busy_of_pod(one.busy_pct),
                "memory_mib": None if memory is None else plausible("memory_mib", memory),
            }
