"""`monitoring-setup.sh --kubernetes` on a real API server, with and without the operator."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.admin import Admin
from tests.controlplane.manifests import ApiServer, of_kind, tool
from tests.controlplane.plane import ControlPlane
from tests.scripts.test_monitoring_setup import DASHBOARDS, run

TO = ("--kubernetes", "--context", "test")
KINDS = {
    "ServiceMonitor": "servicemonitors",
    "PodMonitor": "podmonitors",
    "PrometheusRule": "prometheusrules",
}


def definition(kind: str) -> dict[str, Any]:
    """Return a definition that takes anything as a spec: the operator's own are not here."""
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{KINDS[kind]}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": KINDS[kind], "singular": kind.lower()},
            "versions": [version],
        },
    }


@pytest.fixture
def environ(plane: ControlPlane, tmp_path: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(tool("kubectl")).parent), os.environ["PATH"]])
    return {"PATH": path, "KUBECONFIG": str(plane.kubeconfig()), "HOME": str(tmp_path)}


@pytest.fixture
def operator(
    api_server: ApiServer, admin: Admin, environ: dict[str, str]
) -> Iterator[Callable[[str], list[Any]]]:
    """The definitions of the operator; lists the objects of a kind that are there."""
    for kind in KINDS:
        assert api_server.apply(definition(kind)).is_success
    admin.prepare("gpu-management")
    established = "--for=condition=Established", "crd", "--all", "--timeout=30s"
    subprocess.run(["kubectl", "wait", *established], env=environ, check=True, capture_output=True)
    group = "/apis/monitoring.coreos.com/v1/namespaces/gpu-management"

    def objects(kind: str) -> list[Any]:
        found: list[Any] = api_server.http.get(f"{group}/{KINDS[kind]}").json()["items"]
        return found

    yield objects
    for kind in KINDS:
        api_server.delete(definition(kind))


@pytest.mark.cluster
def test_without_the_operator_nothing_is_applied(environ: dict[str, str]) -> None:
    refused = run(*TO, **environ)
    assert refused.returncode == 1
    assert "install the Prometheus operator" in refused.stderr
    assert refused.stdout == ""


@pytest.mark.cluster
def test_a_cluster_gets_everything_once(
    api_server: ApiServer, environ: dict[str, str], operator: Callable[[str], list[Any]]
) -> None:
    dry = run(*TO, "--dry-run", **environ)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert operator("PrometheusRule") == []
    done = run(*TO, "--label", "release=kps", **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    again = run(*TO, "--label", "release=kps", **environ)
    assert {line.rpartition(" ")[2] for line in again.stdout.splitlines()} == {"unchanged"}
    assert [len(operator(kind)) for kind in KINDS] == [1, 2, 1]
    assert all(one["metadata"]["labels"]["release"] == "kps" for one in operator("PodMonitor"))
    maps = api_server.http.get("/api/v1/namespaces/gpu-management/configmaps").json()["items"]
    told = of_kind([one | {"kind": "ConfigMap"} for one in maps], "ConfigMap")
    assert {Path(name).stem for name in told["gpu-management-dashboards"]["data"]} == DASHBOARDS
    assert run(*TO, **environ).returncode == 0
    assert not any("release" in one["metadata"]["labels"] for one in operator("PodMonitor"))
