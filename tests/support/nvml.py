# ruff: noqa: N802, N815 - the names are NVML's
"""A node's NVML that is not there: answers like the module `pynvml`, as told."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

MIB = 2**20


class FakeError(Exception):
    """NVML's refusal; `value` is its code."""

    def __init__(self, value: int) -> None:
        super().__init__(f"NVML error {value}")
        self.value = value


@dataclass
class FakeInstance:
    """A MIG instance."""

    gpu_instance_id: int
    used_mib: int = 0
    processes: list[tuple[int, int]] = field(default_factory=list)
    start: int | None = None


@dataclass
class FakeGpu:
    """A GPU; a figure that is None is not supported."""

    uuid: str
    name: str = "NVIDIA H100 80GB HBM3"
    util: tuple[int, int] | None = (50, 20)
    used_mib: int | None = 1000
    temperature: int | None = 40
    power_mw: int | None = 300_000
    rows: tuple[int, int, int, int] | None = (0, 0, 0, 0)
    instances: list[FakeInstance] | None = None
    processes: list[tuple[int, int]] = field(default_factory=list)
    busy: dict[int, int] | None = None
    lost: bool = False


class FakeNvml:
    """The functions that the collector calls."""

    NVMLError = FakeError
    NVML_ERROR_NOT_SUPPORTED = 3
    NVML_ERROR_GPU_IS_LOST = 15
    NVML_DEVICE_MIG_ENABLE = 1
    NVML_CLOCK_SM = 1
    NVML_CLOCK_MEM = 2
    NVML_TEMPERATURE_GPU = 0
    NVML_PCIE_UTIL_TX_BYTES = 0
    NVML_PCIE_UTIL_RX_BYTES = 1
    NVML_MEMORY_ERROR_TYPE_CORRECTED = 0
    NVML_MEMORY_ERROR_TYPE_UNCORRECTED = 1
    NVML_VOLATILE_ECC = 0
    nvmlMemory_v2 = 2

    def __init__(self, *gpus: FakeGpu, starts: bool = True) -> None:
        self.gpus = gpus
        self.starts = starts
        self.open = 0
        self.asked_since: list[int] = []

    def nvmlInit(self) -> None:
        if not self.starts:
            raise FakeError(9)
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlSystemGetDriverVersion(self) -> str:
        return "570.148.08"

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        return self.gpus[index]

    def nvmlDeviceGetUUID(self, gpu: Any) -> str:
        if isinstance(gpu, FakeInstance):
            return f"MIG-{gpu.gpu_instance_id}"
        if gpu.lost:
            raise FakeError(self.NVML_ERROR_GPU_IS_LOST)
        return str(gpu.uuid)

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> str:
        return gpu.name

    def nvmlDeviceGetPciInfo(self, _gpu: FakeGpu) -> Any:
        return SimpleNamespace(busId="00000000:07:00.0")

    def nvmlDeviceGetUtilizationRates(self, gpu: FakeGpu) -> Any:
        gpu_pct, memory_pct = self._known(gpu.util)
        return SimpleNamespace(gpu=gpu_pct, memory=memory_pct)

    def nvmlDeviceGetMemoryInfo(self, handle: Any, _version: int) -> Any:
        used = self._known(handle.used_mib) * MIB
        return SimpleNamespace(used=used, free=80_000 * MIB - used, reserved=600 * MIB)

    def nvmlDeviceGetTemperature(self, gpu: FakeGpu, _sensor: int) -> int:
        return int(self._known(gpu.temperature))

    def nvmlDeviceGetPowerUsage(self, gpu: FakeGpu) -> int:
        return int(self._known(gpu.power_mw))

    def nvmlDeviceGetTotalEnergyConsumption(self, _gpu: FakeGpu) -> int:
        return 12_345

    def nvmlDeviceGetClockInfo(self, _gpu: FakeGpu, clock: int) -> int:
        return 1000 * clock

    def nvmlDeviceGetTotalEccErrors(self, _gpu: FakeGpu, kind: int, _counter: int) -> int:
        return kind

    def nvmlDeviceGetRemappedRows(self, gpu: FakeGpu) -> Any:
        return self._known(gpu.rows)

    def nvmlDeviceGetPcieReplayCounter(self, _gpu: FakeGpu) -> int:
        return 0

    def nvmlDeviceGetPcieThroughput(self, _gpu: FakeGpu, counter: int) -> int:
        return 10 + counter

    def nvmlDeviceGetEncoderUtilization(self, _gpu: FakeGpu) -> list[int]:
        return [7, 100_000]

    def nvmlDeviceGetDecoderUtilization(self, _gpu: FakeGpu) -> list[int]:
        raise FakeError(self.NVML_ERROR_NOT_SUPPORTED)

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> list[int]:
        if gpu.instances is None:
            raise FakeError(self.NVML_ERROR_NOT_SUPPORTED)
        return [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, _gpu: FakeGpu) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: FakeGpu, index: int) -> FakeInstance:
        assert gpu.instances is not None
        if index >= len(gpu.instances):
            raise FakeError(6)
        return gpu.instances[index]

    def nvmlDeviceGetGpuInstanceId(self, handle: FakeInstance) -> int:
        return handle.gpu_instance_id

    def nvmlDeviceGetGpuInstanceById(self, gpu: FakeGpu, number: int) -> FakeInstance:
        found = (one for one in gpu.instances or () if one.gpu_instance_id == number)
        instance: FakeInstance = self._known(next(found, None))
        self._known(instance.start)
        return instance

    def nvmlGpuInstanceGetInfo(self, instance: FakeInstance) -> Any:
        return SimpleNamespace(placement=SimpleNamespace(start=instance.start))

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> list[Any]:
        return [SimpleNamespace(pid=pid, usedGpuMemory=mib * MIB) for pid, mib in handle.processes]

    def nvmlDeviceGetProcessUtilization(self, handle: Any, since: int) -> list[Any]:
        busy = self._known(getattr(handle, "busy", None))
        self.asked_since.append(since)
        return [SimpleNamespace(pid=p, smUtil=b, timeStamp=since + 100) for p, b in busy.items()]

    def _known(self, value: Any) -> Any:
        if value is None:
            raise FakeError(self.NVML_ERROR_NOT_SUPPORTED)
        return value
