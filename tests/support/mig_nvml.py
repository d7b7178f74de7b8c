# ruff: noqa: N802, N815 - the names are NVML's
"""The part of NVML that cuts GPUs, not there: structures, counts and refusals as the driver's."""

from ctypes import Structure, c_uint, py_object
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

from gpu_management.mig.geometry import Geometry, Placement, load_geometries
from gpu_management.mig.layout import free_starts
from tests.support.nvml import FakeError

IN_USE, INVALID, NOT_SUPPORTED = 19, 2, 3


class CutPlacement(Structure):
    """Where a slice is."""

    _fields_ = [("start", c_uint), ("size", c_uint)]


@dataclass
class CutSlice:
    """A GPU instance."""

    id: int
    profile: str
    start: int
    gpu: "CutGpu"
    computes: int = 0
    in_use: bool = False


@dataclass
class CutGpu:
    """A GPU with MIG mode on, of one geometry."""

    uuid: str
    geometry: Geometry
    mig_enabled: bool = True
    slices: list[CutSlice] = field(default_factory=list)
    calls: dict[str, str] = field(default_factory=dict)
    """What its driver calls some profiles."""


class CutNvml:
    """Answers like `pynvml`; makes only what the geometry allows."""

    NVMLError = FakeError
    NVML_ERROR_IN_USE = IN_USE
    NVML_DEVICE_MIG_ENABLE = 1
    NVML_GPU_INSTANCE_PROFILE_COUNT = 24
    NVML_COMPUTE_INSTANCE_PROFILE_COUNT = 3
    NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED = 0
    c_nvmlGpuInstance_t = py_object
    c_nvmlComputeInstance_t = py_object
    c_nvmlGpuInstancePlacement_t = CutPlacement

    def __init__(self, *gpus: CutGpu) -> None:
        self.gpus = list(gpus)
        self.deeds: list[tuple[str, str, int]] = []
        self.open = 0
        self._ids = count(1)

    def nvmlInit(self) -> None:
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> CutGpu:
        return self.gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> CutGpu:
        return next(gpu for gpu in self.gpus if gpu.uuid == uuid)

    def nvmlDeviceGetUUID(self, handle: Any) -> str:
        return handle.uuid if isinstance(handle, CutGpu) else f"MIG-{handle.gpu.uuid}-{handle.id}"

    def nvmlDeviceGetMigMode(self, gpu: CutGpu) -> list[int]:
        return [int(gpu.mig_enabled)] * 2

    def nvmlDeviceGetGpuInstanceProfileInfo(self, gpu: CutGpu, number: int) -> Any:
        if number >= len(gpu.geometry.profiles):
            raise FakeError(NOT_SUPPORTED)
        kind = gpu.geometry.profiles[number]
        name = f"MIG {gpu.calls.get(kind.name, kind.name)}".encode()
        return SimpleNamespace(id=number + 100, name=name, instanceCount=kind.max_instances)

    def nvmlDeviceGetGpuInstances(self, gpu: CutGpu, profile: int, room: Any, told: Any) -> None:
        name = gpu.geometry.profiles[profile - 100].name
        found = [one for one in gpu.slices if one.profile == name]
        for position, one in enumerate(found):
            room[position] = one
        told.contents.value = len(found)

    def nvmlGpuInstanceGetInfo(self, one: CutSlice) -> Any:
        return SimpleNamespace(id=one.id, placement=SimpleNamespace(start=one.start))

    def nvmlDeviceGetGpuInstanceById(self, gpu: CutGpu, number: int) -> CutSlice:
        for one in gpu.slices:
            if one.id == number:
                return one
        raise FakeError(INVALID)

    def nvmlDeviceGetGpuInstancePossiblePlacements(
        self, gpu: CutGpu, profile: int, room: Any, told: Any
    ) -> None:
        kind = gpu.geometry.profiles[profile - 100]
        told.contents.value = len(kind.starts)
        for position, start in enumerate(kind.starts if room is not None else ()):
            room[position].start, room[position].size = start, kind.size

    def nvmlDeviceCreateGpuInstanceWithPlacement(
        self, gpu: CutGpu, profile: int, place: Any
    ) -> CutSlice:
        name, start = gpu.geometry.profiles[profile - 100].name, place.contents.start
        standing = [Placement(one.profile, one.start) for one in gpu.slices]
        if start not in free_starts(gpu.geometry, standing, name):
            raise FakeError(INVALID)
        made = CutSlice(next(self._ids), name, start, gpu)
        gpu.slices.append(made)
        self.deeds.append(("create", name, start))
        return made

    def nvmlGpuInstanceDestroy(self, one: CutSlice) -> None:
        if one.in_use or one.computes:
            raise FakeError(IN_USE)
        one.gpu.slices.remove(one)
        self.deeds.append(("destroy", one.profile, one.start))

    def nvmlGpuInstanceGetComputeInstanceProfileInfo(
        self, one: CutSlice, number: int, _engines: int
    ) -> Any:
        most = one.gpu.geometry.profile(one.profile).compute_slices
        if number >= most:
            raise FakeError(NOT_SUPPORTED)
        return SimpleNamespace(id=number, sliceCount=number + 1, instanceCount=most)

    def nvmlGpuInstanceGetComputeInstances(
        self, one: CutSlice, profile: int, room: Any, told: Any
    ) -> None:
        told.contents.value = int(one.computes == profile + 1)
        if one.computes == profile + 1:
            room[0] = one

    def nvmlGpuInstanceCreateComputeInstance(self, one: CutSlice, profile: int) -> None:
        one.computes = profile + 1

    def nvmlComputeInstanceDestroy(self, one: CutSlice) -> None:
        if one.in_use:
            raise FakeError(IN_USE)
        one.computes = 0

    def nvmlDeviceGetMaxMigDeviceCount(self, _gpu: CutGpu) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: CutGpu, index: int) -> CutSlice:
        if index >= len(gpu.slices):
            raise FakeError(6)
        return gpu.slices[index]

    def nvmlDeviceGetGpuInstanceId(self, one: CutSlice) -> int:
        return one.id


def cut_gpu(uuid: str, layout: list[tuple[str, int]], *, geometry: str) -> CutGpu:
    """Return a GPU that is cut like `layout`."""
    gpu = CutGpu(uuid, load_geometries()[geometry])
    for number, (profile, start) in enumerate(layout, start=1001):
        gpu.slices.append(CutSlice(number, profile, start, gpu, computes=1))
    return gpu
