"""Maintenance windows and labels: when and where a plan may act, decided and kept at run time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.devices.models import DeviceState, Node
from gpu_management.mig.execution import Method
from gpu_management.mig.windows import (
    KEEP_LABEL,
    Limits,
    Window,
    as_document,
    closed,
    keeping_label,
    read_limits,
    without_past,
)
from tests.cluster.test_repartition import PLANS, Site, killed_after, scattered
from tests.support.house import House

NIGHT = datetime(2026, 3, 1, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
NONE = timedelta(0)
WINDOWS = [Window("n1", NIGHT, NIGHT + HOUR), Window("n2", NIGHT + HOUR, NIGHT + 2 * HOUR)]


@pytest.mark.parametrize(
    ("minutes", "nodes", "why"),
    [
        (-30, ["n1"], "waits for the window of n1, from 2026-03-01T22:00:00Z"),
        (0, ["n1"], None),
        (59, ["n1"], None),
        (60, ["n1"], "the window of n1 ended at 2026-03-01T23:00:00Z"),
        (30, ["n2"], "waits for the window of n2"),
        (30, ["n1", "n2"], "waits for the window of n2"),
        (70, ["n1", "n2"], "the window of n1 ended"),
        (500, ["n3"], None),
    ],
)
def test_a_node_is_touched_in_its_window_only(minutes: int, nodes: list[str], why: str) -> None:
    found = closed(WINDOWS, nodes, now=NIGHT + timedelta(minutes=minutes), margin=NONE)
    assert (found is None) is (why is None)
    if found is not None:
        assert found.why.startswith(why)
        assert found.is_over is ("ended" in why)


def test_nothing_is_begun_that_the_end_of_the_window_could_cut_short() -> None:
    late = closed(WINDOWS, ["n1"], now=NIGHT + timedelta(minutes=56), margin=timedelta(minutes=5))
    assert late is not None
    assert (late.why, late.is_over) == (
        "the window of n1 ends in 240 s, too soon for another task",
        True,
    )


def test_a_second_window_is_waited_for() -> None:
    again = [*WINDOWS, Window("n1", NIGHT + 24 * HOUR, NIGHT + 25 * HOUR)]
    found = closed(again, ["n1"], now=NIGHT + 2 * HOUR, margin=NONE)
    assert found is not None
    assert (found.is_over, "from 2026-03-02T22:00:00Z" in found.why) == (False, True)


def test_going_on_drops_the_windows_that_are_over_and_no_others() -> None:
    kept = without_past(Limits(WINDOWS), now=NIGHT + HOUR, margin=NONE)
    assert [window.node_name for window in kept.windows] == ["n2"]


def test_limits_are_read_back() -> None:
    limits = Limits(WINDOWS, {"tier": "gold"}, 60.0)
    assert read_limits(as_document(limits)) == limits
    assert read_limits(None) == Limits()


def test_a_node_that_says_never_is_left_alone_whatever_a_plan_says() -> None:
    assert keeping_label({KEEP_LABEL: "never"}, None) == f"{KEEP_LABEL}=never"
    assert keeping_label({KEEP_LABEL: "sometimes"}, {}) is None
    assert keeping_label({"tier": "gold"}, {"tier": "gold"}) == "tier=gold"


@pytest.fixture
def site(house: House) -> Any:
    scattered(house)
    made = Site(house, Method.LEDGER)
    yield made
    made.close()


def windows(site: Site, **hours: tuple[float, float]) -> dict[str, Any]:
    def at(hour: float) -> str:
        return f"{site.house.now + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}"

    told = [
        {"nodeName": name, "startsAt": at(first), "endsAt": at(last)}
        for name, (first, last) in hours.items()
    ]
    return {"windows": told}


def test_an_approved_plan_waits_for_its_window_and_says_until_when(site: Site) -> None:
    opens = site.house.now + 2 * HOUR
    plan = site.approved(**windows(site, n1=(2, 3), n2=(2, 3)))
    site.run()
    found = site.read(plan)
    assert found["state"] == "APPROVED"
    assert f"from {opens:%Y-%m-%dT%H:%M:%SZ}" in found["message"]
    assert site.states() == {DeviceState.READY}
    site.run(seconds=2 * 3600)
    assert (site.state(plan), site.read(plan)["message"]) == ("DONE", None)


def test_a_running_plan_waits_before_a_task_whose_node_is_not_open_yet(site: Site) -> None:
    plan = site.plan(**windows(site, n1=(0, 9), n2=(0, 9)))
    first = _first_node(site, plan)
    other = {"n1": "n2", "n2": "n1"}[first]
    plan = site.approved(**windows(site, **{first: (0, 9), other: (4, 9)}))
    site.run()
    found = site.read(plan)
    assert (found["state"], found["position"]) == ("RUNNING", 1)
    assert f"waits for the window of {other}" in found["message"]
    site.run(seconds=4 * 3600)
    assert site.state(plan) == "DONE"


def _first_node(site: Site, plan: str) -> str:
    return str(site.read(plan)["tasks"][0]["node_name"])


def test_a_window_that_ends_pauses_a_plan_until_somebody_says_go_on(site: Site) -> None:
    plan = site.approved(**windows(site, n1=(0, 1), n2=(0, 1)))
    with killed_after(site, 2):
        site.run()
    site.run(seconds=7200)
    site.run()
    found = site.read(plan)
    assert found["state"] == "PAUSED"
    assert "ended at" in found["message"]
    site.act(plan, "resume")
    site.run()
    assert site.state(plan) == "DONE"


def test_taking_back_waits_for_no_window(site: Site) -> None:
    before = site.layout()
    plan = site.approved(**windows(site, n1=(0, 1), n2=(0, 1)))
    with killed_after(site, 4):
        site.run()
    site.run(seconds=7200)
    site.act(plan, "cancel")
    site.run()
    assert (site.state(plan), site.layout()) == ("ROLLED_BACK", before)


def test_a_plan_whose_windows_are_over_is_neither_approved_nor_begun(site: Site) -> None:
    plan = site.plan(**windows(site, n1=(0, 1), n2=(0, 1)))
    approved = site.approved(**windows(site, n1=(0, 1), n2=(0, 1)))
    site.house.clock.forward(seconds=7200)
    refused = site.client.post(f"{PLANS}/{plan}/approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "MIG_PLAN_STALE")
    site.run()
    assert site.state(approved) == "ROLLED_BACK"
    assert "nothing was changed: the window of" in site.read(approved)["message"]


@pytest.mark.parametrize("changes", [{"labels": {KEEP_LABEL: "never"}}, {"is_schedulable": False}])
def test_a_label_or_cordon_that_comes_after_the_approval_stops_the_plan(
    site: Site, changes: dict[str, Any]
) -> None:
    plan = site.approved()
    _change(site, **changes)
    site.run()
    assert site.state(plan) == "ROLLED_BACK"
    assert "nothing was changed: n" in site.read(plan)["message"]


def test_a_label_that_comes_while_a_plan_runs_pauses_it_before_the_next_task(site: Site) -> None:
    plan = site.approved(keepLabels={"tier": "gold"})
    with killed_after(site, 2):
        site.run()
    _change(site, labels={"tier": "gold"})
    site.run()
    assert site.state(plan) == "PAUSED"
    assert "tier=gold, which keeps plans away" in site.read(plan)["message"]
    _change(site, labels={})
    site.act(plan, "resume")
    site.run()
    assert site.state(plan) == "DONE"


def _change(site: Site, **changes: Any) -> None:
    with site.house.database.write() as session:
        for node in session.scalars(select(Node)):
            for name, value in changes.items():
                setattr(node, name, value)


def test_a_labelled_node_is_not_planned_for(site: Site) -> None:
    _change(site, labels={KEEP_LABEL: "never"})
    body = {"demand": {"7g.80gb": 1}, "movableNamespaces": ["ml"]}
    found = site.client.post("/api/v1/gpu/mig/plan", json=body).json()
    assert found["steps"] == []
