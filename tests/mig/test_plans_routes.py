from typing import Any

import pytest
from fastapi.testclient import TestClient

from gpu_management.allocations.models import WorkloadType
from tests.support.house import A100, House

PLANS = "/api/v1/gpu/mig/plans"
WHOLE = {"demand": {"7g.80gb": 1}, "movableNamespaces": ["ml"]}


@pytest.fixture
def scattered(house: House, client: TestClient) -> TestClient:
    """Two cards of two nodes, each with one small slice in use."""
    house.node("n1", model=A100, layout=[("1g.10gb", 0)])
    house.node("n2", model=A100, layout=[("1g.10gb", 0), ("3g.40gb", 4)])
    for name in ("small-1", "small-2"):
        house.request(
            pod_name=name,
            required_memory_gb=10,
            use_mig=True,
            workload_type=WorkloadType.INFERENCE,
        )
    return client


def made(client: TestClient, **more: Any) -> dict[str, Any]:
    answer = client.post(PLANS, json=WHOLE | more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def act(client: TestClient, plan: dict[str, Any], verb: str) -> Any:
    return client.post(f"{PLANS}/{plan['planId']}/{verb}")


def test_a_kept_plan_is_a_draft_with_its_tasks(scattered: TestClient) -> None:
    plan = made(scattered)
    assert (plan["state"], plan["method"], plan["position"]) == ("DRAFT", "ledger", 0)
    assert [task["deed"] for task in plan["tasks"]] == ["cut", "move", "cut"]
    assert scattered.get(f"{PLANS}/{plan['planId']}").json()["tasks"] == plan["tasks"]
    assert [row["planId"] for row in scattered.get(PLANS).json()] == [plan["planId"]]
    assert scattered.get(f"{PLANS}?state=DONE").json() == []


def test_a_plan_for_another_layout_is_refused(scattered: TestClient, house: House) -> None:
    plan = made(scattered)
    house.request(pod_name="late", required_memory_gb=40, use_mig=True)
    refused = act(scattered, plan, "approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "MIG_PLAN_STALE")
    assert "have changed" in refused.json()["detail"]


def test_what_the_state_does_not_allow_is_refused(scattered: TestClient) -> None:
    plan = made(scattered)
    for verb in ("pause", "resume"):
        assert act(scattered, plan, verb).json()["code"] == "MIG_PLAN_STATE"
    assert act(scattered, plan, "approve").json()["state"] == "APPROVED"
    assert act(scattered, plan, "approve").status_code == 409
    assert act(scattered, plan, "cancel").json()["state"] == "ROLLED_BACK"
    assert act(scattered, plan, "cancel").status_code == 409


def test_a_plan_without_steps_is_not_kept(scattered: TestClient) -> None:
    refused = scattered.post(PLANS, json={"demand": {"7g.80gb": 1}})
    assert refused.json()["code"] == "MIG_PLAN_NOT_EXECUTABLE"


def test_an_unknown_plan_is_not_found(client: TestClient) -> None:
    assert client.get(f"{PLANS}/nothing").status_code == 404
    assert client.post(f"{PLANS}/nothing/approve").status_code == 404


def test_without_a_cluster_there_is_nobody_to_cut(scattered: TestClient) -> None:
    refused = scattered.post(PLANS, json=WHOLE | {"method": "mig-manager"})
    assert (refused.status_code, refused.json()["code"]) == (409, "MIG_PLAN_NOT_EXECUTABLE")


def test_every_deed_is_told_and_audited(scattered: TestClient) -> None:
    plan = made(scattered)
    act(scattered, plan, "approve")
    act(scattered, plan, "cancel")
    told = scattered.get("/api/v1/gpu/events/history?subjectKind=mig-plan").json()
    assert [event["type"] for event in reversed(told)] == [
        "mig.plan.created",
        "mig.plan.approved",
        "mig.plan.cancelled",
    ]
    audit = scattered.get("/api/v1/admin/audit").json()
    done = {entry["action"] for entry in audit if entry["targetKind"] == "mig-plan"}
    assert done == {"mig.plan.create", "mig.plan.approve", "mig.plan.cancel"}
