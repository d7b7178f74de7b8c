"""Our manifests as tests read them, and the API server's own verdict on them."""

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.controlplane.binaries import cache_folder
from tests.controlplane.plane import ADMIN_TOKEN, ControlPlane

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
CHART = K8S / "helm" / "k8s-gpu-management"
PLACEHOLDERS = {"${IMAGE}": "gpu-management:test", "${COLLECTOR_IMAGE}": "gpu-collector:test"}
Thing = dict[str, Any]


def tool(name: str) -> str:
    """Return kubectl or helm; skip where there is none, and in CI fail."""
    places = [os.environ.get("KUBEBUILDER_ASSETS", ""), str(cache_folder() / "bin")]
    found = shutil.which(name, path=os.pathsep.join([*places, os.environ.get("PATH", "")]))
    if found is None:
        assert os.environ.get("CI") != "true", f"needs {name}"
        pytest.skip(f"needs {name}")
    return found


def documents(text: str) -> list[Thing]:
    """Return the objects of a YAML text, with images in place."""
    for name, image in PLACEHOLDERS.items():
        text = text.replace(name, image)
    return [thing for thing in yaml.safe_load_all(text) if thing]


def load(file: Path) -> list[Thing]:
    """Return the objects of one file."""
    return documents(file.read_text("utf-8"))


def kustomize(folder: str) -> list[Thing]:
    """Return what `kubectl kustomize` makes of a folder below k8s/."""
    return documents(_output(tool("kubectl"), "kustomize", str(K8S / folder)))


def helm_template(*options: str) -> list[Thing]:
    """Return what the chart renders."""
    command = ["template", "gpu", str(CHART), "--namespace", "gpu-management", *options]
    return documents(_output(tool("helm"), *command))


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def of_kind(things: Iterable[Thing], kind: str) -> dict[str, Thing]:
    """Return the objects of a kind by name."""
    return {thing["metadata"]["name"]: thing for thing in things if thing["kind"] == kind}


class ApiServer:
    """The API server over plain HTTP, as kubectl speaks it."""

    def __init__(self, plane: ControlPlane, token: str = ADMIN_TOKEN) -> None:
        certificate = str(plane.folder / "certs" / "apiserver.crt")
        self.http = httpx2.Client(
            base_url=plane.url,
            headers={"Authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cafile=certificate),
            trust_env=False,
            timeout=20,
        )
        self._plurals: dict[tuple[str, str], tuple[str, bool]] = {}

    def path_of(self, thing: Thing) -> str:
        """Return the address of an object's collection."""
        version, kind = thing["apiVersion"], thing["kind"]
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        if (version, kind) not in self._plurals:
            for told in self.http.get(root).raise_for_status().json()["resources"]:
                if "/" not in told["name"]:
                    self._plurals[version, told["kind"]] = told["name"], told["namespaced"]
        plural, is_namespaced = self._plurals[version, kind]
        place = f"/namespaces/{thing['metadata']['namespace']}" if is_namespaced else ""
        return f"{root}{place}/{plural}"

    def apply(self, thing: Thing, *, dry_run: bool = False) -> httpx2.Response:
        """Apply an object server-side, strictly: an unknown field is an error."""
        query = {"fieldManager": "test", "force": "true", "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        return self.http.patch(
            f"{self.path_of(thing)}/{thing['metadata']['name']}",
            params=query,
            content=yaml.safe_dump(thing),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )

    def create(self, thing: Thing) -> httpx2.Response:
        """Create an object."""
        return self.http.post(self.path_of(thing), json=thing)

    def get(self, thing: Thing) -> httpx2.Response:
        """Read an object."""
        return self.http.get(f"{self.path_of(thing)}/{thing['metadata']['name']}")

    def delete(self, thing: Thing) -> httpx2.Response:
        """Delete an object."""
        return self.http.delete(f"{self.path_of(thing)}/{thing['metadata']['name']}")

    def token_of(self, account: str, namespace: str = "gpu-management") -> str:
        """Return a token of a service account, as `kubectl create token` does."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        made = self.http.post(path, json=body).raise_for_status().json()
        return str(made["status"]["token"])


def pod_specs(things: Iterable[Thing]) -> Iterator[tuple[str, Thing]]:
    """Yield name and pod spec of every workload."""
    for thing in things:
        if thing["kind"] in {"Deployment", "DaemonSet", "StatefulSet"}:
            yield thing["metadata"]["name"], thing["spec"]["template"]["spec"]
