"""The layouts a device has had: one stretch follows the other without a gap."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.core.clock import whole_second
from gpu_management.devices.models import Device
from gpu_management.mig.models import MigInstance, MigLayout


def close(session: Session, device: Device, *, now: datetime) -> datetime:
    """End the open stretch and return when: now, but never before it began."""
    moment = whole_second(now)
    for stretch in session.scalars(select(MigLayout).where(MigLayout.open_device_id == device.id)):
        stretch.ended_at = moment = max(moment, stretch.started_at)
        stretch.open_device_id = None
    session.flush()
    return moment


def record(
    session: Session, device: Device, standing: Sequence[MigInstance], *, now: datetime
) -> None:
    """Close the open stretch of the layout history and begin one with what stands now."""
    moment = close(session, device, now=now)
    session.add(
        MigLayout(
            device_id=device.id,
            open_device_id=device.id,
            mig_enabled=device.mig_enabled,
            layout=[{"profile": i.profile_name, "start": i.placement_start} for i in standing],
            started_at=moment,
        )
    )
