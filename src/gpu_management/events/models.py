"""The outbox table."""

from datetime import datetime
from typing import Any

from sqlalchemy import Identity, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from gpu_management.core.database import Base, JsonText, RowId, UtcDateTime


class Event(Base):
    """Something that happened; `team` is who may see it, None is everybody."""

    __tablename__ = "events"
    # A number is never used again, or listeners that resume would miss what got it.
    __table_args__ = (Index(None, "subject_kind", "subject_id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(RowId, Identity(), primary_key=True)
    type: Mapped[str] = mapped_column(String(60), index=True)
    cluster: Mapped[str | None] = mapped_column(String(63))
    subject_kind: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[str] = mapped_column(String(255))
    team: Mapped[str | None] = mapped_column(String(100))
    namespace: Mapped[str | None] = mapped_column(String(63))
    data: Mapped[dict[str, Any]] = mapped_column(JsonText)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
