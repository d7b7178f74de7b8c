"""CPU and memory over HTTP."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from gpu_management.auth import schemas, teams
from gpu_management.auth.access import Role
from gpu_management.auth.principals import SYSTEM
from gpu_management.core.paging import Page
from gpu_management.resources import queries
from gpu_management.resources.jobs import Measured, Recorder, Seen
from tests.support.house import CLUSTER, House
from tests.support.principals import principal
from tests.support.resources import needs, room, use

HERE = "/api/v1/resources"
NODE_FIELDS = {
    "nodeName",
    "clusterName",
    "ready",
    "schedulable",
    "podCount",
    "podCapacity",
    "cpuCapacityMilli",
    "cpuAllocatableMilli",
    "cpuRequestedMilli",
    "cpuUsedMilli",
    "cpuRequestedPct",
    "cpuUsedPct",
    "memoryCapacityMib",
    "memoryAllocatableMib",
    "memoryRequestedMib",
    "memoryUsedMib",
    "memoryRequestedPct",
    "memoryUsedPct",
    "gpuCapacity",
    "gpuRequested",
    "heat",
    "collectedAt",
}


@pytest.fixture
def filled(house: House) -> House:
    """Return a house of two nodes and four pods, of which one is measured since an hour."""
    pods = [
        needs("a", owner_kind="ReplicaSet", owner_name="web"),
        needs("b", cpu_milli=0, memory_mib=0),
        needs("c", namespace="web", node="n2", cpu_milli=9500, gpus=1),
        needs("d", namespace="web", node=None, phase="Pending"),
    ]
    nodes = [room("n1"), room("n2")]
    recorder = Recorder(house.database, CLUSTER)
    for _ in range(2):
        measured = Measured(
            nodes={"n1": use(9000, 1024)}, pods={("ml", "a"): use(100, 200)}, at=house.now
        )
        recorder.record(Seen(nodes, pods, {"n2": 4}), measured, now=house.now)
        house.clock.forward(hours=1)
    recorder.record(Seen(nodes, pods, {"n2": 4}), measured, now=house.now)
    return house


@pytest.fixture
def here(filled: House, client: TestClient) -> TestClient:
    return client


def test_nodes_tell_room_requests_and_use(here: TestClient):
    first, second = here.get(f"{HERE}/nodes").json()
    assert set(first) == NODE_FIELDS
    assert (first["nodeName"], first["cpuRequestedPct"], first["cpuUsedPct"]) == ("n1", 10.0, 90.0)
    assert (first["heat"], first["memoryUsedPct"], first["gpuCapacity"]) == ("HOT", 10.0, None)
    assert (second["cpuUsedMilli"], second["cpuUsedPct"], second["heat"]) == (None, None, None)
    assert first["collectedAt"] == "2026-03-02T14:00:00.000Z"


def test_nodes_are_sorted_filtered_and_paged(here: TestClient):
    names = [row["nodeName"] for row in here.get(f"{HERE}/nodes?sort=-cpuRequestedMilli").json()]
    assert names == ["n2", "n1"]
    assert len(here.get(f"{HERE}/nodes?heat=HOT").json()) == 1
    page = here.get(f"{HERE}/nodes?limit=1&sort=-cpuUsedMilli")
    assert page.headers["x-total-count"] == "2"
    following = here.get(page.links["next"]["url"]).json()
    assert [page.json()[0]["nodeName"], following[0]["nodeName"]] == ["n1", "n2"]
    assert here.get(f"{HERE}/nodes?sort=heat").status_code == 422


def test_pods_are_judged_by_what_they_used(here: TestClient):
    [pod] = here.get(f"{HERE}/pods?verdict=OVER_REQUESTED").json()
    assert (pod["podName"], pod["cpuWasteMilli"], pod["memoryWasteMib"]) == ("a", 900, 824)
    assert (pod["ownerKind"], pod["ownerName"]) == ("ReplicaSet", "web")
    [without] = here.get(f"{HERE}/pods?verdict=NO_REQUEST").json()
    assert (without["podName"], without["cpuLimitMilli"]) == ("b", None)
    assert [p["podName"] for p in here.get(f"{HERE}/pods?nodeName=n2").json()] == ["c"]
    assert len(here.get(f"{HERE}/pods?namespace=web").json()) == 2


def test_namespaces_sum_up_their_pods(here: TestClient):
    ml, web = here.get(f"{HERE}/namespaces").json()
    assert (ml["namespace"], ml["podCount"], ml["cpuRequestedMilli"]) == ("ml", 2, 1000)
    assert (ml["cpuUsedMilli"], ml["overRequestedPods"], ml["podsWithoutRequests"]) == (100, 1, 1)
    assert (web["cpuUsedMilli"], web["cpuWasteMilli"], web["gpuRequested"]) == (None, None, 1)


def test_the_summary_holds_totals_shares_namespaces_and_advice(here: TestClient):
    found = here.get(f"{HERE}/summary").json()
    totals, usage, told = found["totals"], found["usage"], found["analysis"]
    assert (totals["nodes"], totals["pods"], totals["pendingPods"]) == (2, 4, 1)
    assert (totals["cpuRequestedMilli"], totals["cpuUsedMilli"]) == (11_500, 9000)
    assert (usage["cpuRequestedPct"], usage["gpuRequestedPct"]) == (57.5, 25.0)
    assert [row["namespace"] for row in found["items"]] == ["ml", "web"]
    assert (told["hotNodes"], told["coldNodes"]) == (["n1"], [])
    assert (told["nodesInUse"], told["nodesNeededAtLeast"], told["strandedGpus"]) == (2, 2, 3)
    assert (found["collectedAt"], found["note"]) == ("2026-03-02T14:00:00.000Z", None)
    assert found["data"]["totals"] == totals


def test_without_a_cluster_everything_is_empty_and_says_so(client: TestClient):
    found = client.get(f"{HERE}/summary").json()
    assert (found["collectedAt"], found["items"], found["totals"]["nodes"]) == (None, [], 0)
    assert found["usage"]["cpuRequestedPct"] is None
    assert client.get(f"{HERE}/pods").json() == []


def test_a_team_sees_the_pods_of_its_namespaces(filled: House):
    with filled.database.write() as session:
        asked = schemas.TeamCreate(team_id="webbers", name="Web", namespaces=["web"])
        teams.create_team(session, asked, by=SYSTEM, now=filled.now)

    def seen(**who: Any) -> tuple[set[str], list[str]]:
        caller = principal(Role.USER, **who)
        with filled.database.read() as session:
            told = queries.PodFilter(CLUSTER)
            rows = queries.list_pods(session, told, principal=caller, page=Page()).rows
            groups = queries.namespaces(session, CLUSTER, principal=caller)
            return {row.pod_name for row in rows}, [row["namespace"] for row in groups]

    assert seen(team="webbers") == ({"c", "d"}, ["web"])
    assert seen(team=None) == (set(), [])
