"""The guide's six alerts on a real Prometheus that scrapes a real server and an exporter."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.prometheus.rules import GUIDE, read
from tests.support.waiting import until
from tests.support.watched import watching

pytestmark = pytest.mark.integration
SIX = {
    "GPUHighTemperature",
    "GPUHighUtilization",
    "GPUAllocationFailure",
    "GPUManagementDown",
    "MIGInstancesLow",
    "GPUCostThresholdExceeded",
}


def hurried() -> Any:
    """Return the guide's rules with seconds where they have minutes to wait."""
    told = read(GUIDE / "gpu-management-rules.yml")
    for rule in told["groups"][0]["rules"]:
        if "for" in rule:
            rule["for"] = re.sub(r"\d+m", "2s", rule["for"])
    return told


def test_each_of_the_six_fires_on_its_condition_and_only_then(tmp_path: Path) -> None:
    with watching(tmp_path, hurried()) as watched:
        watched.cut()
        watched.server.ask("POST", "/api/v1/gpu/rates", {"modelId": "t4", "costPerHour": 999999})
        watched.allocate(requiredMemoryGb=40, useMig=True)
        assert until(lambda: len(watched.values("gpu_daily_cost")), 1) == 1
        assert until(lambda: len(watched.values("count_over_time(gpu_daily_cost[1m]) > 5")), 1) == 1
        assert watched.firing() == set(), "one of two instances is held, nothing else happened"

        watched.exporter.values["DCGM_FI_DEV_GPU_TEMP"] = 91
        assert until(watched.firing, {"GPUHighTemperature"}) == {"GPUHighTemperature"}
        watched.exporter.values["DCGM_FI_DEV_GPU_TEMP"] = 50
        watched.exporter.values["DCGM_FI_DEV_GPU_UTIL"] = 99
        assert until(watched.firing, {"GPUHighUtilization"}) == {"GPUHighUtilization"}
        watched.exporter.values["DCGM_FI_DEV_GPU_UTIL"] = 3
        watched.allocate(requiredMemoryGb=40, useMig=True)
        assert until(watched.firing, {"MIGInstancesLow"}) == {"MIGInstancesLow"}

        told = {"MIGInstancesLow"}
        watched.allocate(requiredMemoryGb=16, modelIds=["t4"])
        told |= {"GPUCostThresholdExceeded"}
        assert until(watched.firing, told) == told
        watched.allocate(requiredMemoryGb=80, count=8, wait=True, waitSeconds=1)
        told |= {"GPUAllocationFailure"}
        assert until(watched.firing, told) == told
        watched.scrape(gpu_management="127.0.0.1:9", dcgm_exporter=watched.exporter.address)
        assert until(lambda: "GPUManagementDown" in watched.firing(), True)
