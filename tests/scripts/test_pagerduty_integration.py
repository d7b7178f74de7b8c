"""`scripts/pagerduty-integration.py` on a Python without any package (SCR-08, PD-01)."""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.receivers import Receiver, receiving
from tests.support.server import ROOT

SCRIPT = ROOT / "scripts" / "pagerduty-integration.py"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        opened.status = 202
        yield opened


@pytest.fixture
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pagerduty_integration", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def _run(folder: Path, *options: str, key: str | None = "R") -> "subprocess.CompletedProcess[str]":
    environ = {"PATH": "/usr/bin:/bin"} | ({"PAGERDUTY_ROUTING_KEY": key} if key else {})
    return subprocess.run(
        [sys.executable, "-S", "-E", "-s", str(SCRIPT), *options],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_class_sends_what_the_guide_shows(module: ModuleType, receiver: Receiver) -> None:
    pagerduty = module.PagerDutyIntegration("R", api_url=receiver.url)
    details = {"temperature": "87.5°C", "threshold": "85.0°C", "node": "gpu-worker-1"}
    answer = pagerduty.trigger_alert(
        "critical", "GPU hot", "gpu-worker-1", "gpu-0", custom_details=details
    )
    assert answer.status_code == 202
    (got,) = receiver.got
    assert got.headers["content-type"] == "application/json"
    assert re.fullmatch(r"gpu-gpu-worker-1-gpu-0-20\d{6}", got.json["dedup_key"])
    assert got.json["payload"] == {
        "summary": "GPU hot",
        "source": "gpu-worker-1",
        "severity": "critical",
        "component": "gpu-0",
        "group": "gpu-cluster",
        "class": "gpu-hardware",
        "custom_details": details,
    }


def test_it_resolves_with_the_key_it_is_given(module: ModuleType, receiver: Receiver) -> None:
    answer = module.PagerDutyIntegration("R", api_url=receiver.url).resolve_alert(
        "gpu-a-b-20260101"
    )
    assert answer.ok
    assert receiver.got[0].json == {
        "routing_key": "R",
        "event_action": "resolve",
        "dedup_key": "gpu-a-b-20260101",
    }


def test_other_severities_than_the_four_are_refused(module: ModuleType) -> None:
    with pytest.raises(ValueError, match="one of critical, error, warning, info"):
        module.PagerDutyIntegration("R", api_url="http://127.0.0.1:9").trigger_alert(
            "bad", "s", "x"
        )


def test_the_default_component_is_in_the_key_as_well(module: ModuleType) -> None:
    at = datetime(2026, 5, 1, 23, 59, tzinfo=UTC)
    assert module.dedup_key("n1", module.COMPONENT, at) == "gpu-n1-gpu-management-20260501"


def test_an_incident_of_yesterday_is_resolved_by_its_own_key(
    receiver: Receiver, tmp_path: Path
) -> None:
    state = tmp_path / "pagerduty-incidents.json"
    state.write_text(json.dumps({"n1/gpu-management": "gpu-n1-gpu-management-20200101"}))
    done = _run(tmp_path, "--url", receiver.url, "resolve", "n1")
    assert done.returncode == 0, done.stderr
    assert receiver.got[0].json["dedup_key"] == "gpu-n1-gpu-management-20200101"
    assert json.loads(state.read_text()) == {}


def test_a_trigger_keeps_its_key_for_the_resolve(receiver: Receiver, tmp_path: Path) -> None:
    told = ("trigger", "warning", "hot", "n1", "-d", "temperature=87.5°C")
    assert _run(tmp_path, "--url", receiver.url, *told).returncode == 0
    assert _run(tmp_path, "--url", receiver.url, "resolve", "n1").returncode == 0
    opened, closed = (got.json for got in receiver.got)
    assert opened["dedup_key"] == closed["dedup_key"]
    assert opened["payload"]["custom_details"] == {"temperature": "87.5°C"}


def test_what_pagerduty_refuses_is_told_without_the_key(receiver: Receiver, tmp_path: Path) -> None:
    receiver.status = 400
    done = _run(tmp_path, "--url", receiver.url, "trigger", "info", "s", "n1", key="hunter2")
    assert done.returncode == 1
    assert "answered 400" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert not (tmp_path / "pagerduty-incidents.json").exists()


def test_a_redirect_does_not_get_the_key(receiver: Receiver, tmp_path: Path) -> None:
    with receiving() as other:
        receiver.status, receiver.headers = 302, {"Location": other.url}
        done = _run(tmp_path, "--url", receiver.url, "resolve", "n1")
        assert done.returncode == 1
        assert other.got == []


def test_nobody_there_and_wrong_usage_have_their_own_codes(tmp_path: Path) -> None:
    assert _run(tmp_path, "--url", "http://127.0.0.1:9", "resolve", "n1").returncode == 3
    assert _run(tmp_path, "resolve", "n1", key=None).returncode == 2
    assert _run(tmp_path, "--url", "x", "resolve", "n1").returncode == 2
    assert _run(tmp_path, "trigger", "loud", "s", "n1").returncode == 2
