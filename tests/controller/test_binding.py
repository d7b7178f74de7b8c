"""Allocations follow their pods: bound while they run, over when they are."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.allocations.models import Allocation, Hold, Phase
from gpu_management.cluster.protocol import Kind
from gpu_management.events.models import Event
from tests.support.clusters import Yard
from tests.support.house import House
from tests.support.kube import pod
from tests.support.ledger import check_ledger

NOTE = "gpu.company.com/allocation-id"
ONE = {"nvidia.com/gpu": "1"}


@pytest.fixture
def yard(house: House) -> Yard:
    return Yard(house, mode="observe")


def put(yard: Yard, name: str, **told: Any) -> None:
    """Let a pod be in the cluster; `of` is the allocation that its annotation names."""
    of = told.pop("of", None)
    plain: dict[str, Any] = {"node_name": "n1", "limits": ONE}
    annotations = {"annotations": {NOTE: of.allocation_id}} if of else {}
    thing = pod(name, **plain | told, uid=f"uid-{name}", **annotations)
    yard.cluster.put(Kind.POD, thing)


def state(yard: Yard, made: Allocation) -> tuple[Phase, str | None]:
    found = yard.house.find(made.allocation_id)
    return found.phase, found.release_reason


def test_a_pod_binds_by_its_annotation_and_is_named(yard: Yard):
    made = yard.house.request(pod_name="planned")
    put(yard, "actual-x7f", of=made)
    assert yard.bind() == 1
    assert yard.conditions(made)["Bound"] == ("True", "PodUsesClaim")
    assert yard.house.find(made.allocation_id).pod_uid == "uid-actual-x7f"
    assert yard.bind(after_seconds=10) == 0


def test_a_pod_of_another_namespace_binds_nothing(yard: Yard):
    made = yard.house.request()
    put(yard, "thief", of=made, namespace="lab")
    yard.bind()
    assert "Bound" not in yard.conditions(made)
    yard.observe()
    with yard.house.database.read() as session:
        assert len(session.scalars(select(Hold)).all()) == 2


def test_a_pod_that_names_another_allocation_is_not_bound_by_its_name(yard: Yard):
    named = yard.house.request(pod_name="train")
    told = yard.house.request(pod_name="other")
    put(yard, "train", of=told)
    yard.bind()
    assert "Bound" not in yard.conditions(named)
    assert yard.conditions(told)["Bound"][0] == "True"


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_it_ends_a_while_after_its_pod(yard: Yard, phase: str):
    made = yard.house.request()
    put(yard, "train", of=made)
    yard.bind()
    put(yard, "train", of=made, phase=phase)
    yard.bind(after_seconds=30)
    assert yard.conditions(made)["Bound"] == ("False", "NoPod")
    assert state(yard, made) == (Phase.ALLOCATED, None)
    yard.bind(after_seconds=60)
    assert state(yard, made) == (Phase.RELEASED, "pod finished")
    with yard.house.database.read() as session:
        check_ledger(session)
        kinds = list(session.scalars(select(Event.type).order_by(Event.id)))
    assert kinds[-3:] == ["allocation.bound", "allocation.bound", "allocation.released"]


def test_the_next_try_of_a_job_keeps_it(yard: Yard):
    made = yard.house.request()
    put(yard, "try-1", of=made)
    yard.bind()
    put(yard, "try-1", of=made, phase="Failed")
    yard.bind(after_seconds=5)
    put(yard, "try-2", of=made)
    yard.bind(after_seconds=20)
    yard.bind(after_seconds=600)
    assert state(yard, made) == (Phase.ALLOCATED, None)
    assert yard.conditions(made)["Bound"][0] == "True"


def test_a_pod_that_is_gone_altogether_has_ended_too(yard: Yard):
    made = yard.house.request()
    put(yard, "train")
    yard.bind()
    yard.cluster.drop(Kind.POD, "train", "ml")
    yard.bind(after_seconds=1)
    yard.restart()
    yard.bind(after_seconds=61)
    assert state(yard, made) == (Phase.RELEASED, "pod finished")


def test_without_a_pod_it_ends_at_the_deadline_and_was_charged(yard: Yard):
    made = yard.house.request()
    yard.bind(after_seconds=3590)
    assert state(yard, made) == (Phase.ALLOCATED, None)
    yard.bind(after_seconds=10)
    assert state(yard, made) == (Phase.RELEASED, "no pod came")
    with yard.house.database.read() as session:
        hold = session.scalars(select(Hold)).one()
    assert hold.ended_at is not None
    assert (hold.ended_at - hold.started_at).total_seconds() == 3600


def test_with_a_claim_the_release_waits_until_that_is_gone(house: House):
    yard = Yard(house)
    made = yard.house.request()
    yard.enforce()
    claim = f"gpualloc-{made.allocation_id}"
    put(yard, "train", limits=None, claims=[claim])
    yard.use(made.allocation_id, "train")
    yard.enforce()
    yard.bind()
    assert yard.conditions(made)["Bound"] == ("True", "PodUsesClaim")
    put(yard, "train", limits=None, claims=[claim], phase="Succeeded")
    yard.bind(after_seconds=1)
    yard.bind(after_seconds=60)
    assert state(yard, made) == (Phase.ALLOCATED, "pod finished")
    yard.use(made.allocation_id)
    yard.enforce(after_seconds=1)
    assert state(yard, made) == (Phase.RELEASED, "pod finished")


def test_a_pod_of_that_name_without_the_claim_does_not_bind(house: House):
    yard = Yard(house)
    made = yard.house.request(pod_name="train")
    yard.enforce()
    put(yard, "train")
    yard.bind()
    assert "Bound" not in yard.conditions(made)


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_cluster_whose_clock_is_wrong_binds_and_ends_as_any_other(yard: Yard, minutes: int):
    made = yard.house.request(pod_name="train")
    there = (yard.house.now + timedelta(minutes=minutes)).isoformat()
    told = {"creationTimestamp": there}
    put(yard, "train", **told)
    yard.bind()
    assert yard.conditions(made)["Bound"][0] == "True"
    put(yard, "train", phase="Succeeded", **told)
    yard.bind()
    yard.bind(after_seconds=61)
    assert state(yard, made) == (Phase.RELEASED, "pod finished")
