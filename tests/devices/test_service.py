from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.allocations.errors import GpuNotAvailable
from gpu_management.core.problems import Conflict, PreconditionFailed
from gpu_management.devices import grips, service
from gpu_management.devices.errors import (
    DeviceExists,
    DeviceInUse,
    DeviceInvalid,
    DeviceNotFound,
    ModelNotFound,
    NodeNotFound,
    StaleDecision,
)
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval, Node
from gpu_management.devices.service import DeviceFacts, NodeFacts
from gpu_management.events.models import Event
from gpu_management.mig import service as mig
from tests.support.house import A100, CLUSTER, T4, House
from tests.support.ledger import check_ledger


def _register(house: House, index: int = 0, **facts: Any) -> str:
    told = DeviceFacts(**{"model_id": T4, **facts})
    with house.database.write() as session:
        node = service.ensure_node(session, CLUSTER, "n1", facts=NodeFacts(), now=house.now)
        return service.register(session, node, index, facts=told, now=house.now).device_id


def _stretches(house: House) -> list[DeviceStateInterval]:
    with house.database.read() as session:
        check_ledger(session)
        return list(session.scalars(select(DeviceStateInterval).order_by(DeviceStateInterval.id)))


def _events(house: House) -> list[str]:
    with house.database.read() as session:
        return list(session.scalars(select(Event.type).order_by(Event.id)))


def test_an_unknown_node_is_created_with_its_first_device_and_ranks_by_arrival(
    house: House,
) -> None:
    house.node("b")
    house.node("a")
    with house.database.read() as session:
        ranks = session.execute(select(Node.node_name, Node.rank).order_by(Node.rank)).all()
    assert [tuple(row) for row in ranks] == [("b", 0), ("a", 1)]


def test_what_is_not_told_about_a_node_stays(house: House) -> None:
    house.node("n1", cpu_milli=5, labels={"a": "b"})
    with house.database.write() as session:
        node = service.ensure_node(session, CLUSTER, "n1", facts=NodeFacts(zone="z"), now=house.now)
        assert (node.cpu_total_milli, node.labels, node.zone) == (5, {"a": "b"}, "z")


@pytest.mark.parametrize(
    "facts",
    [
        {"model_id": None, "model_name": "Tesla T4"},
        {"model_id": None, "pci_id": "10de:1eb8"},
        {"model_id": "t4"},
    ],
)
def test_a_model_is_matched_by_id_by_pci_id_and_by_name(
    house: House, facts: dict[str, Any]
) -> None:
    name = _register(house, **facts)
    with house.device(name) as (_session, device):
        assert device.model_id == T4
        assert device.memory_total_mib is not None


def test_what_is_told_about_the_memory_goes_before_the_catalogue(house: House) -> None:
    with house.device(_register(house, memory_total_mib=15_000)) as (_session, device):
        assert device.memory_total_mib == 15_000


@pytest.mark.parametrize(
    ("facts", "problem", "words"),
    [
        ({"model_id": None, "model_name": "Tesla"}, DeviceInvalid, "no model matches Tesla"),
        ({"model_id": None}, DeviceInvalid, "no model matches nothing"),
        ({"model_id": "t44"}, ModelNotFound, "did you mean t4"),
        ({"mig_enabled": True}, DeviceInvalid, "has no MIG"),
    ],
)
def test_a_device_nobody_can_place_is_refused(
    house: House, facts: dict[str, Any], problem: type[Exception], words: str
) -> None:
    with pytest.raises(problem, match=words):
        _register(house, **facts)
    with house.database.read() as session:
        assert not session.scalars(select(Device)).all()
        assert not session.scalars(select(Node)).all()


@pytest.mark.parametrize("index", [-1, 128])
def test_an_index_out_of_range_is_refused(house: House, index: int) -> None:
    with pytest.raises(DeviceInvalid, match="0 to 127") as refused:
        _register(house, index)
    assert refused.value.errors[0].rejected == index


def test_the_id_says_node_and_index(house: House) -> None:
    assert _register(house, 7) == "n1-GPU-07"
    assert _register(house, 100) == "n1-GPU-100"


def test_a_slot_and_a_uuid_are_taken_once(house: House) -> None:
    _register(house, 0, uuid="GPU-1")
    with pytest.raises(DeviceExists, match="already registered"):
        _register(house, 0, uuid="GPU-2")
    with pytest.raises(DeviceExists, match="belongs to n1-GPU-00"):
        _register(house, 1, uuid="GPU-1")


def test_what_left_the_fleet_frees_its_slot_and_uuid_and_its_history_stays(house: House) -> None:
    name = _register(house, uuid="GPU-1")
    house.clock.forward(hours=1)
    with house.device(name) as (session, device):
        service.remove(session, device, now=house.now)
    with pytest.raises(DeviceNotFound), house.device(name):
        pass
    assert _register(house, uuid="GPU-1") == name
    first, second = _stretches(house)
    assert first.ended_at == house.now
    assert (second.ended_at, second.open_device_id) == (None, second.device_id)
    assert first.device_id != second.device_id
    assert _events(house) == ["device.registered", "device.removed", "device.registered"]


