"""`gpuctl mig plans`, against a real server that carries plans out in the ledger."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cli import Ran, gpuctl
from tests.support.server import LiveServer, serving
from tests.support.waiting import until

A100 = "a100-sxm4-80gb"
DEMAND = ("--demand", "7g.80gb=1", "--movable", "ml")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with two cards, each with a small slice in use: no whole board is left."""
    with serving(tmp_path_factory.mktemp("plans")) as made:
        for name in ("n1", "n2"):
            card = {"nodeName": name, "deviceIndex": 0, "modelId": A100, "migEnabled": True}
            made.ask("POST", "/api/v1/gpu/devices", card)
            where = f"{name}-GPU-00"
            assert gpuctl(made, "mig", "create", where, "1g.10gb", "--start", "0").code == 0
        for name in ("small-1", "small-2"):
            asked = ("request", "-g", "10", "--mig", "-n", "ml", "--pod", name)
            assert gpuctl(made, *asked).code == 0
        yield made


def plans(server: LiveServer, *arguments: str) -> Ran:
    return gpuctl(server, "mig", "plans", *arguments)


def created(server: LiveServer, *more: str) -> dict[str, Any]:
    return dict(plans(server, "create", *DEMAND, *more, "-o", "json").json)


def test_a_draft_is_shown_with_its_tasks_and_listed(server: LiveServer) -> None:
    shown = plans(server, "create", *DEMAND)
    assert shown.code == 0
    assert "DRAFT" in shown.out
    assert "move ml/small-" in shown.out
    assert "cut n" in shown.out
    [listed, *_] = plans(server, "list", "-o", "json").json
    assert plans(server, "show", listed["planId"]).out == shown.out
    assert listed["planId"][:8] in plans(server, "list").out
    assert plans(server, "cancel", listed["planId"]).out.endswith(": ROLLED_BACK\n")


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_what_the_state_does_not_allow_is_refused_in_words(server: LiveServer, verb: str) -> None:
    plan = created(server)["planId"]
    refused = plans(server, verb, plan)
    assert refused.code != 0
    assert "is DRAFT" in refused.err
    plans(server, "cancel", plan)


def test_a_demand_that_cannot_be_read_is_refused_before_it_is_sent(server: LiveServer) -> None:
    refused = plans(server, "create", "--demand", "7g.80gb")
    assert (refused.code, "PROFILE=COUNT" in refused.err) == (2, True)


def test_an_unknown_plan_is_not_found(server: LiveServer) -> None:
    assert plans(server, "show", "nothing").code != 0


def test_an_approved_plan_is_carried_out_and_pods_are_named_on_the_way(
    server: LiveServer,
) -> None:
    plan = created(server)["planId"]
    assert plans(server, "approve", plan).out == f"plan {plan} approved: APPROVED\n"
    ended = until(lambda: plans(server, "show", plan, "-o", "json").json["state"], "DONE")
    assert ended == "DONE"
    assert plans(server, "list", "--state", "DONE", "-o", "json").json[0]["planId"] == plan
    assert plans(server, "cancel", plan).code != 0
    assert "7g.80gb" in gpuctl(server, "mig", "instances").out
