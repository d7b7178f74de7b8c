"""Tables of cost: closed days made ready for reading, closed months, budgets.

The holds are the ledger; `gpu_cost_days`, `gpu_cost_daily`, `gpu_cost_totals` and
`gpu_capacity_daily` are derived from it and can be made again. Their rows only add up: a correction
appends negative figures.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Date, ForeignKey, Index, String, UniqueConstraint
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


class Closing(Base):
    """How far the closed days go, and what they were made with; one row, `id` 1.

    `micros` is what was charged on all of them.
    """

    __tablename__ = "gpu_cost_closing"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=False)
    closed_until: Mapped[datetime] = mapped_column(UtcDateTime)
    last_hold_id: Mapped[int] = mapped_column(BigInteger)
    timezone: Mapped[str] = mapped_column(String(64))
    slice_rule: Mapped[str] = mapped_column(String(40))
    revision: Mapped[int] = mapped_column(BigInteger)
    micros: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class HoldDay(Base):
    """What one hold held and cost on one closed day of the billing time zone.

    `micros` is what was charged, `card_micros` the same physical amount at the card's own price;
    both are 0 for the part without a price, which `unpriced_milli_seconds` counts. Used and idle
    are the measured parts of `milli_seconds`; the rest is unattributed.
    """

    __tablename__ = "gpu_cost_days"
    __table_args__ = (
        Index("ix_gpu_cost_days_day", "day"),
        Index("ix_gpu_cost_days_hold", "hold_id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    hold_id: Mapped[int] = mapped_column(ForeignKey("gpu_holds.id"))
    day: Mapped[date] = mapped_column(Date)
    milli_seconds: Mapped[int] = mapped_column(BigInteger)
    unpriced_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    used_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    idle_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    micros: Mapped[int] = mapped_column(BigInteger)
    card_micros: Mapped[int] = mapped_column(BigInteger)
    is_correction: Mapped[bool] = mapped_column(Flag)


class DayCost(Base):
    """The sums of a closed day by who pays and for what; rows of one key add up."""

    __tablename__ = "gpu_cost_daily"
    __table_args__ = (Index("ix_gpu_cost_daily_day", "day", "team_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    day: Mapped[date] = mapped_column(Date)
    cluster_name: Mapped[str] = mapped_column(String(63))
    team_id: Mapped[str | None] = mapped_column(String(120))
    user_id: Mapped[str | None] = mapped_column(String(253))
    namespace: Mapped[str | None] = mapped_column(String(63))
    model_id: Mapped[str] = mapped_column(String(63))
    workload_type: Mapped[str | None] = mapped_column(String(24))
    holds: Mapped[int] = mapped_column(BigInteger)
    milli_seconds: Mapped[int] = mapped_column(BigInteger)
    unpriced_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    used_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    idle_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    micros: Mapped[int] = mapped_column(BigInteger)
    card_micros: Mapped[int] = mapped_column(BigInteger)
    is_correction: Mapped[bool] = mapped_column(Flag)


class DayTotal(Base):
    """The sums of a closed day by cluster, team and model: few rows, for the commonest questions.

    The same figures as `DayCost`; rows of one key add up.
    """

    __tablename__ = "gpu_cost_totals"
    __table_args__ = (Index("ix_gpu_cost_totals_day", "day", "team_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    day: Mapped[date] = mapped_column(Date)
    cluster_name: Mapped[str] = mapped_column(String(63))
    team_id: Mapped[str | None] = mapped_column(String(120))
    model_id: Mapped[str] = mapped_column(String(63))
    milli_seconds: Mapped[int] = mapped_column(BigInteger)
    unpriced_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    used_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    idle_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    micros: Mapped[int] = mapped_column(BigInteger)
    card_micros: Mapped[int] = mapped_column(BigInteger)


class DayCapacity(Base):
    """Where the time of a node's GPUs of one model went on a closed day; rows of one key add up.

    `total_milli_seconds` = held + free + unavailable; `card_micros` is the price of the total, and
    `charged_micros` what the holds on these GPUs were charged. Unpriced time has no card price.
    """

    __tablename__ = "gpu_capacity_daily"
    __table_args__ = (Index("ix_gpu_capacity_daily_day", "day", "model_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    day: Mapped[date] = mapped_column(Date)
    cluster_name: Mapped[str] = mapped_column(String(63))
    node_id: Mapped[int] = mapped_column(ForeignKey("gpu_nodes.id"))
    model_id: Mapped[str] = mapped_column(String(63))
    total_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    held_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    free_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    unavailable_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    unpriced_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    card_micros: Mapped[int] = mapped_column(BigInteger)
    charged_micros: Mapped[int] = mapped_column(BigInteger)
    free_micros: Mapped[int] = mapped_column(BigInteger)
    unavailable_micros: Mapped[int] = mapped_column(BigInteger)
    is_correction: Mapped[bool] = mapped_column(Flag)


class BillingMonth(Base):
    """A month that was closed: its statements never change again."""

    __tablename__ = "gpu_billing_months"

    month: Mapped[str] = mapped_column(String(7), primary_key=True)
    closed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_by: Mapped[str] = mapped_column(String(120))
    currency: Mapped[str] = mapped_column(String(3))
    timezone: Mapped[str] = mapped_column(String(64))
    total: Mapped[Decimal] = mapped_column(Money)
    line_count: Mapped[int] = mapped_column()
    fingerprint: Mapped[str] = mapped_column(String(64))


class LineKind(StrEnum):
    """What a line of a statement is."""

    USAGE = "usage"
    ADJUSTMENT = "adjustment"


class StatementLine(Base):
    """A line of a closed month, as it was billed; `origin_month` is what an adjustment corrects."""

    __tablename__ = "gpu_statement_lines"
    __table_args__ = (Index("ix_gpu_statement_lines_month", "month", "team_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    month: Mapped[str] = mapped_column(ForeignKey("gpu_billing_months.month"))
    position: Mapped[int] = mapped_column()
    kind: Mapped[LineKind] = mapped_column(enum_text(LineKind))
    origin_month: Mapped[str] = mapped_column(String(7))
    team_id: Mapped[str | None] = mapped_column(String(120))
    user_id: Mapped[str | None] = mapped_column(String(253))
    namespace: Mapped[str | None] = mapped_column(String(63))
    model_id: Mapped[str] = mapped_column(String(63))
    profile_name: Mapped[str | None] = mapped_column(String(24))
    workload_type: Mapped[str | None] = mapped_column(String(24))
    milli_seconds: Mapped[int] = mapped_column(BigInteger)
    unpriced_milli_seconds: Mapped[int] = mapped_column(BigInteger)
    micros: Mapped[int] = mapped_column(BigInteger)


class BudgetScope(StrEnum):
    """Whose spending a budget limits."""

    CLUSTER = "cluster"
    TEAM = "team"
    NAMESPACE = "namespace"
    USER = "user"


class BudgetUnit(StrEnum):
    """What a budget counts: money of the billing currency, or GPU-hours (slices count as parts)."""

    MONEY = "money"
    GPU_HOURS = "gpuHours"


class BudgetPeriod(StrEnum):
    """The stretch of the billing calendar a budget is for."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


