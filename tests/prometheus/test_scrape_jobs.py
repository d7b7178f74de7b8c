"""The scrape jobs are the guide's, and find what they should."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.prometheus.rules import GUIDE, SHIPPED, promtool, read
from tests.support.prometheus import scraping
from tests.support.waiting import until

Labels = Mapping[str, str]
POD = "__meta_kubernetes_pod_"
SERVER: Labels = {
    f"{POD}label_app": "k8s-gpu-management",
    f"{POD}annotation_prometheus_io_scrape": "true",
    f"{POD}annotation_prometheus_io_path": "/actuator/prometheus",
}
OPERATORS: Labels = {f"{POD}label_app": "nvidia-dcgm-exporter"}
CHARTS: Labels = {f"{POD}label_app_kubernetes_io_name": "dcgm-exporter"}
PLAIN: Labels = {f"{POD}label_app": "dcgm-exporter"}


def any_job() -> dict[str, Any]:
    config = read(SHIPPED / "prometheus.yml")
    others = [job for job in config["scrape_configs"] if job["job_name"] != "dcgm-exporter"]
    replaced = read(SHIPPED / "dcgm-exporter-any-job.yml")["scrape_configs"]
    return {**config, "scrape_configs": others + replaced}


def without_cluster(config: dict[str, Any], pods: Mapping[str, Labels]) -> dict[str, Any]:
    """Return the configuration with pods told by hand in the place of a cluster's."""
    told = [{"targets": [at], "labels": dict(labels)} for at, labels in pods.items()]
    jobs = [
        {key: value for key, value in job.items() if key != "kubernetes_sd_configs"}
        | {"static_configs": told}
        for job in config["scrape_configs"]
    ]
    return {"global": config["global"], "scrape_configs": jobs}


def test_jobs_intervals_and_alertmanager_are_the_guides() -> None:
    ours, guides = read(SHIPPED / "prometheus.yml"), read(GUIDE / "prometheus.yml")
    assert set(guides["rule_files"]) < set(ours["rule_files"])
    assert {**ours, "rule_files": []} == {**guides, "rule_files": []}


def test_the_configuration_without_discovery_is_accepted_with_all_rules() -> None:
    told = promtool("check", "config", str(SHIPPED / "prometheus-static.yml"))
    assert "5 rule files found" in told


@pytest.mark.parametrize("config", [read(SHIPPED / "prometheus.yml"), any_job()])
def test_a_configuration_with_discovery_is_accepted(config: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(without_cluster(config, {})))
    assert "SUCCESS" in promtool("check", "config", str(file))
    for job in config["scrape_configs"]:
        assert [one["role"] for one in job["kubernetes_sd_configs"]] == ["pod"]


def targets(client: httpx2.Client) -> Callable[[], set[tuple[str, str]]]:
    def found() -> set[tuple[str, str]]:
        active = client.get("/api/v1/targets").json()["data"]["activeTargets"]
        return {(one["labels"]["job"], one["scrapeUrl"]) for one in active}

    return found


@pytest.mark.integration
@pytest.mark.parametrize(
    ("config", "exporters"),
    [(read(SHIPPED / "prometheus.yml"), {"4"}), (any_job(), {"4", "5", "6"})],
    ids=["guide", "any-exporter"],
)
def test_a_real_prometheus_keeps_the_right_pods(
    config: dict[str, Any], exporters: set[str], tmp_path: Path
) -> None:
    port = {f"{POD}container_port_number": "9400"}
    pods: dict[str, Labels] = {
        "127.0.0.1:1": SERVER,
        "127.0.0.1:2": {f"{POD}label_app": "k8s-gpu-management"},
        "127.0.0.1:3": {**SERVER, f"{POD}label_app": "gpu-collector"},
        "127.0.0.1:4": {**PLAIN, **port},
        "127.0.0.1:5": {**OPERATORS, **port},
        "127.0.0.1:6": {**CHARTS, **port},
        "127.0.0.1:7": {f"{POD}label_app": "node-exporter", **port},
    }
    wanted = {("gpu-management", "http://127.0.0.1:1/actuator/prometheus")} | {
        ("dcgm-exporter", f"http://127.0.0.1:{one}/metrics") for one in exporters
    }
    with scraping(tmp_path, without_cluster(config, pods)) as client:
        assert until(targets(client), wanted) == wanted


@pytest.mark.integration
def test_listed_targets_get_the_jobs_that_rules_rely_on(tmp_path: Path) -> None:
    config = read(SHIPPED / "prometheus-static.yml")
    found = config["scrape_configs"][0]["file_sd_configs"]
    found[0]["files"] = [str(SHIPPED / name) for name in found[0]["files"]]
    wanted = {
        ("gpu-management", "http://k8s-gpu-management:8080/actuator/prometheus"),
        ("dcgm-exporter", "http://gpu-node-1:9400/metrics"),
        ("dcgm-exporter", "http://gpu-node-2:9400/metrics"),
    }
    with scraping(tmp_path, {"scrape_configs": config["scrape_configs"]}) as client:
        assert until(targets(client), wanted) == wanted
