"""Wire shapes of repacking plans."""

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from gpu_management.core.wire import Instant, Moment, WireInt, WireModel, WireRequest
from gpu_management.mig.plan_service import Rules
from gpu_management.mig.windows import Window

_EXAMPLE: dict[str, JsonValue] = {
    "demand": {"3g.40gb": 4},
    "movableWorkloadTypes": ["Development", "Inference"],
    "keepNodes": ["gpu-worker-1"],
}
_Names = Annotated[list[Annotated[str, Field(max_length=253)]], Field(max_length=1000)]
_Amount = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
_LEAST_WINDOW = timedelta(seconds=1)


class WindowAsk(WireRequest):
    """When a node may be touched."""

    node_name: str = Field(max_length=253)
    starts_at: Instant
    ends_at: Instant

    @model_validator(mode="after")
    def _ends_later(self) -> Self:
        if self.ends_at - self.starts_at < _LEAST_WINDOW:
            raise ValueError("endsAt must be after startsAt")
        return self


class PlanAsk(WireRequest):
    """What to plan for; nothing may move unless its owner or this says so."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    demand: dict[str, Annotated[WireInt, Field(ge=0, le=100_000)]] | None = Field(
        default=None,
        max_length=100,
        description="How many more of each profile; without it, what waiting requests ask for.",
    )
    history_days: WireInt | None = Field(
        default=None,
        ge=1,
        le=366,
        description="Without a demand: plan also for as many of each profile as were in use at"
        " once at most in so many days.",
    )
    movable_allocations: _Names = Field(default=[], description="Allocations that may move.")
    movable_namespaces: _Names = Field(default=[], description="Their slices may move.")
    movable_teams: _Names = Field(default=[], description="Their slices may move.")
    movable_workload_types: _Names = Field(
        default=[], description="`Training`, `Inference`, `Development`: such slices may move."
    )
    team_weights: dict[str, _Amount] = Field(
        default={}, max_length=1000, description="Times 1: what moving a slice of a team costs."
    )
    cost_per_priority: _Amount = Field(
        default=0.0, description="Added to a move's cost of 1 for each point of priority."
    )
    move_seconds: _Amount = Field(default=120.0, description="How long work takes to move over.")
    cost_limit: _Amount | None = Field(default=None, description="Moves cost at most this.")
    keep_devices: _Names = Field(default=[], description="Devices that are not touched.")
    keep_nodes: _Names = Field(default=[], description="Nodes that are not touched.")
    keep_labels: dict[str, str] = Field(
        default={}, max_length=100, description="Nodes with one of these labels are not touched."
    )
    windows: list[WindowAsk] = Field(
        default=[], max_length=1000, description="If there are any, only their nodes are touched."
    )
    allow_restarts: bool = Field(
        default=True,
        description="Work may stop before its new slice exists, where it cannot run beside it.",
    )
    time_limit_seconds: float = Field(default=5.0, gt=0, le=30, allow_inf_nan=False)
    with_curve: bool = Field(default=False, description="Also say what less cost would achieve.")

    def rules(self) -> Rules:
        """Return what may be touched, as the planner takes it."""
        return Rules(
            allocation_ids=frozenset(self.movable_allocations),
            namespaces=frozenset(self.movable_namespaces),
            teams=frozenset(self.movable_teams),
            workload_types=frozenset(self.movable_workload_types),
            team_weights=self.team_weights,
            cost_per_priority=self.cost_per_priority,
            move_seconds=self.move_seconds,
            kept_devices=frozenset(self.keep_devices),
            kept_nodes=frozenset(self.keep_nodes),
            kept_labels=self.keep_labels,
            windows=[Window(w.node_name, w.starts_at, w.ends_at) for w in self.windows],
            may_restart=self.allow_restarts,
        )


class PlanFigures(WireModel):
    """How good a plan is, the most important first; less is better."""

    unserved_slices: float = Field(description="Compute slices of the demand that stay unserved.")
    restarts: int = Field(description="Instances that stop before they start elsewhere.")
    move_cost: float
    gpus_touched: float


class PlanStep(WireModel):
    """One step, legal once those before it are done; it waits for those on its devices."""

    number: int
    op: str = Field(description="`destroy`, `create`, `move` or `restart`.")
    node_name: str
    device_id: str = Field(description="Where it creates, destroys or moves to.")
    from_device_id: str | None = Field(description="What a moved slice leaves.")
    mig_id: str | None = Field(description="The slice that is destroyed or moved.")
    profile: str
    start: int
    allocation_id: str | None = Field(description="Who is hit.")
    namespace: str | None
    pod_name: str | None
    starts_after_seconds: float
    seconds: float
    downtime_seconds: float = Field(description="How long the pod is down: 0 for a move.")


class PlanSlice(WireModel):
    """A slice in a preview."""

    profile: str
    start: int
    in_use: bool


class PlanDevice(WireModel):
    """A device that the plan touches, before and after."""

    device_id: str
    node_name: str
    before: list[PlanSlice]
    after: list[PlanSlice]
    busy_until_seconds: float
    fits_window: bool | None = Field(description="Whether the work fits; None without a window.")


class CurvePoint(WireModel):
    """What moves of at most this cost would achieve."""

    move_cost: float
    unserved_slices: float = Field(description="No plan of that cost leaves less unserved.")


class Plan(WireModel):
    """A repacking plan: steps, who is hit, and what it achieves. Nothing has been changed."""

    created_at: Moment
    demand: dict[str, int]
    steps: list[PlanStep]
    unserved: dict[str, int]
    figures: PlanFigures
    bound: PlanFigures = Field(description="What no plan can beat.")
    optimal: bool = Field(description="Whether the plan reaches the bound.")
    makespan_seconds: float
    solve_ms: float
    devices: list[PlanDevice]
    fits_before: dict[str, int] = Field(description="How many of each profile fit now, alone.")
    fits_after: dict[str, int] = Field(description="How many more fit after the plan, alone.")
    fragmentation_before: float | None = Field(
        description="1 - capacity now / capacity after a perfect repack, 0 to 1."
    )
    fragmentation_after: float | None
    curve: list[CurvePoint]


class Fragmentation(WireModel):
    """How much MIG capacity the present layout wastes, for a demand."""

    ratio: float | None = Field(
        description="1 - capacity now / capacity after a perfect repack; None if nothing ever fits."
    )
    devices: int
    fits_now: dict[str, int] = Field(description="How many of each profile fit now, alone.")
    fits_repacked: dict[str, int] = Field(description="The same after a perfect repack.")


class ModelLayout(WireModel):
    """A layout to which nothing can be added."""

    profiles: dict[str, int]
    placements: list[dict[str, Any]]
