"""Tables of auth: API keys, browser sessions, teams, and the audit log."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from gpu_management.core.database import Base, JsonText, RowId, UtcDateTime, enum_text


class Outcome(StrEnum):
    """How an attempt ended."""

    DONE = "DONE"
    DENIED = "DENIED"


class ApiKey(Base):
    """A key that was issued; of the key itself only the SHA-256 is kept."""

    __tablename__ = "api_keys"

    key_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    previous_hash: Mapped[str | None] = mapped_column(String(64), index=True)
    previous_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    roles: Mapped[list[str]] = mapped_column(JsonText)
    team: Mapped[str | None] = mapped_column(String(63))
    user: Mapped[str | None] = mapped_column("user_id", String(100))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(100))
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    rotated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class BrowserSession(Base):
    """A log-in in a browser; of its token and its key only the SHA-256 is kept."""

    __tablename__ = "browser_sessions"

    session_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Team(Base):
    """Who shares a budget and a quota; a namespace belongs to one team at most."""

    __tablename__ = "teams"

    team_id: Mapped[str] = mapped_column(String(63), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    gpu_limit_milli: Mapped[int | None] = mapped_column(BigInteger)
    namespaces: Mapped[list[str]] = mapped_column(JsonText)
    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - read once, by the mapper


class AuditEntry(Base):
    """What somebody did, or tried; written in the transaction of the deed, never changed."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index(None, "target_kind", "target_id"),
        Index(None, "principal", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(RowId, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    principal: Mapped[str] = mapped_column(String(100))
    principal_kind: Mapped[str] = mapped_column(String(24))
    key_id: Mapped[str | None] = mapped_column(String(36))
    source_address: Mapped[str | None] = mapped_column(String(45))
    action: Mapped[str] = mapped_column(String(60))
    target_kind: Mapped[str] = mapped_column(String(40))
    target_id: Mapped[str] = mapped_column(String(255))
    outcome: Mapped[Outcome] = mapped_column(enum_text(Outcome))
    before: Mapped[dict[str, Any] | None] = mapped_column("before_json", JsonText)
    after: Mapped[dict[str, Any] | None] = mapped_column("after_json", JsonText)
    request_id: Mapped[str | None] = mapped_column(String(100))
