"""One cluster's work as the timers call it: follow, write, obey, and say how true it all is."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select

from gpu_management.allocations.enforcement import EnforcementMode, Rules
from gpu_management.allocations.models import Allocation, Phase
from gpu_management.cluster.memory import MemoryCluster
from gpu_management.cluster.models import ClusterLink
from gpu_management.cluster.protocol import Kind
from gpu_management.controller.cluster import ClusterDesk, Terms
from gpu_management.devices.models import Device, DeviceState
from gpu_management.events.models import Event
from tests.support.house import CLUSTER, House
from tests.support.kube import gpu, gpu_slice, node, pod


class Desk:
    """A desk, its cluster, and its timers turned by hand."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.cluster = MemoryCluster()
        self.cluster.put(Kind.NODE, node("n1"))
        self.cluster.put(Kind.SLICE, gpu_slice("n1", [gpu(0, "GPU-0")]))
        house.office = replace(house.office, enforcement=Rules(EnforcementMode.DRA))
        terms = Terms(CLUSTER, EnforcementMode.DRA)
        self.desk = ClusterDesk(
            house.database, self.cluster, terms, clock=house.clock, office=house.office
        )

    def until(self, is_so: Callable[[], object]) -> None:
        """Turn the timers until something is so; watches have threads of their own."""
        ends = time.monotonic() + 20
        while True:
            self.desk.sync(self.house.now)
            self.desk.enforce(self.house.now)
            if is_so():
                return
            assert time.monotonic() < ends, "it never happened"
            time.sleep(0.01)

    def states(self) -> list[DeviceState]:
        with self.house.database.read() as session:
            return list(session.scalars(select(Device.state)))

    def link(self) -> ClusterLink | None:
        with self.house.database.read() as session:
            return session.get(ClusterLink, CLUSTER)

    def events(self) -> list[str]:
        with self.house.database.read() as session:
            kinds = select(Event.type).where(Event.type.like("cluster.%")).order_by(Event.id)
            return list(session.scalars(kinds))


@pytest.fixture
def desk(house: House) -> Iterator[Desk]:
    made = Desk(house)
    yield made
    made.desk.stop()
    made.cluster.go_away()


def test_what_the_cluster_has_is_in_the_fleet_and_claims_are_made(desk: Desk):
    desk.until(lambda: desk.states() == [DeviceState.READY])
    made = desk.house.request()
    desk.until(lambda: desk.cluster.list(Kind.CLAIM).objects)
    desk.house.release(made.allocation_id)
    desk.until(lambda: desk.house.find(made.allocation_id).phase is Phase.RELEASED)


def test_a_cluster_that_is_away_is_told_once_and_changes_nothing(desk: Desk):
    desk.until(lambda: desk.states() == [DeviceState.READY])
    made = desk.house.request()
    before = desk.house.clock()
    desk.cluster.go_away()
    desk.until(lambda: (link := desk.link()) and link.stale_since is not None)
    for _ in range(5):
        desk.house.clock.forward(seconds=60)
        desk.desk.sync(desk.house.now)
    link = desk.link()
    assert link is not None
    assert link.synced_at is not None
    assert link.synced_at <= before
    assert "does not answer" in (link.message or "")
    assert desk.events() == ["cluster.away"]
    assert desk.states() == [DeviceState.READY]
    assert desk.house.find(made.allocation_id).phase is Phase.ALLOCATED
    desk.cluster.go_away(is_away=False)
    desk.until(lambda: (link := desk.link()) and link.stale_since is None)
    assert desk.events() == ["cluster.away", "cluster.back"]


def test_a_missing_right_leaves_the_fleet_as_it_was_and_is_named(desk: Desk):
    desk.cluster.forbidden.add(("list", Kind.SLICE))
    desk.until(lambda: (link := desk.link()) and link.message)
    link = desk.link()
    assert link is not None
    assert "resourceslices is forbidden" in (link.message or "")
    assert desk.states() == []


def test_what_could_not_be_learned_of_a_node_is_written_down(desk: Desk):
    desk.cluster.put(Kind.NODE, node("n2", capacity={"nvidia.com/gpu": "1"}))
    desk.until(lambda: (link := desk.link()) and "n2" in link.notes)
    link = desk.link()
    assert link is not None
    assert "only a count" in link.notes["n2"]


def test_who_has_gpus_is_written_between_two_looks_at_the_whole(desk: Desk):
    desk.until(lambda: desk.states() == [DeviceState.READY])
    limits = {"nvidia.com/gpu": "1"}
    desk.cluster.put(Kind.POD, pod("p", node_name="n1", limits=limits))

    def holders() -> int:
        desk.desk.follow_pods(desk.house.now)
        with desk.house.database.read() as session:
            return len(session.scalars(select(Allocation)).all())

    ends = time.monotonic() + 20
    while holders() != 1:
        assert time.monotonic() < ends, "it never happened"
        time.sleep(0.01)
