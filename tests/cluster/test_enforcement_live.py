"""The whole product against a real control plane: what is allocated is what pods get."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.admin import Admin, until
from tests.controlplane.plane import ControlPlane
from tests.support.kube import gpu, mig, pod
from tests.support.server import LiveServer, serving

pytestmark = pytest.mark.cluster

ALLOCATIONS = "/api/v1/gpu/allocations"


def options(plane: ControlPlane) -> list[str]:
    told = {
        "cluster.connection": "kubeconfig",
        "cluster.kubeconfig": str(plane.kubeconfig()),
        "cluster.enforcement": "dra",
        "cluster.sync-seconds": "0.2",
        "cluster.enforcement-deadline-seconds": "3",
    }
    return [part for key, value in told.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture
def server(tmp_path: Path, plane: ControlPlane, admin: Admin) -> Iterator[LiveServer]:
    admin.add_node("n1", [gpu(0, "GPU-0"), gpu(1, "GPU-1")])
    with serving(tmp_path, *options(plane)) as started:
        until(lambda: len(devices(started)) == 2)
        yield started


def devices(server: LiveServer) -> dict[str, Any]:
    found = server.ask("GET", "/api/v1/gpu/devices?envelope=false")
    return {device["deviceId"]: device for device in found}


def request(server: LiveServer, **asked: Any) -> dict[str, Any]:
    plain = {
        "namespace": "ml",
        "podName": "train",
        "workloadType": "Training",
        "requiredMemoryGb": 40,
        "useMig": False,
    }
    made: dict[str, Any] = server.ask("POST", ALLOCATIONS, plain | asked)
    return made


def read(server: LiveServer, made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = server.ask("GET", f"{ALLOCATIONS}/{made['allocationId']}")
    return found


def condition(server: LiveServer, made: dict[str, Any], kind: str) -> tuple[str, str]:
    for told in read(server, made)["conditions"]:
        if told["type"] == kind:
            return told["status"], told["reason"]
    return "", ""


def is_enforced(server: LiveServer, made: dict[str, Any]) -> bool:
    return condition(server, made, "Enforced")[0] == "True"


def claim_of(made: dict[str, Any]) -> str:
    return f"gpualloc-{made['allocationId']}"


def running(admin: Admin, name: str) -> bool:
    found = admin.pod(name, "ml")
    return bool(found is not None and found.status.phase == "Running")


def test_a_pod_gets_exactly_the_card_that_was_allocated(server: LiveServer, admin: Admin):
    first = request(server)
    second = request(server)
    until(lambda: is_enforced(server, first) and is_enforced(server, second))
    for number, made in enumerate((second, first)):
        admin.create(pod(f"train-{number}", claims=[claim_of(made)], phase="Pending"))
    until(lambda: running(admin, "train-0") and running(admin, "train-1"))
    for made in (first, second):
        [got] = admin.claim(claim_of(made), "ml").status.allocation.devices.results
        index = int(made["allocatedResource"].rpartition("-")[2])
        assert (got.pool, got.device) == ("n1", f"gpu-{index}")
    until(lambda: condition(server, first, "Bound") == ("True", "PodUsesClaim"))


def test_a_release_waits_for_the_pod_and_then_the_card_is_free(server: LiveServer, admin: Admin):
    made = request(server, count=2)
    until(lambda: is_enforced(server, made))
    admin.create(pod("long", claims=[claim_of(made)], phase="Pending"))
    until(lambda: running(admin, "long"))
    answer = server.ask("DELETE", f"{ALLOCATIONS}/{made['allocationId']}")
    assert answer["phase"] == "Allocated"
    until(lambda: condition(server, made, "Releasing") == ("True", "PodsUseClaim"))
    status, refused = server.call("POST", ALLOCATIONS, {**_plain(), "podName": "next"})
    assert (status, refused["code"]) == (409, "GPU_NOT_AVAILABLE")
    admin.delete_pod("long", "ml")
    until(lambda: read(server, made)["phase"] == "Released")
    assert admin.claim(claim_of(made), "ml") is None
    again = request(server, podName="next")
    until(lambda: is_enforced(server, again))


def _plain() -> dict[str, Any]:
    return {"namespace": "ml", "workloadType": "Training", "requiredMemoryGb": 40}


def test_evict_ends_the_pods_and_then_the_allocation(server: LiveServer, admin: Admin):
    made = request(server)
    until(lambda: is_enforced(server, made))
    admin.create(pod("long", claims=[claim_of(made)], phase="Pending"))
    until(lambda: running(admin, "long"))
    server.ask("DELETE", f"{ALLOCATIONS}/{made['allocationId']}?evict=true")
    until(lambda: read(server, made)["phase"] == "Released")
    assert admin.pod("long", "ml") is None


def test_a_foreign_claim_cannot_take_an_allocated_card(server: LiveServer, admin: Admin):
    made = request(server, count=2)
    until(lambda: is_enforced(server, made))
    admin.create(pod("ours", claims=[claim_of(made)], phase="Pending"))
    until(lambda: running(admin, "ours"))
    name = {"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com"}}
    foreign = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": "foreign", "namespace": "ml"},
        "spec": {"devices": {"requests": [name]}},
    }
    admin.create(foreign)
    admin.create(pod("thief", claims=["foreign"], phase="Pending"))
    until(lambda: "cannot allocate all claims" in _why(admin, "thief"))
    assert not running(admin, "thief")


def _why(admin: Admin, name: str) -> str:
    conditions = admin.pod(name, "ml").status.conditions or []
    return " ".join(told.message or "" for told in conditions)


def test_killed_after_the_answer_the_claim_is_made_by_the_next_process(
    tmp_path: Path, plane: ControlPlane, admin: Admin
):
    admin.add_node("n1", [gpu(0, "GPU-0")])
    slow = [*options(plane), "--set", "cluster.enforce-seconds=600"]
    with serving(tmp_path, *slow) as server:
        until(lambda: devices(server))
        made = request(server)
        os.kill(server.pid, signal.SIGKILL)
    assert admin.claim(claim_of(made), "ml") is None
    with serving(tmp_path, *options(plane)) as server:
        until(lambda: is_enforced(server, made))
    assert admin.claim(claim_of(made), "ml") is not None


def test_an_api_server_that_is_away_costs_nobody_an_allocation(
    server: LiveServer, plane: ControlPlane, admin: Admin
):
    kept = request(server)
    until(lambda: is_enforced(server, kept))
    plane.stop_apiserver()
    made = request(server)
    released = server.ask("DELETE", f"{ALLOCATIONS}/{kept['allocationId']}")
    assert released["phase"] == "Allocated"
    until(lambda: _is_away(server))
    assert {d["status"] for d in devices(server).values()} == {"ALLOCATED"}
    plane.start_apiserver()
    until(lambda: is_enforced(server, made))
    until(lambda: read(server, kept)["phase"] == "Released")
    assert admin.claim(claim_of(made), "ml") is not None
    assert admin.claim(claim_of(kept), "ml") is None


def _is_away(server: LiveServer) -> bool:
    told = server.ask("GET", "/api/v1/gpu/events/history?envelope=false&types=cluster.*")
    return bool(told) and told[0]["type"] == "cluster.away"


def test_a_claim_deleted_by_hand_is_back_at_once(server: LiveServer, admin: Admin):
    made = request(server)
    until(lambda: is_enforced(server, made))
    before = admin.claim(claim_of(made), "ml").metadata.uid
    from lightkube.resources.resource_v1 import ResourceClaim

    admin.client.delete(ResourceClaim, claim_of(made), namespace="ml")
    until(lambda: (c := admin.claim(claim_of(made), "ml")) and c.metadata.uid != before)
    assert read(server, made)["phase"] == "Allocated"


def test_a_namespace_deleted_under_an_allocation_ends_it(server: LiveServer, admin: Admin):
    admin.prepare("doomed")
    made = request(server, namespace="doomed")
    until(lambda: is_enforced(server, made))
    admin.delete_namespace("doomed")
    until(lambda: read(server, made)["phase"] == "Released")
    assert {d["status"] for d in devices(server).values()} == {"AVAILABLE"}


def test_a_namespace_that_does_not_exist_is_told_and_then_a_failure(server: LiveServer):
    made = request(server, namespace="nowhere")
    until(lambda: condition(server, made, "Enforced") == ("False", "NamespaceMissing"))
    until(lambda: read(server, made)["phase"] == "Failed")
    assert "not found" in read(server, made)["message"]


def test_a_node_that_leaves_and_comes_back_is_seen(server: LiveServer, admin: Admin):
    from lightkube.resources.core_v1 import Node
    from lightkube.resources.resource_v1 import ResourceSlice

    admin.client.delete(Node, "n1")
    until(lambda: {d["status"] for d in devices(server).values()} == {"OFFLINE"})
    admin.client.delete(ResourceSlice, "n1-gpus")
    admin.add_node("n1", [gpu(0, "GPU-0"), gpu(1, "GPU-1")])
    until(lambda: {d["status"] for d in devices(server).values()} == {"AVAILABLE"})


def test_a_static_slice_is_pinned_and_used(tmp_path: Path, plane: ControlPlane, admin: Admin):
    cut = [mig(0, "GPU-m", "3g.40gb", start=s, uuid=f"MIG-{s}", slices=4) for s in (0, 4)]
    admin.add_node("m1", cut)
    with serving(tmp_path, *options(plane)) as server:
        until(lambda: devices(server))
        made = request(server, useMig=True)
        until(lambda: is_enforced(server, made))
        admin.create(pod("cut", claims=[claim_of(made)], phase="Pending"))
        until(lambda: running(admin, "cut"))
        [got] = admin.claim(claim_of(made), "ml").status.allocation.devices.results
        start = made["allocatedResource"].rpartition("-")[2]
        assert got.device == f"gpu-0-mig-3g40gb-19-{start}"


def test_a_foreign_pods_card_is_in_the_ledger_while_it_has_it(server: LiveServer, admin: Admin):
    name = {"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com"}}
    foreign = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": "theirs", "namespace": "ml"},
        "spec": {"devices": {"requests": [name]}},
    }
    admin.create(foreign)
    admin.create(pod("guest", claims=["theirs"], phase="Pending"))
    until(lambda: "ALLOCATED" in {d["status"] for d in devices(server).values()})
    [seen] = server.ask("GET", f"{ALLOCATIONS}?envelope=false&phase=Allocated")
    assert (seen["namespace"], seen["podName"]) == ("ml", "guest")
    admin.delete_pod("guest", "ml")
    until(lambda: {d["status"] for d in devices(server).values()} == {"AVAILABLE"})
