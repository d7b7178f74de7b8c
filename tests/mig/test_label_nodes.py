"""Nodes that are known by labels alone: their MIG manager cuts, and the counts are compared."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from gpu_management.cluster.inventory import FoundDevice, FoundNode, Source
from gpu_management.cluster.mig_manager import wrong_slices
from gpu_management.cluster.protocol import Kind
from gpu_management.devices.models import DeviceState
from gpu_management.mig import service as mig
from gpu_management.mig.geometry import Placement
from tests.cluster.test_repartition import Yard, move_pods, to_the_end
from tests.support.house import House
from tests.support.kube import node
from tests.support.ledger import check_ledger
from tests.support.mig_manager import Thing

PRODUCT = "NVIDIA-A100-SXM4-80GB"


def found_by_labels(labels: dict[str, str]) -> tuple[Any, FoundNode]:
    thing = node(labels=labels)
    told = FoundNode(
        name="n1",
        source=Source.LABELS,
        is_ready=True,
        is_schedulable=True,
        labels=labels,
        taints=(),
        ip=None,
        zone=None,
        kubelet_version=None,
        driver_version=None,
        cuda_version=None,
        cpu_milli=None,
        memory_mib=None,
        devices=(FoundDevice(0),),
    )
    return thing, told


MIXED = {
    "nvidia.com/gpu.product": PRODUCT,
    "nvidia.com/gpu.count": "2",
    "nvidia.com/mig.strategy": "mixed",
    "nvidia.com/mig-3g.40gb.count": "2",
    "nvidia.com/mig-1g.10gb.me.count": "1",
}
SINGLE = {
    "nvidia.com/gpu.product": f"{PRODUCT}-MIG-1g.10gb",
    "nvidia.com/gpu.count": "14",
    "nvidia.com/mig.strategy": "single",
}


@pytest.mark.parametrize(
    ("labels", "wanted", "wrong"),
    [
        (MIXED, {0: {"3g.40gb": 1, "1g.10gb+me": 1}, 1: {"3g.40gb": 1}}, None),
        (MIXED, {0: {"3g.40gb": 1}, 1: {"3g.40gb": 1}}, "labels count 1 x 1g.10gb.me"),
        (SINGLE, {0: {"1g.10gb": 7}, 1: {"1g.10gb": 7}}, None),
        (SINGLE, {0: {"1g.10gb": 7}}, "labels count 14 x 1g.10gb, not 7 x 1g.10gb"),
        ({}, {0: {"1g.10gb": 7}}, "labels count no slices"),
    ],
)
def test_the_sums_of_the_labels_are_compared(
    labels: dict[str, str], wanted: dict[int, dict[str, int]], wrong: str | None
) -> None:
    thing, told = found_by_labels(labels)
    says = wrong_slices(thing, told, wanted)
    assert says is None if wrong is None else wrong in (says or "")


def test_a_driver_may_call_a_profile_otherwise() -> None:
    thing, told = found_by_labels(SINGLE | {"nvidia.com/gpu.product": f"{PRODUCT}-MIG-7g.79gb"})
    wanted = {0: {"7g.80gb": 7}, 1: {"7g.80gb": 7}}
    assert wrong_slices(thing, told, wanted, names={"7g.79gb": "7g.80gb"}) is None
    assert "14 x 7g.79gb" in (wrong_slices(thing, told, wanted) or "")


class Labelled(Yard):
    """Three nodes without ResourceSlices; a person told the ledger how they are cut."""

    def announce(self, node_name: str, told: Sequence[Thing]) -> None:
        counts = Counter(one["attributes"]["profile"]["string"] for one in told)
        labels: dict[str, str | None] = {
            "nvidia.com/gpu.product": PRODUCT,
            "nvidia.com/gpu.count": "1",
            "nvidia.com/gpu.memory": "81920",
            "nvidia.com/mig.strategy": "mixed",
        }
        gone = self.cluster.get(Kind.NODE, node_name)["metadata"]["labels"]
        labels |= {name: None for name in gone if name.startswith("nvidia.com/mig-")}
        labels |= {f"nvidia.com/mig-{name}.count": str(n) for name, n in counts.items()}
        self.cluster.merge(Kind.NODE, node_name, {"metadata": {"labels": labels}})

    def tell_layouts(self) -> None:
        for manager, profiles in zip(self.managers, self.layouts, strict=True):
            with self.house.device(f"{manager.node_name}-GPU-00") as (session, device):
                mig.enable(session, device, now=self.house.now)
                starts = {"1g.10gb": 0, "3g.40gb": 4, "4g.40gb": 0}
                places = [Placement(name, starts[name]) for name in profiles]
                mig.apply_layout(session, device, places, now=self.house.now)


@pytest.fixture
def yard(house: House) -> Iterator[Labelled]:
    made = Labelled(house, mode="observe")
    made.tell_layouts()
    move_pods(made)
    yield made
    made.close()


def test_a_node_of_labels_is_cut_and_the_ledger_takes_the_planned_places(yard: Labelled) -> None:
    plan = yard.approved()
    to_the_end(yard, plan)
    assert yard.state(plan) == "DONE", yard.read(plan)
    assert yard.whole_slices() == 2
    assert [slice_[:2] for slice_ in yard.layout()["n3-GPU-00"]] == [("1g.10gb", 0), ("1g.10gb", 1)]
    assert yard.states() == {DeviceState.READY}
    with yard.house.database.read() as session:
        check_ledger(session)


def test_labels_that_count_otherwise_are_not_believed(yard: Labelled) -> None:
    before = yard.layout()
    for manager in yard.managers:
        manager.behaviour = ["lie"]
    plan = yard.approved()
    to_the_end(yard, plan, seconds=60)
    assert yard.state(plan) == "ROLLED_BACK"
    assert "the node's labels count" in yard.read(plan)["message"]
    assert yard.layout() == before
