"""Tables of what is asked of a cluster, and of how well it is seen."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from gpu_management.core.database import Base, Flag, JsonText, UtcDateTime, enum_text


class Wanted(StrEnum):
    """What should be so in the cluster."""

    PRESENT = "PRESENT"
    ABSENT = "ABSENT"


class ClaimIntent(Base):
    """The claim an allocation should have, or should no longer have.

    Written in the transaction of the decision; the controller makes it so, as often as it takes.
    `due_at` is when to act next; empty means that it is so, as far as we know.
    """

    __tablename__ = "gpu_claims"
    __table_args__ = (
        Index("ix_gpu_claims_due", "due_at"),
        Index("ix_gpu_claims_cluster", "cluster_name", "wanted"),
    )

    allocation_id: Mapped[str] = mapped_column(
        ForeignKey("gpu_allocations.allocation_id"), primary_key=True
    )
    cluster_name: Mapped[str] = mapped_column(ForeignKey("gpu_clusters.name"))
    namespace: Mapped[str] = mapped_column(String(63))
    claim_name: Mapped[str] = mapped_column(String(253))
    devices: Mapped[list[dict[str, Any]]] = mapped_column(JsonText)
    """What it is pinned to: uuid of the card, and profile, start and uuid of a slice."""
    owner: Mapped[dict[str, str]] = mapped_column(JsonText)
    wanted: Mapped[Wanted] = mapped_column(enum_text(Wanted))
    ends_pods: Mapped[bool] = mapped_column(Flag)
    claim_uid: Mapped[str | None] = mapped_column(String(64))
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column()
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String(400))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    enforced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    gone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ClusterLink(Base):
    """How well a cluster is seen: what is shown of it is true as of `synced_at`."""

    __tablename__ = "gpu_cluster_links"

    cluster_name: Mapped[str] = mapped_column(ForeignKey("gpu_clusters.name"), primary_key=True)
    enforcement: Mapped[str] = mapped_column(String(24))
    synced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stale_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    message: Mapped[str | None] = mapped_column(String(400))
    notes: Mapped[dict[str, str]] = mapped_column(JsonText)
    """What could not be learned of single nodes, by their names."""
