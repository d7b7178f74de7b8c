from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from gpu_management.auth.models import AuditEntry
from tests.support.house import A100, T4, House

DEVICES = "/api/v1/gpu/devices"
NODES = "/api/v1/gpu/nodes"
MODELS = "/api/v1/gpu/models"
BODY = {"nodeName": "n1", "deviceIndex": 0, "modelId": T4}


def register(client: TestClient, **changes: Any) -> Any:
    return client.post(DEVICES, json={**BODY, **changes})


def test_a_device_is_registered_and_read_back(client: TestClient) -> None:
    told = {"uuid": "GPU-1", "pciBusId": "00000000:17:00.0", "memoryTotalMb": 15_000}
    told |= {"installedAt": "2026-01-02T03:04:05+09:00"}
    made = register(client, **told)
    assert made.status_code == 201
    assert made.headers["location"] == f"{DEVICES}/n1-GPU-00"
    assert made.headers["etag"] == '"1"'
    body = made.json()
    assert (body["deviceId"], body["status"], body["freeMilli"]) == ("n1-GPU-00", "AVAILABLE", 1000)
    assert body["installedAt"] == "2026-01-01T18:04:05.000Z"
    assert body["memoryTotalMb"] == 15_000
    detail = client.get(made.headers["location"]).json()
    assert detail["costPerHour"] > 0
    assert detail["mig"] is None
    assert {name: detail[name] for name in told if name != "installedAt"} == {
        name: value for name, value in told.items() if name != "installedAt"
    }


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"nodeName": "Not A Node"}, 422),
        ({"nodeName": "a\n"}, 422),
        ({"deviceIndex": -1}, 422),
        ({"deviceIndex": 128}, 422),
        ({"deviceIndex": "0"}, 422),
        ({"modelId": None}, 422),
        ({"modelId": None, "modelName": "GeForce 9000"}, 422),
        ({"modelId": "nobody"}, 404),
        ({"migEnabled": True}, 422),
        ({"uuid": "-bad-"}, 422),
        ({"uuid": "x"}, 422),
        ({"memoryTotalMb": 0}, 422),
        ({"installedAt": "2026-01-02T03:04:05"}, 422),
        ({"installedAt": "0001-01-01T00:00:00+14:00"}, 422),
        ({"nvlinkPeers": ["a"] * 65}, 422),
        ({"serialNumber": "a\\b"}, 422),
    ],
)
def test_what_describes_no_device_is_refused(
    client: TestClient, changes: dict[str, Any], status: int
) -> None:
    answer = register(client, **changes)
    assert answer.status_code == status, answer.text
    assert answer.json()["data"] == []
    assert client.get(DEVICES).json() == []
    assert client.get(NODES).json() == []


def test_a_slot_is_registered_once(client: TestClient) -> None:
    register(client)
    again = register(client)
    assert (again.status_code, again.json()["code"]) == (409, "DEVICE_EXISTS")


