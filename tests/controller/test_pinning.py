"""Pods of the device plugin run where they were allocated, or it is said that they do not."""

from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.allocations import service
from gpu_management.allocations.models import Allocation, Hold, HoldKind, Phase
from gpu_management.cluster.pods import ALLOCATION_GATE
from gpu_management.cluster.protocol import Kind
from gpu_management.controller.pinning import resource_of
from tests.support.clusters import Yard
from tests.support.house import House
from tests.support.kube import gpu, gpu_slice, node, pod
from tests.support.ledger import check_ledger
from tests.support.principals import ADMIN

NOTE = "gpu.company.com/allocation-id"


@pytest.fixture
def yard(house: House) -> Yard:
    made = Yard(house, mode="device-plugin")
    made.cluster.put(Kind.NODE, node("n2"))
    made.cluster.put(Kind.SLICE, gpu_slice("n2", [gpu(0, "GPU-2")]))
    made.sync()
    return made


def put(yard: Yard, made: Allocation, name: str = "train", **told: Any) -> None:
    gates = told.pop("gates", ())
    plain: dict[str, Any] = {"limits": {"nvidia.com/gpu": "1"}, "uid": f"uid-{name}"}
    thing = pod(name, annotations={NOTE: made.allocation_id}, **plain | told)
    thing["spec"]["schedulingGates"] = [{"name": gate} for gate in gates]
    yard.cluster.put(Kind.POD, thing)


def turn(yard: Yard) -> None:
    yard.bind(after_seconds=5)
    yard.pin()


def spec(yard: Yard, name: str = "train") -> dict[str, Any]:
    return dict(yard.cluster.get(Kind.POD, name, namespace="ml")["spec"])


def release(yard: Yard, made: Allocation, *, ends_pods: bool = False) -> Allocation:
    told: dict[str, Any] = {"principal": ADMIN, "reason": "requested", "now": yard.house.now}
    with yard.house.database.write() as session:
        return service.release(session, made.allocation_id, ends_pods=ends_pods, **told)


@pytest.mark.parametrize(
    ("kind", "profile", "name"),
    [
        (HoldKind.WHOLE, None, "nvidia.com/gpu"),
        (HoldKind.MIG, "1g.10gb", "nvidia.com/mig-1g.10gb"),
        (HoldKind.MIG, "1g.10gb+me", "nvidia.com/mig-1g.10gb.me"),
    ],
)
def test_each_kind_of_hold_has_its_resource(kind: HoldKind, profile: str | None, name: str):
    assert resource_of(kind, profile) == name


def test_a_pod_behind_the_gate_is_pinned_to_its_node_and_let_go(yard: Yard):
    made = yard.house.request()
    assert yard.conditions(made)["Enforced"] == ("False", "WaitingForPod")
    put(yard, made, gates=[ALLOCATION_GATE, "quota"], phase="Pending")
    turn(yard)
    assert spec(yard)["nodeSelector"] == {"kubernetes.io/hostname": made.node_name}
    assert spec(yard)["schedulingGates"] == [{"name": "quota"}]
    put(yard, made, node_name=made.node_name)
    turn(yard)
    assert yard.conditions(made)["Enforced"] == ("True", "PodPlaced")
    assert yard.pin() == 0


def test_a_pod_that_asks_for_more_is_not_let_go(yard: Yard):
    made = yard.house.request()
    limits = {"nvidia.com/gpu": "2"}
    put(yard, made, gates=[ALLOCATION_GATE], limits=limits, phase="Pending")
    turn(yard)
    assert spec(yard)["schedulingGates"] == [{"name": ALLOCATION_GATE}]
    assert yard.conditions(made)["Enforced"] == ("False", "WrongResource")


def test_a_pod_that_runs_elsewhere_is_told_and_counted_where_it_runs(yard: Yard):
    made = yard.house.request()
    elsewhere = "n1" if made.node_name == "n2" else "n2"
    put(yard, made, node_name=elsewhere)
    turn(yard)
    yard.observe()
    assert yard.conditions(made)["Enforced"] == ("False", "WrongNode")
    with yard.house.database.read() as session:
        check_ledger(session)
        assert sorted(h.source for h in session.scalars(select(Hold))) == ["managed", "observed"]


def test_a_missing_right_is_named_in_the_condition(yard: Yard):
    made = yard.house.request()
    yard.cluster.forbidden.add(("patch", Kind.POD))
    put(yard, made, gates=[ALLOCATION_GATE], phase="Pending")
    turn(yard)
    told = yard.house.find(made.allocation_id).conditions
    assert any("forbidden" in one["message"] for one in told)


def test_release_waits_for_the_pods(yard: Yard):
    made = yard.house.request()
    put(yard, made, node_name=made.node_name)
    turn(yard)
    assert release(yard, made).phase is Phase.ALLOCATED
    assert yard.conditions(made)["Releasing"] == ("True", "PodsRun")
    turn(yard)
    assert yard.house.find(made.allocation_id).phase is Phase.ALLOCATED
    yard.cluster.drop(Kind.POD, "train", "ml")
    turn(yard)
    ended = yard.house.find(made.allocation_id)
    assert (ended.phase, ended.release_reason) == (Phase.RELEASED, "requested")


def test_release_without_a_pod_is_immediate(yard: Yard):
    assert release(yard, yard.house.request()).phase is Phase.RELEASED


def test_evict_ends_the_pods_when_their_budget_allows(yard: Yard):
    made = yard.house.request()
    put(yard, made, node_name=made.node_name)
    turn(yard)
    yard.cluster.protected_pods.add("train")
    release(yard, made)
    release(yard, made, ends_pods=True)
    turn(yard)
    assert yard.conditions(made)["Releasing"] == ("True", "EvictionDelayed")
    yard.cluster.protected_pods.clear()
    turn(yard)
    turn(yard)
    assert yard.house.find(made.allocation_id).phase is Phase.RELEASED


def test_shares_are_kept_by_agreement_in_this_mode_too(yard: Yard):
    made = yard.house.request(gpu_milli=500, required_memory_gb=8)
    assert yard.conditions(made)["Enforced"] == ("False", "NotEnforceable")
