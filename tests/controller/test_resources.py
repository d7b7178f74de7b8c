"""CPU and memory follow the cluster: requests from its objects, use from its metrics server."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.cluster.memory import MemoryCluster
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.needs import read_needs
from gpu_management.cluster.protocol import Kind
from gpu_management.cluster.trim import TRIMS
from gpu_management.controller.resources import ResourceFollower
from gpu_management.resources.models import ResourceNode, ResourcePod, ResourceSnapshot
from tests.support.house import CLUSTER, House
from tests.support.kube import claimed, gpu, gpu_slice, node, pod

KINDS = (Kind.NODE, Kind.SLICE, Kind.CLAIM, Kind.POD)


class Desk:
    """A cluster, its copy, and the follower turned by hand."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.cluster = MemoryCluster()
        self.cluster.put(Kind.NODE, node("n1"))
        self.cluster.unknown_kinds = {Kind.NODE_USE, Kind.POD_USE}
        self.mirror = Mirror(
            self.cluster, KINDS, clock=house.clock, trim=TRIMS, note={Kind.POD: read_needs}
        )
        self.mirror.start()
        self.follower = ResourceFollower(
            house.database, self.cluster, self.mirror, cluster_name=CLUSTER
        )

    def until(self, is_so: Callable[[], object]) -> None:
        ends = time.monotonic() + 10
        while True:
            self.follower.run(self.house.now)
            if is_so():
                return
            assert time.monotonic() < ends, "it never happened"
            time.sleep(0.005)

    def pods(self) -> dict[str, ResourcePod]:
        with self.house.database.read() as session:
            return {row.pod_name: row for row in session.scalars(select(ResourcePod))}

    def node(self) -> ResourceNode | None:
        with self.house.database.read() as session:
            return session.scalars(select(ResourceNode)).one_or_none()

    def note(self) -> Any:
        with self.house.database.read() as session:
            return session.get_one(ResourceSnapshot, CLUSTER).note


@pytest.fixture
def desk(house: House) -> Iterator[Desk]:
    made = Desk(house)
    assert made.mirror.wait_synced(10)
    yield made
    made.mirror.stop()
    made.cluster.go_away()


def plain(name: str, **changes: Any) -> dict[str, Any]:
    thing = pod(name, node_name="n1", **changes)
    thing["spec"]["containers"][0]["resources"]["requests"] = {"cpu": "2", "memory": "4Gi"}
    return thing


def test_pods_that_have_nothing_to_do_with_gpus_are_followed_in_a_small_form(desk: Desk):
    desk.cluster.put(Kind.POD, plain("web"))
    desk.until(lambda: "web" in desk.pods())
    assert desk.mirror.objects(Kind.POD) == []  # nobody else has to look at them
    assert desk.pods()["web"].cpu_requested_milli == 2000
    desk.cluster.put(Kind.POD, plain("web", phase="Succeeded"))
    desk.until(lambda: desk.pods() == {})


def test_an_ordinary_pod_wakes_nobody_who_follows_gpus(desk: Desk):
    before = desk.mirror.edition(Kind.POD)
    desk.cluster.put(Kind.POD, plain("web"))
    desk.until(lambda: "web" in desk.pods())
    assert desk.mirror.edition(Kind.POD) == before


def test_devices_of_claims_and_of_the_plugin_are_counted_once(desk: Desk):
    desk.cluster.put(Kind.SLICE, gpu_slice("n1", [gpu(0, "GPU-0"), gpu(1, "GPU-1")]))
    desk.cluster.put(Kind.CLAIM, claimed("c", "gpu-0", pods=["train"]))
    watching = claimed("watch", "gpu-1", pods=["exporter"], is_admin=True)
    desk.cluster.put(Kind.CLAIM, watching)
    for name in ("train", "exporter"):
        desk.cluster.put(Kind.POD, plain(name, claims=["c"], uid=f"uid-{name}"))
    desk.until(lambda: (row := desk.node()) is not None and row.gpu_requested == 1)
    assert desk.pods()["exporter"].gpu_requested == 0
    found = desk.node()
    assert found is not None
    assert (found.gpu_capacity, found.pod_count) == (2, 2)


def test_use_is_read_from_the_metrics_server_where_there_is_one(desk: Desk):
    desk.cluster.put(Kind.POD, plain("web"))
    desk.until(lambda: "web" in desk.pods())
    assert desk.pods()["web"].cpu_used_milli is None
    assert "metrics.k8s.io" in desk.note()
    desk.cluster.unknown_kinds.clear()
    usage = {"cpu": "250m", "memory": "1Gi"}
    desk.cluster.put(Kind.NODE_USE, {"metadata": {"name": "n1"}, "usage": usage})
    told = {"name": "web", "namespace": "ml"}
    desk.cluster.put(Kind.POD_USE, {"metadata": told, "containers": [{"usage": usage}]})
    desk.follower.run(desk.house.now)
    assert desk.pods()["web"].cpu_used_milli is None  # it is not asked all the time
    desk.house.clock.forward(minutes=1)
    desk.follower.run(desk.house.now)
    found = desk.node()
    assert found is not None
    assert (desk.pods()["web"].cpu_used_milli, found.memory_used_mib) == (250, 1024)
    assert desk.note() is None


def test_a_missing_right_to_read_use_is_named_and_nothing_else_stops(desk: Desk):
    desk.cluster.unknown_kinds.clear()
    desk.cluster.forbidden.add(("list", Kind.NODE_USE))
    desk.cluster.put(Kind.POD, plain("web"))
    desk.until(lambda: "web" in desk.pods())
    assert "forbidden" in desk.note()
