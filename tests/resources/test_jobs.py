"""The rows follow what is seen, and only what changed is written."""

from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.resources.analysis import Heat, Verdict
from gpu_management.resources.jobs import Measured, Recorder, Seen
from gpu_management.resources.models import ResourceNode, ResourcePod, ResourceSnapshot
from tests.support.house import CLUSTER, House
from tests.support.resources import needs, room, use


class Desk:
    """A recorder with its house."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.recorder = Recorder(house.database, CLUSTER)

    def record(self, *pods: Any, **measured: Any) -> int:
        seen = Seen([room("n1"), room("n2")], pods, {"n1": 4}, {"uid-p": 1})
        return self.recorder.record(seen, Measured(**measured), now=self.house.now)

    def pods(self) -> dict[str, ResourcePod]:
        with self._read() as session:
            return {row.pod_name: row for row in session.scalars(select(ResourcePod))}

    def node(self, name: str = "n1") -> ResourceNode:
        with self._read() as session:
            query = select(ResourceNode).where(ResourceNode.node_name == name)
            return session.scalars(query).one()

    def snapshot(self) -> ResourceSnapshot:
        with self._read() as session:
            return session.get_one(ResourceSnapshot, CLUSTER)

    def _read(self) -> Any:
        return self.house.database.read()


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house)


def test_a_node_sums_up_what_its_pods_ask_for(desk: Desk):
    waiting = needs("w", node=None, phase="Pending")
    desk.record(needs("p"), needs("q", cpu_milli=500, gpus=2), needs("r", node="n2"), waiting)
    node = desk.node()
    assert (node.pod_count, node.cpu_requested_milli, node.memory_requested_mib) == (2, 1500, 2048)
    assert (node.gpu_capacity, node.gpu_requested) == (4, 3)  # one by a claim, two by the plugin
    assert (desk.node("n2").gpu_capacity, desk.node("n2").pod_count) == (None, 1)
    assert desk.pods()["w"].node_name is None


def test_what_did_not_change_is_not_written_again(desk: Desk):
    pods = [needs(f"p{n}") for n in range(5)]
    assert desk.record(*pods) == 7
    desk.house.clock.forward(seconds=15)
    assert desk.record(*pods) == 0
    assert desk.snapshot().collected_at == desk.house.now
    assert desk.record(*pods[1:]) == 2  # the pod, and the sums of its node
    assert set(desk.pods()) == {"p1", "p2", "p3", "p4"}


def test_a_new_process_goes_on_where_the_one_before_stopped(desk: Desk):
    desk.record(needs("p"), pods={("ml", "p"): use(900, 900)}, at=desk.house.now)
    began = desk.house.now
    desk.recorder = Recorder(desk.house.database, CLUSTER)
    desk.house.clock.forward(minutes=61)
    desk.record(needs("p"), pods={("ml", "p"): use(100, 100)}, at=desk.house.now)
    [pod] = desk.pods().values()
    assert (pod.cpu_used_milli, pod.cpu_peak_milli, pod.memory_peak_mib) == (100, 900, 900)
    assert (pod.measured_since, pod.verdict) == (began, Verdict.FITTING)


def test_another_pod_of_the_name_starts_anew(desk: Desk):
    desk.record(needs("p"), pods={("ml", "p"): use(900, 900)}, at=desk.house.now)
    desk.record(needs("p", uid="other"), pods={("ml", "p"): use(1, 1)}, at=desk.house.now)
    assert desk.pods()["p"].cpu_peak_milli == 1


def test_an_hour_of_little_use_is_told(desk: Desk):
    for _ in range(2):
        desk.record(needs("p"), pods={("ml", "p"): use(100, 900)}, at=desk.house.now)
        desk.house.clock.forward(hours=1)
    pod = desk.pods()["p"]
    assert (pod.verdict, pod.cpu_waste_milli) == (Verdict.OVER_REQUESTED, 900)


def test_without_a_metrics_server_use_is_unknown_and_the_reason_is_kept(desk: Desk):
    desk.record(needs("p"), nodes={"n1": use(9000, 100)}, at=desk.house.now)
    assert desk.node().heat is Heat.HOT
    measured_at = desk.house.now
    desk.house.clock.forward(minutes=1)
    desk.record(needs("p"), note="it is away")
    node, snapshot = desk.node(), desk.snapshot()
    assert (node.cpu_used_milli, node.heat) == (None, None)
    assert (snapshot.note, snapshot.measured_at) == ("it is away", measured_at)


def test_thousands_of_pods_come_and_go(desk: Desk):
    many = [needs(f"p{n}") for n in range(2500)]
    assert desk.record(*many) == 2502
    assert desk.record(*many[:1]) == 2500
    assert set(desk.pods()) == {"p0"}


def test_who_leads_again_after_another_did_goes_on_from_what_that_one_wrote(desk: Desk):
    desk.record(needs("p"), needs("q"))
    desk.house.clock.forward(seconds=30)
    other = Recorder(desk.house.database, CLUSTER)
    other.record(Seen([room("n1")], [needs("q"), needs("r")]), Measured(), now=desk.house.now)
    desk.house.clock.forward(minutes=2)
    desk.record(needs("p"), needs("r"))
    assert set(desk.pods()) == {"p", "r"}
    assert desk.node("n2").pod_count == 0
