"""Our rules are those of prometheus/, and give the same verdicts on the same series."""

import re

import pytest

from gpu_management.alerts.rules import RULES, SHIPPED, rules_of
from gpu_management.devices.health import HARDWARE_XIDS
from tests.alerts.promseries import fired
from tests.prometheus.cases import CASES, Case
from tests.prometheus.rules import alerts

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_OWN_WORDS = {"GPUManagementJobFailing"}
"""Prometheus does not know which of two labels names the job; we do."""

_SAID_OTHERWISE = {
    "GPUNearSlowdownTemperature": "gpu_model:slowdown:celsius - 3",
    "GPUGone": "unless count",
    "GPUManagementAbsent": "absent(up",
}
"""Rules whose threshold Prometheus says in another way than by a comparison."""


def _seconds(told: str) -> float:
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", told))


def test_every_alert_of_prometheus_is_a_rule_of_ours_in_the_same_order_of_names() -> None:
    assert sorted(rule.name for rule in SHIPPED) == sorted(alerts())
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", SHIPPED, ids=lambda rule: str(rule.name))
def test_a_rule_waits_warns_and_speaks_as_the_one_of_prometheus(rule) -> None:  # type: ignore[no-untyped-def]
    shipped = alerts()[rule.name]
    assert rule.for_seconds == _seconds(shipped.get("for", "0s"))
    assert {"severity": rule.severity, "component": rule.component} == shipped["labels"]
    assert rule.summary == shipped["annotations"]["summary"]
    if rule.name not in _OWN_WORDS:
        assert rule.description == shipped["annotations"]["description"]


@pytest.mark.parametrize("rule", SHIPPED, ids=lambda rule: str(rule.name))
def test_a_rule_has_the_threshold_of_the_one_of_prometheus(rule) -> None:  # type: ignore[no-untyped-def]
    expression = re.sub(r"\s+", " ", alerts()[rule.name]["expr"])
    said = _SAID_OTHERWISE.get(rule.name, f" {rule.compare} {rule.threshold:g}")
    assert re.search(re.escape(said) + r"(?![\d.]*\d)", expression), expression


def test_the_errors_of_hardware_are_those_that_prometheus_looks_for() -> None:
    codes = re.findall(r"code == (\d+)", alerts()["GPUHardwareError"]["expr"])
    assert {int(code) for code in codes} == HARDWARE_XIDS


def _minutes(at: str) -> int:
    return int(_seconds(at) // 60)


def _name(case: Case) -> str:
    return f"{case.alert}-{'fires' if case.says else 'is-quiet'}"


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_the_verdict_and_the_words_are_those_that_promtool_proves(case: Case) -> None:
    found = fired(case.alert, case.series, minutes=_minutes(case.at))
    if case.says is None:
        assert not found
        return
    (news,) = found
    assert (news.summary, news.description) == case.says
    assert case.labels.items() <= news.labels.items()


def test_a_threshold_can_be_set_and_a_rule_switched_off() -> None:
    found = {rule.name: rule for rule in rules_of({"GPUHighTemperature": 90}, {"MIGInstanceIdle"})}
    assert found["GPUHighTemperature"].threshold == 90
    assert "MIGInstanceIdle" not in found
    assert len(found) == len(RULES) - 1
