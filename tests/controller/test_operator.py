"""GpuAllocation objects become allocations, and are told what became of them."""

from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.allocations.models import Allocation, Phase
from gpu_management.auth.models import Team
from gpu_management.cluster.crd import FINALIZER
from gpu_management.cluster.protocol import Json, Kind, ObjectGone
from gpu_management.controller.operator import Operator
from tests.support.clusters import Yard
from tests.support.house import House


class Desk:
    """A yard whose operator works step by step."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.yard = Yard(house)
        self.restart()

    def restart(self) -> None:
        """Begin anew, as another process would."""
        self.operator = Operator(
            self.house.database,
            self.yard.cluster,
            self.yard.mirror,  # type: ignore[arg-type]
            office=self.house.office,
        )

    def put(self, name: str = "train", *, generation: int = 1, **spec: Any) -> None:
        """Write an object, or another spec of it."""
        known = self.find(name)
        metadata = dict(known["metadata"]) if known else {"name": name, "namespace": "ml"}
        thing = {
            "apiVersion": "gpu.company.com/v1",
            "kind": "GpuAllocation",
            "metadata": {**metadata, "generation": generation},
            "spec": {"workloadType": "Training", "requiredMemoryGb": 40, **spec},
            "status": (known or {}).get("status"),
        }
        self.yard.cluster.put(Kind.ALLOCATION, thing)

    def find(self, name: str = "train") -> Json | None:
        """Return an object, or None."""
        try:
            return self.yard.cluster.get(Kind.ALLOCATION, name, namespace="ml")
        except ObjectGone:
            return None

    def status(self, name: str = "train") -> dict[str, Any]:
        """Return what an object was told."""
        return dict((self.find(name) or {})["status"])

    def condition(self, kind: str, name: str = "train") -> tuple[str, str] | None:
        """Return status and reason of one condition of an object."""
        found = (c for c in self.status(name)["conditions"] if c["type"] == kind)
        return next(((c["status"], c["reason"]) for c in found), None)

    def run(self, *, after_seconds: float = 0) -> None:
        """Let operator and enforcer work until nothing changes, some time later."""
        self.house.clock.forward(seconds=after_seconds)
        for _ in range(3):
            self.operator.run(self.house.now)
            self.yard.enforce()

    def delete(self, name: str = "train") -> None:
        """Delete an object as kubectl does."""
        self.yard.cluster.delete(Kind.ALLOCATION, name, namespace="ml")

    def rows(self) -> list[Allocation]:
        """Return every allocation, oldest first."""
        with self.house.database.read() as session:
            found = list(session.scalars(select(Allocation).order_by(Allocation.requested_at)))
            session.expunge_all()
        return found

    def events(self) -> list[tuple[str, str]]:
        """Return type and reason of each Event in the cluster."""
        return [(e["type"], e["reason"]) for e in self.yard.mirror.objects(Kind.EVENT)]


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house)


def test_an_object_becomes_an_allocation_and_is_told_its_place(desk: Desk):
    desk.put(costLimit=12.5, maxDurationHours=2)
    desk.run()
    [row] = desk.rows()
    status = desk.status()
    assert status["phase"] == "Allocated"
    assert status["allocationId"] == row.allocation_id
    assert status["allocatedResource"] == row.allocated_resource
    assert status["claimName"] == f"gpualloc-{row.allocation_id}"
    assert status["costPerHour"] > 0
    assert desk.condition("Allocated") == ("True", "Allocated")
    assert desk.condition("Enforced") == ("True", "ClaimCreated")
    assert (row.namespace, row.pod_name, row.requested_by) == ("ml", "train", "gpuallocations")
    assert desk.events() == [("Normal", "Allocated")]


def test_objects_and_requests_over_http_are_one_list(desk: Desk):
    desk.put()
    desk.house.request()
    desk.run()
    assert [row.phase for row in desk.rows()] == [Phase.ALLOCATED] * 2
    desk.put("third")
    desk.run()
    assert desk.status("third")["phase"] == "Pending"
    assert "waiting" in desk.status("third")["message"]


def test_nothing_is_written_where_nothing_changed(desk: Desk):
    desk.put()
    desk.run()
    version = desk.yard.cluster._version
    desk.run(after_seconds=20)
    assert desk.yard.cluster._version == version


def test_a_process_that_died_before_it_answered_allocates_once(desk: Desk):
    desk.put()
    desk.yard.cluster.forbidden.add(("patch", Kind.ALLOCATION))
    desk.operator.run(desk.house.now)
    desk.yard.cluster.forbidden.clear()
    uid = (desk.find() or {})["metadata"]["uid"]
    for _ in range(2):
        desk.restart()
        desk.run()
    assert desk.status()["allocationId"] == desk.rows()[0].allocation_id
    assert len(desk.rows()) == 1
    assert uid


def test_a_deleted_object_goes_when_its_devices_are_free(desk: Desk):
    desk.put()
    desk.run()
    [row] = desk.rows()
    desk.yard.use(row.allocation_id, "pod-0")
    desk.delete()
    desk.run()
    assert desk.condition("Releasing") == ("True", "PodsUseClaim")
    desk.yard.use(row.allocation_id)
    desk.run(after_seconds=1)
    desk.run()
    assert desk.find() is None
    [row] = desk.rows()
    assert (row.phase, row.release_reason) == (Phase.RELEASED, "object deleted")


def test_an_object_whose_finalizer_was_removed_gives_its_devices_back(desk: Desk):
    desk.put()
    desk.run()
    desk.yard.cluster.drop(Kind.ALLOCATION, "train", "ml")
    desk.run()
    [row] = desk.rows()
    assert (row.phase, row.release_reason) == (Phase.RELEASED, "object gone")


def test_no_device_is_lost_while_the_cluster_does_not_know_the_kind(desk: Desk):
    desk.put()
    desk.run()
    desk.yard.cluster.unknown_kinds.add(Kind.ALLOCATION)
    desk.yard.cluster.drop(Kind.ALLOCATION, "train", "ml")
    desk.run(after_seconds=20)
    assert desk.rows()[0].phase is Phase.ALLOCATED


def test_an_allocation_that_expires_leaves_the_object_released(desk: Desk):
    desk.put(maxDurationHours=1)
    desk.run()
    desk.house.clock.forward(hours=2)
    desk.house.end_of_time()
    desk.run(after_seconds=20)
    desk.run()
    assert desk.status()["phase"] == "Released"
    assert desk.condition("Allocated") == ("False", "Released")
    assert desk.events()[-1] == ("Normal", "Released")
    desk.run(after_seconds=60)
    assert len(desk.rows()) == 1
    desk.delete()
    desk.run()
    assert desk.find() is None


def test_a_release_over_http_is_told_to_the_object(desk: Desk):
    desk.put()
    desk.run()
    desk.house.release(desk.rows()[0].allocation_id)
    desk.run()
    desk.run()
    assert desk.status()["phase"] == "Released"


def test_an_object_that_asks_for_nothing_sensible_fails_and_says_why(desk: Desk):
    desk.put(requiredMemoryGb=None)
    desk.run()
    assert desk.status()["phase"] == "Failed"
    assert "spec.requiredMemoryGb" in desk.status()["message"]
    assert desk.events() == [("Warning", "Failed")]
    desk.put(generation=2)
    desk.run()
    assert desk.status()["phase"] == "Allocated"


def test_more_memory_than_any_device_has_is_refused_by_the_server(desk: Desk):
    desk.put(requiredMemoryGb=5000)
    desk.run()
    assert desk.status()["phase"] == "Failed"
    assert "5000" in desk.status()["message"]
    assert desk.rows() == []
    desk.delete()
    desk.run()
    assert desk.find() is None


def test_a_waiting_object_that_asks_for_something_else_is_asked_for_anew(desk: Desk):
    for name in ("a", "b", "train"):
        desk.put(name)
    desk.run()
    assert desk.status()["phase"] == "Pending"
    desk.put(generation=2, requiredMemoryGb=20)
    desk.run()
    waiting = [row for row in desk.rows() if row.phase is Phase.PENDING]
    assert [row.required_memory_gb for row in waiting] == [20]
    assert desk.status()["allocationId"] == waiting[0].allocation_id


def test_a_running_allocation_keeps_its_shape_and_may_run_longer(desk: Desk):
    desk.put(maxDurationHours=2)
    desk.run()
    desk.put(generation=2, maxDurationHours=5)
    desk.run()
    assert desk.rows()[0].max_duration_hours == 5
    desk.put(generation=3, maxDurationHours=5, requiredMemoryGb=20)
    desk.run()
    assert desk.condition("SpecApplied") == ("False", "NotWhileRunning")
    assert desk.rows()[0].required_memory_gb == 40


def test_a_namespace_spends_only_what_its_own_team_may(desk: Desk):
    team(desk, "ml-team", "ml")
    desk.put(teamId="other")
    desk.put("own")
    desk.run()
    assert desk.status()["phase"] == "Failed"
    assert "belongs to team ml-team" in desk.status()["message"]
    assert [row.team_id for row in desk.rows()] == ["ml-team"]


def test_a_team_with_namespaces_is_named_from_nowhere_else(desk: Desk):
    team(desk, "rich", "elsewhere")
    desk.put(teamId="rich")
    desk.run()
    assert desk.status()["phase"] == "Failed"
    assert desk.rows() == []


def team(desk: Desk, name: str, *namespaces: str) -> None:
    with desk.house.database.write() as session:
        row = Team(
            team_id=name,
            name=name,
            namespaces=list(namespaces),
            created_at=desk.house.now,
            updated_at=desk.house.now,
        )
        session.add(row)


def test_finalizers_of_others_stay(desk: Desk):
    desk.put()
    thing = dict(desk.find() or {})
    thing["metadata"] = {**thing["metadata"], "finalizers": ["others/keep"]}
    desk.yard.cluster.put(Kind.ALLOCATION, thing)
    desk.run()
    assert (desk.find() or {})["metadata"]["finalizers"] == ["others/keep", FINALIZER]
    desk.delete()
    desk.run(after_seconds=1)
    desk.run()
    assert (desk.find() or {})["metadata"]["finalizers"] == ["others/keep"]
