"""Read the GPUs of a node through NVML, where no dcgm-exporter runs.

What NVML does not support on a model stays None. A GPU that fell off the bus is told as lost, with
what is known of it, and does not keep the others from being read.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, TypeVar

from gpu_management.metrics.readings import Reading, Target

_MIB: Final = 2**20
_MILLIWATTS_PER_WATT: Final = 1000
_PCIE_UNIT_BYTES: Final = 1024
"""NVML counts PCIe throughput in KB a second."""
_MOST_GPUS: Final = 64

Value = TypeVar("Value")


class NvmlUnavailable(Exception):
    """NVML cannot be used: no driver, no library, or no permission."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process on a GPU and how busy it kept it: percent of the last sampling period, or None."""

    pid: int
    memory_mib: float | None
    busy_pct: float | None


@dataclass(frozen=True, slots=True)
class Node:
    """What one look at a node showed: readings, processes by target, and GPUs that are lost."""

    readings: list[Reading]
    processes: dict[Target, list[Process]]
    lost: list[int]
    instances: dict[str, Target]
    """MIG instances by the UUID that containers know them by."""


@contextmanager
def nvml(api: Any | None = None) -> Iterator["Nvml"]:
    """Hold NVML open; `api` stands in for the library's module.

    Raises:
        NvmlUnavailable: the driver's library is missing or refuses.
    """
    found = api if api is not None else import_module("pynvml")
    try:
        found.nvmlInit()
    except found.NVMLError as error:
        raise NvmlUnavailable(
            f"NVML does not start: {error}; is the NVIDIA driver's library in this container?"
        ) from error
    try:
        yield Nvml(found)
    finally:
        found.nvmlShutdown()


