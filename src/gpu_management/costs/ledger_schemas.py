"""Wire shapes of the ledger."""

from datetime import date

from pydantic import ConfigDict, Field

from gpu_management.core.wire import (
    Amount,
    Instant,
    Moment,
    Sentence,
    WireInt,
    WireModel,
    WireRequest,
)
from gpu_management.costs.schemas import Buckets, Period


class BucketRow(Buckets):
    """Where the time of one group of GPUs went."""

    model: str | None
    node: str | None
    cluster: str | None
    day: date | None
    month: str | None


class Stretch(WireModel):
    """A part of a GPU's life in which nothing changed."""

    start: Moment
    end: Moment
    state: str
    reason: str | None
    held_milli: int
    allocations: list[str] = Field(description="What held it, oldest first.")
    rate_per_hour: Amount | None = Field(description="Of the whole card, then.")


class LedgerHolder(WireModel):
    """Who an allocation of the timeline belongs to."""

    allocation_id: str
    namespace: str
    pod_name: str
    team_id: str | None


class DeviceLedger(WireModel):
    """A GPU's timeline over a window, and where its time went."""

    device_id: str
    model: str
    cluster: str
    node: str
    period: Period
    currency: str
    buckets: Buckets
    timeline: list[Stretch]
    holders: list[LedgerHolder] = Field(description="Every allocation of the timeline, by id.")


class HoldCost(WireModel):
    """What one hold of an allocation cost."""

    hold_id: int
    device_id: str
    profile_name: str | None
    gpu_milli: int
    start: Moment
    end: Moment | None
    corrects_hold_id: int | None = Field(description="The hold that this row replaces.")
    gpu_hours: float
    cost: Amount | None


class AllocationCost(WireModel):
    """What an allocation cost so far, and what it will have cost at its end."""

    allocation_id: str
    currency: str
    as_of: Moment
    cost_so_far: Amount | None = Field(description="Null where a part has no price.")
    gpu_hours: float
    cost_per_hour: Amount | None = Field(description="Now; null once it ended.")
    expires_at: Moment | None
    projected_cost: Amount | None = Field(
        description="At `expiresAt`, at prices known now; null without an end."
    )
    cost_limit: Amount | None
    limit_reached_at: Moment | None = Field(
        description="When its cost will pass `costLimit`, at prices known now."
    )
    holds: list[HoldCost]


class HoldCorrection(WireRequest):
    """What a hold should have been; what is left out stays as it was."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"endedAt": "2026-03-01T12:00:00Z", "reason": "the node died at noon"}]
        }
    )

    started_at: Instant | None = Field(None, description="Cut to the second.")
    ended_at: Instant | None = Field(
        None, description="Cut to the second; equal to the start: nothing was held."
    )
    milli: WireInt | None = Field(None, ge=1, le=1000, description="Only of a share.")
    reason: Sentence = Field(min_length=1, max_length=400)


class CorrectedHold(WireModel):
    """A hold that replaces another."""

    hold_id: int
    corrects_hold_id: int
    allocation_id: str | None
    device_id: str
    gpu_milli: int
    started_at: Moment
    ended_at: Moment
    reason: str
    actor: str
    recorded_at: Moment
