"""The whole way of an idle allocation on a virtual clock."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.allocations.models import Allocation, Phase
from gpu_management.allocations.observing import OBSERVER
from gpu_management.events.models import Event
from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.models import MinuteUse
from gpu_management.optimization import jobs
from gpu_management.optimization.manners import Policies, Policy
from gpu_management.optimization.models import Status, Suggestion
from tests.support.house import House

GRACE = timedelta(hours=1)
NAMES = {policy: Policies(policy, grace=GRACE) for policy in Policy}
RELEASE, SUGGEST, NOTIFY = NAMES[Policy.RELEASE], NAMES[Policy.SUGGEST], NAMES[Policy.NOTIFY]


def measure(house: House, pct: float, *, device: int = 1, hours: float = 6) -> None:
    """Let time pass in which a GPU was so busy."""
    start = int(house.now.timestamp()) // 60 * 60
    house.clock.forward(hours=hours)
    with house.database.write() as session:
        for at in range(start, int(house.now.timestamp()), 60):
            session.merge(
                MinuteUse(
                    device_id=device,
                    gpu_instance_id=-1,
                    at_ts=at,
                    samples=4,
                    utilization_samples=4,
                    utilization_pct=pct,
                )
            )


def run(house: House, policies: Policies) -> int:
    """Look and act once, as the controller does."""
    with house.database.read() as session:
        idle = jobs.look(session, Embedded(), interval_seconds=15, now=house.now)
    with house.database.write() as session:
        return jobs.act(session, idle, policies, now=house.now)


def suggestions(house: House) -> list[Suggestion]:
    with house.database.read() as session:
        return list(session.scalars(select(Suggestion).order_by(Suggestion.id)))


def told(house: House, kind: str) -> list[dict[str, Any]]:
    with house.database.read() as session:
        query = select(Event.data).where(Event.type == kind).order_by(Event.id)
        return list(session.scalars(query))


@pytest.fixture
def sleeper(house: House) -> str:
    """Return an allocation that did nothing for six hours."""
    house.node()
    found = house.request(team_id="ml", pod_name="sleeps").allocation_id
    measure(house, 0.0)
    return found


def test_by_default_idleness_is_only_suggested_with_its_evidence(
    house: House, sleeper: str
) -> None:
    assert run(house, SUGGEST) == 1
    assert run(house, SUGGEST) == 0
    (row,) = suggestions(house)
    assert (row.status, row.allocation_id, row.team_id) == (Status.OPEN, sleeper, "ml")
    (evidence,) = row.evidence
    assert (evidence["device_id"], evidence["last_hour_pct"]) == ("n1-GPU-00", 0.0)
    assert evidence["samples"] >= 216
    assert row.current_cost == house.find(sleeper).cost_per_hour
    assert told(house, "allocation.idle") == []
    measure(house, 0.0, hours=48)
    assert run(house, SUGGEST) == 0
    assert house.find(sleeper).phase is Phase.ALLOCATED


def test_off_does_nothing(house: House, sleeper: str) -> None:
    assert run(house, NAMES[Policy.OFF]) == 0
    assert suggestions(house) == []


def test_the_owner_is_told_and_after_the_grace_it_is_released_and_the_saving_kept(
    house: House, sleeper: str
) -> None:
    run(house, RELEASE)
    measure(house, 0.0, hours=0.1)
    assert run(house, RELEASE) == 1
    (event,) = told(house, "allocation.idle")
    assert (event["allocationId"], event["podName"]) == (sleeper, "sleeps")
    assert event["releaseAt"] is not None
    (mark,) = (one for one in house.find(sleeper).conditions if one["type"] == "Idle")
    assert "it is released at" in mark["message"]
    measure(house, 0.0, hours=0.9)
    assert run(house, RELEASE) == 0
    measure(house, 0.0, hours=0.1)
    assert run(house, RELEASE) == 1
    allocation = house.find(sleeper)
    assert (allocation.phase, allocation.release_reason) == (Phase.RELEASED, "idle")
    (row,) = suggestions(house)
    assert (row.status, row.ended_by, row.open_key) == (Status.APPLIED, "controller", None)
    assert row.saved == pytest.approx(24 * (allocation.cost_per_hour or 0))
    assert row.saved_until == house.now + timedelta(days=1)
    assert run(house, RELEASE) == 0


def test_a_release_saves_no_more_than_what_was_left_of_its_time(house: House) -> None:
    house.node()
    house.request(max_duration_hours=10)
    measure(house, 0.0)
    for hours in (0.1, 1.1, 0.1):
        run(house, RELEASE)
        measure(house, 0.0, hours=hours)
    run(house, RELEASE)
    (row,) = suggestions(house)
    assert row.saved_until is not None
    assert row.ended_at is not None
    assert row.saved_until - row.ended_at < timedelta(hours=4)


def test_whoever_works_again_within_the_grace_keeps_it_and_is_told(
    house: House, sleeper: str
) -> None:
    run(house, RELEASE)
    run(house, RELEASE)
    measure(house, 90.0, hours=2)
    assert run(house, RELEASE) == 1
    (row,) = suggestions(house)
    assert (row.status, row.ended_reason) == (
        Status.WITHDRAWN,
        "it is used, or no longer measured",
    )
    assert len(told(house, "allocation.spared")) == 1
    assert not any(one["type"] == "Idle" for one in house.find(sleeper).conditions)
    measure(house, 0.0, hours=12)
    assert run(house, RELEASE) == 1
    assert [one.status for one in suggestions(house)] == [Status.WITHDRAWN, Status.OPEN]


def test_what_is_no_longer_measured_is_not_released(house: House, sleeper: str) -> None:
    run(house, RELEASE)
    run(house, RELEASE)
    house.clock.forward(hours=2)
    assert run(house, RELEASE) == 1
    assert house.find(sleeper).phase is Phase.ALLOCATED
    assert suggestions(house)[0].status is Status.WITHDRAWN


def test_a_milder_policy_withdraws_the_notice_and_notify_never_releases(
    house: House, sleeper: str
) -> None:
    run(house, NOTIFY)
    run(house, NOTIFY)
    assert told(house, "allocation.idle")[0]["releaseAt"] is None
    measure(house, 0.0, hours=30)
    assert run(house, NOTIFY) == 0
    assert run(house, SUGGEST) == 1
    assert suggestions(house)[0].status is Status.OPEN
    assert house.find(sleeper).phase is Phase.ALLOCATED


def test_an_allocation_of_which_a_part_works_is_left_alone(house: House) -> None:
    house.node(gpus=2)
    house.request(count=2)
    start = house.clock.now
    measure(house, 0.0, device=1)
    house.clock.now = start
    measure(house, 80.0, device=2)
    assert run(house, RELEASE) == 0


def test_what_the_cluster_gave_is_never_released_by_us(house: House, sleeper: str) -> None:
    with house.database.write() as session:
        session.get_one(Allocation, sleeper).requested_by = OBSERVER
    for _ in range(3):
        run(house, RELEASE)
        measure(house, 0.0, hours=2)
    assert house.find(sleeper).phase is Phase.ALLOCATED
    assert suggestions(house)[0].status is Status.NOTICED


def test_a_suggestion_ends_with_its_allocation(house: House, sleeper: str) -> None:
    run(house, SUGGEST)
    house.release(sleeper)
    assert run(house, SUGGEST) == 1
    assert suggestions(house)[0].ended_reason == "it has ended"


class Killed(Exception):
    """The process is gone."""


def _act_and_die(house: House, idle: jobs.Evidence) -> None:
    with house.database.write() as session:
        assert jobs.act(session, idle, RELEASE, now=house.now) == 1
        raise Killed


def test_killed_before_the_commit_nothing_happened_and_the_next_look_does_it_once(
    house: House, sleeper: str
) -> None:
    run(house, RELEASE)
    run(house, RELEASE)
    measure(house, 0.0, hours=1.1)
    with house.database.read() as session:
        idle = jobs.look(session, Embedded(), interval_seconds=15, now=house.now)
    with pytest.raises(Killed):
        _act_and_die(house, idle)
    assert house.find(sleeper).phase is Phase.ALLOCATED
    assert suggestions(house)[0].saved is None
    assert run(house, RELEASE) == 1
    assert run(house, RELEASE) == 0
    assert len(told(house, "allocation.released")) == 1


def test_a_second_leader_that_looked_at_the_same_moment_does_nothing(
    house: House, sleeper: str
) -> None:
    with house.database.read() as session:
        idle = jobs.look(session, Embedded(), interval_seconds=15, now=house.now)
        assert jobs.is_due(session, idle, SUGGEST, now=house.now)
    for expected in (1, 0):
        with house.database.write() as session:
            assert jobs.act(session, idle, SUGGEST, now=house.now) == expected
    assert [one.allocation_id for one in suggestions(house)] == [sleeper]
