"""Tables of alerts: what fired, what is silenced, and what the evaluator remembers."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gpu_management.alerts.kinds import Component, Severity
from gpu_management.core.database import Base, Flag, JsonText, RowId, UtcDateTime, enum_text


class AlertStatus(StrEnum):
    """How an alert is shown (DTO-16)."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    RESOLVED = "resolved"


class Alert(Base):
    """A condition that held long enough; one row from firing to its end.

    `open_fingerprint` repeats the fingerprint while the alert is open, so the same alert is never
    open twice. `standing` is where the rule's state machine stands; `escalate_at` is when it is
    told of again because nobody took it on.
    """

    __tablename__ = "gpu_alerts"
    __table_args__ = (
        UniqueConstraint("alert_id"),
        UniqueConstraint("open_fingerprint"),
        Index("ix_gpu_alerts_fired", "fired_at"),
        Index("ix_gpu_alerts_resolved", "resolved_at"),
        Index("ix_gpu_alerts_device", "device_id"),
        Index("ix_gpu_alerts_escalate", "escalate_at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    alert_id: Mapped[str] = mapped_column(String(40))
    fingerprint: Mapped[str] = mapped_column(String(32))
    open_fingerprint: Mapped[str | None] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(80))
    severity: Mapped[Severity] = mapped_column(enum_text(Severity))
    component: Mapped[Component] = mapped_column(enum_text(Component))
    cluster_name: Mapped[str | None] = mapped_column(String(63))
    device_id: Mapped[str | None] = mapped_column(String(270))
    node_name: Mapped[str | None] = mapped_column(String(253))
    team: Mapped[str | None] = mapped_column(String(120))
    labels: Mapped[dict[str, str]] = mapped_column(JsonText)
    summary: Mapped[str] = mapped_column(String(1000))
    description: Mapped[str] = mapped_column(String(2000))
    value: Mapped[float | None] = mapped_column()
    threshold: Mapped[float] = mapped_column()
    standing: Mapped[dict[str, Any]] = mapped_column(JsonText)
    is_known: Mapped[bool] = mapped_column(Flag)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    fired_at: Mapped[datetime] = mapped_column(UtcDateTime)
    resolved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_by: Mapped[str | None] = mapped_column(String(120))
    comment: Mapped[str | None] = mapped_column(String(400))
    silence_id: Mapped[str | None] = mapped_column(String(40))
    escalations: Mapped[int] = mapped_column()
    escalate_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def status(self) -> AlertStatus:
        """Return how it is shown: what somebody did about it wins over firing."""
        if self.resolved_at is not None:
            return AlertStatus.RESOLVED
        if self.acknowledged_at is not None:
            return AlertStatus.ACKNOWLEDGED
        return AlertStatus.FIRING if self.silence_id is None else AlertStatus.SILENCED


class Silence(Base):
    """Alerts that match are not told of in [starts_at, ends_at)."""

    __tablename__ = "gpu_alert_silences"
    __table_args__ = (Index("ix_gpu_alert_silences_ends", "ends_at"),)

    silence_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    matchers: Mapped[list[dict[str, str]]] = mapped_column(JsonText)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    comment: Mapped[str] = mapped_column(String(400))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(120))
    edition: Mapped[int] = mapped_column()


class Evaluation(Base):
    """What the evaluator remembers: one row.

    `edition` counts what was written: whoever remembers another one reads everything anew.
    """

    __tablename__ = "gpu_alert_evaluations"

    name: Mapped[str] = mapped_column(String(24), primary_key=True)
    edition: Mapped[int] = mapped_column(BigInteger)
    evaluated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    waiting: Mapped[list[Any]] = mapped_column(JsonText)
    """Alerts that do not fire yet, or came and went: rule, labels, standing."""
