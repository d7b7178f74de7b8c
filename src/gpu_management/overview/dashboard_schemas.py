"""Wire shapes of what only the dashboard's first screen and its search ask for."""

from datetime import date
from typing import Any, Literal

from pydantic import Field

from gpu_management.allocations.models import Phase
from gpu_management.core.wire import Amount, Moment, WireModel
from gpu_management.costs.budget_schemas import Budget
from gpu_management.devices.models import DeviceState


class SearchHit(WireModel):
    """Something that a searched text is a part of."""

    kind: Literal["node", "device", "allocation", "team"]
    id: str = Field(description="Its name in addresses.")
    title: str
    note: str | None = Field(description="Zone, model, team id or phase.")


class Funnel(WireModel):
    """From what there is to what is made of it, in thousandths of a GPU."""

    total_milli: int
    healthy_milli: int = Field(description="Of GPUs that can work.")
    allocated_milli: int = Field(description="Held, of GPUs that can work.")
    measured_milli: int = Field(description="Held, on GPUs that were measured now.")
    active_milli: int | None = Field(
        description="Held, on GPUs that are at least 5 % busy; null while nothing is measured."
    )
    effective_milli: int | None = Field(description="Held, times how busy the GPU is.")


class MoneyStrip(WireModel):
    """What it costs; amounts of the month are since its first day."""

    currency: str
    hourly: Amount
    today: Amount
    month: Amount
    month_forecast: Amount = Field(description="The month so far, and its rest at today's pace.")
    idle_month: Amount | None = Field(description="Held and measured idle; null: not measured.")
    free_month: Amount | None = Field(
        description="Free GPUs at the card's price; null for those who may not read costs."
    )
    waste_pct: float | None = Field(
        description="Idle, of what was measured used or idle this month, 0 to 100."
    )


class DayHours(WireModel):
    """Where the GPU-hours of one day went."""

    day: date
    hours: float = Field(description="How long the day was, or has lasted so far.")
    used: float
    idle: float
    unattributed: float = Field(description="Held, but not measured.")
    free: float
    unavailable: float


class NodeGpus(WireModel):
    """The GPUs of one node, one entry of each list for each GPU, in order of their number."""

    node_name: str
    model_id: str = Field(description="Of its first GPU.")
    indexes: list[int]
    states: list[DeviceState]
    held_milli: list[int]
    utilization: list[float | None] = Field(description="Percent; null: not measured now.")


class SliceUse(WireModel):
    """The slices of one profile."""

    model_id: str
    profile_name: str
    total: int
    held: int


class Waiter(WireModel):
    """A request that waits."""

    allocation_id: str
    namespace: str
    pod_name: str
    team_id: str | None
    requested_at: Moment
    message: str | None = Field(description="Why it waits.")
    decision: dict[str, Any] | None = Field(description="What the message is made of.")


class Waiting(WireModel):
    """Requests that wait, and how long those of the last day have waited."""

    count: int
    p50_seconds: float | None = Field(description="Of requests placed in the last 24 hours.")
    p95_seconds: float | None
    placed: int = Field(description="How many these were.")
    longest: list[Waiter] = Field(description="The five that wait longest.")


class IdleHolder(WireModel):
    """An allocation that is held and idle."""

    allocation_id: str
    namespace: str
    pod_name: str
    team_id: str | None
    cost_per_hour: Amount | None
    mean_pct: float | None = Field(description="Mean utilisation of the last hour.")
    since: Moment = Field(description="When it was noticed.")


class Idle(WireModel):
    """What is held and idle now."""

    count: int
    cost_per_hour: Amount
    dearest: list[IdleHolder] = Field(description="The five dearest.")


class OpenAlert(WireModel):
    """An alert that is open and not silenced."""

    alert_id: str
    name: str
    severity: str
    target: str | None
    summary: str
    labels: dict[str, str]
    value: float | None
    threshold: float
    fired_at: Moment


class Alerts(WireModel):
    """What is open now."""

    by_severity: dict[str, int]
    newest: list[OpenAlert] = Field(description="The gravest five, the newest first.")


class Source(WireModel):
    """Where figures come from, and how fresh they are."""

    name: Literal["cluster", "metrics", "events"]
    state: Literal["fresh", "stale", "none"]
    at: Moment | None = Field(description="The newest that is known.")
    known: int | None = Field(description="GPUs that told something; null where it means nothing.")
    of: int | None


class OwnAllocation(WireModel):
    """An allocation of the caller that waits or runs."""

    allocation_id: str
    namespace: str
    pod_name: str
    phase: Phase
    allocated_resource: str | None
    cost_per_hour: Amount | None
    requested_at: Moment
    expires_at: Moment | None
    message: str | None = Field(description="Why it waits; null while it does not.")
    is_idle: bool = Field(description="Whether it was noticed to be idle.")


class Own(WireModel):
    """What the caller has: as a person, or where the key is of no person, as a team."""

    whose: Literal["user", "team"]
    name: str
    running: int
    waiting: int
    ends_soon: int = Field(description="Of those that run, how many end within 24 hours.")
    hourly: Amount
    month: Amount = Field(description="What the month cost so far, at most a minute old.")
    first: list[OwnAllocation] = Field(
        description="Six: who waits, then what ends soonest, then the newest."
    )


class TeamsCost(WireModel):
    """What was charged; used, idle and not measured sum to it."""

    cost: Amount
    used_cost: Amount
    idle_cost: Amount
    unattributed_cost: Amount


class TeamCost(TeamsCost):
    """What a team cost."""

    team_id: str | None = Field(description="Null for what belongs to no team.")


class OtherTeams(TeamsCost):
    """What the other teams cost together."""

    count: int


class Teams(WireModel):
    """What teams cost this month so far, at most a minute old."""

    month: str = Field(examples=["2026-11"])
    first: list[TeamCost] = Field(description="The dearest eight.")
    others: OtherTeams | None


class FirstScreen(WireModel):
    """Everything the dashboard's first screen shows."""

    cluster_name: str
    generated_at: Moment
    total_nodes: int
    total_devices: int
    devices_by_status: dict[str, int]
    active_allocations: int
    funnel: Funnel
    own: Own | None = Field(description="Null for a caller who is no person and of no team.")
    money: MoneyStrip
    teams: Teams | None = Field(description="Null for a caller who may not read costs.")
    days: list[DayHours]
    nodes: list[NodeGpus]
    slices: list[SliceUse]
    waiting: Waiting
    idle: Idle
    alerts: Alerts
    budgets: list[Budget] = Field(description="Those the caller may see, the fullest first.")
    sources: list[Source]
