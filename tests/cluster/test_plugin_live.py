"""The mode `device-plugin` on a real control plane: a gated pod is pinned, runs, and ends."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpu_management.cluster.pods import ALLOCATION_GATE
from tests.controlplane.admin import Admin, until
from tests.controlplane.plane import ControlPlane
from tests.support.kube import gpu, pod
from tests.support.server import LiveServer, serving

pytestmark = pytest.mark.cluster

ALLOCATIONS = "/api/v1/gpu/allocations"
CAPACITY = {"nvidia.com/gpu": "1"}


@pytest.fixture
def server(tmp_path: Path, plane: ControlPlane, admin: Admin) -> Iterator[LiveServer]:
    for name in ("n1", "n2"):
        admin.add_node(name, [gpu(0, f"GPU-{name}")], capacity=CAPACITY)
    told = {
        "cluster.connection": "kubeconfig",
        "cluster.kubeconfig": str(plane.kubeconfig()),
        "cluster.enforcement": "device-plugin",
        "cluster.sync-seconds": "0.2",
        "cluster.release-after-pod-seconds": "1",
    }
    options = [part for key, value in told.items() for part in ("--set", f"{key}={value}")]
    with serving(tmp_path, *options) as started:
        until(lambda: len(started.ask("GET", "/api/v1/gpu/devices?envelope=false")) == 2)
        yield started


def request(server: LiveServer, node: str) -> dict[str, Any]:
    asked = {
        "namespace": "ml",
        "podName": "train",
        "workloadType": "Training",
        "requiredMemoryGb": 40,
        "useMig": False,
        "nodeSelector": {"kubernetes.io/hostname": node},
    }
    made: dict[str, Any] = server.ask("POST", ALLOCATIONS, asked)
    return made


def read(server: LiveServer, made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = server.ask("GET", f"{ALLOCATIONS}/{made['allocationId']}")
    return found


def condition(server: LiveServer, made: dict[str, Any], kind: str) -> tuple[str, str]:
    for told in read(server, made)["conditions"]:
        if told["type"] == kind:
            return told["status"], told["reason"]
    return "", ""


def gated(name: str, made: dict[str, Any]) -> dict[str, Any]:
    note = {"gpu.company.com/allocation-id": made["allocationId"]}
    thing = pod(name, limits=CAPACITY, phase="Pending", annotations=note)
    thing["spec"]["schedulingGates"] = [{"name": ALLOCATION_GATE}]
    return thing


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_a_gated_pod_runs_on_the_node_that_was_allocated_and_ends_its_allocation(
    server: LiveServer, admin: Admin, node: str
):
    made = request(server, node)
    admin.create(gated("train", made))
    until(lambda: admin.pod("train", "ml").status.phase == "Running")
    assert admin.pod("train", "ml").spec.nodeName == node
    until(lambda: condition(server, made, "Enforced") == ("True", "PodPlaced"))
    until(lambda: condition(server, made, "Bound")[0] == "True")
    admin.delete_pod("train", "ml")
    until(lambda: read(server, made)["phase"] == "Released")
    assert "pod finished" in read(server, made)["message"]
