from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gpu_management.metrics.questions import Now
from gpu_management.overview.measured import statistics
from tests.support.house import House
from tests.support.measured import ENDS, fill, measured_house


@pytest.fixture
def caller(house: House) -> Iterator[TestClient]:
    fill(measured_house(house))
    house.clock.now = ENDS
    with house.client() as opened:
        yield opened


def ask(caller: TestClient, path: str) -> Any:
    answer = caller.get(f"/api/v1/gpu/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_device_shows_what_it_does_now(caller: TestClient) -> None:
    (listed,) = [one for one in ask(caller, "devices") if one["deviceId"] == "n1-GPU-01"]
    assert (listed["gpuUtilization"], listed["temperature"]) == (5, 50)
    assert listed["memoryUsedMb"] is None
    shown = ask(caller, "devices/n1-GPU-01")
    assert shown["gpuUtilization"] == 5
    assert ask(caller, "nodes/n1")["devices"][1]["temperature"] == 50
    assert ask(caller, "devices/n1-GPU-01/health")["temperature"] == 50


def test_a_cut_gpu_is_as_busy_as_its_instances_are_parts_of_it(caller: TestClient) -> None:
    cut = ask(caller, "devices/n2-GPU-00")
    parts = [one for one in ask(caller, "metrics/latest") if one["deviceId"] == "n2-GPU-00"]
    assert 0 < cut["gpuUtilization"] < max(one["utilizationPct"] for one in parts)
    assert cut["memoryUsedMb"] == 25_000


def test_averages_are_of_what_is_measured_now(house: House, caller: TestClient) -> None:
    told = ask(caller, "overview")
    busy = [one["gpuUtilization"] for one in ask(caller, "devices")]
    assert told["averageUtilization"] == pytest.approx(sum(busy) / 3, abs=0.01)
    assert ask(caller, "statistics")["p95Utilization"] == pytest.approx(max(busy), abs=0.01)
    house.clock.now = ENDS + timedelta(seconds=80)
    stale = ask(caller, "overview")
    assert stale["averageUtilization"] is None
    assert ask(caller, "devices")[0]["gpuUtilization"] is None


def test_the_95th_percentile_is_not_exceeded_by_95_of_100() -> None:
    figures = {key: Now(key, -1, 0, utilization_pct=float(key)) for key in range(1, 101)}
    assert statistics(figures) == {"average_utilization": 50.5, "p95_utilization": 95}
    assert statistics({}) == {"average_utilization": None, "p95_utilization": None}
