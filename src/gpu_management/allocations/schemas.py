"""Wire shapes of allocations (DTO-09, DTO-10)."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, field_validator

from gpu_management.allocations.models import HoldKind, HoldSource, Phase, WorkloadType
from gpu_management.allocations.request import MAX_COUNT, MAX_HOURS, Ask
from gpu_management.core.wire import Amount, Moment, Plain, WireInt, WireModel, WireRequest

_EXAMPLE: dict[str, JsonValue] = {
    "namespace": "ml-training",
    "podName": "pytorch-training-job",
    "workloadType": "Training",
    "requiredMemoryGb": 32,
    "useMig": False,
    "userId": "data-scientist@company.com",
    "teamId": "ml-team",
}


def _any_case(value: Any) -> Any:
    return value.capitalize() if isinstance(value, str) else value


Workload = Annotated[WorkloadType, BeforeValidator(_any_case)]


class AllocationCreate(WireRequest):
    """A request for GPUs; with neither `gpuMilli` nor `useMig`, for whole ones."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    namespace: str = Field(description="Kubernetes namespace (DNS-1123 label).", max_length=63)
    pod_name: str = Field(
        description="Pod the GPUs are for; it need not exist: an allocation is a reservation.",
        max_length=253,
    )
    workload_type: Workload
    required_memory_gb: WireInt = Field(
        ge=1, le=10_000, description="Per GPU or slice, compared with the label (80 for an H100)."
    )
    use_mig: bool = Field(default=False, description="A MIG slice of at least that memory.")
    count: WireInt = Field(default=1, ge=1, le=MAX_COUNT, description="GPUs, on one node.")
    gpu_milli: WireInt | None = Field(
        default=None, ge=1, le=1000, description="A share of one GPU, in thousandths."
    )
    cpu_milli: WireInt = Field(default=0, ge=0, le=10_000_000, description="Host CPU, 1000 = core.")
    memory_mib: WireInt = Field(default=0, ge=0, le=1_000_000_000, description="Host memory.")
    user_id: Plain | None = Field(
        default=None, max_length=253, description="Who it is for; costs are told by user."
    )
    team_id: Plain | None = Field(
        default=None,
        max_length=120,
        description="Whose quota and budget; else the caller's team, else the namespace's.",
    )
    model_preference: list[Plain] = Field(
        default=[], max_length=16, description="Model ids to prefer, best first."
    )
    model_ids: list[Plain] = Field(
        default=[], max_length=16, description="Only these models will do; empty is any."
    )
    node_selector: dict[Plain, Plain] = Field(default={}, description="Labels a node must carry.")
    priority: WireInt = Field(default=0, ge=-1000, le=1000, description="Higher goes first.")
    max_duration_hours: WireInt | None = Field(
        default=None, ge=1, le=MAX_HOURS, description="Released after so many hours."
    )
    cost_limit: Decimal | None = Field(
        default=None, ge=0, max_digits=15, decimal_places=6, description="In billing currency."
    )
    movable: bool | None = Field(
        default=None,
        description="Whether a repacking of MIG slices may move it: `true` always, `false` never;"
        " else whoever plans decides.",
    )
    dry_run: bool = Field(default=False, description="Decide and answer, but hold nothing.")
    wait: bool = Field(default=False, description="Queue when nothing fits now (202).")
    wait_seconds: WireInt | None = Field(
        default=None, ge=1, le=604_800, description="How long to queue; then it fails."
    )

    def to_ask(self, *, default_wait_seconds: int) -> Ask:
        """Return the request as the service takes it."""
        plain = self.model_dump(
            exclude={
                "dry_run",
                "wait",
                "wait_seconds",
                "node_selector",
                "model_preference",
                "model_ids",
            },
            include=set(type(self).model_fields),
        )
        return Ask(
            **plain,
            model_preference=tuple(self.model_preference),
            model_ids=tuple(self.model_ids),
            node_selector=tuple(sorted(self.node_selector.items())),
            wait_seconds=(self.wait_seconds or default_wait_seconds) if self.wait else None,
        )


class BulkCreate(WireRequest):
    """Several requests that are answered together: all of them, or none."""

    requests: list[AllocationCreate] = Field(min_length=1, max_length=100)

    @field_validator("requests")
    @classmethod
    def _now_and_for_real(cls, requests: list[AllocationCreate]) -> list[AllocationCreate]:
        if any(one.dry_run or one.wait for one in requests):
            raise ValueError("are held together, now or not at all: none may have dryRun or wait")
        return requests


class Extend(WireRequest):
    """How much longer an allocation may run."""

    hours: WireInt = Field(ge=1, le=MAX_HOURS, description="Added to the present end.")


class Condition(WireModel):
    """One aspect of an allocation's state, with reason and message."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: str
    facts: dict[str, Any] = Field(
        default_factory=dict,  # conditions that were written before there were any
        description="Figures and names that the message is made of; for other languages.",
    )


class HoldInfo(WireModel):
    """A stretch in which an allocation held a device or a slice of it."""

    device_id: str
    mig_id: str | None
    kind: HoldKind
    source: HoldSource
    milli: int
    profile_name: str | None
    started_at: Moment
    ended_at: Moment | None


class Allocation(WireModel):
    """An allocation as clients see it."""

    allocation_id: str
    phase: Phase
    namespace: str
    pod_name: str
    pod_uid: str | None
    container_name: str | None
    workload_type: WorkloadType
    required_memory_gb: int
    use_mig: bool
    count: int = Field(validation_alias="gpu_count")
    gpu_milli: int | None
    cpu_milli: int
    memory_mib: int
    user_id: str | None
    team_id: str | None
    cluster_name: str
    node_name: str | None
    device_id: str | None
    mig_id: str | None
    allocated_resource: str | None
    resources: list[str]
    priority: int
    model_preference: list[str]
    model_ids: list[str]
    node_selector: dict[str, str]
    cost_per_hour: Amount | None
    cost_limit: Amount | None
    total_cost: Amount | None = Field(description="So far, in the billing currency.")
    max_duration_hours: int | None
    requested_at: Moment
    wait_until: Moment | None
    allocated_at: Moment | None
    expires_at: Moment | None
    movable: bool | None = Field(description="Whether a repacking may move it; null: undecided.")
    released_at: Moment | None
    release_reason: str | None
    message: str | None
    claim_name: str | None
    conditions: list[Condition]
    decision: dict[str, Any] | None = Field(description="Why this place; or why none yet.")
    dry_run: bool


class AllocationDetail(Allocation):
    """An allocation with its holds."""

    holds: list[HoldInfo]


class Preview(WireModel):
    """Whether a request would fit now, where and at what price; nothing is held."""

    fits: bool
    node_name: str | None
    resources: list[str]
    cost_per_hour: Amount | None
    detail: str
    decision: dict[str, Any]
