"""The stretches of a device's availability, and telling about them."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.core.clock import whole_second
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval, Node
from gpu_management.events import service as events


def open_state(
    session: Session,
    device: Device,
    state: DeviceState,
    *,
    reason: str,
    now: datetime,
    actor: str | None = None,
) -> None:
    """Begin a stretch; the caller has closed the one before."""
    session.add(
        DeviceStateInterval(
            device_id=device.id,
            open_device_id=device.id,
            state=state,
            reason=reason,
            actor=actor,
            node_pool=session.get_one(Node, device.node_id).node_pool,
            started_at=whole_second(now),
        )
    )


def roll_over(session: Session, device: Device, node_pool: str | None, *, now: datetime) -> None:
    """End the open stretch of a device and go on with the same state in another node pool."""
    query = select(DeviceStateInterval).where(DeviceStateInterval.open_device_id == device.id)
    stretch = session.scalars(query).one_or_none()
    if stretch is None:
        return
    began = close_state(session, device, now=now)
    session.add(
        DeviceStateInterval(
            device_id=device.id,
            open_device_id=device.id,
            state=stretch.state,
            reason=stretch.reason,
            actor=stretch.actor,
            node_pool=node_pool,
            started_at=began,
        )
    )


def close_state(session: Session, device: Device, *, now: datetime) -> datetime:
    """End the open stretch of a device and return when: now, but never before it began."""
    session.flush()
    moment = whole_second(now)
    query = select(DeviceStateInterval).where(DeviceStateInterval.open_device_id == device.id)
    for stretch in session.scalars(query):
        stretch.ended_at = moment = max(moment, stretch.started_at)
        stretch.open_device_id = None
    session.flush()
    return moment


def say(session: Session, kind: str, device: Device, *, now: datetime) -> None:
    """Write an event about a device in the transaction of the deed."""
    events.record(
        session,
        kind,
        subject_kind="device",
        subject_id=device.device_id,
        data={
            "deviceId": device.device_id,
            "state": device.state.value,
            "reason": device.state_reason,
            "modelId": device.model_id,
        },
        now=now,
    )
