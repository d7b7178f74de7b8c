"""Every rule fires on its condition and only then; the guide's six are the guide's."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gpu_management.devices.catalog import load_models
from tests.prometheus.cases import CASES, Case
from tests.prometheus.rules import GUIDE, RULE_FILES, SHIPPED, alerts, groups, promtool, read, rules


def _expected(case: Case) -> list[dict[str, Any]]:
    if case.says is None:
        return []
    summary, description = case.says
    return [
        {
            "exp_labels": case.labels | alerts()[case.alert]["labels"],
            "exp_annotations": {"summary": summary, "description": description},
        }
    ]


def _test(case: Case) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": told} for name, told in case.series.items()],
        "alert_rule_test": [
            {"eval_time": case.at, "alertname": case.alert, "exp_alerts": _expected(case)}
        ],
    }


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_fires_on_its_condition_and_only_then(alert: str, tmp_path: Path) -> None:
    cases = [case for case in CASES if case.alert == alert]
    assert {case.says is None for case in cases} == {True, False}, "one that fires, one that not"
    asked = {
        "rule_files": [str(file) for file in RULE_FILES],
        "evaluation_interval": "10m" if any(case.at.endswith("h") for case in cases) else "1m",
        # promtool evaluates groups in no order of its own: what is recorded comes first.
        "group_eval_order": sorted(groups(), key=lambda name: not name.endswith(".recorded")),
        "tests": [_test(case) for case in cases],
    }
    file = tmp_path / "asked.yml"
    file.write_text(yaml.safe_dump(asked, sort_keys=False))
    promtool("test", "rules", str(file))


def test_no_case_is_about_an_alert_that_is_not_there() -> None:
    assert {case.alert for case in CASES} == set(alerts())


def test_the_six_alerts_are_the_guides() -> None:
    assert read(SHIPPED / "gpu-management-rules.yml") == read(GUIDE / "gpu-management-rules.yml")


def test_promtool_accepts_every_rule_file() -> None:
    told = promtool("check", "rules", "--lint=all", "--lint-fatal", *map(str, RULE_FILES))
    assert told.count("SUCCESS") == len(RULE_FILES)


def test_every_alert_says_how_severe_it_is_and_what_it_is_about() -> None:
    assert len(alerts()) == sum("alert" in rule for rule in rules()), "a name is there twice"
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}, name
        assert rule["labels"]["component"] in {
            "gpu-hardware",
            "gpu-management",
            "mig-management",
            "cost-management",
        }, name
        assert set(rule["annotations"]) == {"summary", "description"}, name


def test_the_limits_of_models_are_the_catalogues() -> None:
    recorded = {
        rule["labels"]["modelName"]: rule["expr"]
        for rule in rules()
        if rule.get("record") == "gpu_model:slowdown:celsius"
    }
    known = {
        model.model_name: f"vector({model.thermal.slowdown_celsius})"
        for model in load_models()
        if model.thermal is not None
    }
    assert recorded == known
