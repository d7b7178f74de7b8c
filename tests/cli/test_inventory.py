"""`gpuctl devices`, `nodes`, `models` and `mig`, against a real server."""

import csv
import io
from collections.abc import Iterator

import pytest
import yaml

from tests.support.cli import gpuctl
from tests.support.server import LiveServer


@pytest.fixture
def spare(live: LiveServer) -> Iterator[str]:
    """A cut A100 on a node of its own, taken away afterwards."""
    device = {"nodeName": "cli-node", "deviceIndex": 0, "modelId": "a100-sxm4-80gb"}
    live.ask("POST", "/api/v1/gpu/devices", device | {"migEnabled": True})
    yield "cli-node-GPU-00"
    live.call("DELETE", "/api/v1/gpu/devices/cli-node-GPU-00")


def test_a_list_has_one_line_for_each_device_under_its_titles(live: LiveServer) -> None:
    ran = gpuctl(live, "devices", "list", "--node", "gpu-worker-2")
    assert ran.lines[0].split() == [
        "DEVICE",
        "MODEL",
        "MEMORY",
        "STATUS",
        "FREE",
        "NODE",
        "REGISTERED",
    ]
    assert [line.split()[0] for line in ran.lines[1:]] == [
        "gpu-worker-2-GPU-00",
        "gpu-worker-2-GPU-01",
    ]


def test_a_list_of_nothing_says_so_beside_the_output(live: LiveServer) -> None:
    ran = gpuctl(live, "devices", "list", "--node", "nowhere")
    assert ran.code == 0
    assert ran.out == ""
    assert "no devices" in ran.err


def test_json_is_the_bare_list(live: LiveServer) -> None:
    devices = gpuctl(live, "devices", "list", "-o", "json").json
    assert {device["deviceId"] for device in devices} >= {"gpu-worker-1-GPU-00"}


def test_csv_has_every_field_of_the_wire(live: LiveServer) -> None:
    text = gpuctl(live, "devices", "list", "--node", "gpu-worker-2", "-o", "csv").out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["modelId"] for row in rows] == ["t4", "t4"]
    assert "pciBusId" in rows[0]


def test_yaml_is_the_same_as_json(live: LiveServer) -> None:
    node = ("nodes", "list", "-o")
    from_yaml = yaml.safe_load(gpuctl(live, *node, "yaml").out)
    assert from_yaml == gpuctl(live, *node, "json").json


def test_a_limit_says_how_much_more_there_is(live: LiveServer) -> None:
    ran = gpuctl(live, "devices", "list", "--limit", "2")
    assert len(ran.lines) == 3
    assert ran.err.startswith("2 of ")


def test_a_device_lives_through_the_command_line(live: LiveServer) -> None:
    made = gpuctl(live, "devices", "register", "-n", "cli-new", "-i", "7", "--model", "t4")
    assert made.out == "cli-new-GPU-07 registered (Tesla T4)\n"
    device = "cli-new-GPU-07"
    assert gpuctl(live, "devices", "update", device, "--driver", "570.1").code == 0
    assert gpuctl(live, "devices", "maintenance", "start", device, "-m", "new fan").code == 0
    assert gpuctl(live, "devices", "maintenance", "end", device).code == 0
    assert gpuctl(live, "devices", "state", device, "failed", "-m", "XID 79").code == 0
    shown = gpuctl(live, "devices", "get", device, "-o", "json").json
    assert (shown["driverVersion"], shown["state"]) == ("570.1", "FAILED")
    history = gpuctl(live, "devices", "history", device)
    assert [line.split()[0] for line in history.lines[1:]] == [
        "READY",
        "MAINTENANCE",
        "READY",
        "FAILED",
    ]
    gone = gpuctl(live, "devices", "delete", device)
    assert gone.out == f"{device} removed\n", gone.err
    assert gpuctl(live, "devices", "get", device).code == 1


def test_a_registration_needs_a_model(live: LiveServer) -> None:
    ran = gpuctl(live, "devices", "register", "-n", "x", "-i", "0")
    assert ran.code == 2
    assert "--model" in ran.err


