"""scripts/deploy-k8s.sh installs into a real control plane; scripts/gpu-validation.py judges it."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.test_crd import allocation
from tests.controlplane.admin import Admin, until
from tests.controlplane.manifests import K8S, ApiServer, tool
from tests.controlplane.plane import ControlPlane
from tests.support.kube import gpu
from tests.support.server import ROOT, guarded, serving

NAMESPACE = "/api/v1/namespaces/gpu-management"
APPS = "/apis/apps/v1/namespaces/gpu-management"
MUTATING = "/apis/admissionregistration.k8s.io/v1beta1/mutatingadmissionpolicies"
KEYS = f"{NAMESPACE}/secrets/gpu-management-api-keys"
OVERLAY = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [{base}]
patches:
- target: {{kind: StatefulSet}}
  patch: |
    $patch: delete
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {{name: postgres}}
"""


class Shell:
    """Our scripts as somebody runs them who may do everything in the cluster."""

    def __init__(self, config: Path, folder: Path) -> None:
        path = os.pathsep.join([str(Path(tool("kubectl")).parent), os.environ["PATH"]])
        self.environ = {"PATH": path, "KUBECONFIG": str(config), "HOME": str(folder)}

    def __call__(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, env=self.environ, capture_output=True, text=True, timeout=120, check=False
        )

    def deploy(self, *options: str) -> "subprocess.CompletedProcess[str]":
        """Run the script that installs."""
        script = str(ROOT / "scripts" / "deploy-k8s.sh")
        return self(script, "--context", "test", "--timeout", "60", *options)

    def validate(self, *options: str, cluster: str = "test") -> "subprocess.CompletedProcess[str]":
        """Run the script that judges, without any package."""
        script = str(ROOT / "scripts" / "gpu-validation.py")
        return self(sys.executable, "-S", "-E", "-s", script, "--cluster", cluster, *options)


