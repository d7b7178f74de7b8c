"""From settings to a cluster."""

from pathlib import Path

import pytest

from gpu_management.allocations.enforcement import STANDALONE, EnforcementMode
from gpu_management.cli.wiring_cluster import cluster_jobs, rules_of
from gpu_management.core.settings import Cluster, Server, Settings
from gpu_management.core.settings_items import SettingsError
from tests.support.house import House

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: a
clusters: [{name: a, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
contexts: [{name: a, context: {cluster: a, user: u}}]
"""


def told(**cluster: object) -> Settings:
    return Settings(cluster=Cluster.model_validate(cluster))


def test_without_a_connection_nothing_is_enforced_and_only_plans_run(house: House):
    assert rules_of(told(enforcement="dra")) is STANDALONE
    jobs = cluster_jobs(told(), house.database, house.clock, house.office)
    assert [job.name for job in jobs] == ["mig-plans"]


def test_who_only_answers_needs_no_way_to_the_cluster(house: House):
    told_api = Settings(
        cluster=Cluster.model_validate({"connection": "in-cluster", "enforcement": "dra"}),
        server=Server.model_validate({"role": "api"}),
    )
    assert cluster_jobs(told_api, house.database, house.clock, house.office) == ()
    assert rules_of(told_api).mode_of("ml") is EnforcementMode.DRA


def test_namespaces_may_differ():
    settings = told(
        connection="kubeconfig", enforcement="dra", enforcement_namespaces={"dev": "observe"}
    )
    rules = rules_of(settings)
    assert rules.mode_of("ml") is EnforcementMode.DRA
    assert rules.mode_of("dev") is EnforcementMode.OBSERVE


def test_a_kubeconfig_makes_the_timers_of_a_cluster(house: House, tmp_path: Path):
    file = tmp_path / "config"
    file.write_text(KUBECONFIG)
    settings = told(connection="kubeconfig", kubeconfig=file, sync_seconds=2)
    jobs = cluster_jobs(settings, house.database, house.clock, house.office)
    assert {"cluster-sync": 2, "cluster-enforce": 0.3}.items() <= {
        job.name: job.seconds for job in jobs
    }.items()
    assert not any(job.everywhere for job in jobs)


@pytest.mark.parametrize("context", [None, "b"])
def test_a_configuration_that_leads_nowhere_is_told_when_starting(
    house: House, tmp_path: Path, context: str | None
):
    file = tmp_path / "config"
    if context:
        file.write_text(KUBECONFIG)
    settings = told(connection="kubeconfig", kubeconfig=file, context=context)
    with pytest.raises(SettingsError, match=r"cluster\.connection: no cluster"):
        cluster_jobs(settings, house.database, house.clock, house.office)
