"""GPUs that pods got without us are in the ledger, with their owner, while they have them."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from gpu_management.allocations.models import (
    Allocation,
    Hold,
    HoldKind,
    HoldSource,
    Phase,
    WorkloadType,
)
from gpu_management.cluster.protocol import Kind
from tests.support.clusters import Yard
from tests.support.house import House
from tests.support.kube import claimed, gpu_slice, mig, node, pod
from tests.support.ledger import check_ledger


@pytest.fixture
def yard(house: House) -> Yard:
    return Yard(house)


def holds(yard: Yard) -> list[Hold]:
    with yard.house.database.read() as session:
        check_ledger(session)
        return list(session.scalars(select(Hold).order_by(Hold.id)))


def observed(yard: Yard) -> Allocation:
    with yard.house.database.read() as session:
        return session.scalars(select(Allocation)).one()


def test_a_claim_of_others_is_a_hold_of_its_card_with_its_owner(yard: Yard):
    owner = {"kind": "Job", "name": "train", "controller": True}
    labels = {"gpu.company.com/team": "vision"}
    theirs = pod("p", namespace="lab", node_name="n1", claims=["c"], labels=labels)
    theirs["metadata"]["ownerReferences"] = [owner]
    yard.cluster.put(Kind.POD, theirs)
    yard.cluster.put(Kind.CLAIM, claimed("c", "gpu-1", namespace="lab", pods=["p"]))
    yard.observe()
    found = observed(yard)
    assert (found.resources, found.namespace, found.pod_name) == (["n1-GPU-01"], "lab", "p")
    assert (found.team_id, found.workload_type) == ("vision", WorkloadType.TRAINING)
    assert "of Job train" in (found.message or "")
    [hold] = holds(yard)
    assert (hold.source, hold.kind, hold.milli) == (HoldSource.OBSERVED, HoldKind.WHOLE, 1000)


def test_it_is_entered_once_and_ends_with_the_claim(yard: Yard):
    yard.cluster.put(Kind.CLAIM, claimed("c", "gpu-1", pods=["p"]))
    yard.observe()
    yard.observe()
    yard.house.clock.forward(seconds=90)
    yard.cluster.drop(Kind.CLAIM, "c", "ml")
    yard.observe()
    [hold] = holds(yard)
    assert hold.ended_at is not None
    assert hold.ended_at - hold.started_at == timedelta(seconds=90)
    assert observed(yard).phase is Phase.RELEASED


def test_nothing_of_ours_is_placed_on_it(yard: Yard):
    yard.cluster.put(Kind.CLAIM, claimed("c", "gpu-0", pods=["p"]))
    yard.observe()
    made = yard.house.request()
    assert made.resources == ["n1-GPU-01"]


def test_access_for_monitoring_holds_nothing(yard: Yard):
    yard.cluster.put(Kind.CLAIM, claimed("dcgm", "gpu-0", pods=["p"], is_admin=True))
    yard.observe()
    assert holds(yard) == []


def test_our_own_claims_are_not_observed(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    yard.use(made.allocation_id, "train-0")
    yard.observe()
    assert [hold.source for hold in holds(yard)] == [HoldSource.MANAGED]


def test_a_pod_of_the_device_plugin_is_counted_and_said_to_be_a_guess(yard: Yard):
    yard.cluster.put(Kind.POD, pod("p", node_name="n1", limits={"nvidia.com/gpu": "2"}))
    yard.observe()
    assert len(holds(yard)) == 2
    assert "assumed" in (observed(yard).message or "")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_ended_holds_nothing(yard: Yard, phase: str):
    limits = {"nvidia.com/gpu": "1"}
    yard.cluster.put(Kind.POD, pod("p", node_name="n1", limits=limits))
    yard.observe()
    yard.cluster.put(Kind.POD, pod("p", node_name="n1", limits=limits, phase=phase))
    yard.observe()
    assert all(hold.ended_at for hold in holds(yard))


def test_a_pod_that_waits_for_a_node_holds_nothing(yard: Yard):
    yard.cluster.put(Kind.POD, pod("p", limits={"nvidia.com/gpu": "1"}, phase="Pending"))
    yard.observe()
    assert holds(yard) == []


def test_a_pod_on_an_extended_resource_claim_is_counted_once(yard: Yard):
    thing = pod("p", node_name="n1", limits={"nvidia.com/gpu": "1"})
    thing["status"]["extendedResourceClaimStatus"] = {"resourceClaimName": "p-ext"}
    yard.cluster.put(Kind.POD, thing)
    yard.cluster.put(Kind.CLAIM, claimed("p-ext", "gpu-1", pods=["p"]))
    yard.observe()
    assert len(holds(yard)) == 1


def test_time_slicing_makes_shares(house: House):
    yard = Yard(house, cards=1)
    labels = {"nvidia.com/gpu.product": "x", "nvidia.com/gpu.replicas": "4"}
    yard.cluster.put(Kind.NODE, node("n1", labels=labels))
    yard.sync()
    for name in ("a", "b", "c", "d", "e"):
        yard.cluster.put(Kind.POD, pod(name, node_name="n1", limits={"nvidia.com/gpu": "1"}))
    refused = yard.observe()
    assert [(h.kind, h.milli) for h in holds(yard)] == [(HoldKind.SHARE, 250)] * 4
    assert len(refused) == 1


def test_a_slice_of_the_device_plugin_is_an_idle_instance_of_its_profile(house: House):
    yard = Yard(house, cards=0)
    cut = [mig(0, "GPU-a", "3g.40gb", start=s, uuid=f"MIG-{s}", slices=4) for s in (0, 4)]
    yard.cluster.put(Kind.SLICE, gpu_slice("n1", cut))
    yard.sync()
    for name in ("a", "b"):
        limits = {"nvidia.com/mig-3g.40gb": "1"}
        yard.cluster.put(Kind.POD, pod(name, node_name="n1", limits=limits))
    yard.observe()
    found = holds(yard)
    assert [h.kind for h in found] == [HoldKind.MIG, HoldKind.MIG]
    assert len({h.mig_instance_id for h in found}) == 2


def test_a_pod_that_an_allocation_was_made_for_is_not_counted_twice(house: House):
    yard = Yard(house, mode="observe")
    made = yard.house.request(pod_name="train")
    yard.cluster.put(Kind.POD, pod("train", node_name="n1", limits={"nvidia.com/gpu": "1"}))
    annotated = pod("other", node_name="n1", limits={"nvidia.com/gpu": "1"})
    annotated["metadata"]["annotations"] = {"gpu.company.com/allocation-id": made.allocation_id}
    yard.cluster.put(Kind.POD, annotated)
    yard.observe()
    assert [hold.source for hold in holds(yard)] == [HoldSource.MANAGED]


def test_who_takes_an_allocated_card_is_told_to_its_holder(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    thief = claimed("c", "gpu-0", namespace="lab", pods=["p"])
    yard.cluster.put(Kind.CLAIM, thief)
    refused = yard.observe()
    assert len(refused) == 1
    assert yard.conditions(made)["Enforced"] == ("False", "TakenByOthers")
    assert len(holds(yard)) == 1
    yard.cluster.drop(Kind.CLAIM, "c", "lab")
    yard.observe()
    yard.enforcer.check_all(yard.house.now)
    yard.enforce()
    assert yard.conditions(made)["Enforced"][0] == "True"


def test_what_a_profile_has_is_charged_to_its_owner(yard: Yard):
    yard.cluster.put(Kind.POD, pod("p", node_name="n1", limits={"nvidia.com/gpu": "1"}))
    yard.observe(payers={"ml": "kim@company.com"})
    assert observed(yard).user_id == "kim@company.com"
