"""Pods say by label or annotation that they are to be left alone though they lie idle."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.cluster.protocol import Kind
from gpu_management.controller.exempting import Exempter
from gpu_management.core.clock import wire_time
from gpu_management.optimization import exemptions
from gpu_management.optimization.models import Exemption, ExemptScope
from tests.support.clusters import Yard
from tests.support.house import House
from tests.support.kube import pod
from tests.support.principals import ADMIN

LABEL = {"gpu.company.com/idle-exempt": "true"}
UNTIL = "gpu.company.com/idle-exempt-until"


class Place:
    """A yard with one allocation, its pod, and the exempter beside it."""

    def __init__(self, house: House) -> None:
        self.yard = Yard(house, mode="observe")
        self.house = house
        self.made = house.request(pod_name="p")
        self.exempter = Exempter(house.database, self.yard.mirror)  # type: ignore[arg-type]

    def put(self, *, until: str | None = None, **told: Any) -> None:
        notes = {"gpu.company.com/allocation-id": self.made.allocation_id}
        if until is not None:
            notes[UNTIL] = until
        plain: dict[str, Any] = {"node_name": "n1", "limits": {"nvidia.com/gpu": "1"}}
        thing = pod("p", **plain | told, uid="uid-p", annotations=notes)
        self.yard.cluster.put(Kind.POD, thing)
        self.yard.bind()

    def run(self) -> int:
        return self.exempter.run(self.house.now)

    def found(self) -> list[Exemption]:
        with self.house.database.read() as session:
            return list(session.scalars(select(Exemption)))

    def is_exempt(self) -> bool:
        allocation = self.house.find(self.made.allocation_id)
        with self.house.database.read() as session:
            return exemptions.now_exempt(session, now=self.house.now).covers(allocation)


@pytest.fixture
def place(house: House) -> Place:
    return Place(house)


def test_a_label_exempts_for_as_long_as_it_is_there(place: Place) -> None:
    place.put(labels=LABEL)
    assert place.run() == 1
    assert place.run() == 0
    assert place.is_exempt()
    for _ in range(3):
        place.house.clock.forward(days=60)
        place.run()
        assert place.is_exempt()
    place.put(labels={})
    assert place.run() == 1
    assert not place.is_exempt()


def test_an_annotation_exempts_until_its_moment(place: Place) -> None:
    place.put(until=wire_time(place.house.now + timedelta(hours=2)))
    place.run()
    assert place.is_exempt()
    place.house.clock.forward(hours=3)
    assert not place.is_exempt()
    assert place.run() == 1
    assert place.found() == []


@pytest.mark.parametrize("told", ["soon", "2026-13-01", "2026-05-01T00:00:00", ""])
def test_what_is_no_moment_exempts_nothing(place: Place, told: str) -> None:
    place.put(until=told)
    assert place.run() == 0
    assert not place.is_exempt()


def test_nobody_exempts_the_allocation_of_another_namespace(place: Place) -> None:
    place.put(labels=LABEL, namespace="lab")
    place.run()
    assert not place.is_exempt()


def test_what_a_person_said_is_left_as_it_is(place: Place) -> None:
    until = place.house.now + timedelta(days=5)
    wish = exemptions.Wish(ExemptScope.ALLOCATION, place.made.allocation_id, until)
    with place.house.database.write() as session:
        exemptions.exempt(session, wish, principal=ADMIN, now=place.house.now)
    place.put(labels=LABEL)
    place.run()
    place.put(labels={})
    place.run()
    assert [row.until for row in place.found()] == [until]


def test_a_new_leader_takes_away_what_pods_no_longer_say(place: Place) -> None:
    place.put(labels=LABEL)
    place.run()
    place.put(labels={})
    place.exempter = Exempter(place.house.database, place.yard.mirror)  # type: ignore[arg-type]
    assert place.run() == 1
    assert place.found() == []