class BudgetAction(StrEnum):
    """What happens to a request that would pass a budget."""

    WARN = "warn"
    REFUSE = "refuse"


class Budget(Base):
    """How much a team, a namespace, a user or everybody may spend in a period."""

    __tablename__ = "gpu_budgets"
    __table_args__ = (UniqueConstraint("scope", "scope_name", "unit", "period"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    scope: Mapped[BudgetScope] = mapped_column(enum_text(BudgetScope))
    scope_name: Mapped[str] = mapped_column(String(253))
    unit: Mapped[BudgetUnit] = mapped_column(enum_text(BudgetUnit))
    period: Mapped[BudgetPeriod] = mapped_column(enum_text(BudgetPeriod))
    amount: Mapped[Decimal] = mapped_column(Money)
    action: Mapped[BudgetAction] = mapped_column(enum_text(BudgetAction))
    thresholds_pct: Mapped[list[int]] = mapped_column(JsonText)
    note: Mapped[str | None] = mapped_column(String(400))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(120))
    edition: Mapped[int] = mapped_column()


class BudgetNotice(Base):
    """A warning that was given about a budget: once for each threshold and period."""

    __tablename__ = "gpu_budget_notices"
    __table_args__ = (UniqueConstraint("budget_id", "period_start", "mark"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    budget_id: Mapped[int] = mapped_column(ForeignKey("gpu_budgets.id"))
    period_start: Mapped[date] = mapped_column(Date)
    mark: Mapped[str] = mapped_column(String(24))
    spent: Mapped[Decimal] = mapped_column(Money)
    details: Mapped[dict[str, Any]] = mapped_column(JsonText)
    noticed_at: Mapped[datetime] = mapped_column(UtcDateTime)
