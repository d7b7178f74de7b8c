"""GpuAllocation objects against the real API server: kubectl asks, the controller answers."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.test_crd import allocation
from tests.controlplane.admin import Admin, until
from tests.controlplane.manifests import K8S, ApiServer, Thing, load, tool
from tests.controlplane.plane import ControlPlane
from tests.support.kube import gpu, pod
from tests.support.server import LiveServer, serving

pytestmark = pytest.mark.cluster

CONTROLLER = "gpu-management-controller"
OBJECTS = "/apis/gpu.company.com/v1/namespaces/ml/gpuallocations"


@pytest.fixture
def options(api_server: ApiServer, admin: Admin, plane: ControlPlane) -> list[str]:
    """Return the options of a server that has the controller's rights, and no others."""
    admin.prepare("gpu-management")
    for file in ("serviceaccount", "rbac", "crd"):
        for thing in load(K8S / f"{file}.yaml"):
            assert api_server.apply(thing).status_code < 300
    until(lambda: api_server.http.get(OBJECTS).status_code == 200)
    token = api_server.token_of(CONTROLLER)
    told = {
        "cluster.connection": "kubeconfig",
        "cluster.kubeconfig": str(plane.kubeconfig(token, CONTROLLER)),
        "cluster.enforcement": "dra",
        "cluster.sync-seconds": "0.2",
    }
    return [part for key, value in told.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture
def server(tmp_path: Path, options: list[str], admin: Admin) -> Iterator[LiveServer]:
    admin.add_node("n1", [gpu(0, "GPU-0"), gpu(1, "GPU-1")])
    with serving(tmp_path, *options) as started:
        until(lambda: len(started.ask("GET", "/api/v1/gpu/devices?envelope=false")) == 2)
        yield started


@pytest.fixture(autouse=True)
def no_objects_left(api_server: ApiServer) -> Iterator[None]:
    yield
    for thing in api_server.http.get(OBJECTS).json().get("items", ()):
        url = f"{OBJECTS}/{thing['metadata']['name']}"
        api_server.http.patch(
            url,
            json={"metadata": {"finalizers": None}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        api_server.http.delete(url)


class Kubectl:
    """kubectl as somebody uses it."""

    def __init__(self, config: Path) -> None:
        self.command = [tool("kubectl"), f"--kubeconfig={config}", "-n", "ml"]

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            [*self.command, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def kubectl(plane: ControlPlane) -> Kubectl:
    return Kubectl(plane.kubeconfig())


def status(server: ApiServer, name: str = "train") -> dict[str, Any]:
    found: Thing = server.http.get(f"{OBJECTS}/{name}").json()
    told: dict[str, Any] = found.get("status") or {}
    return told


def rows(server: LiveServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.ask("GET", "/api/v1/gpu/allocations?envelope=false")
    return found


def test_kubectl_asks_waits_looks_and_deletes(
    server: LiveServer, api_server: ApiServer, kubectl: Kubectl
):
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(allocation(maxDurationHours=2)))
    kubectl("wait", "gpualloc/train", "--for=condition=Enforced", "--timeout=20s")
    [row] = rows(server)
    header, line = kubectl("get", "gpualloc").splitlines()
    assert header.split() == ["NAME", "PHASE", "RESOURCE", "GB", "PER-HOUR", "AGE"]
    assert line.split()[:4] == ["train", "Allocated", row["allocatedResource"], "80"]
    wide = kubectl("get", "gpualloc", "-o", "wide")
    assert row["allocationId"] in wide
    assert "Allocated" in kubectl("describe", "gpualloc", "train").partition("Events:")[2]
    kubectl("delete", "gpualloc", "train", "--timeout=20s")
    assert [row["phase"] for row in rows(server)] == ["Released"]
    assert api_server.http.get(f"{OBJECTS}/train").status_code == 404


def test_a_pod_uses_the_claim_of_an_object_and_its_deletion_waits_for_the_pod(
    server: LiveServer, api_server: ApiServer, admin: Admin
):
    assert api_server.create(allocation()).status_code == 201
    until(lambda: condition(api_server, "Enforced") == "True")
    admin.create(pod("user", claims=[status(api_server)["claimName"]], phase="Pending"))
    until(lambda: condition(api_server, "Bound") == "True")
    assert api_server.delete(allocation()).status_code == 200
    until(lambda: condition(api_server, "Releasing") == "True")
    assert [row["phase"] for row in rows(server)] == ["Allocated"]
    admin.delete_pod("user", "ml")
    until(lambda: api_server.http.get(f"{OBJECTS}/train").status_code == 404)
    assert [row["phase"] for row in rows(server)] == ["Released"]


def condition(server: ApiServer, kind: str) -> str:
    told = (c for c in status(server).get("conditions") or () if c["type"] == kind)
    return next((str(c["status"]) for c in told), "")


def test_another_process_goes_on_where_the_first_was_killed(
    tmp_path: Path, options: list[str], api_server: ApiServer, admin: Admin
):
    admin.add_node("n1", [gpu(0, "GPU-0")])
    with serving(tmp_path, *options) as first:
        assert api_server.create(allocation()).status_code == 201
        until(lambda: status(api_server).get("phase") == "Allocated")
        kept = status(api_server)["allocationId"]
        assert first.pid
    assert api_server.delete(allocation()).status_code == 200
    with serving(tmp_path, *options) as second:
        until(lambda: api_server.http.get(f"{OBJECTS}/train").status_code == 404)
        assert [(r["allocationId"], r["phase"]) for r in rows(second)] == [(kept, "Released")]


def test_an_object_waits_for_its_turn_with_a_reason(
    server: LiveServer, api_server: ApiServer, kubectl: Kubectl
):
    for name in ("a", "b"):
        api_server.create(allocation(name))
    until(lambda: len(rows(server)) == 2)
    api_server.create(allocation("late"))
    until(lambda: status(api_server, "late").get("phase") == "Pending")
    assert "waiting" in status(api_server, "late")["message"]
    events = json.loads(kubectl("get", "events", "-o", "json"))["items"]
    told = {e["involvedObject"]["name"]: e["reason"] for e in events if "late" in str(e)}
    assert told["late"] == "Pending"
    api_server.delete(allocation("a"))
    until(lambda: status(api_server, "late").get("phase") == "Allocated")


def test_a_team_keeps_to_its_namespace(server: LiveServer, api_server: ApiServer):
    team = {"teamId": "rich", "name": "Rich", "namespaces": ["vault"]}
    server.ask("POST", "/api/v1/admin/teams", team)
    api_server.create(allocation(teamId="rich"))
    until(lambda: status(api_server).get("phase") == "Failed")
    assert "vault" in status(api_server)["message"]


def test_rights_that_are_missing_are_told_and_stop_nothing_else(
    tmp_path: Path, options: list[str], api_server: ApiServer, admin: Admin
):
    [role] = [
        thing
        for thing in load(K8S / "rbac.yaml")
        if (thing["kind"], thing["metadata"]["name"]) == ("ClusterRole", CONTROLLER)
    ]
    less = dict(role, rules=[r for r in role["rules"] if "gpu.company.com" not in r["apiGroups"]])
    assert api_server.apply(less).status_code == 200
    admin.add_node("n1", [gpu(0, "GPU-0")])
    api_server.create(allocation())
    with serving(tmp_path, *options) as server:
        until(lambda: server.ask("GET", "/api/v1/gpu/devices?envelope=false"))
        log = tmp_path / "server.log"
        until(lambda: "gpuallocations" in log.read_text("utf-8", "replace"))
        assert "forbidden" in log.read_text("utf-8", "replace")
        assert status(api_server) == {}
        assert server.ask("GET", "/actuator/health")["status"] == "UP"
        assert api_server.apply(role).status_code == 200
        until(lambda: status(api_server).get("phase") == "Allocated")
