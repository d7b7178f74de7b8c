"""What OpenCost's clients read: the fields of its allocation API, version 2024-10 and newer.

Costs that we do not make are 0, quantities that we do not know are null (OpenCost: NaN).
"""

from typing import Any

from pydantic import Field

from gpu_management.core.wire import WireModel

Told = float | None


class WindowTold(WireModel):
    """The stretch [start, end)."""

    start: str
    end: str


class GpuAllocation(WireModel):
    """The GPU of a row; null where its parts are of different ones."""

    gpu_device: str | None
    gpu_model: str | None
    gpu_uuid: str | None = Field(alias="gpuUUID")
    is_gpu_shared: bool = Field(alias="isGPUShared")
    gpu_usage_average: Told
    gpu_request_average: Told


class Costs(WireModel):
    """What a row and its summary have in common; only GPUs cost something here."""

    name: str
    start: str
    end: str
    cpu_core_request_average: Told = None
    cpu_core_usage_average: Told = None
    cpu_cost: float = 0
    gpu_cost: float
    network_cost: float = 0
    load_balancer_cost: float = 0
    pv_cost: float = 0
    ram_byte_request_average: Told = None
    ram_byte_usage_average: Told = None
    ram_cost: float = 0
    shared_cost: float = 0
    external_cost: float = 0
    total_efficiency: Told = None
    total_cost: float


class Allocation(Costs):
    """A row of `GET /allocation`."""

    properties: dict[str, Any]
    window: WindowTold
    minutes: float
    cpu_cores: Told = None
    cpu_core_limit_average: Told = None
    cpu_core_hours: Told = None
    cpu_cost_adjustment: float = 0
    cpu_cost_idle: float = 0
    cpu_efficiency: Told = None
    gpu_count: float
    gpu_hours: float
    gpu_cost_adjustment: float = 0
    gpu_cost_idle: float
    gpu_efficiency: Told = None
    gpu_request_average: Told
    gpu_usage_average: Told = None
    network_transfer_bytes: Told = None
    network_receive_bytes: Told = None
    network_cross_zone_cost: float = 0
    network_cross_region_cost: float = 0
    network_internet_cost: float = 0
    network_cost_adjustment: float = 0
    load_balancer_cost_adjustment: float = 0
    pv_bytes: Told = None
    pv_byte_hours: Told = None
    pvs: None = None
    pv_cost_adjustment: float = 0
    ram_bytes: Told = None
    ram_byte_limit_average: Told = None
    ram_byte_hours: Told = None
    ram_cost_adjustment: float = 0
    ram_cost_idle: float = 0
    ram_efficiency: Told = None
    lb_allocations: None = None
    gpu_allocation: GpuAllocation | None


class AllocationAnswer(WireModel):
    """One map of rows for each step."""

    code: int
    data: list[dict[str, Allocation]]


class SummarySet(WireModel):
    """The rows of one step."""

    allocations: dict[str, Costs]
    window: WindowTold


class SummaryRange(WireModel):
    """Every step, and how long the first is in nanoseconds."""

    step: int
    sets: list[SummarySet]
    window: WindowTold


class SummaryAnswer(WireModel):
    """A summary."""

    code: int
    data: SummaryRange


class Refusal(WireModel):
    """What OpenCost answers to a parameter it cannot read."""

    code: int
    message: str