def test_a_held_device_does_not_leave(house: House) -> None:
    (name,) = house.node()
    house.request(gpu_milli=1)
    with pytest.raises(DeviceInUse, match="1 of 1000 milli"), house.device(name) as (s, device):
        service.remove(s, device, now=house.now)


def test_a_cut_device_leaves_with_its_slices_and_comes_back_whole(house: House) -> None:
    (name,) = house.node(model=A100, layout=[("3g.40gb", 0), ("3g.40gb", 4)])
    with house.device(name) as (session, device):
        mig.remove_device(session, device, now=house.now)
    house.node("n1", model=A100, layout=[("3g.40gb", 0)])
    house.request(use_mig=True, required_memory_gb=40)
    with house.database.read() as session:
        check_ledger(session)


def test_every_change_of_state_is_a_stretch_with_its_reason(house: House) -> None:
    (name,) = house.node()
    for state in (DeviceState.FAILED, DeviceState.MAINTENANCE, DeviceState.READY):
        house.clock.forward(hours=1)
        house.set_state(name, state, f"why {state.value}")
    found = _stretches(house)
    assert [s.state.value for s in found] == ["READY", "FAILED", "MAINTENANCE", "READY"]
    assert found[1].reason == "why FAILED"
    assert found[1].ended_at == found[1].started_at + timedelta(hours=1)
    assert _events(house)[1:] == ["device.failure", "device.state", "device.state"]


def test_a_state_told_twice_changes_nothing(house: House) -> None:
    (name,) = house.node()
    house.set_state(name, DeviceState.FAILED, "xid")
    with house.device(name) as (session, device):
        said = service.set_state(session, device, DeviceState.FAILED, reason="xid", now=house.now)
    assert said is False
    assert len(_stretches(house)) == 2


def test_a_ready_device_told_to_be_ready_stays_as_it_is(house: House) -> None:
    (name,) = house.node()
    house.set_state(name, DeviceState.READY, "still fine")
    assert len(_stretches(house)) == 1


def test_changes_are_written_and_others_copies_are_out_of_date(house: House) -> None:
    name = _register(house, uuid="GPU-1")
    with house.device(name) as (session, device):
        service.check_edition(session, device, '"1"')
        service.change(session, device, facts=DeviceFacts(uuid="GPU-2"), now=house.now)
    with house.device(name) as (session, device):
        assert (device.uuid, device.live_uuid, device.edition) == ("GPU-2", "GPU-2", 2)
        for fine in (None, "*", '"2"'):
            service.check_edition(session, device, fine)
        for stale in ('"1"', "2", 'W/"2"', ""):
            with pytest.raises(PreconditionFailed):
                service.check_edition(session, device, stale)


def test_a_uuid_cannot_be_changed_to_that_of_another(house: House) -> None:
    _register(house, 0, uuid="GPU-1")
    other = _register(house, 1, uuid="GPU-2")
    with pytest.raises(DeviceExists), house.device(other) as (session, device):
        service.change(session, device, facts=DeviceFacts(uuid="GPU-1"), now=house.now)


def test_a_cordoned_node_takes_nothing_new_and_keeps_what_it_has(house: House) -> None:
    house.node(gpus=2)
    made = house.request()
    with house.database.write() as session:
        node = service.find_node(session, CLUSTER, "n1")
        service.set_schedulable(session, node, is_schedulable=False)
    with pytest.raises(GpuNotAvailable, match="take nothing new"):
        house.request()
    assert house.find(made.allocation_id).node_name == "n1"


def test_who_is_not_there_is_not_found(house: House) -> None:
    with house.database.read() as session:
        with pytest.raises(NodeNotFound):
            service.find_node(session, CLUSTER, "n9")
        with pytest.raises(DeviceNotFound):
            service.find_device(session, "n9-GPU-00")


def test_revisions_grow_with_every_turn(house: House) -> None:
    with house.database.write() as session:
        first = service.lock(session, CLUSTER)
        assert service.lock(session, CLUSTER) == first + 1


def test_taking_needs_the_version_that_was_seen(house: House) -> None:
    (name,) = house.node()
    with house.device(name) as (session, device):
        grip = grips.Grip(device.id, device.version, 400)
        grips.take(session, grip, revision=1)
        with pytest.raises(StaleDecision):
            grips.take(session, grip, revision=1)
        session.refresh(device)
        with pytest.raises(StaleDecision):
            grips.take(session, grips.Grip(device.id, device.version, 601), revision=1)
        grips.take(session, grips.Grip(device.id, device.version, 600), revision=1)
        grips.give(session, device.id, 1000, revision=1)
        session.refresh(device)
        assert (device.held_milli, device.version) == (0, 4)


def test_the_end_of_maintenance_mends_nothing_that_is_broken(house: House) -> None:
    (name,) = house.node()
    for state, after in (("MAINTENANCE", "READY"), ("READY", "READY")):
        house.set_state(name, DeviceState(state), "why")
        with house.device(name) as (session, device):
            service.end_maintenance(session, device, actor="me", now=house.now)
            assert device.state.value == after
    house.set_state(name, DeviceState.FAILED, "xid 79")
    with (
        pytest.raises(Conflict, match="is FAILED, not in maintenance"),
        house.device(name) as (session, device),
    ):
        service.end_maintenance(session, device, actor="me", now=house.now)
    with house.device(name) as (_session, device):
        assert device.state is DeviceState.FAILED
