"""`scripts/validate-gpu-system.py` on a Python without any package (ACC-03, SCR-06)."""

import json
import subprocess
import sys

import pytest

from tests.support.server import ROOT, LiveServer

SCRIPT = ROOT / "scripts" / "validate-gpu-system.py"


def _run(*options: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    # -S: no site-packages; -I would also hide the environment, which the script reads.
    return subprocess.run(
        [sys.executable, "-S", "-E", "-s", str(SCRIPT), *options],
        env={"PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_all_checks_pass_on_a_healthy_server(live: LiveServer) -> None:
    done = _run(GPU_MANAGEMENT_API=live.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 of 4 checks passed" in done.stdout


def test_write_takes_a_gpu_and_gives_it_back(live: LiveServer) -> None:
    done = _run("--write", "--json", "--url", live.url)
    report = json.loads(done.stdout)
    assert [check["check"] for check in report["checks"]] == [
        "health",
        "devices",
        "overview",
        "metrics",
        "round-trip",
    ]
    assert report["ok"]
    assert done.returncode == 0


def test_it_fails_without_devices(empty: LiveServer) -> None:
    done = _run("--url", empty.url)
    assert "FAIL  devices      no GPU devices detected" in done.stdout
    assert done.returncode == 1


def test_it_fails_without_a_key_and_passes_with_one(locked: LiveServer) -> None:
    assert _run("--url", locked.url).returncode == 1
    key = locked.keys["admin"]
    done = _run("--url", locked.url, "--write", GPU_MANAGEMENT_API_KEY=key)
    assert done.returncode == 0, done.stdout
    assert key not in done.stdout + done.stderr


@pytest.mark.parametrize("options", [("--url", "http://127.0.0.1:9"), ("--url", "x"), ("--no",)])
def test_nobody_there_and_wrong_usage_exit_with_2(options: tuple[str, ...]) -> None:
    assert _run(*options).returncode == 2
