"""Kubeflow Profiles become teams with a namespace and a limit."""

from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.auth.models import Team
from gpu_management.cluster.memory import MemoryCluster
from gpu_management.cluster.profiles import read_profiles
from gpu_management.cluster.protocol import Json, Kind
from gpu_management.controller.profiles import Profiles
from tests.support.clusters import Still
from tests.support.house import House

GUIDE = {"endpoint": "http://server:8080", "autoAllocation": True, "costTracking": True}


def profile(name: str = "gpu-training-profile", *, hard: Any = None, plugin: Any = GUIDE) -> Json:
    plugins: list[dict[str, Any]] = [{"kind": "WorkflowEngine", "spec": {"type": "argo"}}]
    if plugin is not None:
        plugins.append({"kind": "GPUManagement", "spec": plugin})
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "Profile",
        "metadata": {"name": name},
        "spec": {
            "owner": {"kind": "User", "name": "ml-engineer@company.com"},
            "resourceQuotaSpec": {"hard": hard or {}},
            "plugins": plugins,
        },
    }


class Desk:
    def __init__(self, house: House) -> None:
        self.house = house
        self.cluster = MemoryCluster()
        self.profiles = Profiles(house.database, Still(self.cluster))  # type: ignore[arg-type]

    def run(self, *things: Json) -> int:
        for thing in things:
            self.cluster.put(Kind.PROFILE, thing)
        return self.profiles.run(self.house.now)

    def teams(self) -> dict[str, tuple[str, int | None, list[str]]]:
        with self.house.database.read() as session:
            rows = session.scalars(select(Team)).all()
            return {t.team_id: (t.name, t.gpu_limit_milli, t.namespaces) for t in rows}


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house)


def test_the_profile_of_the_guide_is_a_team_with_its_quota(desk: Desk):
    hard = {"nvidia.com/gpu": "8", "requests.nvidia.com/gpu": "8"}
    assert desk.run(profile(hard=hard)) == 1
    name = "gpu-training-profile"
    assert desk.teams() == {name: ("ml-engineer@company.com", 8000, [name])}
    assert desk.run() == 0


@pytest.mark.parametrize("written", ["nvidia.com/gpu", "requests.nvidia.com/gpu"])
def test_a_quota_may_be_written_either_way(written: str):
    [found] = read_profiles([profile(hard={written: "2"})])
    assert found.gpu_limit_milli == 2000


def test_a_quota_that_changes_is_followed_and_without_one_the_limit_stays(desk: Desk):
    desk.run(profile("a", hard={"nvidia.com/gpu": "1"}))
    desk.run(profile("a", hard={"nvidia.com/gpu": "3"}))
    assert desk.teams()["a"][1] == 3000
    desk.run(profile("a"))
    assert desk.teams()["a"][1] == 3000


@pytest.mark.parametrize("plugin", [None, {}, {"autoAllocation": False, "costTracking": False}])
def test_a_profile_that_does_not_ask_for_it_is_left_alone(desk: Desk, plugin: Any):
    desk.run(profile(plugin=plugin))
    assert desk.teams() == {}


def test_who_had_the_namespace_before_keeps_it(desk: Desk):
    with desk.house.database.write() as session:
        now = desk.house.now
        session.add(Team(team_id="ml", name="ML", namespaces=["a"], created_at=now, updated_at=now))
    assert desk.run(profile("a", hard={"nvidia.com/gpu": "1"})) == 0
    assert desk.teams() == {"ml": ("ML", None, ["a"])}


def test_what_is_asked_for_in_the_namespace_is_the_profiles_and_counts(desk: Desk):
    desk.house.node(gpus=2)
    desk.run(profile("ml", hard={"nvidia.com/gpu": "1"}))
    made = desk.house.request(namespace="ml")
    assert made.team_id == "ml"
