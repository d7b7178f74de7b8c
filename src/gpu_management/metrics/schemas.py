"""Wire shapes of measurements: what collectors send (`batches.pack`), and answers."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from gpu_management.core.wire import Instant, Moment, Plain, WireInt, WireModel, WireRequest
from gpu_management.devices.health import Verdict
from gpu_management.devices.models import DeviceState
from gpu_management.metrics.arrivals import plausible
from gpu_management.metrics.batches import VALUES, camel
from gpu_management.metrics.ingest import Taken
from gpu_management.metrics.readings import Owner, PodUse, Reading, Target

MOST_READINGS = 2000
_FIELDS = {camel(name): name for name in VALUES}
_Name = Annotated[Plain, Field(max_length=253)]


class OwnerTold(WireModel):
    """A container that uses a GPU."""

    namespace: _Name
    pod: _Name
    container: _Name | None = None


class PodUseTold(WireModel):
    """How much of a GPU the processes of one pod used."""

    pod_uid: Annotated[Plain, Field(min_length=1, max_length=64)]
    busy_pct: float | None = Field(None, description="Of the whole GPU, 0 to 100; null: unknown.")
    memory_mib: float | None = None


class ReadingTold(WireModel):
    """What was read of a GPU, or of one of its MIG instances."""

    uuid: Annotated[Plain, Field(min_length=1, max_length=80)] = Field(
        description="Of the GPU, also for its instances."
    )
    gpu_instance_id: WireInt | None = Field(
        None, ge=0, le=10_000, description="NVML's number of the MIG instance; null: the whole GPU."
    )
    profile_name: Annotated[Plain, Field(max_length=24)] | None = None
    gpu_index: WireInt | None = Field(None, ge=0, le=10_000)
    pci_bus_id: Annotated[Plain, Field(max_length=24)] | None = None
    model_name: Annotated[Plain, Field(max_length=120)] | None = None
    driver_version: Annotated[Plain, Field(max_length=40)] | None = None
    instance_uuid: Annotated[Plain, Field(max_length=80)] | None = Field(
        None, description="UUID of the MIG instance."
    )
    placement_start: WireInt | None = Field(
        None, ge=0, le=100, description="Memory slice at which the MIG instance begins."
    )
    owners: list[OwnerTold] = Field(default_factory=list, max_length=200)
    values: dict[str, float | None] = Field(
        default_factory=dict,
        max_length=100,
        description="By name: " + ", ".join(_FIELDS) + ". What is not known is left out;"
        " a value that cannot be is taken for unknown.",
    )
    xid_counts: dict[int, float] = Field(default_factory=dict, max_length=200)
    clock_events: dict[str, float] = Field(default_factory=dict, max_length=50)
    pod_use: list[PodUseTold] = Field(default_factory=list, max_length=200)

    def reading(self) -> Reading:
        """Return it as the product reads it; names that are not known are left out."""
        made = Reading(
            Target(self.uuid, self.gpu_instance_id),
            gpu_index=self.gpu_index,
            pci_bus_id=self.pci_bus_id,
            model_name=self.model_name,
            profile_name=self.profile_name,
            driver_version=self.driver_version,
            instance_uuid=self.instance_uuid,
            placement_start=self.placement_start,
            owners=[Owner(one.namespace, one.pod, one.container) for one in self.owners],
            pod_use=[PodUse(one.pod_uid, one.busy_pct, one.memory_mib) for one in self.pod_use],
            xid_counts=self.xid_counts,
            clock_events=self.clock_events,
        )
        for told, value in self.values.items():
            name = _FIELDS.get(told)
            if name is not None and value is not None:
                setattr(made, name, plausible(name, value))
        return made


class BatchTold(WireRequest):
    """One look at a node."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "nodeName": "gpu-worker-1",
                    "collectedAt": "2026-01-02T03:04:05.000Z",
                    "source": "dcgm",
                    "readings": [
                        {
                            "uuid": "GPU-6c7b7e7a-11f0",
                            "values": {"gpuUtilPct": 87, "memoryUsedMib": 40000, "powerW": 312.5},
                        }
                    ],
                }
            ]
        }
    )

    node_name: _Name
    collected_at: Instant = Field(description="By the clock of the node.")
    source: str | None = Field(None, max_length=24, description="`dcgm`, `nvml`, or `both`.")
    lost_indices: list[WireInt] = Field(
        default_factory=list, max_length=256, description="GPUs that fell off the bus."
    )
    readings: list[ReadingTold] = Field(max_length=MOST_READINGS)


class Ingested(WireModel):
    """What became of a batch."""

    accepted: int = Field(description="Readings that were stored.")
    duplicates: int = Field(description="Readings that were there already.")
    unknown_devices: list[str] = Field(description="UUIDs that no GPU of the fleet has.")
    refused: str | None = Field(description="Why nothing was stored; null: nothing was wrong.")


def ingested(taken: Taken) -> dict[str, Any]:
    """Return the fields of `Ingested`."""
    return {
        "accepted": taken.accepted,
        "duplicates": taken.duplicates,
        "unknown_devices": taken.unknown_uuids,
        "refused": taken.refused,
    }


class LatestMetrics(WireModel):
    """The newest figures of a GPU or a MIG instance; what is not known is null (DTO-11)."""

    device_id: str
    gpu_instance_id: int | None = Field(description="Null: the whole GPU.")
    node_name: str
    model_id: str
    at: Moment
    utilization_pct: float | None
    memory_used_mib: float | None
    temperature_celsius: float | None
    power_w: float | None
    sm_clock_mhz: float | None
    ecc_double_bit: float | None
    last_xid: int | None = Field(description="The last error's code; it stays. 0: none.")


class MetricRow(WireModel):
    """A figure of a group in a bucket of time; a gap has no row."""

    group: str = Field(description="The name of the group; empty for the whole cluster.")
    at: Moment = Field(description="The beginning of the bucket.")
    value: float
    samples: float = Field(description="Samples behind it, those of MIG instances in parts.")


class HealthFinding(WireModel):
    """One thing that speaks against a GPU."""

    code: str = Field(description="`xid-79`, `row-remap-failed`, `hot`, `throttled`, `gone` ….")
    verdict: Verdict
    message: str
    facts: dict[str, float] = Field(
        default_factory=dict,  # findings that were written before there were any
        description="Figures that the message is made of; for other languages.",
    )


class DeviceVerdict(WireModel):
    """What sensors and errors say about a GPU."""

    device_id: str
    node_name: str
    state: DeviceState
    verdict: Verdict
    verdict_since: Moment | None = Field(description="Null: it was never judged.")
    findings: list[HealthFinding]
    allocations: list[str] = Field(description="Allocations that hold a part of it now.")
