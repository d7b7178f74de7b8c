"""Wire shapes of cost (DTO-13)."""

from datetime import date

from pydantic import Field

from gpu_management.core.wire import Amount, Moment, WireModel
from gpu_management.costs.budget_schemas import Budget


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


class Bucket(WireModel):
    """One of the five places where GPU time goes, and what it is worth."""

    gpu_hours: float
    gpu_milli_seconds: int = Field(description="Thousandths of a GPU times seconds, exactly.")
    cost: Amount


class Buckets(WireModel):
    """Where GPU time went. The five and `tariffAdjustment` sum to `cardCost`, to the millionth.

    Used, idle and unattributed are what was charged; free and unavailable are at the card's price.
    """

    used: Bucket
    idle: Bucket
    unattributed: Bucket = Field(description="Held, but not measured.")
    free: Bucket
    unavailable: Bucket
    tariff_adjustment: Amount = Field(
        description="The card's price less what slices and shares are charged for it."
    )
    gpu_hours: float
    gpu_milli_seconds: int
    card_cost: Amount = Field(description="All of the time at the card's price.")
    unpriced_gpu_hours: float = Field(description="Of all of the time, without a card price.")


class Trend(WireModel):
    """The window beside the one of the same length before it."""

    previous_cost: Amount
    change_pct: float | None = Field(description="Null where nothing was spent before.")


class Analysis(WireModel):
    """Spending of a window; every grouping sums to the total."""

    period: Period
    currency: str
    total_cost: Amount
    gpu_hours: float = Field(description="GPU-hours held, shares and slices counted as parts.")
    unpriced_gpu_hours: float = Field(description="Of these, without a price.")
    unpriced_by_model: dict[str, float] = Field(description="The same by model, where any.")
    daily_average: Amount = Field(description="Over the days of the window that had GPUs.")
    projected_monthly: Amount = Field(description="The daily average times 30.")
    by_team: dict[str, Amount]
    by_user: dict[str, Amount]
    by_namespace: dict[str, Amount]
    by_model: dict[str, Amount]
    by_workload_type: dict[str, Amount]
    by_cluster: dict[str, Amount]
    by_node: dict[str, Amount]
    daily_series: list[DayCost]
    trend: Trend
    idle_cost: Amount | None = Field(description="Held and measured idle; null while unmeasured.")
    budget: Budget | None = Field(
        description="The money budget of the cluster, or of your team where you see one; of the"
        " month before other periods. Null: none is set."
    )
    unallocated_cost: Amount | None = Field(
        description="Free time at the card's price; null for those who see one team."
    )
    buckets: Buckets | None = Field(
        description="Where the fleet's time went; null for those who see one team."
    )


class CostRow(WireModel):
    """What one group cost; a dimension that was not asked for is null, as is an unknown value."""

    team: str | None
    user: str | None
    namespace: str | None
    model: str | None
    workload_type: str | None
    cluster: str | None
    node: str | None
    allocation: str | None
    day: date | None
    month: str | None
    cost: Amount
    gpu_hours: float
    gpu_milli_seconds: int
    unpriced_gpu_hours: float
    card_cost: Amount = Field(description="The same physical amount at the card's own price.")
    used_cost: Amount = Field(description="Measured in use; the three parts sum to `cost`.")
    idle_cost: Amount = Field(description="Measured idle.")
    unattributed_cost: Amount = Field(description="Held, but not measured.")
    used_gpu_hours: float
    idle_gpu_hours: float
    unattributed_gpu_hours: float
