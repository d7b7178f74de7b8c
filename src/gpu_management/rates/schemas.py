"""Wire shapes of the price book."""

from decimal import Decimal

from pydantic import ConfigDict, Field

from gpu_management.core.wire import Amount, Instant, Moment, Sentence, WireModel, WireRequest


class RateCreate(WireRequest):
    """A price per hour from a moment on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"modelId": "h100-sxm5-80gb", "costPerHour": 2.95}]}
    )

    model_id: str = Field(max_length=63)
    profile_name: str | None = Field(
        default=None, max_length=24, description="A MIG profile; without it, the whole card."
    )
    cost_per_hour: Decimal = Field(ge=0, max_digits=12, decimal_places=6)
    effective_from: Instant | None = Field(
        default=None, description="From when on; not in the past. Without it, from now."
    )
    note: Sentence | None = Field(default=None, max_length=400)


class Rate(WireModel):
    """A row of the price book."""

    id: int
    model_id: str
    profile_name: str | None
    cost_per_hour: Amount
    currency: str
    effective_from: Moment
    source: str
    note: str | None
    created_by: str | None
    created_at: Moment
