from typing import Any

import pytest
from fastapi.testclient import TestClient

from gpu_management.allocations.models import WorkloadType
from gpu_management.mig.fragmentation import fit_now, fit_repacked, fragmentation_ratio
from gpu_management.mig.geometry import Placement, load_geometries
from tests.support.house import A100, T4, House

PLAN = "/api/v1/gpu/mig/plan"


def slice_of(house: House, pod: str, gb: int, **more: Any) -> Any:
    return house.request(pod_name=pod, required_memory_gb=gb, use_mig=True, **more)


@pytest.fixture
def scattered(house: House, client: TestClient) -> TestClient:
    """Two cards, each with one small slice in use in the middle of its left half."""
    house.node("n1", model=A100, layout=[("1g.10gb", 0)])
    house.node("n2", model=A100, layout=[("1g.10gb", 0), ("3g.40gb", 4)])
    slice_of(house, "small-1", 10, workload_type=WorkloadType.INFERENCE)
    slice_of(house, "small-2", 10, workload_type=WorkloadType.INFERENCE, team_id="vision")
    return client


def planned(client: TestClient, **body: Any) -> dict[str, Any]:
    answer = client.post(PLAN, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_nothing_moves_unless_the_caller_says_what_may(scattered: TestClient) -> None:
    found = planned(scattered, demand={"7g.80gb": 1})
    assert found["steps"] == []
    assert found["unserved"] == {"7g.80gb": 1}
    assert found["optimal"] is True


def test_a_plan_says_who_is_hit_and_for_how_long(scattered: TestClient) -> None:
    found = planned(scattered, demand={"7g.80gb": 1}, movableWorkloadTypes=["Inference"])
    assert [step["op"] for step in found["steps"]] == ["move", "create"]
    move = found["steps"][0]
    assert move["podName"] in {"small-1", "small-2"}
    assert (move["seconds"], move["downtimeSeconds"], move["startsAfterSeconds"]) == (130, 0, 0)
    assert move["fromDeviceId"] != move["deviceId"]
    assert found["unserved"] == {}
    assert found["figures"] == found["bound"]
    assert found["figures"]["moveCost"] == 1
    assert found["makespanSeconds"] == 135
    assert found["fitsBefore"] == {"7g.80gb": 0}
    touched = {device["deviceId"]: device for device in found["devices"]}
    emptied = touched[move["fromDeviceId"]]
    assert emptied["after"] == [{"profile": "7g.80gb", "start": 0, "inUse": True}]


def test_a_plan_changes_nothing(scattered: TestClient, house: House) -> None:
    before = scattered.get("/api/v1/gpu/mig/instances").json()
    planned(scattered, demand={"7g.80gb": 1}, movableWorkloadTypes=["Inference"])
    assert scattered.get("/api/v1/gpu/mig/instances").json() == before


def test_without_a_demand_what_waits_is_planned_for(scattered: TestClient, house: House) -> None:
    slice_of(house, "big", 80, wait_seconds=600)
    found = planned(scattered, movableNamespaces=["ml"])
    assert found["demand"] == {"7g.80gb": 1}
    assert found["unserved"] == {}


def test_with_a_history_there_is_room_for_what_was_in_use_at_once(
    scattered: TestClient, house: House
) -> None:
    house.node("n3", model=A100, layout=[])
    for pair in (("a", "b"), ("c",)):
        held = [slice_of(house, name, 40) for name in pair]
        house.clock.forward(seconds=3600)
        for one in held:
            house.release(one.allocation_id)
        house.clock.forward(seconds=3600)
    asked = planned(scattered, historyDays=1)["demand"]
    assert (asked.keys() <= {"3g.40gb", "4g.40gb"}, sum(asked.values())) == (True, 2)
    slice_of(house, "d", 40)
    assert sum(planned(scattered, historyDays=1)["demand"].values()) == 1
    assert planned(scattered, historyDays=1, demand={"7g.80gb": 1})["demand"] == {"7g.80gb": 1}
    house.clock.forward(seconds=3 * 86_400)
    assert planned(scattered, historyDays=1)["demand"] == {}
    assert sum(planned(scattered, historyDays=6)["demand"].values()) == 1


def test_weights_decide_who_moves_and_a_limit_stops_it(scattered: TestClient) -> None:
    body: dict[str, Any] = {"demand": {"7g.80gb": 1}, "movableNamespaces": ["ml"]}
    found = planned(scattered, **body, teamWeights={"vision": 5})
    assert found["steps"][0]["podName"] == "small-1"
    assert planned(scattered, **body, costLimit=0.5)["steps"] == []
    curve = planned(scattered, **body, withCurve=True)["curve"]
    assert (curve[0], curve[-1]) == (
        {"moveCost": 0, "unservedSlices": 7},
        {"moveCost": 1, "unservedSlices": 0},
    )


@pytest.mark.parametrize(
    "kept",
    [
        {"keepNodes": ["n1", "n2"]},
        {"keepDevices": ["n1-GPU-00", "n2-GPU-00"]},
        {
            "windows": [
                {
                    "nodeName": "n3",
                    "startsAt": "2026-01-01T00:00:00Z",
                    "endsAt": "2026-01-02T00:00:00Z",
                }
            ]
        },
    ],
)
def test_what_is_kept_is_not_touched(scattered: TestClient, kept: dict[str, Any]) -> None:
    found = planned(scattered, demand={"7g.80gb": 1}, movableNamespaces=["ml"], **kept)
    assert found["devices"] == found["steps"] == []


def test_work_that_does_not_fit_its_window_says_so(scattered: TestClient) -> None:
    windows = [
        {"nodeName": name, "startsAt": "2026-01-01T00:00:00Z", "endsAt": f"2026-01-01T00:0{m}:00Z"}
        for name, m in (("n1", 1), ("n2", 1))
    ]
    found = planned(scattered, demand={"7g.80gb": 1}, movableNamespaces=["ml"], windows=windows)
    assert {device["fitsWindow"] for device in found["devices"]} == {False}


def test_labelled_and_unschedulable_nodes_are_kept(house: House, client: TestClient) -> None:
    house.node("n1", model=A100, layout=[], labels={"tier": "gold"})
    assert planned(client, demand={"7g.80gb": 1})["unserved"] == {}
    kept = planned(client, demand={"7g.80gb": 1}, keepLabels={"tier": "gold"})
    assert kept["unserved"] == {"7g.80gb": 1}


def test_an_unknown_profile_is_refused_with_the_nearest(client: TestClient) -> None:
    refused = client.post(PLAN, json={"demand": {"3g.41gb": 1}})
    assert (refused.status_code, refused.json()["code"]) == (422, "MIG_LAYOUT_ILLEGAL")
    assert "did you mean" in refused.json()["detail"]
    assert client.post(PLAN, json={"demand": {"3g.40gb": -1}}).status_code == 422


def test_fragmentation_compares_now_with_a_perfect_repack(scattered: TestClient) -> None:
    found = scattered.get("/api/v1/gpu/mig/fragmentation").json()
    assert found["devices"] == 2
    assert found["fitsNow"]["7g.80gb"] == 0
    assert found["fitsRepacked"]["7g.80gb"] == 1
    assert 0 < found["ratio"] < 1


def test_layouts_of_a_model_are_those_of_its_board(client: TestClient) -> None:
    assert len(client.get(f"/api/v1/gpu/models/{A100}/mig/layouts").json()) == 19
    refused = client.get(f"/api/v1/gpu/models/{T4}/mig/layouts")
    assert refused.json()["code"] == "MIG_NOT_SUPPORTED"


def test_a_fleet_that_is_packed_well_wastes_nothing() -> None:
    h100 = load_geometries()["h100-sxm5-80gb"]
    half = (Placement("4g.40gb", 0),)
    assert fragmentation_ratio([(h100, half), (h100, half)], {"3g.40gb": 1.0}) == 0
    corner = (Placement("1g.10gb", 0),)
    boards = [(h100, corner), (h100, corner)]
    assert (fit_now(boards, "7g.80gb"), fit_repacked(boards, "7g.80gb")) == (0, 1)
    assert fragmentation_ratio(boards, {"7g.80gb": 7.0}) == 1
    assert fragmentation_ratio([], {"7g.80gb": 7.0}) is None
