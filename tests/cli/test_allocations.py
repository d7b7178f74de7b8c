"""Taking and returning GPUs from the command line, against a real server."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import server as servers
from tests.support.cli import gpuctl
from tests.support.server import LiveServer

TAKE = ("request", "--memory", "40", "--namespace", "cli-tests")


@pytest.fixture(autouse=True)
def nothing_left(live: LiveServer) -> Iterator[None]:
    """Give back whatever a test took."""
    yield
    for found in _ours(live):
        if found["phase"] in {"Allocated", "Pending"}:
            live.ask("DELETE", f"/api/v1/gpu/allocations/{found['allocationId']}")


def _ours(live: LiveServer) -> list[dict[str, Any]]:
    found = live.ask("GET", "/api/v1/gpu/allocations?namespace=cli-tests")
    assert isinstance(found, list)
    return found


def _take(live: LiveServer, *more: str) -> dict[str, Any]:
    taken = gpuctl(live, *TAKE, *more, "-o", "json").json
    assert isinstance(taken, dict)
    return taken


def test_a_request_shows_place_and_price(live: LiveServer) -> None:
    ran = gpuctl(live, *TAKE, "--pod", "train", "--team", "ml-team", "--type", "training")
    told = dict(line.split(maxsplit=1) for line in ran.lines)
    assert told["PHASE"] == "Allocated"
    assert told["RESOURCES"].startswith("gpu-worker-1-GPU-0")
    assert float(told["COST/H"]) > 0
    (row,) = gpuctl(live, "allocations", "list", "-n", "cli-tests", "--phase", "allocated").lines[
        1:
    ]
    assert row.split()[0] == told["ALLOCATION"]


def test_a_release_can_be_repeated(live: LiveServer) -> None:
    taken = _take(live)["allocationId"]
    assert gpuctl(live, "release", taken).out.startswith(f"{taken} released")
    again = gpuctl(live, "release", taken, "--wait", "-o", "json")
    assert again.json["phase"] == "Released"
    assert gpuctl(live, "allocations", "get", taken).code == 0


def test_several_are_released_at_once(live: LiveServer) -> None:
    taken = [_take(live)["allocationId"] for _ in range(2)]
    assert len(gpuctl(live, "release", *taken).lines) == 2


def test_an_end_can_be_moved(live: LiveServer) -> None:
    taken = _take(live, "--hours", "1")["allocationId"]
    ran = gpuctl(live, "allocations", "extend", taken, "--hours", "2")
    assert ran.out.startswith(f"{taken} ends 20")
    assert "(in 2h)" in ran.out or "(in 3h)" in ran.out


def test_slices_shares_and_several_gpus_can_be_taken(live: LiveServer) -> None:
    slice_ = gpuctl(live, "request", "-g", "10", "--mig", "-n", "cli-tests", "-o", "json").json
    assert "MIG" in slice_["allocatedResource"]
    share = gpuctl(live, "request", "-g", "8", "--milli", "250", "-n", "cli-tests", "-o", "json")
    assert share.json["allocatedResource"].startswith("gpu-worker-2")
    two = _take(live, "--count", "2", "--model", "a100-sxm4-80gb", "--priority", "5")
    assert len(two["resources"]) == 2


def test_a_dry_run_and_a_simulation_hold_nothing(live: LiveServer) -> None:
    assert "nothing is held" in gpuctl(live, *TAKE, "--dry-run").out
    preview = gpuctl(live, "allocations", "simulate", "--memory", "40")
    assert preview.lines[0].split() == ["FITS", "yes"]
    too_many = gpuctl(live, "allocations", "simulate", "-g", "40", "--count", "8", "-o", "json")
    assert not too_many.json["fits"]
    assert _ours(live) == [] or all(a["phase"] == "Released" for a in _ours(live))


def test_a_refusal_lists_what_the_candidates_lacked(live: LiveServer) -> None:
    ran = gpuctl(live, *TAKE, "--count", "8")
    assert ran.code == 1
    assert ran.out == ""
    lines = ran.err.splitlines()
    assert lines[0].startswith("No GPU fits this request now (409): needs 8 whole GPUs")
    assert lines[1].split()[:2] == ["REASON", "DEVICES"]
    assert {line.split()[0] for line in lines[2:]} >= {"MEMORY"}


def test_a_refusal_as_json_is_the_problem_document(live: LiveServer) -> None:
    ran = gpuctl(live, *TAKE, "--count", "8", "-o", "json")
    assert '"code": "GPU_NOT_AVAILABLE"' in ran.err
    assert ran.out == ""


def test_a_wrong_field_is_named(live: LiveServer) -> None:
    ran = gpuctl(live, "request", "-g", "40", "-n", "Not A Name")
    assert ran.code == 1
    assert ran.err.splitlines()[1].strip() == "namespace (got 'Not A Name')"


def test_waiting_ends_with_5_and_leaves_nothing_in_the_queue(live: LiveServer) -> None:
    ran = gpuctl(live, *TAKE, "--count", "5", "--wait", "--timeout", "1")
    assert ran.code == 5, ran.err
    assert [a["phase"] for a in _ours(live) if a["phase"] in {"Pending", "Allocated"}] == []


def test_waiting_ends_when_something_becomes_free(live: LiveServer) -> None:
    held = [_take(live)["allocationId"] for _ in range(3)]
    command = servers.gpuctl(*TAKE, "--wait", "--timeout", "30", "-o", "json")
    with subprocess.Popen(command, env=live.environ(), stdout=subprocess.PIPE) as waiting:
        _until_pending(live)
        live.ask("DELETE", f"/api/v1/gpu/allocations/{held[0]}")
        out, _ = waiting.communicate(timeout=40)
    assert waiting.returncode == 0
    assert b'"phase": "Allocated"' in out


def test_ctrl_c_while_waiting_gives_the_place_in_the_queue_back(live: LiveServer) -> None:
    command = servers.gpuctl(*TAKE, "--count", "5", "--wait")
    with subprocess.Popen(
        command, env=live.environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as waiting:
        _until_pending(live)
        os.kill(waiting.pid, signal.SIGINT)
        waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert [a["phase"] for a in _ours(live) if a["phase"] == "Pending"] == []


def _until_pending(live: LiveServer) -> None:
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        if any(found["phase"] == "Pending" for found in _ours(live)):
            time.sleep(0.2)  # the client has its answer and polls
            return
        time.sleep(0.05)
    raise AssertionError("nothing waits")
