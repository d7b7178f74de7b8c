"""Tables of CPU and memory as they are now: one row per node and per pod that is not over."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gpu_management.core.database import Base, Flag, RowId, UtcDateTime, enum_text
from gpu_management.resources.analysis import Heat, Verdict


class ResourceSnapshot(Base):
    """How true the rows of a cluster are."""

    __tablename__ = "resource_snapshots"

    cluster_name: Mapped[str] = mapped_column(ForeignKey("gpu_clusters.name"), primary_key=True)
    collected_at: Mapped[datetime] = mapped_column(UtcDateTime)
    measured_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the metrics server last answered."""
    note: Mapped[str | None] = mapped_column(String(400))
    """Why nothing is measured."""


class ResourceNode(Base):
    """A node: what it has, and what its pods together ask for and use."""

    __tablename__ = "resource_nodes"
    __table_args__ = (UniqueConstraint("cluster_name", "node_name"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    cluster_name: Mapped[str] = mapped_column(ForeignKey("gpu_clusters.name"))
    node_name: Mapped[str] = mapped_column(String(253))
    is_ready: Mapped[bool] = mapped_column(Flag)
    is_schedulable: Mapped[bool] = mapped_column(Flag)
    pod_count: Mapped[int] = mapped_column()
    pod_capacity: Mapped[int | None] = mapped_column()
    cpu_capacity_milli: Mapped[int] = mapped_column()
    cpu_allocatable_milli: Mapped[int] = mapped_column()
    cpu_requested_milli: Mapped[int] = mapped_column()
    cpu_used_milli: Mapped[int | None] = mapped_column()
    memory_capacity_mib: Mapped[int] = mapped_column()
    memory_allocatable_mib: Mapped[int] = mapped_column()
    memory_requested_mib: Mapped[int] = mapped_column()
    memory_used_mib: Mapped[int | None] = mapped_column()
    gpu_capacity: Mapped[int | None] = mapped_column()
    gpu_requested: Mapped[int] = mapped_column()
    heat: Mapped[Heat | None] = mapped_column(enum_text(Heat))


class ResourcePod(Base):
    """A pod that waits or runs: what it asks for, uses, and used at most."""

    __tablename__ = "resource_pods"
    __table_args__ = (UniqueConstraint("cluster_name", "namespace", "pod_name"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    cluster_name: Mapped[str] = mapped_column(ForeignKey("gpu_clusters.name"))
    namespace: Mapped[str] = mapped_column(String(63))
    pod_name: Mapped[str] = mapped_column(String(253))
    pod_uid: Mapped[str] = mapped_column(String(64))
    node_name: Mapped[str | None] = mapped_column(String(253))
    phase: Mapped[str] = mapped_column(String(16))
    owner_kind: Mapped[str | None] = mapped_column(String(63))
    owner_name: Mapped[str | None] = mapped_column(String(253))
    cpu_requested_milli: Mapped[int] = mapped_column()
    cpu_limit_milli: Mapped[int | None] = mapped_column()
    cpu_used_milli: Mapped[int | None] = mapped_column()
    cpu_peak_milli: Mapped[int | None] = mapped_column()
    memory_requested_mib: Mapped[int] = mapped_column()
    memory_limit_mib: Mapped[int | None] = mapped_column()
    memory_used_mib: Mapped[int | None] = mapped_column()
    memory_peak_mib: Mapped[int | None] = mapped_column()
    gpu_requested: Mapped[int] = mapped_column()
    verdict: Mapped[Verdict] = mapped_column(enum_text(Verdict))
    cpu_waste_milli: Mapped[int | None] = mapped_column()
    """What is set aside beyond the most that was used; None: not measured for long enough."""
    memory_waste_mib: Mapped[int | None] = mapped_column()
    measured_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
