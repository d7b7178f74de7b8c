"""What is installed: fixed names, locked-down pods, and the API server's own verdict."""

from pathlib import Path

import pytest

from gpu_management.core.settings import auth_enforced
from gpu_management.core.settings_load import load as read_settings
from tests.controlplane.admin import Admin
from tests.controlplane.manifests import (
    K8S,
    ApiServer,
    Thing,
    documents,
    load,
    of_kind,
    pod_specs,
)
from tools import kubernetes_rules

NAMES = (
    "namespace.yaml",
    "configmap.yaml",
    "secret.yaml",
    "deployment.yaml",
    "service.yaml",
    "ingress.yaml",
    "rbac.yaml",
    "serviceaccount.yaml",
    "daemonset-gpu-collector.yaml",
    "oracle-db.yaml",
    "redis.yaml",
    "crd.yaml",
    "networkpolicy.yaml",
    "poddisruptionbudget.yaml",
    "postgres.yaml",
    "admission-policy.yaml",
)
NOT_OBJECTS = {"deployment.jenkins.yaml", "kustomization.yaml"}
OPTIONAL_KINDS = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}


def files() -> list[Path]:
    """Return every file of objects, once."""
    found = [f for f in K8S.glob("*.yaml") if f.name not in NOT_OBJECTS]
    return sorted([*found, *(K8S / "monitoring").glob("[!k]*.yaml")])


def everything() -> list[Thing]:
    return [thing for file in files() for thing in load(file)]


def one(kind: str, name: str) -> Thing:
    return of_kind(everything(), kind)[name]


def test_every_file_is_found_under_its_published_name():
    assert {name for name in NAMES if not (K8S / name).is_file()} == set()


def test_the_deployment_has_the_names_that_pipelines_use():
    deployment = one("Deployment", "k8s-gpu-management")
    template = deployment["spec"]["template"]
    [container] = template["spec"]["containers"]
    assert deployment["metadata"]["namespace"] == "gpu-management"
    assert template["metadata"]["labels"] == {"app": "k8s-gpu-management"}
    assert container["name"] == "k8s-gpu-management"
    assert [port["containerPort"] for port in container["ports"]] == [8080]
    assert template["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/path": "/actuator/prometheus",
        "prometheus.io/port": "8080",
    }


def test_no_other_pod_carries_the_label_that_is_scraped():
    labels = [
        thing["spec"]["template"]["metadata"]["labels"]["app"]
        for thing in everything()
        if thing["kind"] in {"Deployment", "DaemonSet", "StatefulSet"}
    ]
    assert labels.count("k8s-gpu-management") == 1
    assert len(labels) == len(set(labels))


def test_service_and_ingress_lead_to_port_8080():
    service = one("Service", "k8s-gpu-management")["spec"]
    assert [(p["port"], p["targetPort"]) for p in service["ports"]] == [(8080, 8080)]
    ingress = one("Ingress", "gpu-management-ingress")
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["spec"]["tls"][0]["secretName"] == "gpu-management-tls"
    assert ingress["metadata"]["annotations"] == {
        "cert-manager.io/cluster-issuer": "letsencrypt-prod",
        "nginx.ingress.kubernetes.io/ssl-redirect": "true",
        "nginx.ingress.kubernetes.io/force-ssl-redirect": "true",
    }
    assert one("Namespace", "gpu-management")["metadata"]["labels"]["name"] == "gpu-management"


def test_secrets_hold_placeholders_that_no_server_accepts():
    secrets = {t["metadata"]["name"]: t["stringData"] for t in load(K8S / "secret.yaml")}
    assert {"ml-team-api-key", "monitoring-api-key"} <= set(secrets["gpu-management-api-keys"])
    assert "url" in secrets["slack-webhook"]
    assert "password" in secrets["oracle-secret"]
    assert {value for told in secrets.values() for value in told.values()} == {"REPLACE_ME", ""}


OURS = [pair for pair in pod_specs(everything()) if pair[0] != "oracle-db"]
"""Oracle's image is not locked down: it writes where it likes."""


@pytest.mark.parametrize(("name", "spec"), OURS)
def test_pods_are_locked_down(name: str, spec: Thing):
    assert spec["enableServiceLinks"] is False
    for container in spec["containers"]:
        told = container["securityContext"]
        assert told["allowPrivilegeEscalation"] is False
        assert told["readOnlyRootFilesystem"] is True
        assert told["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"]
        assert "memory" in container["resources"]["limits"]
    is_root = spec["containers"][0]["securityContext"].get("runAsUser") == 0
    assert is_root == (name == "gpu-collector")
    wants_token = spec["automountServiceAccountToken"]
    assert wants_token == (name == "gpu-management-controller")


