"""Tables of suggestions: what could be saved, what became of it, and what is left alone."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gpu_management.core.database import Base, JsonText, Money, RowId, UtcDateTime, enum_text


class SuggestionType(StrEnum):
    """What is suggested."""

    IDLE_RELEASE = "idle-release"


class Status(StrEnum):
    """What became of a suggestion; the last four are for good."""

    OPEN = "open"
    NOTICED = "noticed"
    """Its owner was told."""
    APPLIED = "applied"
    DISMISSED = "dismissed"
    """Somebody said no; the allocation is left alone from then on."""
    EXEMPT = "exempt"
    WITHDRAWN = "withdrawn"
    """It is no longer so: the allocation works again, ended, or is not measured."""

    @property
    def is_open(self) -> bool:
        """Return whether something may still become of it."""
        return self in {Status.OPEN, Status.NOTICED}


class ExemptScope(StrEnum):
    """What an exemption is for."""

    ALLOCATION = "allocation"
    NAMESPACE = "namespace"
    TEAM = "team"


class Suggestion(Base):
    """Something that could be saved, with the evidence; amounts are for an hour.

    `open_key` names what an open suggestion is about: one at a time. `saved` is what a release
    spared up to `saved_until`, counted when it was done.
    """

    __tablename__ = "gpu_suggestions"
    __table_args__ = (
        UniqueConstraint("open_key"),
        Index("ix_gpu_suggestions_status", "status", "created_at"),
        Index("ix_gpu_suggestions_allocation", "allocation_id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    type: Mapped[SuggestionType] = mapped_column(enum_text(SuggestionType))
    status: Mapped[Status] = mapped_column(enum_text(Status))
    open_key: Mapped[str | None] = mapped_column(String(80))
    allocation_id: Mapped[str] = mapped_column(ForeignKey("gpu_allocations.allocation_id"))
    team_id: Mapped[str | None] = mapped_column(String(120))
    namespace: Mapped[str] = mapped_column(String(63))
    description: Mapped[str] = mapped_column(String(400))
    evidence: Mapped[list[dict[str, Any]]] = mapped_column(JsonText)
    current_cost: Mapped[Decimal | None] = mapped_column(Money)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    judged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    noticed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    release_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_by: Mapped[str | None] = mapped_column(String(120))
    ended_reason: Mapped[str | None] = mapped_column(String(400))
    saved: Mapped[Decimal | None] = mapped_column(Money)
    saved_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Exemption(Base):
    """What is left alone until a moment, whatever is measured of it."""

    __tablename__ = "gpu_idle_exemptions"
    __table_args__ = (
        UniqueConstraint("scope", "scope_name"),
        Index("ix_gpu_idle_exemptions_until", "until"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    scope: Mapped[ExemptScope] = mapped_column(enum_text(ExemptScope))
    scope_name: Mapped[str] = mapped_column(String(120))
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    note: Mapped[str | None] = mapped_column(String(400))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(120))