def test_a_change_needs_the_present_copy_where_one_is_named(client: TestClient) -> None:
    tag = register(client).headers["etag"]
    path = f"{DEVICES}/n1-GPU-00"
    changed = client.put(path, json={"driverVersion": "570"}, headers={"If-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] == '"2"'
    assert changed.json()["driverVersion"] == "570"
    for verb in ("PUT", "DELETE"):
        stale = client.request(verb, path, json={}, headers={"If-Match": tag})
        assert (stale.status_code, stale.json()["code"]) == (412, "PRECONDITION_FAILED")
    assert client.put(path, json={}).json()["driverVersion"] == "570"
    fresh = client.get(path).headers["etag"]
    assert client.delete(path, headers={"If-Match": fresh}).status_code == 204
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404
    assert client.put(path, json={}).status_code == 404


def test_a_held_device_is_not_removed(house: House, client: TestClient) -> None:
    house.node()
    house.request()
    refused = client.delete(f"{DEVICES}/n1-GPU-00")
    assert (refused.status_code, refused.json()["code"]) == (409, "DEVICE_IN_USE")


def test_maintenance_failure_and_repair_are_told_in_the_history(
    house: House, client: TestClient
) -> None:
    house.node()
    path = f"{DEVICES}/n1-GPU-00"
    house.clock.forward(hours=1)
    assert client.post(f"{path}/maintenance", json={"reason": "fan"}).status_code == 204
    assert client.get(path).json()["status"] == "MAINTENANCE"
    house.clock.forward(hours=1)
    assert client.delete(f"{path}/maintenance").status_code == 204
    failed = {"state": "FAILED", "reason": "xid 79"}
    house.clock.forward(hours=1)
    assert client.post(f"{path}/state", json=failed).status_code == 204
    assert client.delete(f"{path}/maintenance").status_code == 409
    health = client.get(f"{path}/health").json()
    assert (health["health"], health["state"], health["reason"]) == ("FAILED", "FAILED", "xid 79")
    assert health["since"] == "2026-03-02T15:00:00.000Z"
    history = client.get(f"{path}/history").json()
    assert [stretch["state"] for stretch in history] == ["READY", "MAINTENANCE", "READY", "FAILED"]
    assert history[1]["reason"] == "fan"
    assert history[1]["endedAt"] == history[2]["startedAt"]
    first = client.get(f"{path}/history?limit=3")
    rest = client.get(f"{path}/history?limit=3&cursor={first.headers['x-next-cursor']}")
    assert first.json() + rest.json() == history


@pytest.mark.parametrize(
    "body", [{}, {"state": "READY"}, {"state": "ready", "reason": "x"}, {"state": "MIG"}]
)
def test_a_state_needs_a_known_name_and_a_reason(
    house: House, client: TestClient, body: dict[str, Any]
) -> None:
    house.node()
    assert client.post(f"{DEVICES}/n1-GPU-00/state", json=body).status_code == 422


@pytest.mark.parametrize("tail", ["", "/health", "/history", "/mig/history"])
def test_an_unknown_device_is_not_found(client: TestClient, tail: str) -> None:
    answer = client.get(f"{DEVICES}/nobody{tail}")
    assert (answer.status_code, answer.json()["code"]) == (404, "RESOURCE_NOT_FOUND")


def test_devices_filter_by_node_status_model_and_mode(house: House, client: TestClient) -> None:
    house.node("n1", gpus=2)
    house.node("n2", model=A100, layout=[])
    house.node("n3", model=A100)
    house.request(node_selector=(), model_preference=(T4,))
    names = {
        "nodeName=n1": {"n1-GPU-00", "n1-GPU-01"},
        "nodeName=nobody": set(),
        "status=ALLOCATED": {"n1-GPU-00"},
        "status=AVAILABLE": {"n1-GPU-01", "n3-GPU-00"},
        "status=MIG": {"n2-GPU-00"},
        "status=FAILED": set(),
        f"modelId={A100}": {"n2-GPU-00", "n3-GPU-00"},
        "migMode=true": {"n2-GPU-00"},
        f"migMode=false&modelId={A100}": {"n3-GPU-00"},
    }
    for query, wanted in names.items():
        answer = client.get(f"{DEVICES}?{query}")
        assert {row["deviceId"] for row in answer.json()} == wanted, query
        assert answer.headers["x-total-count"] == str(len(wanted))
    order = [row["deviceId"] for row in client.get(f"{DEVICES}?sort=-deviceId").json()]
    assert order == sorted(order, reverse=True)


def test_a_device_shows_who_holds_it(house: House, client: TestClient) -> None:
    house.node()
    made = house.request(gpu_milli=400, team_id="t")
    (shown,) = client.get(DEVICES).json()
    assert (shown["status"], shown["heldMilli"], shown["freeMilli"]) == ("ALLOCATED", 400, 600)
    (holder,) = shown["allocations"]
    assert (holder["allocationId"], holder["milli"]) == (made.allocation_id, 400)


def test_a_node_is_told_about_cordoned_and_freed(house: House, client: TestClient) -> None:
    house.node("n1", gpus=2, cpu_milli=8000, memory_mib=100)
    house.request(cpu_milli=3000, memory_mib=40)
    path = f"{NODES}/n1"
    shown = client.get(path)
    body = shown.json()
    assert (body["cpuFreeMilli"], body["memoryFreeMib"]) == (5000, 60)
    assert (body["gpuCount"], body["gpuAvailable"], body["gpuFreeMilli"]) == (2, 1, 1000)
    change = {"zone": "a", "labels": {"zone": "a"}, "cpuTotalMilli": 9000}
    tag = shown.headers["etag"]
    assert client.put(path, json=change, headers={"If-Match": tag}).status_code == 204
    assert client.put(path, json=change, headers={"If-Match": tag}).status_code == 412
    assert client.get(path).json()["cpuFreeMilli"] == 6000
    assert client.post(f"{path}/maintenance", json={}).status_code == 204
    assert client.get(path).json()["schedulable"] is False
    assert client.delete(f"{path}/maintenance").status_code == 204
    assert client.get(path).json()["schedulable"] is True
    for verb, tail in (("GET", ""), ("PUT", ""), ("POST", "/maintenance")):
        assert client.request(verb, f"{NODES}/nobody{tail}", json={}).status_code == 404


def test_a_model_is_added_once_and_then_used(client: TestClient) -> None:
    own = {"modelId": "own-1", "modelName": "Own Card", "memoryGb": 24}
    made = client.post(MODELS, json=own)
    assert made.status_code == 201
    assert made.json()["isCatalog"] is False
    assert client.post(MODELS, json=own).status_code == 409
    registered = register(client, modelId=None, modelName="Own Card")
    assert registered.json()["modelId"] == "own-1"
    assert client.get(f"{MODELS}/own-1").json()["memoryGb"] == 24
    missing = client.get(f"{MODELS}/own-2")
    assert missing.status_code == 404
    assert "did you mean own-1" in missing.json()["detail"]
    for wrong in ({"modelId": "Bad Id"}, {"memoryGb": 0}, {"modelName": ""}):
        assert client.post(MODELS, json={**own, **wrong}).status_code == 422


def test_every_write_is_audited(house: House, client: TestClient) -> None:
    register(client)
    client.put(f"{DEVICES}/n1-GPU-00", json={"vbios": "1"})
    client.post(f"{DEVICES}/n1-GPU-00/maintenance", json={})
    client.delete(f"{DEVICES}/n1-GPU-00/maintenance")
    client.put(f"{NODES}/n1", json={})
    client.post(f"{NODES}/n1/maintenance", json={})
    client.delete(f"{NODES}/n1/maintenance")
    client.delete(f"{DEVICES}/n1-GPU-00")
    with house.database.read() as session:
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == [
        "device.register",
        "device.update",
        "device.state",
        "device.state",
        "node.update",
        "node.cordon",
        "node.uncordon",
        "device.delete",
    ]
