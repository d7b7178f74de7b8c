"""Wire shapes made of several nouns (DTO-04, DTO-06, DTO-12, ENT-03)."""

from pydantic import Field

from gpu_management.allocations.models import WorkloadType
from gpu_management.core.wire import Amount, Moment, WireModel
from gpu_management.devices.health import Verdict
from gpu_management.devices.models import DeviceState, DeviceStatus
from gpu_management.devices.schemas import StateStretch
from gpu_management.metrics.schemas import HealthFinding
from gpu_management.mig.schemas import DeviceMig


class MigSummary(WireModel):
    """How many instances a device is cut into, and how many of them are free."""

    total: int
    available: int
    allocated: int
    profiles: dict[str, int]


class Holder(WireModel):
    """Who holds (a part of) a device now."""

    allocation_id: str
    namespace: str
    pod_name: str
    team_id: str | None
    kind: str
    milli: int
    mig_id: str | None
    since: Moment


class Device(WireModel):
    """A GPU as people see it; what nobody measured is null."""

    device_id: str
    uuid: str | None
    node_name: str
    cluster_name: str
    model_id: str
    model_name: str
    memory_gb: int
    device_index: int
    pci_bus_id: str | None
    serial_number: str | None
    status: DeviceStatus
    state: DeviceState
    state_reason: str | None
    health: str = Field(description="`OK`, `FAILED`, `OFFLINE`, `MAINTENANCE`, or `RECONFIGURING`.")
    mig_enabled: bool
    mig_supported: bool
    held_milli: int
    free_milli: int
    memory_total_mb: int | None
    memory_used_mb: int | None
    temperature: float | None
    gpu_utilization: float | None
    power_draw_w: float | None
    driver_version: str | None
    vbios: str | None
    power_limit_w: int | None
    numa_node: int | None
    nvlink_peers: list[str]
    installed_at: Moment | None
    warranty_until: Moment | None
    registered_at: Moment
    last_seen_at: Moment | None
    mig_summary: MigSummary | None
    allocations: list[Holder]


class DeviceDetail(Device):
    """A GPU with its layout and what still fits."""

    mig: DeviceMig | None
    cost_per_hour: Amount | None


class Health(WireModel):
    """What is known about a device's health; sensors are null while nothing is measured."""

    device_id: str
    health: str
    state: DeviceState
    reason: str | None
    since: Moment
    temperature: float | None
    ecc_errors: int | None
    xid_errors: int | None = Field(description="Code of the last XID error; 0: none.")
    verdict: Verdict = Field(description="What sensors and errors say, whatever the state is.")
    verdict_since: Moment | None
    findings: list[HealthFinding] = Field(description="What speaks against it, gravest first.")
    allocations: list[str] = Field(description="Allocations that hold a part of it now.")
    history: list[StateStretch]


class Node(WireModel):
    """A node with its capacity: GPUs, and host CPU and memory, total and free."""

    node_id: int
    node_name: str
    cluster_name: str
    status: str
    schedulable: bool
    ip: str | None
    zone: str | None
    node_pool: str | None
    driver_version: str | None
    cuda_version: str | None
    kubelet_version: str | None
    labels: dict[str, str]
    gpu_count: int
    gpu_models: list[str]
    gpu_total_milli: int
    gpu_free_milli: int
    gpu_available: int
    cpu_total_milli: int | None
    cpu_free_milli: int | None
    memory_total_mib: int | None
    memory_free_mib: int | None
    last_seen_at: Moment | None


class NodeDetail(Node):
    """A node with its GPUs."""

    devices: list[Device]


class ModelCount(WireModel):
    """The GPUs of one model."""

    model_id: str
    model_name: str
    total: int
    available: int
    allocated: int
    failed: int
    held_milli: int
    memory_gb: int


class NodeCount(WireModel):
    """The GPUs of one node."""

    node_name: str
    total: int
    available: int
    allocated: int
    failed: int
    held_milli: int


class Overview(WireModel):
    """The fleet in one answer. Averages are of the GPUs measured now."""

    cluster_name: str
    total_nodes: int
    total_devices: int
    available_devices: int
    allocated_devices: int
    mig_devices: int
    failed_devices: int
    maintenance_devices: int
    offline_devices: int
    total_milli: int = Field(description="1000 for each GPU in the fleet.")
    held_milli: int
    free_milli: int = Field(description="Of GPUs that can work.")
    total_mig_instances: int
    available_mig_instances: int
    allocated_mig_instances: int
    total_memory_gb: int
    allocated_memory_gb: float
    average_utilization: float | None
    average_temperature: float | None
    active_allocations: int
    pending_allocations: int
    hourly_cost: Amount
    daily_cost: Amount = Field(description="Since midnight in the billing time zone.")
    monthly_cost: Amount = Field(description="Since the first of the month.")
    currency: str
    alerts: dict[str, int] = Field(description="Open alerts by severity.")
    by_model: list[ModelCount]
    by_node: list[NodeCount] = Field(description="Empty with `nodes=false`.")
    cluster_seen_at: Moment | None = Field(
        description="When what is shown of the cluster was last true; null without a cluster."
    )
    cluster_stale_since: Moment | None = Field(
        description="Since when the cluster cannot be read; null while it can."
    )
    generated_at: Moment


class Statistics(WireModel):
    """Totals of the devices by what they are and where."""

    total: int
    by_status: dict[str, int]
    by_model: dict[str, int]
    by_node: dict[str, int]
    allocation_rate_pct: float | None = Field(description="Held of what can work, 0 to 100.")
    mig_share_pct: float | None = Field(description="MIG-enabled devices of all, 0 to 100.")
    memory_total_gb: int
    average_utilization: float | None
    p95_utilization: float | None
    generated_at: Moment


class WorkloadProfile(WireModel):
    """What one kind of work usually asks for; null where too few allocations tell (DTO-17)."""

    workload_type: WorkloadType
    days: int = Field(description="The days looked at.")
    sample_size: int = Field(description="Allocations that were placed in these days.")
    typical_memory_gb: int | None = Field(description="Half of them asked for no more.")
    large_memory_gb: int | None = Field(description="Nine of ten asked for no more.")
    typical_utilization: float | None = Field(description="Null until metrics arrive.")
    finished: int = Field(description="Those of the sample that have ended.")
    typical_duration_seconds: int | None = Field(description="Half of the ended ran no longer.")
    long_duration_seconds: int | None = Field(description="Nine of ten ran no longer.")
    recommended_model_id: str | None = Field(
        description="The cheapest of the fleet that holds `largeMemoryGb`, at list or set prices."
    )
    recommended_profile: str | None = Field(description="Its MIG profile; null is the whole card.")
    recommended_cost_per_hour: Amount | None
