"""Wire shapes of cost (DTO-13)."""

from datetime import date

from pydantic import Field

from gpu_management.core.wire import Amount, Moment, WireModel


class Period(WireModel):
    """The window that was costed: whole days of the billing time zone, the last one so far."""

    days: int
    start: Moment
    end: Moment
    timezone: str


class DayCost(WireModel):
    """What one day cost."""

    date: date
    cost: Amount


class Analysis(WireModel):
    """Spending of a window; every grouping sums to the total."""

    period: Period
    currency: str
    total_cost: Amount
    gpu_hours: float = Field(description="GPU-hours held, shares and slices counted as parts.")
    unpriced_gpu_hours: float = Field(description="Of these, on models without a price.")
    daily_average: Amount
    projected_monthly: Amount = Field(description="The daily average times 30.")
    by_team: dict[str, Amount]
    by_user: dict[str, Amount]
    by_namespace: dict[str, Amount]
    by_model: dict[str, Amount]
    by_workload_type: dict[str, Amount]
    daily_series: list[DayCost]
