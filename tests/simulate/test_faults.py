"""GPUs break and are mended; people's allocations stay, simulated ones end."""

from datetime import timedelta

from gpu_management.allocations.models import Phase
from gpu_management.devices.models import DeviceState
from gpu_management.simulate import faults, world
from gpu_management.simulate.faults import Fault
from tests.support.apps import NOON
from tests.support.house import CLUSTER, V100, House

FAULT = Fault(NOON, 0.0, faults.REASONS[0])


def strike(house: House) -> None:
    with house.database.write() as session:
        faults.strike(session, CLUSTER, FAULT, now=house.now)


def state_of(house: House, device_id: str) -> DeviceState:
    with house.device(device_id) as (_, device):
        return device.state


def test_faults_follow_from_the_seed() -> None:
    until = NOON + timedelta(days=30)
    assert faults.drawn(3, NOON, until) == faults.drawn(3, NOON, until)
    assert faults.drawn(3, NOON, until) != faults.drawn(4, NOON, until)
    assert 20 < len(faults.drawn(3, NOON, until)) < 200


def test_a_fault_ends_simulated_work_and_leaves_peoples_own(house: House) -> None:
    house.node("n1", model=V100)
    simulated = house.request(by=world.SIMULATOR)
    strike(house)
    assert house.find(simulated.allocation_id).release_reason == "device-failed"
    assert state_of(house, "n1-GPU-00") is DeviceState.FAILED


def test_a_fault_under_somebody_leaves_the_hold(house: House) -> None:
    house.node("n1", model=V100)
    own = house.request()
    strike(house)
    assert house.find(own.allocation_id).phase is Phase.ALLOCATED


def test_what_broke_is_mended_in_time(house: House) -> None:
    house.node("n1", model=V100)
    strike(house)
    with house.database.write() as session:
        faults.mend_due(session, CLUSTER, 1, now=house.now)
    assert state_of(house, "n1-GPU-00") is DeviceState.FAILED
    house.clock.forward(hours=1)
    with house.database.write() as session:
        faults.mend_due(session, CLUSTER, 1, now=house.now)
    assert state_of(house, "n1-GPU-00") is DeviceState.READY


def test_failures_that_others_told_of_are_not_mended(house: House) -> None:
    house.node("n1", model=V100)
    house.set_state("n1-GPU-00", DeviceState.FAILED)
    house.clock.forward(days=1)
    with house.database.write() as session:
        faults.mend_due(session, CLUSTER, 1, now=house.now)
    assert state_of(house, "n1-GPU-00") is DeviceState.FAILED
