"""Wire shapes of CPU and memory (DTO-01, DTO-02, DTO-03).

CPU in thousandths of a core, memory in MiB; what is not measured is null.
"""

from pydantic import Field

from gpu_management.core.wire import Moment, WireModel
from gpu_management.resources.analysis import Heat, Verdict


class NodeResources(WireModel):
    """A node: what it has, what its pods ask for, and what is used."""

    node_name: str
    cluster_name: str
    ready: bool
    schedulable: bool
    pod_count: int
    pod_capacity: int | None
    cpu_capacity_milli: int
    cpu_allocatable_milli: int = Field(description="What pods may ask for.")
    cpu_requested_milli: int
    cpu_used_milli: int | None
    cpu_requested_pct: float | None = Field(description="Of what pods may ask for.")
    cpu_used_pct: float | None
    memory_capacity_mib: int
    memory_allocatable_mib: int
    memory_requested_mib: int
    memory_used_mib: int | None
    memory_requested_pct: float | None
    memory_used_pct: float | None
    gpu_capacity: int | None = Field(description="GPUs; null: not known how many.")
    gpu_requested: int = Field(description="GPUs, slices or shares that its pods ask for.")
    heat: Heat | None = Field(
        description="HOT from 85 % of CPU or memory in use, COLD below 20 % of both."
    )
    collected_at: Moment


class PodResources(WireModel):
    """A pod that waits or runs: what it asks for, and what it uses."""

    namespace: str
    pod_name: str
    cluster_name: str
    node_name: str | None
    phase: str
    owner_kind: str | None
    owner_name: str | None
    cpu_requested_milli: int
    cpu_limit_milli: int | None = Field(description="Null: as much as there is.")
    cpu_used_milli: int | None
    cpu_peak_milli: int | None = Field(description="The most since measuring began.")
    memory_requested_mib: int
    memory_limit_mib: int | None
    memory_used_mib: int | None
    memory_peak_mib: int | None
    gpu_requested: int
    verdict: Verdict = Field(
        description="UNDER_REQUESTED: used more memory than it asks for; OVER_REQUESTED: never"
        " used half of its CPU or memory; UNKNOWN: not measured for an hour yet."
    )
    cpu_waste_milli: int | None = Field(description="Asked for beyond the most that was used.")
    memory_waste_mib: int | None
    measured_since: Moment | None
    collected_at: Moment


class NamespaceResources(WireModel):
    """The pods of a namespace together."""

    namespace: str
    cluster_name: str
    pod_count: int
    cpu_requested_milli: int
    cpu_used_milli: int | None
    memory_requested_mib: int
    memory_used_mib: int | None
    gpu_requested: int
    over_requested_pods: int
    under_requested_pods: int
    pods_without_requests: int
    cpu_waste_milli: int | None
    memory_waste_mib: int | None
    collected_at: Moment


class ResourceTotals(WireModel):
    """The cluster as a whole."""

    nodes: int
    pods: int
    pending_pods: int = Field(description="Without a node.")
    cpu_capacity_milli: int
    cpu_allocatable_milli: int
    cpu_requested_milli: int
    cpu_used_milli: int | None
    memory_capacity_mib: int
    memory_allocatable_mib: int
    memory_requested_mib: int
    memory_used_mib: int | None
    gpu_capacity: int
    gpu_requested: int


class ResourceShares(WireModel):
    """Shares of what pods may ask for, 0 to 100 and beyond; null: not known."""

    cpu_requested_pct: float | None
    cpu_used_pct: float | None
    memory_requested_pct: float | None
    memory_used_pct: float | None
    gpu_requested_pct: float | None


class ResourceAnalysis(WireModel):
    """What could be better."""

    over_requested_pods: int
    under_requested_pods: int
    pods_without_requests: int
    cpu_waste_milli: int | None
    memory_waste_mib: int | None
    hot_nodes: list[str] = Field(description="The fullest first, ten at most.")
    cold_nodes: list[str]
    nodes_in_use: int
    nodes_needed_at_least: int = Field(description="No fewer could hold what is asked for.")
    stranded_cpu_milli: int = Field(description="Free CPU on nodes without free memory.")
    stranded_memory_mib: int = Field(description="Free memory on nodes without free CPU.")
    stranded_gpus: int = Field(
        description="Free GPUs on nodes with less than a core or a GiB left to start a pod with."
    )


class ResourceUsage(WireModel):
    """The cluster's CPU and memory in one answer; the items are its namespaces."""

    cluster_name: str
    totals: ResourceTotals
    usage: ResourceShares
    items: list[NamespaceResources]
    analysis: ResourceAnalysis
    collected_at: Moment | None = Field(description="Null: no cluster was ever seen.")
    measured_at: Moment | None = Field(description="When use was last measured; null: never.")
    note: str | None = Field(description="Why use is not measured.")
