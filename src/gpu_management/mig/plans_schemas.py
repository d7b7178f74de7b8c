"""Wire shapes of plans that are carried out."""

from typing import Any

from pydantic import Field

from gpu_management.core.wire import Moment, WireModel
from gpu_management.mig.execution import Method, PlanState
from gpu_management.mig.plan_schemas import PlanAsk, PlanDevice, PlanStep
from gpu_management.mig.windows import Limits

_LONGEST_NOTICE_SECONDS = 86_400


class PlanCreate(PlanAsk):
    """What to plan for, and who cuts the GPUs."""

    method: Method | None = Field(
        default=None,
        description="`mig-manager`, `dynamic` (DRA), `collector` where the server allows it, or"
        " `ledger` where no cluster is attached.",
    )
    notice_seconds: float = Field(
        default=0.0,
        ge=0,
        le=_LONGEST_NOTICE_SECONDS,
        allow_inf_nan=False,
        description="How long before work stops its allocation is told, with the method `ledger`:"
        " nobody evicts pods there.",
    )

    def limits(self) -> Limits:
        """Return when and where the plan may act."""
        return Limits(self.rules().windows, self.keep_labels, self.notice_seconds)


class PlanWindow(WireModel):
    """When a node may be touched."""

    node_name: str
    starts_at: Moment
    ends_at: Moment


class PlanRun(WireModel):
    """A plan that is kept, and where its execution has come to."""

    plan_id: str
    cluster_name: str
    state: PlanState
    method: Method
    message: str | None = Field(description="What it waits for, or why it was stopped.")
    position: int = Field(description="Tasks done; while it is taken back, the task in hand.")
    task_count: int
    is_undoing: bool
    nodes: list[str]
    created_by: str
    approved_by: str | None
    created_at: Moment
    approved_at: Moment | None
    started_at: Moment | None
    ended_at: Moment | None


class PlanRunDetail(PlanRun):
    """A plan with its steps and tasks."""

    demand: dict[str, int]
    unserved: dict[str, int]
    makespan_seconds: float
    optimal: bool
    steps: list[PlanStep]
    devices: list[PlanDevice]
    tasks: list[dict[str, Any]] = Field(
        description="What is done, in order: `cut` the GPUs of a node, `move` one allocation, or"
        " `stop` it and `start` it again."
    )
    windows: list[PlanWindow] = Field(description="Nodes without one may be touched at any time.")
    keep_labels: dict[str, str]
    notice_seconds: float
