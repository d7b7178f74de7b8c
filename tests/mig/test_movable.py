"""Who may be moved by a plan: what owners say in a request or on a pod, and what it costs."""

from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from gpu_management.allocations.binding import Patience
from gpu_management.allocations.models import Allocation, WorkloadType
from gpu_management.cluster.memory import MemoryCluster
from gpu_management.cluster.protocol import Kind
from gpu_management.cluster.usage import MOVABLE_LABEL, movable_of
from gpu_management.controller.binding import Binder
from gpu_management.controller.repartition import Repartitioner
from gpu_management.devices.models import Node
from gpu_management.rates import service as rates
from gpu_management.rates.service import Price
from tests.support.clusters import Still
from tests.support.house import A100, CLUSTER, House
from tests.support.kube import pod
from tests.support.principals import ADMIN

PLAN = "/api/v1/gpu/mig/plan"
BOARD = {"7g.80gb": 1}
REQUEST: dict[str, Any] = {
    "namespace": "ml",
    "workloadType": "Inference",
    "requiredMemoryGb": 10,
    "useMig": True,
}


@pytest.fixture
def cards(house: House) -> House:
    """Two cards that are cut for one small slice each."""
    house.node("n1", model=A100, layout=[("1g.10gb", 0)])
    house.node("n2", model=A100, layout=[("1g.10gb", 0), ("3g.40gb", 4)])
    return house


def requested(client: TestClient, name: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/gpu/allocations", json={**REQUEST, "podName": name, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def movers(client: TestClient, **body: Any) -> list[str]:
    answer = client.post(PLAN, json={"demand": BOARD, **body})
    assert answer.status_code == 200, answer.text
    return [step["podName"] for step in answer.json()["steps"] if step["op"] == "move"]


def test_what_its_owner_says_may_move_needs_no_other_word(cards: House, client: TestClient) -> None:
    assert requested(client, "small-1", movable=True)["movable"] is True
    assert requested(client, "small-2")["movable"] is None
    assert movers(client) == ["small-1"]


def test_what_its_owner_forbids_never_moves_whoever_names_it(
    cards: House, client: TestClient
) -> None:
    kept = [requested(client, f"small-{n}", movable=False)["allocationId"] for n in (1, 2)]
    named = {
        "movableAllocations": kept,
        "movableNamespaces": ["ml"],
        "movableWorkloadTypes": ["Inference"],
    }
    assert movers(client, **named) == []


def test_what_a_request_says_is_kept_while_it_waits(cards: House, client: TestClient) -> None:
    requested(client, "small-1")
    requested(client, "small-2")
    waiting = client.post(
        "/api/v1/gpu/allocations",
        json={**REQUEST, "podName": "big", "requiredMemoryGb": 80, "movable": True, "wait": True},
    ).json()
    assert (waiting["phase"], waiting["movable"]) == ("Pending", True)


@pytest.mark.parametrize(
    ("label", "means"),
    [("true", True), ("False", False), ("perhaps", None), (None, None)],
)
def test_a_label_of_a_pod_says_the_same(label: str | None, means: bool | None) -> None:
    assert movable_of({} if label is None else {MOVABLE_LABEL: label}) is means


@pytest.mark.parametrize(
    ("before", "label", "after"), [(True, "false", False), (None, "true", True)]
)
def test_the_pod_that_uses_it_has_the_last_word(
    cards: House, before: bool | None, label: str, after: bool
) -> None:
    made = cards.request(pod_name="small-1", required_memory_gb=10, use_mig=True, movable=before)
    cluster = MemoryCluster()
    using = pod("small-1", node_name="n1", labels={MOVABLE_LABEL: label}, uid="u1")
    cluster.put(Kind.POD, using)
    binder = Binder(cards.database, Still(cluster), cluster_name=CLUSTER, patience=Patience())  # type: ignore[arg-type]
    assert binder.run(cards.now) == 1
    assert cards.find(made.allocation_id).movable is after
    cards.clock.forward(seconds=10)
    assert binder.run(cards.now) == 0


def test_what_moves_to_a_dearer_pool_costs_more_from_then_on(
    cards: House, client: TestClient
) -> None:
    with cards.database.write() as session:
        pools = {"n1": "spot", "n2": "reserved"}
        for node in session.scalars(select(Node)):
            node.node_pool = pools[node.node_name]
        for pool, cost in (("spot", 8), ("reserved", 16)):
            price = Price(A100, Decimal(cost), cluster_name=CLUSTER, node_pool=pool)
            rates.set_rate(session, price, principal=ADMIN, now=cards.now)
    cards.office.placer.forget()
    cards.clock.forward(seconds=1)
    for name in ("small-1", "small-2"):
        requested(client, name, movable=name == "small-1")
    [moved] = movers(client)
    with cards.database.read() as session:
        before = {a.pod_name: a for a in session.scalars(select(Allocation))}[moved]
        cost, node_name = before.cost_per_hour, before.node_name
    plan = client.post("/api/v1/gpu/mig/plans", json={"demand": BOARD}).json()
    client.post(f"/api/v1/gpu/mig/plans/{plan['planId']}/approve")
    Repartitioner(cards.database, CLUSTER, keeper=cards.keeper).run(cards.now)
    after = cards.find(before.allocation_id)
    assert after.node_name != node_name
    assert cost is not None
    assert after.cost_per_hour == (cost * 2 if node_name == "n1" else cost / 2)
    told = client.get(f"/api/v1/gpu/allocations/{before.allocation_id}").json()
    assert told["costPerHour"] == float(after.cost_per_hour)


def test_the_kind_of_work_may_be_named_where_owners_say_nothing(
    cards: House, client: TestClient
) -> None:
    requested(client, "small-1")
    requested(client, "small-2", workloadType=WorkloadType.TRAINING.value)
    assert movers(client) == []
    assert movers(client, movableWorkloadTypes=["Inference"]) == ["small-1"]
