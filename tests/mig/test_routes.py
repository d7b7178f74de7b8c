from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.support.house import A100, T4, House

DEVICE = "/api/v1/gpu/devices/n1-GPU-00"
LAYOUT = f"{DEVICE}/mig/layout"
INSTANCES = "/api/v1/gpu/mig/instances"
PROFILES = "/api/v1/gpu/mig/profiles"
HALVES = {"placements": [{"profile": "3g.40gb", "start": 0}, {"profile": "3g.40gb", "start": 4}]}


@pytest.fixture
def cut(house: House, client: TestClient) -> TestClient:
    house.node("n1", model=A100, layout=[])
    return client


def test_mode_is_switched_on_and_off(house: House, client: TestClient) -> None:
    house.node("n1", model=A100)
    assert client.post(f"{DEVICE}/mig").status_code == 204
    assert client.get(DEVICE).json()["status"] == "MIG"
    assert client.delete(f"{DEVICE}/mig").status_code == 204
    assert client.get(DEVICE).json()["migEnabled"] is False


def test_a_model_without_mig_is_refused(house: House, client: TestClient) -> None:
    house.node("n1", model=T4)
    refused = client.post(f"{DEVICE}/mig")
    assert (refused.status_code, refused.json()["code"]) == (422, "MIG_NOT_SUPPORTED")


def test_a_whole_card_takes_no_slices(house: House, client: TestClient) -> None:
    house.node("n1", model=A100)
    refused = client.put(LAYOUT, json=HALVES)
    assert (refused.status_code, refused.json()["code"]) == (409, "MIG_NOT_ENABLED")


def test_a_layout_is_previewed_applied_and_shown(house: House, cut: TestClient) -> None:
    preview = cut.put(LAYOUT, json={**HALVES, "dryRun": True}).json()
    assert (preview["applied"], len(preview["created"])) == (False, 2)
    assert cut.get(INSTANCES).json() == []
    applied = cut.put(LAYOUT, json=HALVES).json()
    assert applied["applied"] is True
    assert applied["fitsAfter"]["1g.10gb"] <= 1
    rows = cut.get(INSTANCES).json()
    assert [row["placementStart"] for row in rows] == [0, 4]
    assert {row["status"] for row in rows} == {"AVAILABLE"}
    shown = cut.get(DEVICE).json()
    assert shown["migSummary"] == {
        "total": 2,
        "available": 2,
        "allocated": 0,
        "profiles": {"3g.40gb": 2},
    }
    assert shown["mig"]["placementUnits"] == 8
    assert shown["mig"]["freePlacements"]["7g.80gb"] == []
    held = house.request(use_mig=True, required_memory_gb=40)
    (taken,) = cut.get(f"{INSTANCES}?status=ALLOCATED").json()
    assert taken["allocationId"] == held.allocation_id
    assert len(cut.get(f"{INSTANCES}?status=AVAILABLE&profile=3g.40gb").json()) == 1
    assert len(cut.get(f"{INSTANCES}?deviceId=n1-GPU-00").json()) == 2
    assert cut.get(f"{INSTANCES}?status=x").status_code == 422
    refused = cut.put(LAYOUT, json={"placements": []})
    assert (refused.status_code, refused.json()["code"]) == (409, "MIG_INSTANCE_IN_USE")
    gone = cut.delete(f"{INSTANCES}/{taken['migId']}")
    assert (gone.status_code, gone.json()["code"]) == (409, "MIG_INSTANCE_IN_USE")
    history = cut.get(f"{DEVICE}/mig/history").json()
    assert [len(stretch["layout"]) for stretch in history][-1] == 2


@pytest.mark.parametrize(
    "placements",
    [
        [{"profile": "3g.40gb", "start": 1}],
        [{"profile": "3g.40gb", "start": 0}, {"profile": "2g.20gb", "start": 2}],
        [{"profile": "4g.40gb", "start": 0}, {"profile": "4g.40gb", "start": 4}],
        [{"profile": "1g.5gb", "start": 0}],
        [{"profile": "1g.10gb", "start": 12}],
        [{"profile": "1g.10gb", "start": -1}],
        [{"profile": "1g.10gb"}],
        [{"profile": "", "start": 0}],
        [{"profile": "1g.10gb", "start": 0}] * 2,
        [{"profile": "1g.10gb", "start": 0}] * 13,
        None,
    ],
)
def test_a_layout_that_is_not_legal_is_refused_and_nothing_changes(
    cut: TestClient, placements: Any
) -> None:
    answer = cut.put(LAYOUT, json={"placements": placements})
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert cut.get(INSTANCES).json() == []


def test_a_slice_is_made_and_destroyed(cut: TestClient) -> None:
    made = cut.post(f"{DEVICE}/mig/instances", json={"profile": "2g.20gb", "start": 4})
    assert made.status_code == 201
    assert made.json()["start"] == 4
    found = cut.get(f"{made.headers['location']}?envelope=true").json()["data"]
    assert (found["profileName"], found["status"]) == ("2g.20gb", "AVAILABLE")
    assert found in cut.get(INSTANCES).json()
    assert cut.delete(made.headers["location"]).status_code == 204
    assert cut.get(made.headers["location"]).status_code == 404
    assert cut.delete(made.headers["location"]).status_code == 404
    wrong = cut.post(f"{DEVICE}/mig/instances", json={"profile": "9g.1gb"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "MIG_LAYOUT_ILLEGAL")
    assert "it has" in wrong.json()["detail"]


def test_profiles_say_what_is_idle_and_what_could_be_made(house: House, cut: TestClient) -> None:
    cut.put(LAYOUT, json=HALVES)
    house.request(use_mig=True, required_memory_gb=40)
    rows = {row["profileName"]: row for row in cut.get(f"{PROFILES}?modelId={A100}").json()}
    assert rows["3g.40gb"]["freeInstances"] == 1
    assert rows["7g.80gb"]["carvable"] == 0
    places = sorted(place["start"] for place in rows["3g.40gb"]["placements"])
    assert places == [0, 4]
    same = cut.get(f"{PROFILES}?deviceId=n1-GPU-00").json()
    assert {row["profileName"] for row in same} == set(rows)
    everything = cut.get(PROFILES)
    assert everything.headers["x-total-count"] == str(len(everything.json()))
    assert cut.get(f"{PROFILES}?modelId=nobody").status_code == 404
    assert cut.get(f"{PROFILES}?deviceId=nobody").status_code == 404
