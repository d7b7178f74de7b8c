import re
from pathlib import Path

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from gpu_management.cluster.models import ClusterLink
from gpu_management.core.clock import wire_time
from tests.support.house import A100, CLUSTER, House

FIXED = (
    "gpu_allocation_failures_total",
    "gpu_mig_instances_available",
    "gpu_mig_instances_total",
    "gpu_mig_instances_allocated",
    "gpu_daily_cost",
    "gpu_cost_total",
    "gpu_allocations_active",
)


def _samples(client: TestClient, path: str = "/metrics") -> dict[str, float]:
    text = client.get(path).text
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_health_is_up_with_its_components(client: TestClient) -> None:
    for path in ("/actuator/health", "/actuator/health/readiness", "/actuator/health/liveness"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["status"] == "UP"
    assert client.get("/actuator/health").json()["components"]["db"]["status"] == "UP"


def test_health_is_down_when_the_database_is_gone_and_the_process_lives(house: House) -> None:
    with house.client() as client:
        house.database.engine.dispose()
        path = house.database.engine.url.database or ""
        with Path(path).open("wb") as broken:
            broken.write(b"this is no database" * 100)
        answer = client.get("/actuator/health")
        assert answer.status_code == 503
        assert answer.json()["status"] == "DOWN"
        assert client.get("/actuator/health/readiness").status_code == 503
        assert client.get("/actuator/health/liveness").status_code == 200
        failed = client.get("/api/v1/gpu/devices")
        assert failed.status_code in {500, 503}
        assert failed.json()["data"] == []


def test_the_metrics_of_the_guide_are_there_from_the_start(client: TestClient) -> None:
    found = _samples(client)
    assert set(FIXED) <= set(found)
    assert all(found[name] == 0 for name in FIXED)


def test_metrics_follow_the_fleet(house: House, client: TestClient) -> None:
    house.node("n1", model=A100, layout=[("3g.40gb", 0), ("3g.40gb", 4)])
    made = house.request(use_mig=True, required_memory_gb=40, team_id="t")
    house.clock.forward(hours=1)
    found = _samples(client, "/actuator/prometheus")
    assert found["gpu_mig_instances_total"] == 2
    assert found["gpu_mig_instances_allocated"] == found["gpu_mig_instances_available"] == 1
    assert found["gpu_allocations_active"] == 1
    assert found["gpu_daily_cost"] == float(made.cost_per_hour or 0) == found["gpu_cost_total"]
    house.release(made.allocation_id)
    house.clock.forward(days=1)
    later = _samples(client)
    assert later["gpu_daily_cost"] == 0
    assert later["gpu_cost_total"] == found["gpu_cost_total"], "a counter never falls"


def test_a_label_is_written_whatever_it_holds(house: House, client: TestClient) -> None:
    house.node()
    house.request(team_id="팀 {a}=b,c")
    text = client.get("/metrics").text
    assert re.search(r'gpu_allocations_by\{namespace="ml",team="팀 \{a\}=b,c"\} 1', text)


def test_information_names_version_database_and_cluster(client: TestClient) -> None:
    body = client.get("/actuator/info").json()
    assert body["app"]["name"] == "k8s-gpu-management"
    assert (body["database"], body["cluster"], body["security"]) == ("sqlite", "test", "disabled")


def test_the_names_of_the_metrics_are_listed(client: TestClient) -> None:
    names = client.get("/actuator/metrics").json()["names"]
    assert names == sorted(names)
    assert "gpu_allocations_active" in names


def test_health_says_since_when_the_cluster_is_not_seen_and_stays_up(house: House) -> None:
    with house.client() as client:
        assert "cluster" not in client.get("/actuator/health").json()["components"]
        with house.database.write() as session:
            link = ClusterLink(cluster_name=CLUSTER, enforcement="dra", notes={})
            link.synced_at = house.now
            session.add(link)
        assert client.get("/actuator/health").json()["components"]["cluster"]["status"] == "UP"
        with house.database.write() as session:
            session.get_one(ClusterLink, CLUSTER).stale_since = house.now
        answer = client.get("/actuator/health")
        told = answer.json()["components"]["cluster"]
        assert (answer.status_code, answer.json()["status"]) == (200, "UP")
        assert told["status"] == "UNKNOWN"
        assert told["details"][CLUSTER]["staleSince"] == wire_time(house.now)
