"""What is left over of allocations that ended is removed, and nothing else."""

import pytest

from gpu_management.allocations.models import Phase
from gpu_management.cluster.claims import Pin, pinned_claim
from gpu_management.cluster.protocol import Json, Kind
from tests.support.clusters import Yard
from tests.support.house import House
from tests.support.kube import claimed


@pytest.fixture
def yard(house: House) -> Yard:
    return Yard(house)


def claim_of(allocation_id: str) -> Json:
    return pinned_claim(allocation_id, "ml", [Pin(uuid="GPU-0")], owner={})


def test_a_claim_that_outlived_its_allocation_is_removed(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    yard.house.release(made.allocation_id)
    yard.enforce()
    assert yard.house.find(made.allocation_id).phase is Phase.RELEASED
    yard.cluster.put(Kind.CLAIM, claim_of(made.allocation_id))
    yard.restart()
    yard.enforce()
    assert yard.claim(made.allocation_id) is None


def test_claims_of_others_and_of_other_installations_stay(yard: Yard):
    yard.cluster.put(Kind.CLAIM, claim_of("unknown-here"))
    yard.cluster.put(Kind.CLAIM, claimed("theirs", "gpu-1"))
    yard.enforce()
    assert len(yard.cluster.list(Kind.CLAIM).objects) == 2


def test_claims_in_use_by_the_ledger_stay(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    yard.restart()
    yard.enforce()
    assert yard.claim(made.allocation_id) is not None


def test_a_missing_right_stops_nothing_else(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    yard.house.release(made.allocation_id)
    yard.enforce()
    yard.cluster.put(Kind.CLAIM, claim_of(made.allocation_id))
    yard.cluster.forbidden.add(("delete", Kind.CLAIM))
    other = yard.house.request()
    yard.enforce()
    assert yard.conditions(other)["Enforced"][0] == "True"


def test_what_others_took_is_looked_at_anew_after_a_restart(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    yard.cluster.put(Kind.CLAIM, claimed("c", "gpu-0", namespace="lab", pods=["p"]))
    yard.observe()
    assert yard.conditions(made)["Enforced"] == ("False", "TakenByOthers")
    yard.cluster.drop(Kind.CLAIM, "c", "lab")
    yard.restart()
    yard.enforce()
    assert yard.conditions(made)["Enforced"][0] == "True"
