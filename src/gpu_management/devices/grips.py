"""Taking and giving a part of a device or of a node's host: what every allocation writes."""

from dataclasses import dataclass

from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from gpu_management.core.database import table_of
from gpu_management.core.trips import send
from gpu_management.devices.errors import StaleDecision
from gpu_management.devices.models import Device, DeviceState, Node

# Statements of every allocation, built once: building one costs more than running it.
_TAKE = (
    update(table_of(Device))
    .where(
        Device.id == bindparam("pk"),
        Device.version == bindparam("seen_version"),
        Device.held_milli <= bindparam("most_held"),
        Device.state == DeviceState.READY,
        Device.live_id.is_not(None),
    )
    .values(
        held_milli=Device.held_milli + bindparam("milli"),
        version=Device.version + 1,
        revision=bindparam("at_revision"),
    )
)
_GIVE = (
    update(table_of(Device))
    .where(Device.id == bindparam("pk"))
    .values(
        held_milli=Device.held_milli - bindparam("milli"),
        version=Device.version + 1,
        revision=bindparam("at_revision"),
    )
)
_HOLD_HOST = (
    update(table_of(Node))
    .where(Node.id == bindparam("pk"))
    .values(
        cpu_held_milli=Node.cpu_held_milli + bindparam("cpu"),
        memory_held_mib=Node.memory_held_mib + bindparam("memory"),
        revision=bindparam("at_revision"),
    )
)


@dataclass(frozen=True, slots=True)
class Grip:
    """What a decision saw of a device: the swap succeeds only if it is still so."""

    device_id: int
    version: int
    milli: int


def take(session: Session, grip: Grip, *, revision: int) -> None:
    """Hold `grip.milli` of a device.

    Raises:
        StaleDecision: the device changed, stopped working or is full; an open trip raises it.
    """
    seen = {
        "pk": grip.device_id,
        "seen_version": grip.version,
        "milli": grip.milli,
        "most_held": 1000 - grip.milli,
        "at_revision": revision,
    }
    stale = StaleDecision(f"device {grip.device_id} changed since version {grip.version}")
    send(session, _TAKE, seen, otherwise=stale)


def give(session: Session, device_pk: int, milli: int, *, revision: int) -> None:
    """Return `milli` of a device."""
    back = {"pk": device_pk, "milli": milli, "at_revision": revision}
    send(session, _GIVE, back)


def hold_host(
    session: Session, node_pk: int, *, cpu_milli: int, memory_mib: int, revision: int
) -> None:
    """Hold host CPU and memory of a node; negative amounts give them back."""
    if not cpu_milli and not memory_mib:
        return
    more = {"pk": node_pk, "cpu": cpu_milli, "memory": memory_mib, "at_revision": revision}
    send(session, _HOLD_HOST, more)
