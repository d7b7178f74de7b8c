"""`gpuctl alerts` and `gpuctl metrics health` against a real server."""

import pytest

from tests.support.cli import gpuctl
from tests.support.server import LiveServer


def test_nothing_is_amiss_in_a_quiet_fleet(live: LiveServer) -> None:
    quiet = gpuctl(live, "alerts", "list", "--severity", "critical", "--node", "none")
    assert "nothing is amiss" in quiet.err
    both = gpuctl(live, "alerts", "list", "--status", "resolved", "--status", "silenced")
    assert both.code == 0


def test_rules_are_listed_with_their_thresholds(live: LiveServer) -> None:
    rules = {row["name"]: row for row in gpuctl(live, "alerts", "rules", "-o", "json").json}
    assert rules["GPUHighTemperature"]["threshold"] == 85
    assert "> 85" in gpuctl(live, "alerts", "rules").out


def test_a_silence_begins_changes_and_ends(live: LiveServer) -> None:
    made = gpuctl(
        live, "alerts", "silences", "create", "instance=gpu-worker-1", "alertname~GPU*",
        "--for", "4h", "-m", "new fans", "-o", "json",
    ).json  # fmt: skip
    told = [f"{one['name']}{one['operator']}{one['value']}" for one in made["matchers"]]
    assert told == ["instance=gpu-worker-1", "alertname~GPU*"]
    name = made["silenceId"]
    assert name in gpuctl(live, "alerts", "silences", "list").out
    assert "ends" in gpuctl(live, "alerts", "silences", "update", name, "--for", "1d").out
    assert gpuctl(live, "alerts", "silences", "end", name).code == 0
    assert name in gpuctl(live, "alerts", "silences", "list", "--over", "-o", "json").out
    assert gpuctl(live, "alerts", "silences", "get", name).code == 0


@pytest.mark.parametrize("wrong", [["=x", "--for", "4h"], ["a=b", "--for", "soon"]])
def test_what_cannot_be_understood_is_refused(live: LiveServer, wrong: list[str]) -> None:
    assert gpuctl(live, "alerts", "silences", "create", *wrong, "-m", "why").code == 2


def test_an_alert_that_is_not_there_cannot_be_taken_on(live: LiveServer) -> None:
    assert gpuctl(live, "alerts", "ack", "none", "-m", "x").code == 1
    assert gpuctl(live, "alerts", "get", "none").code == 1


def test_health_is_listed(live: LiveServer) -> None:
    assert "unknown" in gpuctl(live, "metrics", "health").out
    assert "no GPU is like that" in gpuctl(live, "metrics", "health", "--verdict", "failing").err