def test_the_collector_mounts_the_host_read_only():
    spec = one("DaemonSet", "gpu-collector")["spec"]["template"]["spec"]
    host = {volume["name"] for volume in spec["volumes"] if "hostPath" in volume}
    [container] = spec["containers"]
    mounts = {mount["name"]: mount.get("readOnly") for mount in container["volumeMounts"]}
    assert host == {"pod-resources"}
    assert mounts["pod-resources"] is True
    assert spec["affinity"]["nodeAffinity"]
    assert spec["tolerations"]


def test_the_policy_of_the_guide_is_there_with_its_peers():
    policy = one("NetworkPolicy", "gpu-management-netpol")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    [ingress], [egress] = policy["ingress"], policy["egress"]
    names = [peer["namespaceSelector"]["matchLabels"] for peer in ingress["from"]]
    for name in ("ml-training", "monitoring"):
        assert {"name": name} in names
        assert {"kubernetes.io/metadata.name": name} in names
    assert ingress["ports"] == [{"protocol": "TCP", "port": 8080}]
    assert {"protocol": "TCP", "port": 1521} in egress["ports"]
    peers = of_kind(everything(), "NetworkPolicy")
    wanted = "controller ingress-controller kubeflow collector own-database redis dns prometheus"
    for peer in [*wanted.split(), "directory", "https"]:
        assert f"gpu-management-netpol-{peer}" in peers


def test_jenkins_gets_the_same_deployment_with_its_own_placeholder():
    made = (K8S / "deployment.jenkins.yaml").read_text("utf-8").replace("IMAGE_TAG", "17")
    images = {
        container["image"]
        for _, spec in pod_specs(documents(made))
        for container in spec["containers"]
    }
    assert images == {"k8s-gpu-management:17"}
    plain = (K8S / "deployment.yaml").read_text("utf-8").partition("\n")[2]
    assert plain.replace("${IMAGE}", "k8s-gpu-management:17") in made


def test_the_settings_are_all_known_and_mean_what_they_should(tmp_path: Path):
    config = one("ConfigMap", "gpu-management-config")["data"]
    file = tmp_path / "application.yml"
    file.write_text(config["application.yml"])
    environ = {"CLUSTER_NAME": "seoul-1", "ENVIRONMENT": "production", "DB_PASSWORD": "p"}
    loaded = read_settings(config=[file], profiles=(), environ=environ, flags={})
    assert loaded.warnings == ()
    told = loaded.settings
    assert (told.cluster.name, told.cluster.connection) == ("seoul-1", "in-cluster")
    assert auth_enforced(told)
    url = told.database.connect_url().get_secret_value()
    assert url == "postgresql+psycopg://gpu:p@postgres:5432/gpu"
    [container] = one("Deployment", "k8s-gpu-management")["spec"]["template"]["spec"]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(told.security.api_keys_dir) == mounts["keys"]
    variables = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert variables["GPU_MANAGEMENT_CONFIG"] == f"{mounts['config']}/application.yml"


def test_the_alerts_are_those_of_prometheus():
    assert kubernetes_rules.PLAIN.read_text("utf-8") == kubernetes_rules.plain_text()
    assert kubernetes_rules.CHART.read_text("utf-8") == kubernetes_rules.chart_text()
    names = [group["name"] for group in kubernetes_rules.rule_object()["spec"]["groups"]]
    assert "gpu-management.rules" in names
    assert len(names) == len(set(names))


def test_nothing_but_images_is_left_to_be_filled_in():
    for file in files():
        text = file.read_text("utf-8")
        text = text.replace("${IMAGE}", "").replace("${COLLECTOR_IMAGE}", "")
        assert "${" not in text.replace("${{", ""), file


@pytest.mark.cluster
def test_the_api_server_accepts_every_manifest(api_server: ApiServer, admin: Admin):
    admin.prepare("gpu-management", "gpu-operator")
    for thing in everything():
        if thing["kind"] in OPTIONAL_KINDS:
            continue
        answer = api_server.apply(thing, dry_run=True)
        assert answer.status_code in {200, 201}, (thing["kind"], answer.text)
        # 1.34 has no v1 of policies that change pods; where there is, v1 is what is applied.
        is_beta = thing["apiVersion"] == "admissionregistration.k8s.io/v1beta1"
        assert is_beta == ("Warning" in answer.headers), answer.headers.get("Warning")


@pytest.mark.cluster
def test_a_field_that_does_not_exist_is_refused(api_server: ApiServer, admin: Admin):
    admin.prepare("gpu-management")
    service = one("Service", "k8s-gpu-management")
    service["spec"]["selectr"] = {}
    answer = api_server.apply(service, dry_run=True)
    assert answer.status_code >= 400, answer.text
    assert "selectr" in answer.text