@pytest.mark.parametrize(
    "options", [[], ["--image", "app"], ["--image", "a b:1"], ["--overlay"], ["--nonsense", "x"]]
)
def test_wrong_usage_ends_with_2_and_touches_nothing(options: list[str]):
    script = str(ROOT / "scripts" / "deploy-k8s.sh")
    done = subprocess.run([script, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "deploy-k8s.sh:" in done.stderr


def test_the_manifest_for_jenkins_is_what_the_script_makes_of_the_other(tmp_path: Path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "k8s").mkdir()
    script = tmp_path / "scripts" / "deploy-k8s.sh"
    script.write_text((ROOT / "scripts" / "deploy-k8s.sh").read_text("utf-8"))
    (tmp_path / "k8s" / "deployment.yaml").write_text((K8S / "deployment.yaml").read_text("utf-8"))
    subprocess.run(["bash", str(script), "--write-jenkins"], check=True)
    made = (tmp_path / "k8s" / "deployment.jenkins.yaml").read_text("utf-8")
    assert made == (K8S / "deployment.jenkins.yaml").read_text("utf-8")


@pytest.fixture
def shell(plane: ControlPlane, tmp_path: Path) -> Shell:
    return Shell(plane.kubeconfig(), tmp_path)


@pytest.fixture
def overlay(tmp_path: Path) -> str:
    """Return an overlay without a database: there is nothing here that gives volumes."""
    folder = tmp_path / "overlay"
    folder.mkdir()
    base = os.path.relpath(K8S / "base", folder)
    (folder / "kustomization.yaml").write_text(OVERLAY.format(base=base))
    return str(folder)


@pytest.fixture
def nodes(api_server: ApiServer, admin: Admin) -> Iterator[None]:
    labels = {"nvidia.com/gpu.present": "true"}
    admin.add_node("n1", [gpu(0, "GPU-0"), gpu(1, "GPU-1")], labels=labels)
    yield
    for kind in ("deployments", "daemonsets", "statefulsets"):
        for thing in api_server.http.get(f"{APPS}/{kind}").json()["items"]:
            url = f"{APPS}/{kind}/{thing['metadata']['name']}"
            api_server.http.delete(url, params={"propagationPolicy": "Background"})
    for name in ("gpu-management-api-keys", "gpu-collector-key", "postgres-secret"):
        api_server.http.delete(f"{NAMESPACE}/secrets/{name}")
    until(lambda: not api_server.http.get(f"{APPS}/replicasets").json()["items"])


@pytest.mark.cluster
@pytest.mark.usefixtures("nodes")
def test_an_installation_passes_and_a_broken_one_does_not(
    shell: Shell, overlay: str, api_server: ApiServer, plane: ControlPlane, tmp_path: Path
):
    done = shell.deploy("--image", "registry.example/gpu:1", "--overlay", overlay)
    assert done.returncode == 0, done.stdout + done.stderr
    [container] = api_server.http.get(f"{APPS}/daemonsets/gpu-collector").json()["spec"][
        "template"
    ]["spec"]["containers"]
    assert container["image"] == "registry.example/gpu-collector:1"
    keys = api_server.http.get(KEYS).json()["data"]
    assert all(len(base64.b64decode(key)) == 48 for key in keys.values())
    again = shell.deploy("--image", "registry.example/gpu:2", "--overlay", overlay)
    assert again.returncode == 0, again.stderr
    assert api_server.http.get(KEYS).json()["data"] == keys

    told, issued = guarded(tmp_path, "--set", "cluster.connection=kubeconfig")
    config = f"cluster.kubeconfig={plane.kubeconfig()}"
    with serving(tmp_path, *told, "--set", config, keys=issued) as server:
        until(lambda: len(server.ask("GET", "/api/v1/gpu/devices?envelope=false")) == 2)
        shell.environ["GPU_MANAGEMENT_API_KEY"] = issued["viewer"]
        until(lambda: shell.validate("--url", server.url).returncode == 0)
        report = json.loads(shell.validate("--url", server.url, "--json").stdout)
        assert [check["check"] for check in report["checks"]] == [
            "api-server",
            "gpu-nodes",
            "crd",
            "deployments",
            "collector",
            "inventory",
        ]
        assert report["passed"]
        api_server.http.delete(f"{APPS}/daemonsets/gpu-collector")
        broken = shell.validate("--url", server.url)
        assert broken.returncode == 1
        assert "FAIL collector" in broken.stdout
        shell.environ["GPU_MANAGEMENT_API_KEY"] = "wrong"
        assert "FAIL inventory: the API answers 401" in shell.validate("--url", server.url).stdout


@pytest.mark.cluster
def test_a_dry_run_asks_the_api_server_and_changes_nothing(
    shell: Shell, overlay: str, api_server: ApiServer, admin: Admin
):
    admin.prepare("gpu-management")
    done = shell.deploy("--image", "app:1", "--overlay", overlay, "--policy", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "deployment.apps/k8s-gpu-management created (server dry run)" in done.stdout
    assert "validatingadmissionpolicy.admissionregistration.k8s.io" in done.stdout
    assert api_server.http.get(f"{APPS}/deployments").json()["items"] == []
    assert api_server.http.get(KEYS).status_code == 404


@pytest.mark.cluster
def test_a_cluster_that_does_not_answer_is_told_from_one_that_fails(shell: Shell):
    done = shell.validate(cluster="nowhere")
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert shell.validate("--kubectl", "no-such-program").returncode == 2


@pytest.mark.cluster
@pytest.mark.usefixtures("nodes")
def test_uninstalling_by_the_guide_leaves_nothing_behind(
    shell: Shell, overlay: str, api_server: ApiServer, plane: ControlPlane, tmp_path: Path
):
    done = shell.deploy("--image", "app:1", "--overlay", overlay, "--policy", "--gate-pods")
    assert done.returncode == 0, done.stderr
    names = [t["metadata"]["name"] for t in api_server.http.get(MUTATING).json()["items"]]
    assert names == ["gpu-management-direct-pods", "gpu-management-gate-pods"]
    token = api_server.token_of("gpu-management-controller")
    told = {
        "cluster.connection": "kubeconfig",
        "cluster.kubeconfig": str(plane.kubeconfig(token, "gpu-management-controller")),
        "cluster.enforcement": "dra",
    }
    options = [part for key, value in told.items() for part in ("--set", f"{key}={value}")]
    objects = "/apis/gpu.company.com/v1/namespaces/ml/gpuallocations"
    with serving(tmp_path, *options) as server:
        until(lambda: len(server.ask("GET", "/api/v1/gpu/devices?envelope=false")) == 2)
        assert api_server.create(allocation()).status_code == 201
        until(lambda: "claimName" in api_server.http.get(objects).text)
        commands = uninstalling()
        assert len(commands) == 5
        for command in commands:
            done = shell("bash", "-c", f"cd {ROOT} && {command}")
            assert done.returncode == 0, done.stderr
    until(lambda: api_server.http.get(NAMESPACE).status_code == 404)
    for path in (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
        MUTATING,
        f"{MUTATING.removesuffix('policies')}policybindings",
        "/apis/resource.k8s.io/v1/resourceclaims",
    ):
        names = [t["metadata"]["name"] for t in api_server.http.get(path).json()["items"]]
        assert [name for name in names if "gpu" in name] == []


def uninstalling() -> list[str]:
    """Return the commands of the guide's last section."""
    guide = (ROOT / "docs" / "guides" / "kubernetes-install.md").read_text("utf-8")
    block = guide.partition("## Uninstall")[2].split("```")[1]
    return [line for line in block.splitlines() if line]
