"""Taking in what collectors send: samples, when a GPU was last seen, numbers of MIG instances."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from gpu_management.core.database import table_of
from gpu_management.devices.models import Device
from gpu_management.metrics import residents
from gpu_management.metrics.arrivals import LiveInstance, ToldInstance, numbered
from gpu_management.metrics.ingest import SEEN_EVERY, Devices, Seen, Taken, take
from gpu_management.metrics.readings import Reading
from gpu_management.mig.models import MigInstance

_STILL_TRUE: Final = timedelta(minutes=2)
"""How long who has which GPU is believed: a buffered look tells of pods that are gone."""
_DEVICES: Final = table_of(Device)
_INSTANCES: Final = table_of(MigInstance)


@dataclass(frozen=True, slots=True)
class Intake:
    """What taking in needs to know of the house."""

    interval_seconds: int = 15
    most_readings: int = 500
    kept: timedelta = timedelta(hours=6)
    devices: Devices = field(default_factory=Devices)
    seen: Seen = field(default_factory=Seen)


def ingest(
    session: Session,
    intake: Intake,
    readings: Sequence[Reading],
    *,
    collected_at: datetime,
    now: datetime,
) -> Taken:
    """Store one look at a node, note that its GPUs were seen, and number its MIG instances."""
    taken = take(
        session,
        intake.devices,
        readings,
        collected_at=collected_at,
        oldest=now - intake.kept,
        now=now,
    )
    if taken.refused is not None or not taken.accepted:
        return taken
    known = intake.devices.ids(session, (), now=now)
    keys = {known[one.target.uuid] for one in readings if one.target.uuid in known}
    if now - collected_at <= _STILL_TRUE:  # first: it may take the cluster's turn, then devices
        residents.verify_residents(session, readings, known, told_at=collected_at, now=now)
    note_instances(session, readings, known)
    seen_at = min(collected_at, now)
    due = intake.seen.due(keys, seen_at)
    if due:
        _note_seen(session, due, seen_at)
    return taken


def _note_seen(session: Session, keys: set[int], seen_at: datetime) -> None:
    """Note that GPUs were seen, at most once a minute each.

    Rows that somebody is changing are left for the next time, so that nobody waits for anybody.
    """
    stale = or_(
        Device.last_seen_at.is_(None),
        Device.last_seen_at < seen_at - SEEN_EVERY,
    )
    query = select(Device.id).where(Device.id.in_(keys), stale)
    found = session.connection().execute(query.with_for_update(skip_locked=True)).scalars().all()
    if found:
        change = update(_DEVICES).where(_DEVICES.c.id.in_(found))
        session.connection().execute(change.values(last_seen_at=seen_at))


def note_instances(session: Session, readings: Sequence[Reading], known: Mapping[str, int]) -> None:
    """Write down by which number the driver knows each instance; `known` are devices by UUID."""
    told: dict[int, dict[int, ToldInstance]] = defaultdict(dict)
    for one in readings:
        number, device = one.target.gpu_instance_id, known.get(one.target.uuid)
        if number is not None and device is not None:
            told[device][number] = ToldInstance.of(one)
    if not told:
        return
    live: dict[int, list[LiveInstance]] = defaultdict(list)
    query = select(
        MigInstance.device_id,
        MigInstance.id,
        MigInstance.profile_name,
        MigInstance.gpu_instance_id,
        MigInstance.uuid,
        MigInstance.placement_start,
    ).where(MigInstance.device_id.in_(told), MigInstance.destroyed_at.is_(None))
    for device, key, profile, number, uuid, start in session.connection().execute(query):
        live[device].append(LiveInstance(key, profile, number, uuid, start))
    for device, instances in live.items():
        for key, number in numbered(instances, told[device]).items():
            change = update(_INSTANCES).where(_INSTANCES.c.id == key)
            session.connection().execute(change.values(gpu_instance_id=number))
