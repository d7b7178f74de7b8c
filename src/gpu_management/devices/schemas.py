"""Wire shapes of the inventory (DTO-05, ENT-02…04)."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from gpu_management.core.wire import (
    Instant,
    Moment,
    Plain,
    Sentence,
    WireInt,
    WireModel,
    WireRequest,
)
from gpu_management.devices.models import DeviceState
from gpu_management.devices.service import MAX_INDEX, DeviceFacts, NodeFacts

_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_UUID = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,78}[A-Za-z0-9]$"
Text80 = Annotated[Plain, Field(max_length=80)]


class DeviceTold(WireRequest):
    """What may be told about a device, at registration and later; null means not told."""

    uuid: str | None = Field(default=None, pattern=_UUID, examples=["GPU-6c7b7e7a-11f0"])
    pci_bus_id: Plain | None = Field(
        default=None, max_length=24, description="PCI address.", examples=["00000000:17:00.0"]
    )
    serial_number: Plain | None = Field(
        default=None, max_length=40, description="As printed on the board."
    )
    memory_total_mb: WireInt | None = Field(
        default=None, ge=1, le=10_000_000, description="MiB, as the driver reports it."
    )
    driver_version: Plain | None = Field(default=None, max_length=40)
    vbios: Plain | None = Field(default=None, max_length=40)
    power_limit_w: WireInt | None = Field(
        default=None, ge=1, le=10_000, description="Power limit set, in watts."
    )
    numa_node: WireInt | None = Field(
        default=None, ge=0, le=1024, description="NUMA node; GPUs of one are placed together."
    )
    nvlink_peers: list[Text80] | None = Field(
        default=None, max_length=64, description="Device ids reached by NVLink."
    )
    installed_at: Instant | None = None
    warranty_until: Instant | None = None

    def facts(self, **more: Any) -> DeviceFacts:
        """Return what was told, as the service takes it."""
        names = set(DeviceTold.model_fields) - {"memory_total_mb"}
        told = {name: getattr(self, name) for name in names}
        return DeviceFacts(memory_total_mib=self.memory_total_mb, **told, **more)


class DeviceCreate(DeviceTold):
    """A device to put into the fleet; an unknown node is created with it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "nodeName": "gpu-worker-1",
                    "deviceIndex": 0,
                    "modelName": "NVIDIA H100 80GB HBM3",
                    "uuid": "GPU-5d6f8a21-0001",
                }
            ]
        }
    )

    node_name: str = Field(pattern=_NAME, max_length=253)
    device_index: WireInt = Field(ge=0, le=MAX_INDEX)
    model_id: Plain | None = Field(
        default=None, max_length=63, description="Our id of the model, or give its name."
    )
    model_name: Plain | None = Field(
        default=None, max_length=120, description="Exact product name, as nvidia-smi shows it."
    )
    pci_id: Plain | None = Field(
        default=None, max_length=40, description="PCI vendor and device id.", examples=["10de:2330"]
    )
    mig_enabled: bool = False

    def told(self) -> DeviceFacts:
        """Return the facts of a registration."""
        return self.facts(model_id=self.model_id, model_name=self.model_name, pci_id=self.pci_id)


class DeviceUpdate(DeviceTold):
    """Changes of what is told about a device; what is left out stays."""


class NodeUpdate(WireRequest):
    """Changes of what is told about a node; what is left out stays."""

    ip: Plain | None = Field(default=None, max_length=45)
    cpu_total_milli: WireInt | None = Field(
        default=None, ge=0, le=10_000_000, description="CPU for pods, 1000 = core."
    )
    memory_total_mib: WireInt | None = Field(
        default=None, ge=0, le=1_000_000_000, description="Memory for pods, in MiB."
    )
    driver_version: Plain | None = Field(default=None, max_length=40)
    cuda_version: Plain | None = Field(default=None, max_length=40)
    kubelet_version: Plain | None = Field(default=None, max_length=40)
    labels: dict[Text80, Text80] | None = None
    zone: Plain | None = Field(default=None, max_length=63)

    def facts(self) -> NodeFacts:
        """Return what was told, as the service takes it."""
        return NodeFacts(**{name: getattr(self, name) for name in NodeUpdate.model_fields})


class MaintenanceStart(WireRequest):
    """Why a device or node goes into maintenance; holds go on, nothing new is placed."""

    reason: Sentence = Field(default="maintenance", min_length=1, max_length=400)


class StateChange(WireRequest):
    """What somebody found out about a device."""

    state: Literal["READY", "FAILED", "OFFLINE", "MAINTENANCE"]
    reason: Sentence = Field(min_length=1, max_length=400)


class StateStretch(WireModel):
    """A stretch of a device's timeline."""

    state: DeviceState
    reason: str | None
    actor: str | None
    started_at: Moment
    ended_at: Moment | None


class Model(WireModel):
    """An accelerator model."""

    model_id: str
    model_name: str
    manufacturer: str
    architecture: str | None
    memory_gb: int
    memory_mib: int | None
    memory_type: str | None
    memory_bandwidth_gbps: float | None
    cuda_cores: int | None
    tensor_cores: int | None
    compute_capability: str | None
    tdp_watts: int | None
    mig_support: bool
    mig_geometry: str | None
    max_mig_instances: int
    pci_ids: list[str]
    end_of_life: Moment | None
    is_catalog: bool


class ModelCreate(WireRequest):
    """A model the catalogue does not have."""

    model_id: str = Field(pattern=r"^[a-z0-9][-a-z0-9.]{0,61}[a-z0-9]$")
    model_name: Plain = Field(min_length=1, max_length=120)
    manufacturer: Plain = Field(default="NVIDIA", max_length=60)
    architecture: Plain | None = Field(default=None, max_length=60)
    memory_gb: WireInt = Field(ge=1, le=10_000)
    memory_mib: WireInt | None = Field(default=None, ge=1, le=10_000_000)
    tdp_watts: WireInt | None = Field(default=None, ge=1, le=10_000)
