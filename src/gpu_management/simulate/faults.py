"""GPUs that break and are mended; when, and what it is, follows from the seed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.devices import service as devices
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval
from gpu_management.simulate import reserve, world

SLOT: Final = timedelta(hours=1)
_PER_SLOT: Final = 0.12
_SHORTEST_MINUTES: Final = 6
_LONGEST_MINUTES: Final = 45

REASONS: Final = (
    "XID 79: GPU has fallen off the bus",
    "XID 48: double-bit ECC error",
    "XID 74: NVLink error",
    "XID 63: row remapping pending, reset needed",
    "XID 94: contained ECC error",
    "XID 119: GSP RPC timeout",
)
"""As in NVIDIA's XID catalogue (docs.nvidia.com/deploy/xid-errors)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A device breaks at a moment; `pick` in [0, 1) says which."""

    at: datetime
    pick: float
    reason: str


def drawn(seed: int, since: datetime, until: datetime) -> list[Fault]:
    """Return the faults that begin in [since, until), in order."""
    slot = SLOT.total_seconds()
    number = since.timestamp() // slot
    found = []
    while number * slot < until.timestamp():
        random = Random(f"{seed}/fault/{number:.0f}")  # noqa: S311 - repeatable on purpose
        if random.random() < _PER_SLOT:
            at = datetime.fromtimestamp((number + random.random()) * slot, tz=since.tzinfo)
            found.append(Fault(at, random.random(), random.choice(REASONS)))
        number += 1
    return [fault for fault in found if since <= fault.at < until]


def repair_time(seed: int, device_pk: int, broken_at: datetime) -> timedelta:
    """Return how long a repair takes: always the same for the same fault."""
    random = Random(f"{seed}/repair/{device_pk}/{broken_at.timestamp():.0f}")  # noqa: S311 - as above
    return timedelta(minutes=random.uniform(_SHORTEST_MINUTES, _LONGEST_MINUTES))


def strike(session: Session, cluster_name: str, fault: Fault, *, now: datetime) -> Device | None:
    """Break the device that the fault picks; None where no device can be spared."""
    spare = reserve.spare(session, cluster_name)
    query = (
        select(Device.id)
        .where(
            Device.cluster_name == cluster_name,
            Device.live_id.is_not(None),
            Device.state == DeviceState.READY,
        )
        .order_by(Device.id)
    )
    at_risk = [pk for pk in session.scalars(query) if spare.allows((pk,))]
    if not at_risk:
        return None
    device = session.get_one(
        Device, at_risk[int(fault.pick * len(at_risk))], populate_existing=True
    )
    take_down(session, device, DeviceState.FAILED, reason=fault.reason, now=now)
    return device


def take_down(
    session: Session,
    device: Device,
    state: DeviceState,
    *,
    reason: str,
    now: datetime,
    actor: str | None = world.SIMULATOR.name,
) -> None:
    """Put a device out of work; simulated work on it ends, people's own stays."""
    for allocation_id in world.running_on(session, device.id):
        world.end(session, allocation_id, reason="device-failed", now=now)
    session.flush()
    session.refresh(device)
    devices.set_state(session, device, state, reason=reason, now=now, actor=actor)


def mend(session: Session, device: Device, *, now: datetime) -> None:
    """Put a device that we broke back to work."""
    reason, actor = "recovered after reset", world.SIMULATOR.name
    devices.set_state(session, device, DeviceState.READY, reason=reason, now=now, actor=actor)


def due(session: Session, cluster_name: str, seed: int, *, now: datetime) -> list[Device]:
    """Return the devices that we broke and whose repair is over."""
    query = (
        select(Device, DeviceStateInterval.started_at)
        .join(DeviceStateInterval, DeviceStateInterval.open_device_id == Device.id)
        .where(
            Device.cluster_name == cluster_name,
            Device.state == DeviceState.FAILED,
            DeviceStateInterval.actor == world.SIMULATOR.name,
        )
    )
    return [
        device
        for device, broken_at in session.execute(query)
        if broken_at + repair_time(seed, device.id, broken_at) <= now
    ]


def mend_due(session: Session, cluster_name: str, seed: int, *, now: datetime) -> None:
    """Mend what we broke and whose repair is over."""
    for device in due(session, cluster_name, seed, now=now):
        mend(session, device, now=now)
