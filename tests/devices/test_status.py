import pytest

from gpu_management.devices.models import DeviceState, DeviceStatus
from gpu_management.devices.status import DEVICE_ID, device_id, status_of

READY = DeviceState.READY


@pytest.mark.parametrize("state", [s for s in DeviceState if s is not READY])
@pytest.mark.parametrize("is_cut", [True, False])
@pytest.mark.parametrize("held_milli", [0, 1000])
def test_a_state_that_stops_work_goes_before_any_use(
    state: DeviceState, is_cut: bool, held_milli: int
) -> None:
    status = status_of(state, mig_enabled=is_cut, held_milli=held_milli)
    expected = "MAINTENANCE" if state is DeviceState.RECONFIGURING else state.value
    assert status.value == expected


def test_a_device_that_works_is_available_allocated_or_cut() -> None:
    assert status_of(READY, mig_enabled=False, held_milli=0) is DeviceStatus.AVAILABLE
    assert status_of(READY, mig_enabled=False, held_milli=1) is DeviceStatus.ALLOCATED
    assert status_of(READY, mig_enabled=True, held_milli=0) is DeviceStatus.MIG
    assert status_of(READY, mig_enabled=True, held_milli=500) is DeviceStatus.MIG


@pytest.mark.parametrize("name", ["n", "gpu-worker-1", "a.b.c", "n-gpu-1"])
@pytest.mark.parametrize("index", [0, 9, 10, 99, 100, 127])
def test_an_id_is_read_back_as_it_was_written(name: str, index: int) -> None:
    found = DEVICE_ID.fullmatch(device_id(name, index))
    assert found is not None
    assert (found["node"], int(found["index"])) == (name, index)


@pytest.mark.parametrize("text", ["n-GPU-0", "n-GPU-1000", "N-GPU-00", "-n-GPU-00", "GPU-00"])
def test_what_is_no_id_is_not_read(text: str) -> None:
    assert DEVICE_ID.fullmatch(text) is None
