"""Tables of allocations: what was asked and decided, and the holds that meter it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gpu_management.core.database import (
    Base,
    Flag,
    JsonText,
    Money,
    RowId,
    UtcDateTime,
    enum_text,
)


class Phase(StrEnum):
    """The four phases on the wire (fixed)."""

    PENDING = "Pending"
    ALLOCATED = "Allocated"
    FAILED = "Failed"
    RELEASED = "Released"


class WorkloadType(StrEnum):
    """What the GPU is for (fixed)."""

    TRAINING = "Training"
    INFERENCE = "Inference"
    DEVELOPMENT = "Development"


class HoldKind(StrEnum):
    """How much of a device a hold covers."""

    WHOLE = "WHOLE"
    MIG = "MIG"
    SHARE = "SHARE"


class HoldSource(StrEnum):
    """Who decided a hold: we, or the cluster without us."""

    MANAGED = "managed"
    OBSERVED = "observed"


class Allocation(Base):
    """A request and what became of it."""

    __tablename__ = "gpu_allocations"
    __table_args__ = (
        Index("ix_gpu_allocations_phase", "phase", "priority"),
        Index("ix_gpu_allocations_team", "team_id", "phase"),
        Index("ix_gpu_allocations_namespace", "namespace", "pod_name"),
        Index("ix_gpu_allocations_expiry", "phase", "expires_at"),
        Index("ix_gpu_allocations_requested", "requested_at"),
    )

    allocation_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    cluster_name: Mapped[str] = mapped_column(ForeignKey("gpu_clusters.name"))
    namespace: Mapped[str] = mapped_column(String(63))
    pod_name: Mapped[str] = mapped_column(String(253))
    pod_uid: Mapped[str | None] = mapped_column(String(64))
    container_name: Mapped[str | None] = mapped_column(String(253))
    workload_type: Mapped[WorkloadType] = mapped_column(enum_text(WorkloadType))
    required_memory_gb: Mapped[int] = mapped_column()
    use_mig: Mapped[bool] = mapped_column(Flag)
    gpu_count: Mapped[int] = mapped_column()
    gpu_milli: Mapped[int | None] = mapped_column()
    cpu_milli: Mapped[int] = mapped_column(BigInteger)
    memory_mib: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[str | None] = mapped_column(String(253))
    team_id: Mapped[str | None] = mapped_column(String(120))
    model_preference: Mapped[list[str]] = mapped_column(JsonText)
    model_ids: Mapped[list[str]] = mapped_column(JsonText)
    node_selector: Mapped[dict[str, str]] = mapped_column(JsonText)
    priority: Mapped[int] = mapped_column()
    max_duration_hours: Mapped[int | None] = mapped_column()
    cost_limit: Mapped[Decimal | None] = mapped_column(Money)
    node_name: Mapped[str | None] = mapped_column(String(253))
    allocated_resource: Mapped[str | None] = mapped_column(String(4000))
    resources: Mapped[list[str]] = mapped_column(JsonText)
    phase: Mapped[Phase] = mapped_column(enum_text(Phase))
    conditions: Mapped[list[dict[str, Any]]] = mapped_column(JsonText)
    cost_per_hour: Mapped[Decimal | None] = mapped_column(Money)
    decision: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    message: Mapped[str | None] = mapped_column(String(2000))
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime)
    wait_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reserved_node: Mapped[str | None] = mapped_column(String(253))
    allocated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    release_reason: Mapped[str | None] = mapped_column(String(60))
    failure_reason: Mapped[str | None] = mapped_column(String(60))
    claim_name: Mapped[str | None] = mapped_column(String(253))
    requested_by: Mapped[str | None] = mapped_column(String(120))
    movable: Mapped[bool | None] = mapped_column(Flag)
    """Whether a repacking may move it; None leaves that to whoever plans."""
    edition: Mapped[int] = mapped_column()


class Hold(Base):
    """A stretch [started_at, ended_at) in which something held (a part of) a device.

    Half-open, UTC, whole seconds; never changed after it ended. `open_key` names what an open
    exclusive hold excludes (the device, or the MIG instance): one such hold at a time.
    """

    __tablename__ = "gpu_holds"
    __table_args__ = (
        UniqueConstraint("open_key"),
        CheckConstraint("milli > 0 AND milli <= 1000", name="milli"),
        CheckConstraint("ended_at IS NULL OR ended_at >= started_at", name="interval"),
        Index("ix_gpu_holds_allocation", "allocation_id"),
        Index("ix_gpu_holds_device", "device_id", "started_at"),
        Index("ix_gpu_holds_ended", "ended_at", "started_at"),
        Index("ix_gpu_holds_corrects", "corrects_id", unique=True),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    allocation_id: Mapped[str | None] = mapped_column(ForeignKey("gpu_allocations.allocation_id"))
    device_id: Mapped[int] = mapped_column(ForeignKey("gpu_devices.id"))
    mig_instance_id: Mapped[int | None] = mapped_column(ForeignKey("mig_instances.id"))
    open_key: Mapped[str | None] = mapped_column(String(40))
    kind: Mapped[HoldKind] = mapped_column(enum_text(HoldKind))
    source: Mapped[HoldSource] = mapped_column(enum_text(HoldSource))
    milli: Mapped[int] = mapped_column()
    profile_name: Mapped[str | None] = mapped_column(String(24))
    node_pool: Mapped[str | None] = mapped_column(String(120))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    corrects_id: Mapped[int | None] = mapped_column(ForeignKey("gpu_holds.id"))


class HoldCorrection(Base):
    """Why a hold was corrected: `hold_id` is the new row, its `corrects_id` the one it replaces."""

    __tablename__ = "gpu_hold_corrections"

    hold_id: Mapped[int] = mapped_column(ForeignKey("gpu_holds.id"), primary_key=True)
    reason: Mapped[str] = mapped_column(String(400))
    actor: Mapped[str] = mapped_column(String(120))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)


class IdempotencyKey(Base):
    """A key a caller sent with a request, and the allocation that answered it."""

    __tablename__ = "idempotency_keys"

    principal: Mapped[str] = mapped_column(String(120), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    allocation_id: Mapped[str] = mapped_column(ForeignKey("gpu_allocations.allocation_id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
