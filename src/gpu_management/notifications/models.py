"""Tables of notifications: channels, what is to be sent to them, and how far events are read."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gpu_management.core.database import Base, Flag, JsonText, RowId, UtcDateTime, enum_text


class ChannelKind(StrEnum):
    """What stands at the other end."""

    SLACK = "slack"
    TEAMS = "teams"
    PAGERDUTY = "pagerduty"
    MAIL = "mail"
    WEBHOOK = "webhook"


class Origin(StrEnum):
    """Where a channel is kept: what settings say is changed there."""

    API = "api"
    SETTINGS = "settings"


class DeliveryState(StrEnum):
    """How far a delivery is."""

    WAITING = "waiting"
    SENT = "sent"
    DIGESTED = "digested"
    DEAD = "dead"


class Channel(Base):
    """Somebody or something that is told.

    `secrets` holds what may never be shown: addresses, keys, header values. A channel of the
    settings keeps none here; they stay in the memory of the process.
    """

    __tablename__ = "notification_channels"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    kind: Mapped[ChannelKind] = mapped_column(enum_text(ChannelKind))
    origin: Mapped[Origin] = mapped_column(enum_text(Origin))
    enabled: Mapped[bool] = mapped_column(Flag)
    route: Mapped[dict[str, Any]] = mapped_column(JsonText)
    options: Mapped[dict[str, Any]] = mapped_column(JsonText)
    secrets: Mapped[dict[str, Any]] = mapped_column(JsonText)
    edition: Mapped[int] = mapped_column(Integer)
    failing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(120))


class Delivery(Base):
    """One message for one channel: what it says never changes, however late it is sent.

    `due_at` is when it may be sent next; whoever sends it moves that ahead, so that another takes
    over when the sender dies; `tried_at` is the first attempt. `digest_id` is the delivery that
    told of this one as well.
    """

    __tablename__ = "notification_deliveries"
    __table_args__ = (
        # An event is told to a channel once, whoever follows the events.
        UniqueConstraint("channel_id", "event_id"),
        Index("ix_notification_deliveries_due", "state", "due_at"),
        Index("ix_notification_deliveries_channel", "channel_id", "state", "sent_at"),
        Index("ix_notification_deliveries_created", "created_at"),
        Index("ix_notification_deliveries_subject", "subject_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("notification_channels.id"))
    event_id: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(60))
    severity: Mapped[str] = mapped_column(String(24))
    subject_kind: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[str] = mapped_column(String(255))
    team: Mapped[str | None] = mapped_column(String(100))
    message: Mapped[dict[str, Any]] = mapped_column(JsonText)
    state: Mapped[DeliveryState] = mapped_column(enum_text(DeliveryState))
    attempts: Mapped[int] = mapped_column(Integer)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    digest_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tried_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str | None] = mapped_column(String(400))


class Bookmark(Base):
    """How far the events have become deliveries; one row, `id` 1."""

    __tablename__ = "notification_bookmark"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(BigInteger)


class Received(Base):
    """The last state in which an Alertmanager told of an alert: it repeats itself."""

    __tablename__ = "notification_received"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    is_firing: Mapped[bool] = mapped_column(Flag)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
