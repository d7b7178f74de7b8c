"""The policy `gate-pods` on a real control plane: pods of Profiles get GPUs as they are written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpu_management.cluster.pods import ALLOCATION_ANNOTATION, ALLOCATION_GATE
from tests.cluster.test_policy import refusal
from tests.controlplane.admin import Admin, until
from tests.controlplane.manifests import K8S, ApiServer, Thing, load
from tests.controlplane.plane import ControlPlane
from tests.support.kube import gpu, pod
from tests.support.server import LiveServer, serving

pytestmark = pytest.mark.cluster

CONTROLLER = "gpu-management-controller"
CAPACITY = {"nvidia.com/gpu": "1"}
POLICY = load(K8S / "gate-pods.yaml")
DEFINITION: Thing = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "profiles.kubeflow.org"},
    "spec": {
        "group": "kubeflow.org",
        "names": {"kind": "Profile", "plural": "profiles", "singular": "profile"},
        "scope": "Cluster",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                        },
                    }
                },
            }
        ],
    },
}


def profile(name: str, *, allocates: bool) -> Thing:
    plugin = {
        "kind": "GPUManagement",
        "spec": {"autoAllocation": allocates, "costTracking": True},
    }
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "Profile",
        "metadata": {"name": name},
        "spec": {"owner": {"kind": "User", "name": "kim@company.com"}, "plugins": [plugin]},
    }


@pytest.fixture
def gated(api_server: ApiServer, admin: Admin) -> Iterator[ApiServer]:
    admin.prepare("kim", "books")
    assert api_server.apply(DEFINITION).status_code < 300
    profiles = [profile("kim", allocates=True), profile("books", allocates=False)]
    until(lambda: "profiles" in api_server.http.get("/apis/kubeflow.org/v1").text)
    for thing in [*profiles, *POLICY]:
        assert api_server.apply(thing).status_code < 300
    until(lambda: gates(api_server, notebook("probe")))
    yield api_server
    for thing in [*reversed(POLICY), *profiles, DEFINITION]:
        api_server.delete(thing)


def notebook(name: str, namespace: str = "kim", **told: Any) -> Thing:
    limits = told.pop("limits", CAPACITY)
    labels = {"notebook-name": name}
    return pod(name, namespace=namespace, limits=limits, labels=labels, phase="Pending", **told)


def gates(server: ApiServer, thing: Thing) -> list[str]:
    """Return the gates that a pod is created with; it is not kept."""
    answer = server.http.post(server.path_of(thing), params={"dryRun": "All"}, json=thing)
    assert answer.status_code == 201, answer.text
    return [gate["name"] for gate in answer.json()["spec"].get("schedulingGates") or ()]


@pytest.fixture
def server(
    gated: ApiServer, tmp_path: Path, plane: ControlPlane, admin: Admin
) -> Iterator[LiveServer]:
    """Run the product with the rights of the controller's account."""
    for name in ("n1", "n2"):
        admin.add_node(name, [gpu(0, f"GPU-{name}")], capacity=CAPACITY)
    for file in ("namespace", "serviceaccount", "rbac", "device-plugin"):
        for thing in load(K8S / f"{file}.yaml"):
            assert gated.apply(thing).status_code < 300
    token = gated.token_of(CONTROLLER)
    told = {
        "cluster.connection": "kubeconfig",
        "cluster.kubeconfig": str(plane.kubeconfig(token, CONTROLLER)),
        "cluster.enforcement": "device-plugin",
        "cluster.sync-seconds": "0.2",
    }
    options = [part for key, value in told.items() for part in ("--set", f"{key}={value}")]
    with serving(tmp_path, *options) as started:
        until(lambda: len(started.ask("GET", "/api/v1/gpu/devices?envelope=false")) == 2)
        yield started
    for thing in reversed(load(K8S / "device-plugin.yaml")):
        gated.delete(thing)


def test_a_notebook_as_it_is_written_gets_its_allocation_and_runs_on_its_node(
    server: LiveServer, admin: Admin
):
    admin.create(notebook("paper"))
    # After an outage that another test made, scheduler and kwok come back when they next try.
    until(lambda: admin.pod("paper", "kim").status.phase == "Running", seconds=90)
    found = admin.pod("paper", "kim")
    made = found.metadata.annotations[ALLOCATION_ANNOTATION]
    told = server.ask("GET", f"/api/v1/gpu/allocations/{made}")
    assert told["nodeName"] == found.spec.nodeName
    assert (told["userId"], told["teamId"]) == ("kim@company.com", "kim")
    assert not found.spec.schedulingGates


def test_only_gpu_pods_of_profiles_that_allocate_have_to_wait(gated: ApiServer):
    assert gates(gated, notebook("slice", limits={"nvidia.com/mig-1g.10gb": "1"}))
    other = notebook("two")
    other["spec"]["schedulingGates"] = [{"name": "quota"}]
    assert gates(gated, other) == ["quota", ALLOCATION_GATE]
    free = [
        notebook("plain", limits={"cpu": "1"}),
        notebook("none", limits={"nvidia.com/gpu": "0"}),
        notebook("elsewhere", namespace="books"),
        notebook("system", namespace="kube-system"),
        notebook("named", annotations={ALLOCATION_ANNOTATION: "3f0c"}),
        notebook("claims", claims=["gpualloc-3f0c"]),
        notebook("placed", node_name="n1"),
    ]
    for thing in free:
        assert gates(gated, thing) == [], thing["metadata"]["name"]


def test_the_gate_is_let_in_by_the_policy_against_others_and_no_way_around_it(
    gated: ApiServer, admin: Admin
):
    strict = load(K8S / "admission-policy.yaml")[:2]
    for thing in strict:
        assert gated.apply(thing).status_code < 300
    try:
        bare = notebook("bare", namespace="books")
        until(lambda: "need an allocation" in refusal(gated, bare))
        admin.create(notebook("paper"))
        assert change(gated, {"metadata": {"labels": {"a": "b"}}}) == ""
        assert "need an allocation" in change(gated, {"spec": {"schedulingGates": []}})
    finally:
        for thing in reversed(strict):
            gated.delete(thing)
        until(lambda: not refusal(gated, bare))


def change(server: ApiServer, patch: Thing) -> str:
    """Change the pod; return why that is refused, or nothing."""
    path = "/api/v1/namespaces/kim/pods/paper"
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = server.http.patch(path, json=patch, headers=headers)
    return "" if answer.status_code == 200 else str(answer.json()["message"])
