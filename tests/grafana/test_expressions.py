"""Every expression of every dashboard, asked of a Prometheus that scraped real HTTP."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.prometheus.rules import RULE_FILES, read
from tests.support.waiting import until
from tests.support.watched import Watched, watching
from tools.generate_grafana import IMPORT, PROVISIONED

pytestmark = pytest.mark.integration
METRIC = re.compile(r"\b(?:DCGM_\w+|gpu_\w+|node_gpu_\w+|container_gpu_\w+|ALERTS|up)\b")
MADE = {file.name: json.loads(file.read_text()) for file in [*PROVISIONED.glob("*.json"), IMPORT]}


def _asked() -> Iterator[tuple[str, str]]:
    for name, told in MADE.items():
        for panel in told.get("dashboard", told)["panels"]:
            for target in panel["targets"]:
                yield name, target["expr"]


def _choices() -> Iterator[tuple[str, str]]:
    for told in MADE.values():
        for variable in told.get("templating", {"list": []})["list"]:
            if variable["type"] == "query":
                found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
                assert found
                yield found[1], found[2]


ASKED = sorted(set(_asked()))


def _all_rules() -> dict[str, Any]:
    return {"groups": [group for file in RULE_FILES for group in read(file)["groups"]]}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watching(tmp_path_factory.mktemp("watched"), _all_rules()) as one:
        one.cut()
        for model in ("t4", "a100-sxm4-80gb"):
            one.server.ask("POST", "/api/v1/gpu/rates", {"modelId": model, "costPerHour": 3600})
        one.allocate(modelIds=["t4"])
        one.allocate(useMig=True)
        one.exporter.values["DCGM_FI_DEV_GPU_TEMP"] = 91
        seen = "count_over_time(gpu_cost_total[1m]) > 4 and on () gpu_daily_cost > 0"
        assert until(lambda: len(one.values(f"{seen} and on () (ALERTS or vector(1))")), 1) == 1
        assert until(lambda: "ALERTS" in one.names(), True)
        yield one


@pytest.mark.parametrize(("name", "expression"), ASKED, ids=[f"{a}-{b}" for a, b in ASKED])
def test_an_expression_returns_data(watched: Watched, name: str, expression: str) -> None:
    asked = expression.replace("$model", ".*")
    assert "$" not in asked
    without_text = re.sub(r'"[^"]*"|\b(?:by|on) \([^)]*\)', "", asked)
    unknown = set(METRIC.findall(without_text)) - watched.names()
    assert not unknown, "nobody exposes this"
    found = watched.values(asked)
    assert found, "this shows nothing"
    assert all(one["value"][1] != "NaN" for one in found)


@pytest.mark.parametrize(("metric", "label"), sorted(set(_choices())))
def test_a_choice_has_something_to_choose(watched: Watched, metric: str, label: str) -> None:
    found = watched.values(metric)
    assert found
    assert all(one["metric"][label] for one in found)
