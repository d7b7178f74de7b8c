"""kustomize and Helm render what k8s/base says, and what is switched is switched."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.controlplane.admin import Admin
from tests.controlplane.manifests import (
    CHART,
    K8S,
    ApiServer,
    Thing,
    helm_template,
    kustomize,
    load,
    of_kind,
    pod_specs,
    tool,
)

pytestmark = pytest.mark.cluster

DASHBOARDS = K8S / "monitoring" / "grafana-dashboard.json"
SAME = (
    "--set=namespace.create=true,secrets.create=false",
    "--set=image.repository=gpu-management,image.tag=test",
    "--set=collector.image.repository=gpu-collector,collector.image.tag=test",
)
EVERYTHING = (
    *SAME,
    "--set=monitoring.enabled=true,admissionPolicy.enabled=true,migManager.enabled=true",
    "--set=cluster.enforcement=device-plugin,gatePods.enabled=true",
    "--api-versions=admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy",
)


def by_name(things: Iterable[Thing]) -> dict[tuple[str, str], Thing]:
    found = {(thing["kind"], thing["metadata"]["name"]): thing for thing in things}
    found["CustomResourceDefinition", "gpuallocations.gpu.company.com"]["metadata"].pop(
        "annotations", None
    )
    return found


def test_the_chart_renders_the_same_objects_as_the_base():
    base, chart = by_name(kustomize("base")), by_name(helm_template(*SAME))
    assert chart.keys() == base.keys()
    for name, thing in base.items():
        assert chart[name] == thing, name


def test_the_chart_renders_the_same_options_as_the_components():
    chart = by_name(helm_template(*EVERYTHING))
    options = ("admission-policy", "device-plugin", "direct-pods", "gate-pods", "mig-manager")
    options = (*options, "monitoring/servicemonitor", "monitoring/prometheusrule")
    files = [*(K8S / f"{option}.yaml" for option in options), DASHBOARDS]
    for thing in [thing for file in files for thing in load(file)]:
        rendered = chart[thing["kind"], thing["metadata"]["name"]]
        assert normal(rendered) == normal(thing)


COMPONENT = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [{base}]
components: [{component}]
"""


def test_the_chart_lets_the_collector_cut_gpus_with_the_same_rights_as_the_component(
    tmp_path: Path, api_server: ApiServer, admin: Admin
):
    places = {"base": K8S / "base", "component": K8S / "components" / "mig-agent"}
    told = {name: os.path.relpath(place, tmp_path) for name, place in places.items()}
    (tmp_path / "kustomization.yaml").write_text(COMPONENT.format(**told))
    component = of_kind(kustomize(str(tmp_path)), "DaemonSet")["gpu-collector"]
    chart = helm_template(*SAME, "--set=collector.migAgent.enabled=true")
    assert of_kind(chart, "DaemonSet")["gpu-collector"] == component
    [container] = component["spec"]["template"]["spec"]["containers"]
    assert {"name": "MIG_AGENT", "value": "true"} in container["env"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["SYS_ADMIN"]}
    admin.prepare("gpu-management")
    assert api_server.apply(component, dry_run=True).status_code in {200, 201}


def test_policies_that_change_pods_speak_the_version_that_the_cluster_serves():
    kind, group = "MutatingAdmissionPolicy", "admissionregistration.k8s.io"
    for version in ("v1", "v1beta1"):
        things = helm_template(f"--api-versions={group}/{version}/{kind}")
        told = [thing for thing in things if thing["kind"].startswith(kind)]
        assert {thing["apiVersion"] for thing in told} == {f"{group}/{version}"}
    assert not of_kind(helm_template(), kind)
    off = ("--set=directPods.enabled=false", f"--api-versions={group}/v1/{kind}")
    assert not of_kind(helm_template(*off), kind)


def normal(thing: Thing) -> Thing:
    """Return an object with its exempt namespaces in order: they are a set."""
    selector = thing.get("spec", {}).get("matchResources", {}).get("namespaceSelector", {})
    for rule in selector.get("matchExpressions", ()):
        rule["values"] = sorted(rule["values"])
    return thing


def test_every_peer_can_be_switched_off():
    peers = "ingressController kubeflow collector ownDatabase redis dns prometheus directory https"
    off = ",".join(f"networkPolicy.peers.{peer}=false" for peer in peers.split())
    left = of_kind(helm_template(f"--set={off}"), "NetworkPolicy")
    assert set(left) == {
        "gpu-management-netpol",
        "gpu-management-netpol-controller",
        "postgres-netpol",
    }


def test_parts_can_be_left_out():
    off = "collector ingress networkPolicy postgres podDisruptionBudget"
    told = ",".join(f"{part}.enabled=false" for part in off.split())
    kinds = {thing["kind"] for thing in helm_template(f"--set={told}")}
    assert not kinds & {
        "DaemonSet",
        "Ingress",
        "NetworkPolicy",
        "StatefulSet",
        "PodDisruptionBudget",
    }
    assert "Deployment" in kinds


def test_settings_of_the_site_come_after_the_others():
    things = helm_template("--set=extraSettings.billing.currency=EUR")
    config = of_kind(things, "ConfigMap")["gpu-management-config"]["data"]
    assert "currency: EUR" in config["application-site.yml"]
    deployment = of_kind(things, "Deployment")["k8s-gpu-management"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    files = next(e["value"] for e in container["env"] if e["name"] == "GPU_MANAGEMENT_CONFIG")
    assert files.endswith("application.yml,/etc/gpu-management/config/application-site.yml")


def test_the_collector_and_the_server_get_the_same_random_key():
    secrets = of_kind(helm_template(), "Secret")
    key = secrets["gpu-collector-key"]["data"]["operator-api-key"]
    assert secrets["gpu-management-api-keys"]["data"]["operator-api-key"] == key
    assert len(key) == 64


def test_a_value_that_does_not_exist_is_refused():
    for wrong in ("replcas=3", "cluster.enforcement=maybe", "replicas=0"):
        done = subprocess.run(
            [tool("helm"), "template", "gpu", str(CHART), f"--set={wrong}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0, wrong
    assert "replicas" in done.stderr


def test_the_production_overlay_names_real_images_and_watches_itself():
    things = kustomize("overlays/production")
    images = [spec["containers"][0]["image"] for _, spec in pod_specs(things)]
    assert {image.partition("/")[0] for image in images} == {"registry.company.com", "docker.io"}
    assert of_kind(things, "ServiceMonitor")


def test_the_development_overlay_is_one_of_each_without_walls():
    things = kustomize("overlays/development")
    counts = [thing["spec"]["replicas"] for thing in things if thing["kind"] == "Deployment"]
    assert counts == [1, 1]
    assert not of_kind(things, "NetworkPolicy")


def test_the_api_server_accepts_what_the_chart_renders(api_server: ApiServer, admin: Admin):
    admin.prepare("gpu-management")
    for thing in helm_template("--set=namespace.create=true,admissionPolicy.enabled=true"):
        answer = api_server.apply(thing, dry_run=True)
        assert answer.status_code in {200, 201}, (thing["kind"], answer.text)
