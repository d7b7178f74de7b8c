"""The ledger follows what kubelets say of pods that the device plugin gave GPUs."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from gpu_management.allocations.models import Allocation, Hold, HoldCorrection, Phase
from gpu_management.cluster.protocol import Kind
from gpu_management.costs import service as costs
from gpu_management.events.models import Event
from gpu_management.metrics.batches import Batch, pack
from gpu_management.metrics.readings import Owner, Reading, Target
from gpu_management.mig.models import MigInstance
from tests.support.clusters import Yard
from tests.support.house import House
from tests.support.kube import claimed, gpu_slice, mig, pod
from tests.support.ledger import check_ledger

INGEST = "/api/v1/gpu/metrics/ingest"
CARD = {"nvidia.com/gpu": "1"}


class Kubelet:
    """A yard, and the collector that tells who has which GPU."""

    def __init__(self, yard: Yard, caller: TestClient) -> None:
        self.yard = yard
        self.caller = caller

    def says(self, *told: tuple[str, str] | tuple[str, str, int], **changes: Any) -> None:
        """Send one look: pods with the uuid of their GPU, and the number of a slice."""
        self.yard.house.clock.forward(seconds=15)
        readings = [
            Reading(Target(uuid, *slice_), gpu_util_pct=5.0, owners=[Owner("ml", name)])
            for name, uuid, *slice_ in told
        ]
        silent = {"GPU-0", "GPU-1"} - {reading.target.uuid for reading in readings}
        readings += [Reading(Target(uuid), gpu_util_pct=0.0) for uuid in silent]
        at = self.yard.house.now - changes.pop("late", timedelta(0))
        answer = self.caller.post(INGEST, json=pack(Batch("n1", at, "nvml", readings)))
        assert answer.status_code == 200, answer.text
        with self.yard.house.database.read() as session:
            check_ledger(session)

    def run(self, *names: str, **changes: Any) -> None:
        """Let pods of the device plugin run on n1, and be seen."""
        for name in names:
            thing = pod(name, node_name="n1", limits=changes.get("limits", CARD))
            self.yard.cluster.put(Kind.POD, thing)
            self.yard.observe()

    def where(self) -> dict[str, str | None]:
        """Return what the ledger says each pod has."""
        with self.yard.house.database.read() as session:
            query = select(Allocation).where(Allocation.phase == Phase.ALLOCATED)
            return {row.pod_name: row.allocated_resource for row in session.scalars(query)}

    def verified(self, pod_name: str) -> tuple[str, str]:
        with self.yard.house.database.read() as session:
            query = select(Allocation).where(Allocation.pod_name == pod_name)
            conditions = session.scalars(query).one().conditions
            told = next(c for c in conditions if c["type"] == "Verified")
            return told["status"], told["reason"]

    def rows(self, kind: Any) -> list[Any]:
        with self.yard.house.database.read() as session:
            return list(session.scalars(select(kind)))


@pytest.fixture
def kubelet(house: House) -> Iterator[Kubelet]:
    yard = Yard(house, mode="device-plugin")
    with house.client() as caller:
        yield Kubelet(yard, caller)


def test_who_has_what_was_assumed_is_said_to_be_verified_once(kubelet: Kubelet):
    kubelet.run("a")
    kubelet.says(("a", "GPU-0"))
    assert kubelet.verified("a") == ("True", "KubeletAgrees")
    [before] = kubelet.rows(Allocation)
    kubelet.says(("a", "GPU-0"))
    [after] = kubelet.rows(Allocation)
    assert before.edition == after.edition


def test_the_hold_of_a_wrong_guess_follows_the_pod_from_its_beginning(kubelet: Kubelet):
    kubelet.run("a")
    began = kubelet.yard.house.now
    kubelet.says(("a", "GPU-1"))
    assert kubelet.where() == {"a": "n1-GPU-01"}
    assert kubelet.verified("a") == ("True", "Corrected")
    wrong, void, right = kubelet.rows(Hold)
    assert (void.corrects_id, void.started_at) == (wrong.id, void.ended_at)
    assert (right.started_at, right.ended_at, right.corrects_id) == (began, None, None)
    [why] = kubelet.rows(HoldCorrection)
    assert "kubelet" in why.reason
    told = [event for event in kubelet.rows(Event) if event.type == "allocation.corrected"]
    assert [event.data["allocatedResource"] for event in told] == ["n1-GPU-01"]
    kubelet.says(("a", "GPU-1"))
    assert len(kubelet.rows(Hold)) == 3


def test_two_pods_that_were_taken_for_each_other_change_places(kubelet: Kubelet):
    kubelet.run("a", "b")
    kubelet.says(("a", "GPU-1"), ("b", "GPU-0"))
    assert kubelet.where() == {"a": "n1-GPU-01", "b": "n1-GPU-00"}
    assert kubelet.verified("a") == kubelet.verified("b") == ("True", "Corrected")


def test_nobody_is_put_out_for_a_pod_that_is_elsewhere(kubelet: Kubelet):
    kubelet.run("a", "b")
    kubelet.says(("a", "GPU-1"))  # of b it says nothing
    assert kubelet.where() == {"a": "n1-GPU-00", "b": "n1-GPU-01"}
    assert kubelet.verified("a") == ("False", "HeldByOthers")
    kubelet.says(("a", "GPU-1"), ("b", "GPU-0"))
    assert kubelet.verified("a") == ("True", "Corrected")


def test_an_allocation_of_ours_follows_its_pod_too(kubelet: Kubelet):
    made = kubelet.yard.house.request(pod_name="train")
    assert made.resources == ["n1-GPU-00"]
    kubelet.run("train")
    kubelet.yard.bind()
    kubelet.says(("train", "GPU-1"))
    found = kubelet.yard.house.find(made.allocation_id)
    assert (found.resources, found.phase) == (["n1-GPU-01"], Phase.ALLOCATED)
    assert kubelet.yard.house.release(made.allocation_id)


def test_a_pod_of_another_name_that_names_the_allocation_counts(kubelet: Kubelet):
    made = kubelet.yard.house.request(pod_name="workflow")
    note = {"gpu.company.com/allocation-id": made.allocation_id}
    thing = pod("step-1", node_name="n1", limits=CARD, annotations=note)
    kubelet.yard.cluster.put(Kind.POD, thing)
    kubelet.yard.bind()
    kubelet.says(("step-1", "GPU-1"))
    assert kubelet.yard.house.find(made.allocation_id).resources == ["n1-GPU-01"]


def test_a_slice_follows_its_number(house: House):
    yard = Yard(house, cards=0, mode="device-plugin")
    cut = [mig(0, "GPU-a", "3g.40gb", start=s, uuid=f"MIG-{s}", slices=4) for s in (0, 4)]
    yard.cluster.put(Kind.SLICE, gpu_slice("n1", cut))
    yard.sync()
    with house.database.write() as session:
        for one in session.scalars(select(MigInstance)):
            one.gpu_instance_id = {0: 1, 4: 2}[one.placement_start]
    with house.client() as caller:
        kubelet = Kubelet(yard, caller)
        kubelet.run("a", limits={"nvidia.com/mig-3g.40gb": "1"})
        assert kubelet.where() == {"a": "n1-GPU-00-MIG-3g.40gb-0"}
        kubelet.says(("a", "GPU-a", 2))
        assert kubelet.where() == {"a": "n1-GPU-00-MIG-3g.40gb-4"}


def test_a_claim_names_its_devices_and_is_not_compared(kubelet: Kubelet):
    kubelet.yard.cluster.put(Kind.CLAIM, claimed("c", "gpu-0", pods=["p"]))
    kubelet.yard.observe()
    before = kubelet.where()
    kubelet.says(("other", "GPU-0"))
    assert kubelet.where() == before


def test_a_look_from_before_or_from_long_ago_moves_nothing(kubelet: Kubelet):
    kubelet.run("a")
    kubelet.says(("a", "GPU-1"), late=timedelta(seconds=20))
    kubelet.yard.house.clock.forward(minutes=10)
    kubelet.says(("a", "GPU-1"), late=timedelta(minutes=5))
    assert kubelet.where() == {"a": "n1-GPU-00"}


def ever(kubelet: Kubelet) -> Decimal:
    house = kubelet.yard.house
    with house.database.read() as session:
        return costs.total_ever(session, house.desk, now=house.now)


def test_a_correction_is_not_charged_a_second_time(kubelet: Kubelet):
    house = kubelet.yard.house
    kubelet.run("a", "b")
    house.clock.forward(seconds=3600)
    seen = [ever(kubelet)]
    for first, second in (("GPU-1", "GPU-0"), ("GPU-0", "GPU-1")):
        kubelet.says(("a", first), ("b", second))
        seen.append(ever(kubelet))
        house.restart()
        seen.append(ever(kubelet))
    hour = seen[0]
    assert hour > 0
    wanted = [hour + hour * n / 3600 for n in (0, 15, 15, 30, 30)]
    assert [float(one) for one in seen] == pytest.approx([float(one) for one in wanted], abs=1e-5)


def test_what_a_correction_moves_to_a_later_begin_was_charged_all_the_same(kubelet: Kubelet):
    house = kubelet.yard.house
    kubelet.run("early")
    house.clock.forward(seconds=3600)
    kubelet.run("late")  # on the other card, until the first one is known to be there
    kubelet.says(("early", "GPU-0"), ("late", "GPU-1"))
    house.clock.forward(seconds=600)
    before = ever(kubelet)
    kubelet.says(("early", "GPU-1"), ("late", "GPU-0"))
    house.restart()
    assert before <= ever(kubelet)
