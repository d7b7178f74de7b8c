"""Wire shapes of statements and of closed months."""

from pydantic import Field

from gpu_management.core.wire import Amount, Moment, WireModel
from gpu_management.costs.models import LineKind


class Frame(WireModel):
    """A month as it is billed: its bounds, time zone and currency."""

    month: str
    period_start: Moment
    period_end: Moment
    timezone: str
    currency: str


class MonthSummary(Frame):
    """A month of the billing calendar; what is null is known once it is closed."""

    status: str = Field(description="open or closed.")
    total_cost: Amount | None
    line_count: int | None
    closed_at: Moment | None
    closed_by: str | None
    fingerprint: str | None = Field(description="SHA-256 over everything that was billed.")


class Sums(WireModel):
    """What lines add up to."""

    gpu_hours: Amount = Field(description="Used in the month, shares and slices as parts.")
    unpriced_gpu_hours: Amount = Field(description="Of all lines, on models without a price.")
    usage_cost: Amount
    adjustment_cost: Amount = Field(description="Corrections of months that were closed before.")
    total_cost: Amount


class TeamSums(Sums):
    """One team's part of a month."""

    team_id: str


class _Statement(Frame, Sums):
    """What the statement of a month and that of a team share."""

    status: str = Field(description="open or closed.")
    as_of: Moment = Field(description="How far an open month goes; when a closed one was closed.")
    closed_at: Moment | None
    closed_by: str | None
    fingerprint: str | None = Field(description="SHA-256 over everything billed in the month.")


class MonthStatement(_Statement):
    """A month by team; the teams add up to the total, to the millionth."""

    teams: list[TeamSums]


class StatementLine(WireModel):
    """What one user used of one model in one namespace; or an adjustment of an earlier month."""

    kind: LineKind
    origin_month: str
    namespace: str | None
    user_id: str | None
    model_id: str
    profile_name: str | None
    workload_type: str | None
    gpu_milli_seconds: int
    gpu_hours: Amount
    unpriced_gpu_hours: Amount
    cost: Amount


class TeamStatement(_Statement):
    """What a team pays for a month; every grouping adds up to the total."""

    team_id: str
    by_namespace: dict[str, Amount]
    by_user: dict[str, Amount]
    by_model: dict[str, Amount]
    by_profile: dict[str, Amount]
    by_workload_type: dict[str, Amount]
    lines: list[StatementLine]
