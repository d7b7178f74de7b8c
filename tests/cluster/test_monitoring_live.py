"""`monitoring-setup.sh --kubernetes` on a real API server, with and without the operator."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.admin import Admin
from tests.controlplane.manifests import ApiServer, of_kind, tool
from tests.controlplane.plane import ControlPlane
from tests.scripts.test_monitoring_setup import DASHBOARDS, run

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


@pytest.mark.cluster
def test_a_cluster_gets_everything_once_and_only_with_the_operator(
    plane: ControlPlane, api_server: ApiServer, admin: Admin, tmp_path: Path
) -> None:
    path = os.pathsep.join([str(Path(tool("kubectl")).parent), os.environ["PATH"]])
    environ = {"PATH": path, "KUBECONFIG": str(plane.kubeconfig()), "HOME": str(tmp_path)}
    options = ("--kubernetes", "--context", "test", "--label", "release=kps")
    refused = run(*options, **environ)
    assert refused.returncode == 1
    assert "install the Prometheus operator" in refused.stderr
    for kind in KINDS:
        assert api_server.apply(definition(kind)).is_success
    admin.prepare("gpu-management")
    established = "--for=condition=Established", "crd", "--all", "--timeout=30s"
    subprocess.run(["kubectl", "wait", *established], env=environ, check=True, capture_output=True)
    group = "/apis/monitoring.coreos.com/v1/namespaces/gpu-management"
    try:
        dry = run(*options, "--dry-run", **environ)
        assert dry.returncode == 0, dry.stdout + dry.stderr
        assert api_server.http.get(f"{group}/prometheusrules").json()["items"] == []
        done = run(*options, **environ)
        assert done.returncode == 0, done.stdout + done.stderr
        again = run(*options, **environ)
        assert {line.rpartition(" ")[2] for line in again.stdout.splitlines()} == {"unchanged"}
        [rule] = api_server.http.get(f"{group}/prometheusrules").json()["items"]
        assert rule["metadata"]["labels"]["release"] == "kps"
        assert len(api_server.http.get(f"{group}/podmonitors").json()["items"]) == 2
        maps = api_server.http.get("/api/v1/namespaces/gpu-management/configmaps").json()["items"]
        told = of_kind([one | {"kind": "ConfigMap"} for one in maps], "ConfigMap")
        assert {Path(name).stem for name in told["gpu-management-dashboards"]["data"]} == DASHBOARDS
        plain = run(*options[:3], **environ)
        assert plain.returncode == 0, plain.stdout + plain.stderr
        [rule] = api_server.http.get(f"{group}/prometheusrules").json()["items"]
        assert "release" not in rule["metadata"]["labels"]
    finally:
        for kind in KINDS:
            api_server.delete(definition(kind))
