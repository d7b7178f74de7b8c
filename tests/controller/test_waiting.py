"""Pods of Profiles get their allocation by themselves, and their owner pays."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.allocations.admission import admit_team
from gpu_management.allocations.models import Allocation, WorkloadType
from gpu_management.auth import schemas, teams
from gpu_management.auth.principals import SYSTEM
from gpu_management.cluster.pods import ALLOCATION_ANNOTATION, ALLOCATION_GATE
from gpu_management.cluster.profiles import ProfileFacts
from gpu_management.cluster.protocol import Json, Kind
from gpu_management.controller.waiting import Waiters
from tests.support.clusters import Yard
from tests.support.house import House
from tests.support.kube import gpu_slice, mig, pod

CARD = {"nvidia.com/gpu": "1"}
PROFILE = ProfileFacts("ml", "kim@company.com", None, allocates=True, tracks_cost=True)


def waiting(name: str = "notebook-0", limits: Any = CARD, **metadata: Any) -> dict[str, Any]:
    thing = pod(name, limits=limits, phase="Pending", uid=f"uid-{name}", **metadata)
    thing["spec"]["schedulingGates"] = [{"name": ALLOCATION_GATE}]
    return thing


class Desk:
    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.waiters = Waiters(
            yard.house.database,
            yard.cluster,
            yard.mirror,  # type: ignore[arg-type]
            office=yard.house.office,
        )

    def run(self, *pods: Json, profile: ProfileFacts = PROFILE, seconds: float = 0) -> int:
        for thing in pods:
            self.yard.cluster.put(Kind.POD, thing)
        self.yard.house.clock.forward(seconds=seconds)
        return self.waiters.run([profile], self.yard.house.now)

    def told(self, name: str = "notebook-0") -> str | None:
        found = self.yard.cluster.get(Kind.POD, name, namespace="ml")
        told: str | None = found["metadata"].get("annotations", {}).get(ALLOCATION_ANNOTATION)
        return told

    def made(self) -> list[Allocation]:
        with self.yard.house.database.read() as session:
            return list(session.scalars(select(Allocation)))

    def events(self) -> list[str]:
        return [event["message"] for event in self.yard.cluster.list(Kind.EVENT).objects]


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(Yard(house, mode="device-plugin"))


def test_a_notebook_gets_its_gpu_runs_on_its_node_and_its_owner_pays(desk: Desk):
    notebook = waiting(labels={"notebook-name": "notebook"})
    assert desk.run(notebook) == 1
    [made] = desk.made()
    assert desk.told() == made.allocation_id
    assert (made.user_id, made.team_id) == ("kim@company.com", "ml")
    assert (made.workload_type, made.gpu_count) == (WorkloadType.DEVELOPMENT, 1)
    desk.yard.pin()
    found = desk.yard.cluster.get(Kind.POD, "notebook-0", namespace="ml")
    assert found["spec"]["nodeSelector"] == {"kubernetes.io/hostname": "n1"}
    assert found["spec"]["schedulingGates"] == []


def test_whatever_breaks_off_a_pod_gets_one_allocation(desk: Desk):
    desk.yard.cluster.forbidden.add(("patch", Kind.POD))
    assert desk.run(waiting()) == 0
    desk.yard.cluster.forbidden.clear()
    restarted = Desk(desk.yard)
    assert restarted.run() == 1
    assert restarted.run() == 0
    assert [made.allocation_id for made in desk.made()] == [desk.told()]


def test_a_pod_that_finds_nothing_is_told_why_once_and_served_later(desk: Desk):
    two = {"nvidia.com/gpu": "2"}
    assert desk.run(waiting("a", two), waiting("b", two)) == 1
    assert desk.run(seconds=6) == 0
    assert len(desk.events()) == 1
    desk.yard.house.release(desk.made()[0].allocation_id)
    assert desk.run(seconds=1) == 0  # it was just tried
    assert desk.run(seconds=5) == 1
    assert desk.told("b") is not None


def test_the_limit_of_the_team_holds(house: House):
    yard = Yard(house, mode="device-plugin")
    house.office = replace(house.office, checks=(admit_team,))
    with house.database.write() as session:
        asked = schemas.TeamCreate(team_id="ml", name="ML", gpu_limit_milli=1000, namespaces=["ml"])
        teams.create_team(session, asked, by=SYSTEM, now=house.now)
    desk = Desk(yard)
    assert desk.run(waiting("a"), waiting("b")) == 1
    assert "team ml" in desk.events()[0]


def test_a_pod_may_say_how_much_memory_it_needs_and_where(desk: Desk):
    needs = {"gpu.company.com/required-memory-gb": "96"}
    assert desk.run(waiting("big", annotations=needs)) == 0
    picky = waiting("picky")
    picky["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "elsewhere"}
    assert desk.run(picky) == 0
    assert len(desk.events()) == 2


def test_a_slice_is_asked_for_by_its_profile(house: House):
    yard = Yard(house, cards=0, mode="device-plugin")
    cut = [mig(0, "GPU-a", "3g.40gb", start=s, uuid=f"MIG-{s}", slices=4) for s in (0, 4)]
    yard.cluster.put(Kind.SLICE, gpu_slice("n1", cut))
    yard.sync()
    desk = Desk(yard)
    assert desk.run(waiting(limits={"nvidia.com/mig-3g.40gb": "1"})) == 1
    assert desk.made()[0].resources[0].startswith("n1-GPU-00-MIG-3g.40gb-")
    assert desk.run(waiting("two", {"nvidia.com/mig-3g.40gb": "2"})) == 0
    assert "2 nvidia.com/mig-3g.40gb" in desk.events()[0]


@pytest.mark.parametrize(
    "profile",
    [
        ProfileFacts("ml", "kim", None, allocates=False, tracks_cost=True),
        ProfileFacts("other", "kim", None, allocates=True),
    ],
)
def test_nobody_gets_what_was_not_switched_on(desk: Desk, profile: ProfileFacts):
    assert desk.run(waiting(), profile=profile) == 0
    assert desk.made() == []


def test_pods_without_the_gate_or_with_an_allocation_are_left_alone(desk: Desk):
    plain = pod("plain", limits=CARD, phase="Pending")
    named = waiting("named", annotations={ALLOCATION_ANNOTATION: "x"})
    assert desk.run(plain, named) == 0


def test_where_pods_are_not_pinned_the_gate_would_never_open(house: House):
    desk = Desk(Yard(house, mode="dra"))
    assert desk.run(waiting()) == 0
