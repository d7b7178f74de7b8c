"""Every manifest is what a real API server accepts, and the rights are exactly enough."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube import ApiError
from lightkube.models.authentication_v1 import TokenRequestSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Secret, ServiceAccount

from gpu_management.cluster.claims import Pin, pinned_claim
from gpu_management.cluster.live import LiveCluster
from gpu_management.cluster.protocol import ClusterForbids, Kind, ObjectGone
from tests.controlplane.admin import Admin, generic, until
from tests.controlplane.plane import ControlPlane
from tests.support.kube import Thing, pod
from tests.support.server import ROOT

pytestmark = pytest.mark.cluster

FOLDER = ROOT / "k8s"
MANIFESTS = sorted(path for path in FOLDER.glob("*.yaml") if path.stem != "kustomization")


def objects(path: Path) -> list[Thing]:
    text = path.read_text("utf-8").replace("${IMAGE}", "registry.example/app:1")
    return [thing for thing in yaml.safe_load_all(text) if thing]


def manifest(name: str) -> list[Thing]:
    return objects(next(path for path in MANIFESTS if path.stem == name))


@pytest.fixture
def installed(admin: Admin) -> Admin:
    """The namespace, accounts, rights and our kind, as an installation makes them."""
    admin.prepare("gpu-management")
    for name in ("serviceaccount", "rbac", "crd"):
        for thing in manifest(name):
            admin.ensure(thing)
    return admin


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_the_api_server_accepts_every_manifest(path: Path, admin: Admin):
    admin.prepare("gpu-management")
    for thing in objects(path):
        kind = generic(thing)
        name = thing["metadata"]["name"]
        namespace = thing["metadata"].get("namespace")
        told = {"namespace": namespace} if namespace else {}
        admin.client.apply(
            kind(thing), name, **told, field_manager="test", dry_run=True, force=True
        )


def test_the_names_that_others_rely_on_are_kept():
    [deployment] = manifest("deployment")
    template = deployment["spec"]["template"]
    [container] = template["spec"]["containers"]
    assert deployment["metadata"]["name"] == container["name"] == "k8s-gpu-management"
    assert template["metadata"]["labels"]["app"] == "k8s-gpu-management"
    assert container["ports"] == [{"containerPort": 8080}]
    assert template["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
    assert manifest("namespace")[0]["metadata"]["labels"]["name"] == "gpu-management"
    assert manifest("ingress")[0]["spec"]["tls"][0]["secretName"] == "gpu-management-tls"
    secrets = {thing["metadata"]["name"]: thing["stringData"] for thing in manifest("secret")}
    assert set(secrets["gpu-management-api-keys"]) == {"ml-team-api-key", "monitoring-api-key"}
    assert set(secrets["slack-webhook"]) == {"url"}
    assert set(secrets["oracle-secret"]) == {"password"}


def test_the_controllers_account_may_do_all_it_does_and_nothing_else(
    installed: Admin, plane: ControlPlane
):
    cluster = LiveCluster(_kubeconfig_of(installed, plane, "k8s-gpu-management"))
    until(lambda: _may_list(cluster))
    for kind in (Kind.NODE, Kind.POD, Kind.SLICE, Kind.CLAIM):
        cluster.list(kind)
    cluster.create(Kind.CLAIM, pinned_claim("r-1", "ml", [Pin(uuid="GPU-a")], owner={}))
    cluster.get(Kind.CLAIM, "gpualloc-r-1", namespace="ml")
    cluster.merge(Kind.CLAIM, "gpualloc-r-1", {"metadata": {"labels": {"a": "b"}}}, namespace="ml")
    cluster.delete(Kind.CLAIM, "gpualloc-r-1", namespace="ml")
    with pytest.raises(ObjectGone):
        cluster.evict("nobody", namespace="ml")
    with pytest.raises(ClusterForbids):
        cluster.create(Kind.POD, pod())
    with pytest.raises(ClusterForbids):
        cluster.merge(Kind.NODE, "n1", {"spec": {"unschedulable": True}})
    with pytest.raises(ApiError, match="forbidden"):
        list(cluster._client.list(Secret, namespace="ml"))
    cluster.close()


def _may_list(cluster: LiveCluster) -> bool:
    try:
        cluster.list(Kind.CLAIM)
    except ClusterForbids:
        return False
    return True


def _kubeconfig_of(admin: Admin, plane: ControlPlane, account: str) -> Path:
    wish = ServiceAccount.Token(
        metadata=ObjectMeta(namespace="gpu-management"),
        spec=TokenRequestSpec(audiences=[], expirationSeconds=3600),
    )
    made = admin.client.create(wish, account, namespace="gpu-management")
    return plane.kubeconfig(made.status.token, account)


ALLOCATION: Thing = {
    "apiVersion": "gpu.company.com/v1",
    "kind": "GpuAllocation",
    "metadata": {"name": "train", "namespace": "ml"},
    "spec": {
        "workloadType": "Training",
        "requiredMemoryGb": 80,
        "useMig": False,
        "maxDurationHours": 168,
        "costLimit": 500,
    },
}


def _created(admin: Admin, **spec: Any) -> Any:
    thing = {**ALLOCATION, "spec": {**ALLOCATION["spec"], **spec}}
    return admin.client.create(generic(thing)(thing), dry_run=True)


def test_objects_of_the_guides_definition_are_valid_and_so_are_larger_gpus(installed: Admin):
    until(lambda: _is_served(installed))
    assert _created(installed)["spec"]["requiredMemoryGb"] == 80
    more = _created(installed, requiredMemoryGb=192, count=8, teamId="ml", podName="p", userId="u")
    assert more["spec"]["count"] == 8


def _is_served(admin: Admin) -> bool:
    try:
        _created(admin)
    except ApiError as missing:
        if missing.status.code == 404:
            return False
        raise
    return True


@pytest.mark.parametrize(
    "spec",
    [
        {"workloadType": "Mining"},
        {"requiredMemoryGb": 0},
        {"maxDurationHours": 169},
        {"costLimit": -1},
        {"useMig": "yes"},
    ],
)
def test_what_the_guides_definition_refuses_is_refused(installed: Admin, spec: dict[str, Any]):
    until(lambda: _is_served(installed))
    with pytest.raises(ApiError, match="spec"):
        _created(installed, **spec)


def test_the_policy_refuses_gpu_pods_without_an_allocation_only_where_it_is_switched_on(
    installed: Admin,
):
    installed.prepare("strict", "free")
    label = {"metadata": {"labels": {"gpu.company.com/enforce": "true"}}}
    from lightkube.resources.core_v1 import Namespace

    installed.client.patch(Namespace, "strict", label)
    for thing in manifest("admission-policy"):
        installed.ensure(thing)
    gpu = {"nvidia.com/gpu": "1"}
    until(lambda: "without an allocation" in _refusal(installed, namespace="strict", limits=gpu))
    assert _refusal(installed, namespace="free", limits=gpu) == ""
    assert _refusal(installed, namespace="strict") == ""
    named = {"gpu.company.com/allocation-id": "a-1"}
    assert _refusal(installed, namespace="strict", limits=gpu, annotations=named) == ""
    assert _refusal(installed, namespace="strict", claims=["gpualloc-a-1"]) == ""
    assert "no allocation" in _refusal(installed, namespace="strict", claims=["own"])
    for thing in manifest("admission-policy"):
        installed.client.delete(generic(thing), thing["metadata"]["name"])


def _refusal(admin: Admin, **told: Any) -> str:
    thing = pod("probe", phase="Pending", **told)
    try:
        admin.client.create(generic(thing)(thing), dry_run=True)
    except ApiError as refused:
        return str(refused.status.message)
    return ""
