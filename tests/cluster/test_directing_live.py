"""The policy `direct-pods` on a real API server: pods of a claim are told its node, nobody else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lightkube.resources.resource_v1 import ResourceClaim

from gpu_management.cluster.claims import HOST_LABEL, claim_name
from gpu_management.cluster.pods import ALLOCATION_GATE
from tests.cluster.test_enforcement_live import is_enforced, options, read, request
from tests.controlplane.admin import Admin, until
from tests.controlplane.manifests import K8S, ApiServer, Thing, load
from tests.controlplane.plane import ControlPlane, running
from tests.support.kube import gpu, pod
from tests.support.server import LiveServer, serving

pytestmark = pytest.mark.cluster

CONTROLLER = "gpu-management-controller"
HOSTNAME = "kubernetes.io/hostname"


@pytest.fixture
def server(
    tmp_path: Path, plane: ControlPlane, policy: ApiServer, admin: Admin
) -> Iterator[LiveServer]:
    """Run the product with the rights of the controller's account."""
    for name in ("n1", "n2"):
        labels = {HOSTNAME: f"{name}.rack"}
        admin.add_node(name, [gpu(0, f"GPU-{name}")], labels=labels)
    config = plane.kubeconfig(policy.token_of(CONTROLLER), CONTROLLER)
    with serving(tmp_path, *options(plane), "--set", f"cluster.kubeconfig={config}") as started:
        until(lambda: len(started.ask("GET", "/api/v1/gpu/devices?envelope=false")) == 2)
        yield started


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """Run a control plane of its own: 1.34 follows no claims for a policy that came before."""
    with running(schedules=True) as started:
        yield started


@pytest.fixture(scope="module")
def policy(plane: ControlPlane) -> Iterator[ApiServer]:
    server = ApiServer(plane)
    for file in ("namespace", "serviceaccount", "rbac", "device-plugin", "direct-pods"):
        for thing in load(K8S / f"{file}.yaml"):
            assert server.apply(thing).status_code < 300
    yield server
    server.http.close()


@pytest.fixture
def directed(policy: ApiServer, admin: Admin) -> ApiServer:
    """Wait until the policy is at work."""
    claim = plain_claim("probe")
    claim["metadata"]["labels"] = {
        "app.kubernetes.io/managed-by": "k8s-gpu-management",
        HOST_LABEL: "nowhere",
    }
    admin.create(claim)
    until(lambda: selector(policy, pod("probe", claims=["probe"])) == {HOSTNAME: "nowhere"})
    return policy


def plain_claim(name: str) -> Thing:
    exactly = {"deviceClassName": "gpu.nvidia.com", "allocationMode": "ExactCount", "count": 1}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": name, "namespace": "ml"},
        "spec": {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}},
    }


def selector(server: ApiServer, thing: Thing) -> dict[str, str] | None:
    """Return what a pod is given as its nodeSelector; it is not kept."""
    answer = server.http.post(server.path_of(thing), params={"dryRun": "All"}, json=thing)
    assert answer.status_code == 201, answer.text
    found: dict[str, str] | None = answer.json()["spec"].get("nodeSelector")
    return found


def claimed(server: LiveServer, node: str) -> tuple[dict[str, Any], str]:
    wanted = {HOSTNAME: f"{node}.rack"}
    made = request(server, nodeSelector=wanted, podName=f"train-{node}")
    until(lambda: is_enforced(server, made))
    return made, claim_name(made["allocationId"])


def test_a_pod_that_names_only_the_claim_runs_on_its_node(
    server: LiveServer, admin: Admin, directed: ApiServer
):
    for node in ("n2", "n1"):
        made, claim = claimed(server, node)
        admin.create(pod(f"train-{node}", claims=[claim], phase="Pending"))
        found = until(lambda node=node: run(admin, f"train-{node}"))
        assert found.spec.nodeSelector == {HOSTNAME: f"{node}.rack"}
        assert found.spec.nodeName == read(server, made)["nodeName"] == node


def run(admin: Admin, name: str) -> Any:
    found = admin.pod(name, "ml")
    return found if found.status.phase == "Running" else None


def test_a_pod_behind_our_gate_does_not_wait_where_claims_are_made(
    server: LiveServer, admin: Admin
):
    _, claim = claimed(server, "n2")
    thing = pod("gated", claims=[claim], phase="Pending")
    thing["spec"]["schedulingGates"] = [{"name": ALLOCATION_GATE}]
    admin.create(thing)
    assert until(lambda: run(admin, "gated")).spec.nodeName == "n2"


def test_other_selectors_of_the_pod_stay(server: LiveServer, directed: ApiServer):
    _, claim = claimed(server, "n1")
    thing = pod("train", claims=[claim])
    thing["spec"]["nodeSelector"] = {"disk": "fast"}
    assert selector(directed, thing) == {"disk": "fast", HOSTNAME: "n1.rack"}
    thing["spec"]["nodeSelector"] = {HOSTNAME: "mine"}
    assert selector(directed, thing) == {HOSTNAME: "mine"}


def test_pods_of_others_are_not_touched(server: LiveServer, admin: Admin, directed: ApiServer):
    _, claim = claimed(server, "n1")
    assert directed.create(plain_claim("own")).status_code == 201
    admin.prepare("elsewhere")
    for thing in (
        pod("plain"),
        pod("gpu", limits={"nvidia.com/gpu": "1"}),
        pod("own", claims=["own"]),
        pod("missing", claims=["nothing"]),
        pod("elsewhere", namespace="elsewhere", claims=[claim]),
    ):
        assert selector(directed, thing) is None
    placed = pod("placed", node_name="n2", claims=[claim])
    assert selector(directed, placed) is None


def test_a_claim_in_use_or_on_its_way_out_directs_nobody(
    server: LiveServer, admin: Admin, directed: ApiServer
):
    made, claim = claimed(server, "n1")
    admin.create(pod("train", claims=[claim], phase="Pending"))
    until(lambda: run(admin, "train"))
    until(lambda: selector(directed, pod("more", claims=[claim])) is None)
    admin.delete_pod("train", "ml")
    until(lambda: selector(directed, pod("next", claims=[claim])) == {HOSTNAME: "n1.rack"})
    assert read(server, made)["phase"] == "Allocated"
    keep(admin, claim, ["example.com/keep"])
    server.ask("DELETE", f"/api/v1/gpu/allocations/{made['allocationId']}")
    until(lambda: selector(directed, pod("late", claims=[claim])) is None)
    assert admin.claim(claim, "ml").metadata.deletionTimestamp is not None
    keep(admin, claim, None)


def keep(admin: Admin, claim: str, finalizers: list[str] | None) -> None:
    patch = {"metadata": {"finalizers": finalizers}}
    admin.client.patch(ResourceClaim, claim, patch, namespace="ml")
