"""Our evaluator beside a real Prometheus: the same exporter, the same rules, the same verdicts."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from sqlalchemy import select, update

from gpu_management.alerts.jobs import Watch
from gpu_management.alerts.journal import Terms
from gpu_management.alerts.models import Alert
from gpu_management.alerts.reading import Reader
from gpu_management.alerts.rules import HARDWARE_RULES, SHIPPED
from gpu_management.devices.models import Device
from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.exposition import read_exposition
from gpu_management.metrics.ingest import take
from gpu_management.metrics.latest import Latest
from gpu_management.metrics.service import Intake
from tests.prometheus.rules import RULE_FILES, read
from tests.support.exporter import Exporter, exporting
from tests.support.house import CLUSTER, House, prepared_database
from tests.support.prometheus import scraping
from tests.support.waiting import until

pytestmark = pytest.mark.integration
WAIT_SECONDS = 2
COMPARED = {rule.name for rule in HARDWARE_RULES} | {"GPUHighTemperature", "GPUHighUtilization"}
OF_NODES = {"GPUGone", "GPUExporterDown"}
OF_THE_FLEET = {"GPUUnavailable"}
TEMPERATURE, UTIL = "DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_GPU_UTIL"
Found = set[tuple[str, str]]


def hurried() -> dict[str, Any]:
    """Return the shipped rules with seconds where they have minutes to wait."""
    groups = [group for file in RULE_FILES for group in read(file)["groups"]]
    for group in groups:
        group["interval"] = "1s"
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = re.sub(r"\d+[mhd]", f"{WAIT_SECONDS}s", rule["for"])
    return {"groups": groups}


@dataclass(frozen=True, slots=True)
class Both:
    """One exporter, and the two that look at it."""

    exporter: Exporter
    prometheus: httpx2.Client
    house: House
    watch: Watch
    intake: Intake
    jobs: Path

    def ours(self) -> Found:
        """Scrape the exporter, look once, and return what is open: name, and GPU or nothing."""
        now = datetime.now(UTC)
        self.house.clock.now = now
        if self.exporter.address:
            self._scrape(now)
        self.watch.run(now)
        with self.house.database.read() as session:
            rows = session.scalars(select(Alert).where(Alert.open_fingerprint.is_not(None))).all()
        return {_told(row.name, row.labels) for row in rows if row.name in COMPARED}

    def _scrape(self, now: datetime) -> None:
        text = httpx2.get(f"http://{self.exporter.address}/metrics").text
        with self.house.database.write() as session:
            oldest = now - timedelta(hours=1)
            take(
                session,
                self.intake.devices,
                read_exposition(text),
                collected_at=now,
                oldest=oldest,
                now=now,
            )

    def theirs(self) -> Found:
        """Return what fires in Prometheus."""
        told = self.prometheus.get("/api/v1/alerts").json()["data"]["alerts"]
        return {
            _told(one["labels"]["alertname"], one["labels"])
            for one in told
            if one["state"] == "firing" and one["labels"]["alertname"] in COMPARED
        }

    def agree_on(self, expected: Found) -> None:
        """Wait until both say this."""

        def both() -> tuple[Found, Found]:
            return self.ours(), self.theirs()

        assert until(both, (expected, expected)) == (expected, expected)

    def stay_at(self, name: str, value: float, expected: Found) -> None:
        """Wait until a series has had this value for longer than any rule waits; both say this."""
        asked = (
            f"count(min_over_time({name}[4s]) == {value} and max_over_time({name}[4s]) == {value})"
        )

        def both() -> tuple[bool, Found]:
            ours = self.ours()
            answer = self.prometheus.get("/api/v1/query", params={"query": asked}).json()
            return bool(answer["data"]["result"]), ours

        assert until(both, (True, expected)) == (True, expected)
        assert self.theirs() == expected

    def scrape_at(self, address: str) -> None:
        """Let Prometheus look there from now on."""
        groups = [{"targets": [address], "labels": {"job": "dcgm-exporter", "instance": "n1"}}]
        written = self.jobs.with_suffix(".new")
        written.write_text(yaml.safe_dump(groups))
        written.rename(self.jobs)


def _told(name: str, labels: Mapping[str, str]) -> tuple[str, str]:
    return name, "" if name in OF_NODES else labels["UUID"]


@contextmanager
def watching(folder: Path) -> Iterator[Both]:
    """Run the exporter and both evaluators until the block ends."""
    jobs = folder / "jobs.yml"
    (folder / "rules.yml").write_text(yaml.safe_dump(hurried()))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yml")],
        "scrape_configs": [{"job_name": "listed", "file_sd_configs": [{"files": [str(jobs)]}]}],
    }
    house = House(prepared_database(folder))
    house.node("n1", gpus=2, model="a100-sxm4-40gb")
    with house.database.write() as session:
        for index, device in enumerate(session.scalars(select(Device).order_by(Device.id))):
            change = update(Device).where(Device.id == device.id)
            session.execute(change.values(uuid=f"GPU-{index}", live_uuid=f"GPU-{index}"))
    rules = [
        replace(rule, for_seconds=min(rule.for_seconds, WAIT_SECONDS))
        for rule in SHIPPED
        if rule.name in COMPARED - OF_THE_FLEET
    ]
    reader = Reader(Latest(Embedded(), 1), house.desk)
    watch = Watch(house.database, reader, Terms(CLUSTER), rules)
    with exporting() as exporter, scraping(folder, config) as prometheus:
        both = Both(exporter, prometheus, house, watch, Intake(), jobs)
        both.scrape_at(exporter.address)
        yield both
    house.database.close()


def _both_gpus(*names: str) -> Found:
    return {(name, uuid) for name in names for uuid in ("GPU-0", "GPU-1")}


def test_both_say_the_same_about_the_same_gpus(tmp_path: Path) -> None:
    with watching(tmp_path) as both:
        values = both.exporter.values
        values |= {"DCGM_FI_DEV_THERMAL_VIOLATION": 0.0, "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": 0.0}
        both.stay_at(TEMPERATURE, 50, set())

        values[TEMPERATURE] = 91.0
        both.agree_on(_both_gpus("GPUHighTemperature", "GPUNearSlowdownTemperature"))
        values[TEMPERATURE] = 86.0
        both.agree_on(_both_gpus("GPUHighTemperature", "GPUNearSlowdownTemperature"))
        values[TEMPERATURE] = 85.0
        both.stay_at(TEMPERATURE, 85, set())

        values[UTIL] = 99.0
        both.agree_on({("GPUHighUtilization", "GPU-0")})
        values[UTIL] = 95.0
        both.stay_at(UTIL, 95, set())

        values["DCGM_FI_DEV_XID_ERRORS"] = 31.0
        both.stay_at("DCGM_FI_DEV_XID_ERRORS", 31, set())
        values["DCGM_FI_DEV_XID_ERRORS"] = 79.0
        found = _both_gpus("GPUHardwareError")
        both.agree_on(found)

        values["DCGM_FI_DEV_ROW_REMAP_FAILURE"] = 1.0
        values["DCGM_FI_DEV_ECC_DBE_VOL_TOTAL"] = 2.0
        found |= {("GPURowRemapFailure", "GPU-0"), ("GPUDoubleBitErrors", "GPU-0")}
        both.agree_on(found)
        values["DCGM_FI_DEV_THERMAL_VIOLATION"] = 600e9
        found |= {("GPUThrottledByHeat", "GPU-0")}
        both.agree_on(found)


def test_both_miss_a_gpu_that_is_gone_and_an_exporter_that_is_down(tmp_path: Path) -> None:
    with watching(tmp_path) as both:
        both.stay_at(TEMPERATURE, 50, set())
        both.exporter.lost = True
        both.agree_on({("GPUGone", "")})
        both.exporter.lost = False
        both.agree_on(set())
        both.exporter.address = ""
        both.scrape_at("127.0.0.1:9")
        both.agree_on({("GPUExporterDown", "")})
