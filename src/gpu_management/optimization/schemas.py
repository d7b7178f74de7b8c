"""Wire shapes of suggestions."""

from pydantic import ConfigDict, Field

from gpu_management.allocations.models import WorkloadType
from gpu_management.core.wire import (
    Amount,
    Instant,
    Moment,
    Plain,
    Sentence,
    WireModel,
    WireRequest,
)
from gpu_management.optimization.models import ExemptScope, Status, SuggestionType


class IdleHold(WireModel):
    """A GPU or MIG instance that is held and expected to stay idle for the coming hour."""

    device_id: str
    node_name: str
    model_id: str
    gpu_instance_id: int | None = Field(description="Null: the whole GPU.")
    allocation_id: str
    namespace: str
    pod_name: str
    team_id: str | None
    workload_type: WorkloadType
    held_since: Moment
    judged_at: Moment = Field(description="Nothing after this moment was looked at.")
    recent_mean_pct: float = Field(
        description="Mean utilisation; what is older weighs less: exp(-age / 75 min)."
    )
    last_hour_pct: float = Field(description="Plain mean of the last hour.")
    samples: int = Field(description="Samples of the last hour.")
    cost_per_hour: Amount | None = Field(description="Of the whole allocation: what it may save.")


class Evidence(WireModel):
    """What was measured of one GPU or MIG instance of an idle allocation."""

    device_id: str
    gpu_instance_id: int | None = Field(description="Null: the whole GPU.")
    recent_mean_pct: float
    last_hour_pct: float
    samples: int
    judged_at: str = Field(description="Nothing after this moment was looked at.")


class Suggestion(WireModel):
    """Something that could be saved, with the evidence (DTO-14); amounts are for an hour."""

    id: int
    type: SuggestionType
    status: Status
    target: str = Field(description="Namespace and name of what it is about.")
    allocation_id: str
    team_id: str | None
    namespace: str
    pod_name: str
    description: str
    current_cost: Amount | None = Field(description="An hour; null: no price.")
    projected_cost: Amount | None = Field(description="An hour, when it is done.")
    saving: Amount | None = Field(description="An hour.")
    confidence: float = Field(description="How often such a suggestion is right, 0 to 1.")
    effort: str
    risk: str = Field(description="low; medium where a pod uses it.")
    evidence: list[Evidence]
    created_at: Moment
    judged_at: Moment
    noticed_at: Moment | None = Field(description="When its owner was told.")
    release_at: Moment | None = Field(description="When it is released; null: not by itself.")
    ended_at: Moment | None
    ended_by: str | None
    ended_reason: str | None
    saved: Amount | None = Field(
        description="What a release saved: the cost up to `savedUntil`, its end or a day later."
    )
    saved_until: Moment | None


class Dismissal(WireRequest):
    """Why a suggestion is not followed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "it waits for data"}]})

    note: Sentence | None = Field(None, max_length=400)


class ExemptionCreate(WireRequest):
    """What is to be left alone."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"scope": "team", "scopeName": "ml-team", "until": "2026-03-01T00:00:00Z"}]
        }
    )

    scope: ExemptScope
    scope_name: Plain = Field(min_length=1, max_length=120)
    until: Instant = Field(description="At most 90 days from now.")
    note: Sentence | None = Field(None, max_length=400)


class Exemption(WireModel):
    """What is left alone until a moment."""

    id: int
    scope: ExemptScope
    scope_name: str
    until: Moment
    note: str | None
    created_at: Moment
    created_by: str
