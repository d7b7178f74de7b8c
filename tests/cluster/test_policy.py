"""The admission policy: no GPU without an allocation, where it is installed and not exempt."""

from collections.abc import Iterator
from typing import Any

import pytest

from gpu_management.cluster.claims import Pin, pinned_claim
from tests.controlplane.admin import Admin, until
from tests.controlplane.manifests import K8S, ApiServer, Thing, load
from tests.controlplane.plane import ControlPlane
from tests.support.kube import pod

ANNOTATION = {"gpu.company.com/allocation-id": "3f0c1c1e-9a54-4a3b-8a77-0d2b5d9e1f10"}
GPU = {"nvidia.com/gpu": "1"}


def policy() -> list[Thing]:
    return load(K8S / "admission-policy.yaml")


def test_it_is_no_part_of_what_is_installed_by_default():
    for folder in ("base", "overlays/production", "overlays/development"):
        assert "admission-policy" not in (K8S / folder / "kustomization.yaml").read_text("utf-8")


@pytest.fixture
def server(api_server: ApiServer, admin: Admin) -> Iterator[ApiServer]:
    admin.prepare("strict", "gpu-operator", "gpu-management")
    exempt = {"apiVersion": "v1", "kind": "Namespace"}
    label = {"gpu.company.com/exempt": "true"}
    api_server.apply({**exempt, "metadata": {"name": "tools", "labels": label}})
    for thing in policy():
        assert api_server.apply(thing).status_code < 300
    until(lambda: refusal(api_server, pod("probe", namespace="strict", limits=GPU)))
    until(lambda: refusal(api_server, claim("strict")))
    yield api_server
    for thing in reversed(policy()):
        api_server.delete(thing)
    until(lambda: not refusal(api_server, pod("probe", namespace="strict", limits=GPU)))
    until(lambda: not refusal(api_server, claim("strict")))


def refusal(server: ApiServer, thing: Thing) -> str:
    """Return why an object is refused, or nothing; it is not kept."""
    answer = server.http.post(server.path_of(thing), params={"dryRun": "All"}, json=thing)
    return "" if answer.status_code == 201 else str(answer.json()["message"])


def claim(namespace: str, *, kind: str = "ResourceClaim", **request: Any) -> Thing:
    exactly = {"deviceClassName": "gpu.nvidia.com", **request}
    spec: Thing = {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}}
    if kind == "ResourceClaimTemplate":
        spec = {"spec": spec}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": "own", "namespace": namespace},
        "spec": spec,
    }


@pytest.mark.cluster
def test_a_gpu_pod_without_an_allocation_is_refused_with_the_way_out(server: ApiServer):
    for resource in ("nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "nvidia.com/gpu.shared"):
        told = refusal(server, pod("p", namespace="strict", limits={resource: "1"}))
        assert "gpu.company.com/allocation-id" in told
    hidden = pod("p", namespace="strict")
    hidden["spec"]["initContainers"] = [
        {"name": "first", "image": "busybox", "resources": {"limits": GPU}}
    ]
    assert "need an allocation" in refusal(server, hidden)


@pytest.mark.cluster
def test_pods_that_name_an_allocation_or_want_no_gpu_are_let_in(server: ApiServer):
    named = pod("p", namespace="strict", limits=GPU, annotations=ANNOTATION)
    assert refusal(server, named) == ""
    nonsense = {"gpu.company.com/allocation-id": "yes"}
    assert refusal(server, pod("p", namespace="strict", limits=GPU, annotations=nonsense))
    assert refusal(server, pod("p", namespace="strict", limits={"cpu": "1"})) == ""
    assert refusal(server, pod("p", namespace="strict", limits={"nvidia.com/gpu": "0"})) == ""
    assert refusal(server, pod("p", namespace="strict", claims=["gpualloc-1"])) == ""


@pytest.mark.cluster
def test_exempt_namespaces_are_left_alone(server: ApiServer):
    for namespace in ("tools", "gpu-operator", "gpu-management"):
        assert refusal(server, pod("p", namespace=namespace, limits=GPU)) == ""
        assert refusal(server, claim(namespace)) == ""


@pytest.mark.cluster
def test_claims_for_gpus_are_the_controllers_alone(server: ApiServer, plane: ControlPlane):
    assert "made by k8s-gpu-management" in refusal(server, claim("strict"))
    template = claim("strict", kind="ResourceClaimTemplate")
    assert "made by k8s-gpu-management" in refusal(server, template)
    first = claim("strict")
    first["spec"]["devices"]["requests"] = [
        {"name": "g", "firstAvailable": [{"name": "a", "deviceClassName": "mig.nvidia.com"}]}
    ]
    assert "made by k8s-gpu-management" in refusal(server, first)
    assert refusal(server, claim("strict", deviceClassName="nic.example.com")) == ""
    for file in ("serviceaccount", "rbac"):
        for thing in load(K8S / f"{file}.yaml"):
            assert server.apply(thing).status_code < 300
    ours = ApiServer(plane, server.token_of("gpu-management-controller"))
    pinned = pinned_claim("p-1", "strict", [Pin(uuid="GPU-a")], owner={})
    ours._plurals = server._plurals
    until(lambda: not refusal(ours, pinned))
    ours.http.close()
