"""What watches the product in a cluster: made of the same files as everywhere else."""

import json

import yaml

from tests.controlplane.manifests import K8S, load, of_kind
from tools import kubernetes_dashboards

FOLDER = K8S / "monitoring"
MOST_ANNOTATED_BYTES = 262_144
"""`kubectl apply` keeps a copy of an object in an annotation, which may not be larger."""


def test_the_dashboards_are_those_of_grafana() -> None:
    made = kubernetes_dashboards
    assert made.PLAIN.read_text("utf-8") == made.plain_text(), "run: make grafana"
    assert made.CHART.read_text("utf-8") == made.chart_text(), "run: make grafana"
    [told] = load(made.PLAIN)
    assert told["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert set(told["data"]) == {file.name for file in made.DASHBOARDS.iterdir()}
    for name, text in told["data"].items():
        assert json.loads(text) == json.loads((made.DASHBOARDS / name).read_text("utf-8"))


def test_kubectl_can_apply_everything() -> None:
    for file in FOLDER.glob("[!k]*"):
        for thing in load(file):
            assert len(json.dumps(thing)) < MOST_ANNOTATED_BYTES, thing["metadata"]["name"]


def test_the_component_has_every_file() -> None:
    told = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))
    there = {file.name for file in FOLDER.iterdir()} - {"kustomization.yaml"}
    assert set(told["resources"]) == there


def test_labels_of_what_is_measured_are_not_overwritten_by_those_of_the_scraped_pod() -> None:
    told = load(FOLDER / "servicemonitor.yaml")
    endpoints = [
        endpoint
        for thing in told
        for endpoint in thing["spec"].get("endpoints", thing["spec"].get("podMetricsEndpoints"))
    ]
    assert len(endpoints) == 3
    assert all(endpoint["honorLabels"] is True for endpoint in endpoints)


def test_what_is_scraped_is_called_as_the_alerts_expect() -> None:
    monitor = of_kind(load(FOLDER / "servicemonitor.yaml"), "ServiceMonitor")["k8s-gpu-management"]
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": "gpu-management"}]
    ports = {
        port["name"]
        for service in load(K8S / "service.yaml")
        for port in service["spec"]["ports"]
        if service["metadata"]["labels"].items()
        >= monitor["spec"]["selector"]["matchLabels"].items()
    }
    assert endpoint["port"] in ports
