"""Tables of repartition plans that are carried out."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gpu_management.core.database import Base, Flag, JsonText, UtcDateTime, enum_text
from gpu_management.mig.execution import Method, OrderOutcome, PlanState


class MigPlan(Base):
    """A plan, what it was made for, and where its execution has come to."""

    __tablename__ = "mig_plans"
    __table_args__ = (Index("ix_mig_plans_state", "state", "created_at"),)

    plan_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    cluster_name: Mapped[str] = mapped_column(ForeignKey("gpu_clusters.name"))
    state: Mapped[PlanState] = mapped_column(enum_text(PlanState))
    method: Mapped[Method] = mapped_column(enum_text(Method))
    preview: Mapped[dict[str, Any]] = mapped_column(JsonText)
    """The plan as it was shown."""
    found: Mapped[dict[str, Any]] = mapped_column(JsonText)
    """Node and slices, with their holders, of each device touched: what the plan was made for."""
    tasks: Mapped[list[dict[str, Any]]] = mapped_column(JsonText)
    position: Mapped[int] = mapped_column()
    stage: Mapped[str] = mapped_column(String(40))
    stage_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_undoing: Mapped[bool] = mapped_column(Flag)
    message: Mapped[str | None] = mapped_column(String(2000))
    created_by: Mapped[str] = mapped_column(String(120))
    approved_by: Mapped[str | None] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    limits: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    """When and where it may act: windows, labels of nodes to be left alone, notice."""
    edition: Mapped[int] = mapped_column()


class MigPlanNode(Base):
    """A node that a plan touches.

    `open_key` names the node while the plan has it to itself: one plan per node at a time.
    """

    __tablename__ = "mig_plan_nodes"
    __table_args__ = (UniqueConstraint("open_key"),)

    plan_id: Mapped[str] = mapped_column(ForeignKey("mig_plans.plan_id"), primary_key=True)
    node_name: Mapped[str] = mapped_column(String(253), primary_key=True)
    open_key: Mapped[str | None] = mapped_column(String(320))


class MigNodeReport(Base):
    """What the collector of a node saw of its GPUs, and what came of the order it was given."""

    __tablename__ = "mig_node_reports"

    cluster_name: Mapped[str] = mapped_column(ForeignKey("gpu_clusters.name"), primary_key=True)
    node_name: Mapped[str] = mapped_column(String(253), primary_key=True)
    order_id: Mapped[str | None] = mapped_column(String(64))
    outcome: Mapped[OrderOutcome | None] = mapped_column(enum_text(OrderOutcome))
    message: Mapped[str | None] = mapped_column(String(1000))
    reported_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    devices: Mapped[list[dict[str, Any]]] = mapped_column(JsonText)
    """Uuid, number, MIG mode and slices of each GPU, at the last look."""
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
