"""A claim tells the node of its pods while none uses it, and tells the truth."""

from typing import Any

import pytest

from gpu_management.allocations.models import Allocation
from gpu_management.cluster.claims import HOST_LABEL, claim_name, read_claim
from gpu_management.cluster.protocol import ClusterForbids, Json, Kind
from gpu_management.controller.directing import AT_ONCE, direct
from tests.support.clusters import Yard
from tests.support.house import House
from tests.support.kube import node


@pytest.fixture
def yard(house: House) -> Yard:
    return Yard(house)


def made(yard: Yard) -> Allocation:
    allocation = yard.house.request()
    yard.enforce()
    return allocation


def host(yard: Yard, allocation: Allocation) -> str | None:
    claim = yard.claim(allocation.allocation_id)
    assert claim is not None
    told: str | None = claim["metadata"]["labels"].get(HOST_LABEL)
    return told


def relabel(yard: Yard, allocation: Allocation, **labels: Any) -> None:
    name = claim_name(allocation.allocation_id)
    yard.cluster.merge(Kind.CLAIM, name, {"metadata": {"labels": labels}}, namespace="ml")


def test_a_claim_is_made_with_what_its_node_calls_itself(yard: Yard):
    thing = node("n1", labels={"kubernetes.io/hostname": "n1.rack-7"})
    yard.cluster.put(Kind.NODE, thing)
    assert host(yard, made(yard)) == "n1.rack-7"


def test_a_node_that_tells_no_hostname_is_not_guessed(yard: Yard):
    thing = node("n1")
    del thing["metadata"]["labels"]["kubernetes.io/hostname"]
    yard.cluster.put(Kind.NODE, thing)
    assert host(yard, made(yard)) is None


def test_a_claim_in_use_tells_nothing_and_tells_it_again_afterwards(yard: Yard):
    allocation = made(yard)
    yard.use(allocation.allocation_id, "train-0")
    yard.enforce()
    assert host(yard, allocation) is None
    yard.use(allocation.allocation_id)
    yard.enforce()
    assert host(yard, allocation) == "n1"


def test_a_claim_from_before_or_with_a_wrong_node_is_put_right(yard: Yard):
    allocation = made(yard)
    for wrong in (None, "n9"):
        relabel(yard, allocation, **{HOST_LABEL: wrong})
        yard.enforce()
        assert host(yard, allocation) == "n1"


def test_a_release_is_not_delayed_by_labels(yard: Yard):
    allocation = made(yard)
    yard.use(allocation.allocation_id, "train-0")
    yard.house.release(allocation.allocation_id)
    yard.enforce()
    assert host(yard, allocation) == "n1"  # it is being deleted: that no longer matters


class Refusing:
    """A cluster where claims may not be changed."""

    def merge(self, kind: Kind, name: str, patch: Json, *, namespace: str) -> Json:
        raise ClusterForbids(f"may not patch {kind} {namespace}/{name}: {patch}")


def test_without_the_right_it_is_only_slower(yard: Yard):
    claim = read_claim(yard.claim(made(yard).allocation_id) or {})
    assert direct(Refusing(), yard.mirror, [(claim, "n2")]) == 0  # type: ignore[arg-type]


def test_many_claims_are_not_all_changed_at_once(yard: Yard):
    claim = read_claim(yard.claim(made(yard).allocation_id) or {})
    many = [(claim, "nowhere")] * (AT_ONCE + 7)
    assert direct(yard.cluster, yard.mirror, many) == AT_ONCE  # type: ignore[arg-type]