def test_a_node_can_be_told_about_and_cordoned(live: LiveServer) -> None:
    told = ("nodes", "update", "gpu-worker-2", "--cores", "32", "--label", "gpu=t4")
    assert gpuctl(live, *told).code == 0
    assert gpuctl(live, "nodes", "cordon", "gpu-worker-2").code == 0
    node = gpuctl(live, "nodes", "get", "gpu-worker-2", "-o", "json").json
    assert (node["cpuTotalMilli"], node["labels"], node["schedulable"]) == (
        32_000,
        {"gpu": "t4"},
        False,
    )
    assert gpuctl(live, "nodes", "uncordon", "gpu-worker-2").code == 0
    assert "gpu-worker-2-GPU-01" in gpuctl(live, "nodes", "get", "gpu-worker-2").out


def test_nothing_to_change_is_wrong_usage(live: LiveServer) -> None:
    assert gpuctl(live, "nodes", "update", "gpu-worker-2").code == 2
    assert gpuctl(live, "nodes", "update", "gpu-worker-2", "--label", "x").code == 2


def test_models_come_from_the_catalogue(live: LiveServer) -> None:
    assert "a100-sxm4-80gb" in gpuctl(live, "models", "list").out
    assert "NVIDIA A100-SXM4-80GB" in gpuctl(live, "models", "get", "a100-sxm4-80gb").out


def test_slices_are_made_and_unmade(live: LiveServer, spare: str) -> None:
    made = gpuctl(live, "mig", "create", spare, "3g.40gb", "--start", "4")
    assert made.out == f"3g.40gb created on {spare} at 4\n"
    slices = gpuctl(live, "mig", "instances", "--device", spare, "--free", "-o", "json").json
    assert [(s["profileName"], s["placementStart"]) for s in slices] == [("3g.40gb", 4)]
    assert gpuctl(live, "mig", "destroy", slices[0]["migId"]).code == 0
    assert gpuctl(live, "mig", "disable", spare).code == 0
    assert gpuctl(live, "mig", "enable", spare).code == 0


def test_a_dry_run_says_what_a_layout_would_change(live: LiveServer, spare: str) -> None:
    gpuctl(live, "mig", "create", spare, "3g.40gb", "--start", "4")
    ran = gpuctl(live, "mig", "layout", "apply", spare, "4g.40gb@0", "3g.40gb@4", "--dry-run")
    assert "no, this is a dry run" in ran.out
    assert "4g.40gb@0" in ran.out
    shown = gpuctl(live, "mig", "layout", "show", spare, columns=120).out
    assert "4g.40gb-0" not in shown
    assert gpuctl(live, "mig", "layout", "apply", spare, "7g.80gb@0").code == 0
    history = gpuctl(live, "mig", "layout", "history", spare)
    assert "7g.80gb@0" in history.lines[-1]


def test_an_illegal_layout_is_refused_with_the_reason(live: LiveServer, spare: str) -> None:
    ran = gpuctl(live, "mig", "layout", "apply", spare, "3g.40gb@1")
    assert ran.code == 1
    assert "3g.40gb" in ran.err
    assert gpuctl(live, "mig", "layout", "apply", spare, "3g.40gb").code == 2


def test_profiles_say_what_could_be_carved(live: LiveServer, spare: str) -> None:
    ran = gpuctl(live, "mig", "profiles", "--device", spare, "-o", "json")
    carvable = {profile["profileName"]: profile["carvable"] for profile in ran.json}
    assert carvable["1g.10gb"] >= 7


def test_a_change_of_an_old_copy_is_refused(live: LiveServer) -> None:
    device = "gpu-worker-2-GPU-01"
    shown = gpuctl(live, "devices", "get", device).out
    etag = next(line.split()[-1] for line in shown.splitlines() if line.startswith("ETAG"))
    change = ("devices", "update", device, "--vbios", "1.2", "--if-match", etag)
    assert gpuctl(live, *change).code == 0
    assert gpuctl(live, *change).code == 1
    assert "etag" not in gpuctl(live, "devices", "get", device, "-o", "json").json


def test_only_the_named_models_are_taken(live: LiveServer) -> None:
    asked = ("simulate", "-g", "8", "--only-model")
    assert "gpu-worker-2" in gpuctl(live, "allocations", *asked, "t4").out
    assert gpuctl(live, "allocations", *asked, "v100-sxm2-16gb").code == 0
