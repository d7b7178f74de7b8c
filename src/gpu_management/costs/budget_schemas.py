"""Wire shapes of budgets."""

from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import ConfigDict, Field

from gpu_management.core.wire import (
    Amount,
    Moment,
    Plain,
    Sentence,
    WireInt,
    WireModel,
    WireRequest,
)
from gpu_management.costs.models import BudgetAction, BudgetPeriod, BudgetScope, BudgetUnit

THRESHOLDS_PCT = [50, 80, 100]


class BudgetUpdate(WireRequest):
    """What of a budget may be changed; the whole of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": 800, "action": "refuse"}]})

    amount: Decimal = Field(
        gt=0, max_digits=15, decimal_places=6, description="In the unit of the budget."
    )
    action: BudgetAction = Field(
        BudgetAction.WARN, description="What happens to a request that would pass the budget."
    )
    thresholds_pct: list[WireInt] = Field(
        default_factory=lambda: list(THRESHOLDS_PCT),
        max_length=20,
        description="Percentages of the amount at which a warning is given, once a period.",
    )
    note: Sentence | None = Field(None, max_length=400)


class BudgetCreate(BudgetUpdate):
    """A budget to set."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "scope": "team",
                    "scopeName": "ml-team",
                    "unit": "money",
                    "period": "month",
                    "amount": 500,
                    "action": "refuse",
                }
            ]
        }
    )

    scope: BudgetScope = Field(description="Whose spending it limits.")
    scope_name: Plain | None = Field(
        None, min_length=1, max_length=253, description="Its name; not needed for the cluster."
    )
    unit: BudgetUnit = Field(
        BudgetUnit.MONEY, description="Money, or GPU-hours: slices and shares count as parts."
    )
    period: BudgetPeriod = Field(
        BudgetPeriod.MONTH, description="Of the billing calendar; weeks begin on Monday."
    )


class BudgetStatus(WireModel):
    """How a budget stands in the present period; amounts are in its unit."""

    period_start: Moment
    period_end: Moment
    spent: Amount
    promised: Amount = Field(description="What runs will use until its end, or for an hour more.")
    remaining: Amount = Field(description="The amount less what is spent; below zero when passed.")
    pct: Amount = Field(description="Spent, in percent of the amount.")
    projected: Amount | None = Field(
        description="Spent by the period's end at the pace so far; null while it is young."
    )
    state: str = Field(description="ok, warning or exceeded.")


class Budget(WireModel):
    """A budget, and how it stands."""

    id: int
    scope: BudgetScope
    scope_name: str
    unit: BudgetUnit
    currency: str
    period: BudgetPeriod
    amount: Amount
    action: BudgetAction
    thresholds_pct: list[int]
    note: str | None
    created_at: Moment
    created_by: str
    status: BudgetStatus


class BudgetNotice(WireModel):
    """A warning that was given."""

    id: int
    budget_id: int
    period_start: date
    mark: str = Field(description="A percentage, or `run-rate`.")
    spent: Amount
    details: dict[str, Any]
    noticed_at: Moment
