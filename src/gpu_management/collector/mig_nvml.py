"""Slices of GPUs through NVML: look, create, destroy. Needs an administrator's rights.

Names and structures: nvml.h, section "Multi Instance GPU Management".
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import c_uint, pointer
from importlib import import_module
from typing import Any, Final

from gpu_management.collector.mig_agent import Board, CutRefused, Place, Slice

_MOST_GPUS: Final = 64
_NAME_MARK: Final = "MIG "


@contextmanager
def nvml_slicer(api: Any | None = None) -> Iterator["NvmlSlicer"]:
    """Hold NVML open; `api` stands in for the library's module.

    Raises:
        CutRefused: the driver's library is missing or refuses.
    """
    found = api if api is not None else import_module("pynvml")
    try:
        found.nvmlInit()
    except found.NVMLError as error:
        raise CutRefused(f"NVML does not start: {error}") from error
    try:
        yield NvmlSlicer(found)
    finally:
        found.nvmlShutdown()


class NvmlSlicer:
    """An open NVML that cuts."""

    def __init__(self, api: Any) -> None:
        """Use `api`, the module `pynvml` or one that answers like it."""
        self._api = api

    def look(self) -> list[Board]:
        """Return the node's GPUs with their slices; one that is lost is left out."""
        found = []
        for index in range(min(self._api.nvmlDeviceGetCount(), _MOST_GPUS)):
            try:
                gpu = self._api.nvmlDeviceGetHandleByIndex(index)
                found.append(self._board(gpu, index))
            except self._api.NVMLError:
                continue
        return found

    def profiles(self, board: Board) -> frozenset[str]:
        """Return the profiles of a GPU, as its driver calls them."""
        return frozenset(self._profiles(self._api.nvmlDeviceGetHandleByUUID(board.uuid)))

    def destroy(self, board: Board, gone: Slice) -> None:
        """Destroy what computes in a slice, and the slice."""
        gpu = self._api.nvmlDeviceGetHandleByUUID(board.uuid)
        what = f"GPU {board.index}: {gone.profile} at {gone.start} cannot be destroyed"
        instance = self._ask(
            what, self._api.nvmlDeviceGetGpuInstanceById, gpu, gone.gpu_instance_id
        )
        for profile in self._compute_profiles(instance):
            for part in self._compute_instances(instance, profile):
                self._ask(what, self._api.nvmlComputeInstanceDestroy, part)
        self._ask(what, self._api.nvmlGpuInstanceDestroy, instance)

    def create(self, board: Board, place: Place) -> None:
        """Create a slice, and in it one compute instance with all its slices."""
        name, start = place
        gpu = self._api.nvmlDeviceGetHandleByUUID(board.uuid)
        what = f"GPU {board.index}: {name} at {start} cannot be created"
        profile = self._profiles(gpu).get(name)
        if profile is None:
            raise CutRefused(f"{what}: the driver knows no such profile")
        room = self._placement(gpu, profile, start)
        if room is None:
            raise CutRefused(f"{what}: it cannot begin there")
        make = self._api.nvmlDeviceCreateGpuInstanceWithPlacement
        instance = self._ask(what, make, gpu, profile.id, pointer(room))
        whole = max(self._compute_profiles(instance), key=lambda kind: kind.sliceCount)
        self._ask(what, self._api.nvmlGpuInstanceCreateComputeInstance, instance, whole.id)

    def _board(self, gpu: Any, index: int) -> Board:
        uuid = str(self._api.nvmlDeviceGetUUID(gpu))
        if not self._is_cut(gpu):
            return Board(uuid, index, mig_enabled=False, slices=())
        uuids = self._uuids(gpu)
        slices = []
        for name, profile in self._profiles(gpu).items():
            for instance in self._instances(gpu, profile):
                info = self._api.nvmlGpuInstanceGetInfo(instance)
                slices.append(Slice(name, int(info.placement.start), info.id, uuids.get(info.id)))
        slices.sort(key=lambda one: one.start)
        return Board(uuid, index, mig_enabled=True, slices=slices)

    def _is_cut(self, gpu: Any) -> bool:
        try:
            mode = self._api.nvmlDeviceGetMigMode(gpu)
        except self._api.NVMLError:
            return False  # the model has no MIG
        return bool(mode[0] == self._api.NVML_DEVICE_MIG_ENABLE)

    def _profiles(self, gpu: Any) -> dict[str, Any]:
        """Return the profiles of a GPU by name, such as 1g.10gb."""
        found = {}
        for number in range(self._api.NVML_GPU_INSTANCE_PROFILE_COUNT):
            try:
                info = self._api.nvmlDeviceGetGpuInstanceProfileInfo(gpu, number)
            except self._api.NVMLError:
                continue  # the model does not have it
            name = info.name.decode() if isinstance(info.name, bytes) else str(info.name)
            found[name.removeprefix(_NAME_MARK)] = info
        return found

    def _instances(self, gpu: Any, profile: Any) -> list[Any]:
        kind = self._api.c_nvmlGpuInstance_t
        count, room = c_uint(), (kind * profile.instanceCount)()
        self._api.nvmlDeviceGetGpuInstances(gpu, profile.id, room, pointer(count))
        return list(room[: count.value])

    def _placement(self, gpu: Any, profile: Any, start: int) -> Any | None:
        kind, most = self._api.c_nvmlGpuInstancePlacement_t, c_uint()
        ask = self._api.nvmlDeviceGetGpuInstancePossiblePlacements
        ask(gpu, profile.id, None, pointer(most))
        room = (kind * most.value)()
        ask(gpu, profile.id, room, pointer(most))
        return next((one for one in room[: most.value] if one.start == start), None)

    def _compute_profiles(self, instance: Any) -> list[Any]:
        api, found = self._api, []
        for number in range(api.NVML_COMPUTE_INSTANCE_PROFILE_COUNT):
            try:
                found.append(
                    api.nvmlGpuInstanceGetComputeInstanceProfileInfo(
                        instance, number, api.NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED
                    )
                )
            except api.NVMLError:
                continue  # the slice is too small for it
        return found

    def _compute_instances(self, instance: Any, profile: Any) -> list[Any]:
        kind = self._api.c_nvmlComputeInstance_t
        count, room = c_uint(), (kind * profile.instanceCount)()
        self._api.nvmlGpuInstanceGetComputeInstances(instance, profile.id, room, pointer(count))
        return list(room[: count.value])

    def _uuids(self, gpu: Any) -> dict[int, str]:
        """Return the UUIDs of slices by the id of their GPU instance."""
        api, found = self._api, {}
        for number in range(api.nvmlDeviceGetMaxMigDeviceCount(gpu)):
            try:
                handle = api.nvmlDeviceGetMigDeviceHandleByIndex(gpu, number)
                found[api.nvmlDeviceGetGpuInstanceId(handle)] = str(api.nvmlDeviceGetUUID(handle))
            except api.NVMLError:
                continue
        return found

    def _ask(self, what: str, deed: Callable[..., Any], *about: Any) -> Any:
        try:
            return deed(*about)
        except self._api.NVMLError as error:
            why = "somebody uses it" if error.value == self._api.NVML_ERROR_IN_USE else error
            raise CutRefused(f"{what}: {why}") from error
