"""Tables of MIG: profiles, instances, and the layouts a device has had."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gpu_management.core.database import Base, Flag, JsonText, RowId, UtcDateTime


class MigProfile(Base):
    """A profile of one geometry, for reports that join in SQL; the rules read the catalogue."""

    __tablename__ = "mig_profiles"

    geometry: Mapped[str] = mapped_column(String(63), primary_key=True)
    profile_name: Mapped[str] = mapped_column(String(24), primary_key=True)
    compute_slices: Mapped[int] = mapped_column()
    memory_slices: Mapped[int] = mapped_column()
    memory_gb: Mapped[int] = mapped_column()
    memory_mib: Mapped[int | None] = mapped_column()
    placement_size: Mapped[int] = mapped_column()
    placement_starts: Mapped[list[int]] = mapped_column(JsonText)
    max_instances: Mapped[int] = mapped_column()


class MigInstance(Base):
    """A slice of a device.

    `live_slot` names device and start while the instance exists: no two begin at one place.
    """

    __tablename__ = "mig_instances"
    __table_args__ = (
        UniqueConstraint("live_slot"),
        UniqueConstraint("live_id"),
        Index("ix_mig_instances_device", "device_id", "destroyed_at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    mig_id: Mapped[str] = mapped_column(String(320))
    live_id: Mapped[str | None] = mapped_column(String(320))
    live_slot: Mapped[str | None] = mapped_column(String(40))
    device_id: Mapped[int] = mapped_column(ForeignKey("gpu_devices.id"))
    uuid: Mapped[str | None] = mapped_column(String(80))
    profile_name: Mapped[str] = mapped_column(String(24))
    gpu_instance_id: Mapped[int | None] = mapped_column()
    compute_instance_id: Mapped[int | None] = mapped_column()
    placement_start: Mapped[int] = mapped_column()
    placement_size: Mapped[int] = mapped_column()
    milli: Mapped[int] = mapped_column()
    held: Mapped[bool] = mapped_column(Flag)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    destroyed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class MigLayout(Base):
    """A stretch [started_at, ended_at) in which a device had one layout.

    `open_device_id` repeats the device while the stretch is open.
    """

    __tablename__ = "mig_layouts"
    __table_args__ = (
        UniqueConstraint("open_device_id"),
        Index("ix_mig_layouts_device", "device_id", "started_at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("gpu_devices.id"))
    open_device_id: Mapped[int | None] = mapped_column(BigInteger)
    mig_enabled: Mapped[bool] = mapped_column(Flag)
    layout: Mapped[list[dict[str, Any]]] = mapped_column(JsonText)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
