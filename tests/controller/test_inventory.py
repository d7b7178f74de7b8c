"""The inventory follows the cluster."""

from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.allocations.models import Hold, Phase
from gpu_management.cluster.inventory import read_inventory
from gpu_management.controller.inventory import Known, reconcile
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval, Node
from gpu_management.mig.models import MigInstance
from tests.support.house import A100, CLUSTER, House
from tests.support.kube import T4_NAME, gpu, gpu_slice, mig, node
from tests.support.ledger import check_ledger

Thing = dict[str, Any]


class Follower:
    """Hands the house what a cluster tells, as the controller's job does."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.known = Known()

    def sees(self, *nodes: Thing, slices: tuple[Thing, ...] = ()) -> int:
        found = read_inventory(nodes, slices)
        return reconcile(self.house.database, CLUSTER, found, self.known, now=self.house.now)

    def cards(self, *uuids: str, node_name: str = "n1", **changes: Any) -> int:
        """Let the cluster be one node with these cards."""
        devices = [gpu(n, uuid) for n, uuid in enumerate(uuids)]
        return self.sees(node(node_name, **changes), slices=(gpu_slice(node_name, devices),))

    def devices(self) -> dict[str, Device]:
        with self.house.database.read() as session:
            check_ledger(session)
            live = select(Device).where(Device.live_id.is_not(None))
            return {device.device_id: device for device in session.scalars(live)}

    def state(self, device_id: str = "n1-GPU-00") -> tuple[DeviceState, str | None]:
        device = self.devices()[device_id]
        return device.state, device.state_reason


@pytest.fixture
def follower(house: House) -> Follower:
    return Follower(house)


def test_nodes_and_cards_appear_with_what_is_known_of_them(follower: Follower):
    follower.cards("GPU-a", "GPU-b", labels={"topology.kubernetes.io/zone": "z1"})
    found = follower.devices()
    assert list(found) == ["n1-GPU-00", "n1-GPU-01"]
    card = found["n1-GPU-01"]
    assert (card.uuid, card.model_id, card.state) == ("GPU-b", A100, DeviceState.READY)
    assert card.pci_bus_id == "0000:02:00.0"
    with follower.house.database.read() as session:
        [row] = session.scalars(select(Node))
        assert (row.zone, row.cpu_total_milli, row.kubelet_version) == ("z1", 64_000, "v1.34.4")


def test_seeing_the_same_again_writes_nothing(follower: Follower):
    follower.cards("GPU-a")
    with follower.house.database.read() as session:
        before = session.scalar(select(devices.Cluster.revision))
    assert follower.cards("GPU-a") == 0
    follower.known = Known()  # as after a restart
    follower.cards("GPU-a")
    with follower.house.database.read() as session:
        assert session.scalar(select(devices.Cluster.revision)) == before


def test_a_node_that_left_is_offline_and_works_again_when_it_is_back(follower: Follower):
    follower.cards("GPU-a")
    follower.sees()
    assert follower.state() == (DeviceState.OFFLINE, "cluster: the node left the cluster")
    follower.cards("GPU-a")
    assert follower.state() == (DeviceState.READY, None)
    with follower.house.database.read() as session:
        stretches = select(DeviceStateInterval.state).order_by(DeviceStateInterval.id)
        assert list(session.scalars(stretches)) == [
            DeviceState.READY,
            DeviceState.OFFLINE,
            DeviceState.READY,
        ]


def test_a_node_that_left_keeps_its_allocations(follower: Follower):
    follower.cards("GPU-a")
    made = follower.house.request()
    follower.sees()
    assert follower.house.find(made.allocation_id).phase is Phase.ALLOCATED
    assert follower.state()[0] is DeviceState.OFFLINE


def test_a_node_that_is_not_ready_is_offline(follower: Follower):
    follower.cards("GPU-a")
    follower.cards("GPU-a", ready="Unknown")
    assert follower.state() == (DeviceState.OFFLINE, "cluster: the node is not ready")
    follower.cards("GPU-a")
    assert follower.state()[0] is DeviceState.READY


def test_a_card_that_its_node_no_longer_reports_is_offline(follower: Follower):
    follower.cards("GPU-a", "GPU-b")
    follower.cards("GPU-a")
    assert follower.state("n1-GPU-01")[0] is DeviceState.OFFLINE
    assert follower.state("n1-GPU-00")[0] is DeviceState.READY


def test_what_an_incomplete_pool_does_not_show_is_not_gone(follower: Follower):
    follower.cards("GPU-a", "GPU-b")
    partial = gpu_slice("n1", [gpu(0, "GPU-a")], count=2, generation=2)
    follower.sees(node(), slices=(partial,))
    assert follower.state("n1-GPU-01")[0] is DeviceState.READY


def test_a_fault_is_taken_back_but_never_a_persons_decision(follower: Follower):
    xid = {"key": "gpu.nvidia.com/xid", "value": "79", "effect": "NoSchedule"}
    broken = gpu_slice("n1", [gpu(0, "GPU-a", taints=[xid])])
    follower.cards("GPU-a")
    follower.sees(node(), slices=(broken,))
    assert follower.state() == (DeviceState.FAILED, "cluster: XID 79")
    follower.cards("GPU-a")
    assert follower.state()[0] is DeviceState.READY
    follower.house.set_state("n1-GPU-00", DeviceState.MAINTENANCE, "fan")
    follower.sees(node(), slices=(broken,))
    assert follower.state() == (DeviceState.MAINTENANCE, "fan")


def test_a_renamed_node_takes_its_cards_along(follower: Follower):
    follower.cards("GPU-a")
    follower.cards("GPU-a", node_name="n2")
    assert {name: d.uuid for name, d in follower.devices().items()} == {"n2-GPU-00": "GPU-a"}


def test_a_card_moves_only_when_nobody_holds_it(follower: Follower):
    follower.cards("GPU-a")
    made = follower.house.request()
    follower.cards("GPU-a", node_name="n2")
    assert list(follower.devices()) == ["n1-GPU-00"]
    follower.house.release(made.allocation_id)
    follower.cards("GPU-a", node_name="n2")
    assert list(follower.devices()) == ["n2-GPU-00"]


def test_the_same_node_with_other_cards_has_other_devices(follower: Follower):
    follower.cards("GPU-a")
    before = follower.devices()["n1-GPU-00"].id
    follower.cards("GPU-x")
    after = follower.devices()["n1-GPU-00"]
    assert (after.uuid, after.id == before) == ("GPU-x", False)


def test_another_card_waits_while_the_old_one_is_held(follower: Follower):
    follower.cards("GPU-a")
    made = follower.house.request()
    follower.cards("GPU-x")
    assert follower.state()[0] is DeviceState.OFFLINE
    follower.house.release(made.allocation_id)
    follower.cards("GPU-x")
    assert follower.devices()["n1-GPU-00"].uuid == "GPU-x"
    with follower.house.database.read() as session:
        [hold] = session.scalars(select(Hold))
        assert session.get_one(Device, hold.device_id).uuid == "GPU-a"


def test_swapped_numbers_after_a_restart_are_the_same_cards(follower: Follower):
    follower.cards("GPU-a", "GPU-b")
    follower.cards("GPU-b", "GPU-a")
    assert {d.uuid: name for name, d in follower.devices().items()} == {
        "GPU-a": "n1-GPU-00",
        "GPU-b": "n1-GPU-01",
    }


def test_cards_known_from_labels_get_their_identity_from_slices(follower: Follower):
    labels = {"nvidia.com/gpu.product": "Tesla-T4", "nvidia.com/gpu.count": "2"}
    follower.sees(node(labels=labels))
    assert {d.uuid for d in follower.devices().values()} == {None}
    before = {name: d.id for name, d in follower.devices().items()}
    told = gpu_slice("n1", [gpu(n, f"GPU-{n}", product=T4_NAME) for n in range(2)])
    follower.sees(node(labels=labels), slices=(told,))
    assert {name: d.id for name, d in follower.devices().items()} == before
    assert {d.uuid for d in follower.devices().values()} == {"GPU-0", "GPU-1"}
    follower.sees(node(labels=labels))  # the driver is restarted: the cards are the same
    assert {name: d.id for name, d in follower.devices().items()} == before


def test_a_mere_count_makes_devices_that_nothing_is_placed_on(follower: Follower):
    follower.sees(node(capacity={"nvidia.com/gpu": "2"}))
    assert {d.model_id for d in follower.devices().values()} == {"unknown-gpu"}


def test_a_model_that_the_catalogue_lacks_is_added(follower: Follower):
    told = gpu_slice("n1", [gpu(0, "GPU-a", product="NVIDIA Z900 96GB", memory="96Gi")])
    follower.sees(node(), slices=(told,))
    assert follower.devices()["n1-GPU-00"].model_id == "nvidia-z900-96gb"
    assert follower.house.request(required_memory_gb=90).phase is Phase.ALLOCATED


def test_cordons_of_the_cluster_are_followed_and_ours_are_kept(follower: Follower):
    def is_open() -> bool:
        with follower.house.database.read() as session:
            return session.scalars(select(Node)).one().is_schedulable

    follower.cards("GPU-a")
    follower.cards("GPU-a", unschedulable=True)
    assert not is_open()
    follower.cards("GPU-a")
    assert is_open()
    with follower.house.database.write() as session:
        row = session.scalars(select(Node)).one()
        devices.set_schedulable(session, row, is_schedulable=False)
    follower.cards("GPU-a", labels={"changed": "yes"})
    assert not is_open()


def test_slices_that_exist_become_instances_with_their_uuid(follower: Follower):
    cut = [
        mig(0, "GPU-a", "3g.40gb", start=0, uuid="MIG-1", slices=4),
        mig(0, "GPU-a", "3g.40gb", start=4, uuid="MIG-2", slices=4),
    ]
    follower.sees(node(), slices=(gpu_slice("n1", cut),))
    with follower.house.database.read() as session:
        found = session.scalars(select(MigInstance).order_by(MigInstance.placement_start))
        assert [(i.uuid, i.profile_name, i.placement_start) for i in found] == [
            ("MIG-1", "3g.40gb", 0),
            ("MIG-2", "3g.40gb", 4),
        ]
    follower.cards("GPU-a")
    assert not follower.devices()["n1-GPU-00"].mig_enabled


def test_a_slice_that_vanished_under_an_allocation_stays_in_the_ledger(follower: Follower):
    cut = [mig(0, "GPU-a", "7g.80gb", start=0, uuid="MIG-1", slices=8)]
    follower.sees(node(), slices=(gpu_slice("n1", cut),))
    made = follower.house.request(use_mig=True, required_memory_gb=60)
    follower.cards("GPU-a")
    assert follower.house.find(made.allocation_id).phase is Phase.ALLOCATED
    assert follower.devices()["n1-GPU-00"].mig_enabled


def test_many_nodes_are_registered_in_few_statements(follower: Follower):
    names = [f"node-{n:03}" for n in range(250)]
    nodes = [node(name) for name in names]
    slices = tuple(gpu_slice(n, [gpu(i, f"GPU-{n}-{i}") for i in range(2)]) for n in names)
    follower.sees(*nodes, slices=slices)
    assert len(follower.devices()) == 500


def test_an_uncordon_while_we_were_away_is_followed_and_our_own_closing_is_kept(
    follower: Follower,
):
    def is_open() -> bool:
        with follower.house.database.read() as session:
            return session.scalars(select(Node)).one().is_schedulable

    follower.cards("GPU-a", unschedulable=True)
    follower.known = Known()
    follower.cards("GPU-a")
    assert is_open()
    with follower.house.database.write() as session:
        row = session.scalars(select(Node)).one()
        devices.set_schedulable(session, row, is_schedulable=False)
    follower.known = Known()
    follower.cards("GPU-a")
    assert not is_open()
