"""CPU and memory of a real cluster: requests as its scheduler counts them, use as measured."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from fastapi.testclient import TestClient
from lightkube import ApiError

from gpu_management.allocations.enforcement import EnforcementMode
from gpu_management.cluster.live import LiveCluster
from gpu_management.cluster.protocol import Kind, KindUnknown
from gpu_management.controller.cluster import ClusterDesk, Terms
from tests.controlplane.admin import Admin, generic, until
from tests.controlplane.plane import ControlPlane
from tests.support.house import CLUSTER, House
from tests.support.kube import gpu, pod

pytestmark = pytest.mark.cluster

HERE = "/api/v1/resources"


class Desk:
    """The controller's work on a real cluster, turned by hand, and a caller of the API."""

    def __init__(self, house: House, cluster: LiveCluster, caller: TestClient) -> None:
        terms = Terms(CLUSTER, EnforcementMode.OBSERVE)
        self.house = house
        self.caller = caller
        self.desk = ClusterDesk(
            house.database, cluster, terms, clock=house.clock, office=house.office
        )

    def rows(self, path: str) -> Any:
        """Let the controller look, and return what the API then says."""
        self.desk.sync(self.house.now)
        self.desk.measure(self.house.now)
        return self.caller.get(f"{HERE}{path}").json()


@pytest.fixture
def desk(plane: ControlPlane, admin: Admin, house: House) -> Iterator[Desk]:
    admin.add_node("n1", [gpu(n, f"GPU-{n}") for n in range(2)], capacity={"nvidia.com/gpu": "2"})
    cluster = LiveCluster(plane.kubeconfig())
    with house.client() as caller:
        made = Desk(house, cluster, caller)
        yield made
        made.desk.stop()
    cluster.close()


def definition(kind: str, plural: str, scope: str) -> dict[str, Any]:
    """Return a resource that stands in for the metrics server's."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1beta1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.metrics.k8s.io",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests only"},
        },
        "spec": {
            "group": "metrics.k8s.io",
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [version],
        },
    }


@pytest.fixture
def metrics_server(live_cluster: LiveCluster, admin: Admin) -> Iterator[LiveCluster]:
    made = [
        definition("NodeMetrics", "nodes", "Cluster"),
        definition("PodMetrics", "pods", "Namespaced"),
    ]
    for thing in made:
        admin.create(thing)
    until(lambda: _serves(live_cluster))
    yield live_cluster
    for thing in made:
        admin.client.delete(generic(thing), thing["metadata"]["name"])
    until(lambda: not _serves(live_cluster))


def _serves(cluster: LiveCluster) -> bool:
    with suppress(KindUnknown, ApiError):
        cluster.list(Kind.NODE_USE)
        cluster.list(Kind.POD_USE)
        return True
    return False


def plain(name: str, **changes: Any) -> dict[str, Any]:
    thing = pod(name, phase="Pending", **changes)
    told = thing["spec"]["containers"][0]["resources"]
    told["requests"] = {"cpu": "1500m", "memory": "3Gi"}
    return thing


def test_requests_are_known_without_a_metrics_server(desk: Desk, admin: Admin):
    admin.create(plain("web"))
    admin.create(plain("train", limits={"nvidia.com/gpu": "1"}))
    until(lambda: [p["phase"] for p in desk.rows("/pods")] == ["Running"] * 2)
    [node] = desk.rows("/nodes")
    assert (node["cpuRequestedMilli"], node["memoryRequestedMib"]) == (3000, 6144)
    assert (node["gpuCapacity"], node["gpuRequested"], node["podCount"]) == (2, 1, 2)
    assert node["cpuUsedMilli"] is None
    found = desk.rows("/summary")
    assert "metrics.k8s.io" in found["note"]
    admin.delete_pod("web", "ml")
    until(lambda: [p["podName"] for p in desk.rows("/pods")] == ["train"])


def test_use_comes_from_the_metrics_server(desk: Desk, admin: Admin, metrics_server: LiveCluster):
    admin.create(plain("web"))
    head = {"apiVersion": "metrics.k8s.io/v1beta1"}
    usage = {"cpu": "250m", "memory": "1Gi"}
    metrics_server.create(
        Kind.NODE_USE,
        {**head, "kind": "NodeMetrics", "metadata": {"name": "n1"}, "usage": usage},
    )
    metrics_server.create(
        Kind.POD_USE,
        {
            **head,
            "kind": "PodMetrics",
            "metadata": {"name": "web", "namespace": "ml"},
            "containers": [{"name": "main", "usage": usage}],
        },
    )
    until(lambda: [p["cpuUsedMilli"] for p in desk.rows("/pods")] == [250])
    [node] = desk.rows("/nodes")
    assert (node["cpuUsedMilli"], node["memoryUsedMib"], node["heat"]) == (250, 1024, "COLD")
