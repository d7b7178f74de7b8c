"""Wire shapes of suggestions."""

from pydantic import Field

from gpu_management.allocations.models import WorkloadType
from gpu_management.core.wire import Amount, Moment, WireModel


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
