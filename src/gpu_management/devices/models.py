"""Tables of the inventory: clusters, models, nodes, devices and how available they were."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gpu_management.core.database import Base, Flag, JsonText, RowId, UtcDateTime, enum_text
from gpu_management.devices.health import Verdict


class DeviceState(StrEnum):
    """Whether a device can work; what it is doing is told by its holds."""

    READY = "READY"
    MAINTENANCE = "MAINTENANCE"
    FAILED = "FAILED"
    OFFLINE = "OFFLINE"
    RECONFIGURING = "RECONFIGURING"
    """Held back while a repartition plan is carried out: nothing new is placed on it."""


class DeviceStatus(StrEnum):
    """State and use in one word, as clients read it (SVC-05)."""

    AVAILABLE = "AVAILABLE"
    ALLOCATED = "ALLOCATED"
    MIG = "MIG"
    MAINTENANCE = "MAINTENANCE"
    FAILED = "FAILED"
    OFFLINE = "OFFLINE"


class Cluster(Base):
    """A Kubernetes cluster; its `revision` numbers every change that placement must see."""

    __tablename__ = "gpu_clusters"

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Model(Base):
    """An accelerator model: the packaged catalogue and what administrators add to it."""

    __tablename__ = "gpu_models"

    model_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    model_name: Mapped[str] = mapped_column(String(120))
    manufacturer: Mapped[str] = mapped_column(String(60))
    architecture: Mapped[str | None] = mapped_column(String(60))
    memory_gb: Mapped[int] = mapped_column()
    memory_mib: Mapped[int | None] = mapped_column()
    memory_type: Mapped[str | None] = mapped_column(String(24))
    memory_bandwidth_gbps: Mapped[float | None] = mapped_column()
    cuda_cores: Mapped[int | None] = mapped_column()
    tensor_cores: Mapped[int | None] = mapped_column()
    compute_capability: Mapped[str | None] = mapped_column(String(12))
    tdp_watts: Mapped[int | None] = mapped_column()
    mig_geometry: Mapped[str | None] = mapped_column(String(63))
    max_mig_instances: Mapped[int] = mapped_column()
    pci_ids: Mapped[list[str]] = mapped_column(JsonText)
    name_aliases: Mapped[list[str]] = mapped_column(JsonText)
    end_of_life: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_catalog: Mapped[bool] = mapped_column(Flag)

    @property
    def mig_support(self) -> bool:
        """Say whether the model can be cut into MIG instances."""
        return self.mig_geometry is not None


class Node(Base):
    """A machine with GPUs; CPU and memory are what its pods may ask for."""

    __tablename__ = "gpu_nodes"
    __table_args__ = (
        UniqueConstraint("cluster_name", "node_name"),
        CheckConstraint("cpu_held_milli >= 0", name="cpu_held"),
        CheckConstraint("memory_held_mib >= 0", name="memory_held"),
        Index("ix_gpu_nodes_revision", "cluster_name", "revision"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    cluster_name: Mapped[str] = mapped_column(ForeignKey("gpu_clusters.name"))
    node_name: Mapped[str] = mapped_column(String(253))
    rank: Mapped[int] = mapped_column()
    ip: Mapped[str | None] = mapped_column(String(45))
    is_schedulable: Mapped[bool] = mapped_column(Flag)
    driver_version: Mapped[str | None] = mapped_column(String(40))
    cuda_version: Mapped[str | None] = mapped_column(String(40))
    kubelet_version: Mapped[str | None] = mapped_column(String(40))
    labels: Mapped[dict[str, str]] = mapped_column(JsonText)
    taints: Mapped[list[dict[str, Any]]] = mapped_column(JsonText)
    zone: Mapped[str | None] = mapped_column(String(63))
    node_pool: Mapped[str | None] = mapped_column(String(120))
    cpu_total_milli: Mapped[int | None] = mapped_column(BigInteger)
    cpu_held_milli: Mapped[int] = mapped_column(BigInteger)
    memory_total_mib: Mapped[int | None] = mapped_column(BigInteger)
    memory_held_mib: Mapped[int] = mapped_column(BigInteger)
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    edition: Mapped[int] = mapped_column()
    revision: Mapped[int] = mapped_column(BigInteger)


class Device(Base):
    """A physical GPU.

    `live_id` and `live_uuid` repeat the id while the device is in the fleet and are empty once it
    is removed, so that both are unique among live devices on every engine and the row can stay
    for the ledger. `version` counts changes of what is held: the compare-and-swap of an allocation.
    """

    __tablename__ = "gpu_devices"
    __table_args__ = (
        UniqueConstraint("live_id"),
        UniqueConstraint("live_uuid"),
        CheckConstraint("held_milli >= 0 AND held_milli <= 1000", name="held_milli"),
        Index("ix_gpu_devices_revision", "cluster_name", "revision"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    cluster_name: Mapped[str] = mapped_column(ForeignKey("gpu_clusters.name"))
    device_id: Mapped[str] = mapped_column(String(270), index=True)
    live_id: Mapped[str | None] = mapped_column(String(270))
    uuid: Mapped[str | None] = mapped_column(String(80))
    live_uuid: Mapped[str | None] = mapped_column(String(80))
    node_id: Mapped[int] = mapped_column(ForeignKey("gpu_nodes.id"), index=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("gpu_models.model_id"), index=True)
    device_index: Mapped[int] = mapped_column()
    pci_bus_id: Mapped[str | None] = mapped_column(String(24))
    serial_number: Mapped[str | None] = mapped_column(String(40))
    state: Mapped[DeviceState] = mapped_column(enum_text(DeviceState))
    state_reason: Mapped[str | None] = mapped_column(String(400))
    mig_enabled: Mapped[bool] = mapped_column(Flag)
    held_milli: Mapped[int] = mapped_column()
    memory_total_mib: Mapped[int | None] = mapped_column()
    driver_version: Mapped[str | None] = mapped_column(String(40))
    vbios: Mapped[str | None] = mapped_column(String(40))
    power_limit_w: Mapped[int | None] = mapped_column()
    numa_node: Mapped[int | None] = mapped_column()
    nvlink_peers: Mapped[list[str]] = mapped_column(JsonText)
    installed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    warranty_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(BigInteger)
    edition: Mapped[int] = mapped_column()
    revision: Mapped[int] = mapped_column(BigInteger)


class DeviceStateInterval(Base):
    """A stretch [started_at, ended_at) in which a device was in one state.

    `open_device_id` repeats the device while the stretch is open: one open stretch per device.
    """

    __tablename__ = "device_states"
    __table_args__ = (
        UniqueConstraint("open_device_id"),
        Index("ix_device_states_device", "device_id", "started_at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("gpu_devices.id"))
    open_device_id: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[DeviceState] = mapped_column(enum_text(DeviceState))
    reason: Mapped[str | None] = mapped_column(String(400))
    actor: Mapped[str | None] = mapped_column(String(120))
    node_pool: Mapped[str | None] = mapped_column(String(120))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DeviceHealth(Base):
    """The last verdict on a device, and why; written when either changes."""

    __tablename__ = "gpu_device_health"

    device_id: Mapped[int] = mapped_column(
        ForeignKey("gpu_devices.id"), primary_key=True, autoincrement=False
    )
    verdict: Mapped[Verdict] = mapped_column(enum_text(Verdict))
    findings: Mapped[list[dict[str, str]]] = mapped_column(JsonText)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