class Nvml:
    """An open NVML."""

    def __init__(self, api: Any) -> None:
        """Use `api`, the module `pynvml` or one that answers like it."""
        self._api = api
        self._seen: dict[str, int] = {}

    def look(self, *, node_name: str) -> Node:
        """Return what the node's GPUs do now."""
        driver = self._try(self._api.nvmlSystemGetDriverVersion)
        node = Node([], {}, [], {})
        for index in range(min(self._api.nvmlDeviceGetCount(), _MOST_GPUS)):
            try:
                found = self._gpu(index, node.instances)
            except self._api.NVMLError:
                node.lost.append(index)
                continue
            for reading, processes in found:
                reading.node_name, reading.driver_version = node_name, driver
                node.readings.append(reading)
                node.processes[reading.target] = processes
        return node

    def _gpu(self, index: int, instances: dict[str, Target]) -> list[tuple[Reading, list[Process]]]:
        gpu = self._api.nvmlDeviceGetHandleByIndex(index)
        whole = self._whole(gpu, index)
        return [
            (reading, self._processes(handle, reading.target))
            for reading, handle in ((whole, gpu), *self._instances(gpu, whole, instances))
        ]

    def _whole(self, gpu: Any, index: int) -> Reading:
        api, ask = self._api, self._try
        reading = Reading(
            Target(api.nvmlDeviceGetUUID(gpu)),
            gpu_index=index,
            pci_bus_id=getattr(ask(api.nvmlDeviceGetPciInfo, gpu), "busId", None),
            model_name=ask(api.nvmlDeviceGetName, gpu),
        )
        self._read_load(reading, gpu)
        self._read_memory(reading, gpu)
        self._read_body(reading, gpu)
        self._read_errors(reading, gpu)
        return reading

    def _instances(
        self, gpu: Any, whole: Reading, by_uuid: dict[str, Target]
    ) -> Iterator[tuple[Reading, Any]]:
        """Each MIG instance: memory and processes are its own, load is not known to NVML."""
        api = self._api
        mode = self._try(api.nvmlDeviceGetMigMode, gpu)
        if mode is None or mode[0] != api.NVML_DEVICE_MIG_ENABLE:
            return
        for place in range(self._try(api.nvmlDeviceGetMaxMigDeviceCount, gpu) or 0):
            handle = self._try(api.nvmlDeviceGetMigDeviceHandleByIndex, gpu, place)
            if handle is None:
                continue
            reading = Reading(
                Target(whole.target.uuid, api.nvmlDeviceGetGpuInstanceId(handle)),
                gpu_index=whole.gpu_index,
                pci_bus_id=whole.pci_bus_id,
                model_name=whole.model_name,
                temperature_celsius=whole.temperature_celsius,
                power_w=whole.power_w,
                energy_mj=whole.energy_mj,
            )
            self._read_memory(reading, handle)
            reading.placement_start = self._start(gpu, reading.target)
            reading.instance_uuid = self._try(api.nvmlDeviceGetUUID, handle)
            if reading.instance_uuid is not None:
                by_uuid[reading.instance_uuid] = reading.target
            yield reading, handle

    def _start(self, gpu: Any, target: Target) -> int | None:
        """Where an instance begins; some drivers tell it only to root."""
        api, ask = self._api, self._try
        instance = ask(api.nvmlDeviceGetGpuInstanceById, gpu, target.gpu_instance_id)
        info = None if instance is None else ask(api.nvmlGpuInstanceGetInfo, instance)
        return None if info is None else int(info.placement.start)

    def _read_load(self, reading: Reading, gpu: Any) -> None:
        api, ask = self._api, self._try
        load = ask(api.nvmlDeviceGetUtilizationRates, gpu)
        if load is not None:
            reading.gpu_util_pct = float(load.gpu)
            reading.memory_copy_util_pct = float(load.memory)
        reading.encoder_util_pct = _first(ask(api.nvmlDeviceGetEncoderUtilization, gpu))
        reading.decoder_util_pct = _first(ask(api.nvmlDeviceGetDecoderUtilization, gpu))
        reading.sm_clock_mhz = _number(ask(api.nvmlDeviceGetClockInfo, gpu, api.NVML_CLOCK_SM))
        reading.memory_clock_mhz = _number(ask(api.nvmlDeviceGetClockInfo, gpu, api.NVML_CLOCK_MEM))
        for name, counter in (
            ("pcie_tx_bytes_per_second", api.NVML_PCIE_UTIL_TX_BYTES),
            ("pcie_rx_bytes_per_second", api.NVML_PCIE_UTIL_RX_BYTES),
        ):
            rate = ask(api.nvmlDeviceGetPcieThroughput, gpu, counter)
            setattr(reading, name, None if rate is None else float(rate * _PCIE_UNIT_BYTES))

    def _read_memory(self, reading: Reading, handle: Any) -> None:
        api = self._api
        memory = self._try(api.nvmlDeviceGetMemoryInfo, handle, api.nvmlMemory_v2)
        if memory is not None:
            reading.memory_used_mib = memory.used / _MIB
            reading.memory_free_mib = memory.free / _MIB
            reading.memory_reserved_mib = memory.reserved / _MIB

    def _read_body(self, reading: Reading, gpu: Any) -> None:
        api, ask = self._api, self._try
        reading.temperature_celsius = _number(
            ask(api.nvmlDeviceGetTemperature, gpu, api.NVML_TEMPERATURE_GPU)
        )
        power_mw = ask(api.nvmlDeviceGetPowerUsage, gpu)
        reading.power_w = None if power_mw is None else power_mw / _MILLIWATTS_PER_WATT
        reading.energy_mj = _number(ask(api.nvmlDeviceGetTotalEnergyConsumption, gpu))

    def _read_errors(self, reading: Reading, gpu: Any) -> None:
        api, ask = self._api, self._try
        for name, kind in (
            ("ecc_single_bit", api.NVML_MEMORY_ERROR_TYPE_CORRECTED),
            ("ecc_double_bit", api.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
        ):
            count = ask(api.nvmlDeviceGetTotalEccErrors, gpu, kind, api.NVML_VOLATILE_ECC)
            setattr(reading, name, _number(count))
        reading.pcie_replays = _number(ask(api.nvmlDeviceGetPcieReplayCounter, gpu))
        rows = ask(api.nvmlDeviceGetRemappedRows, gpu)
        if rows is not None:
            reading.remapped_correctable, reading.remapped_uncorrectable = map(float, rows[:2])
            reading.remap_failed = bool(rows[3])

    def _processes(self, handle: Any, target: Target) -> list[Process]:
        """Who runs there; how busy each is, since this was last asked, where NVML can tell."""
        api = self._api
        running = self._try(api.nvmlDeviceGetComputeRunningProcesses, handle) or []
        key = f"{target.uuid}/{target.gpu_instance_id}"
        samples = self._try(api.nvmlDeviceGetProcessUtilization, handle, self._seen.get(key, 0))
        busy = {one.pid: float(one.smUtil) for one in samples or []}
        if samples:
            self._seen[key] = max(one.timeStamp for one in samples)
        return [
            Process(
                one.pid,
                None if one.usedGpuMemory is None else one.usedGpuMemory / _MIB,
                busy.get(one.pid, None if samples is None else 0.0),
            )
            for one in running
        ]

    def _try(self, ask: Callable[..., Value], *about: Any) -> Value | None:
        """Ask; None where the model, the driver or the mode does not support it."""
        try:
            return ask(*about)
        except self._api.NVMLError as error:
            if error.value == self._api.NVML_ERROR_GPU_IS_LOST:
                raise
            return None


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _first(pair: Any) -> float | None:
    return None if pair is None else float(pair[0])
