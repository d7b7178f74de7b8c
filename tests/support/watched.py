"""A real server and an exporter, scraped every second by a real Prometheus with rules."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.support.exporter import Exporter, exporting
from tests.support.prometheus import scraping
from tests.support.server import LiveServer, register_fleet, serving


@dataclass(frozen=True, slots=True)
class Watched:
    """The three together; `jobs` are the targets, which may be changed while it runs."""

    server: LiveServer
    exporter: Exporter
    prometheus: httpx2.Client
    jobs: Path

    def values(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression has now."""
        answer = self.prometheus.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", (expression, answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def names(self) -> set[str]:
        """Return the name of every metric that was ever scraped or recorded."""
        return set(self.prometheus.get("/api/v1/label/__name__/values").json()["data"])

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        alerts = self.prometheus.get("/api/v1/alerts").json()["data"]["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}

    def cut(self) -> None:
        """Cut the A100 that is in MIG mode into two halves."""
        halves = [{"profile": "3g.40gb", "start": 0}, {"profile": "3g.40gb", "start": 4}]
        path = "/api/v1/gpu/devices/gpu-worker-1-GPU-03/mig/layout"
        self.server.ask("PUT", path, {"placements": halves})

    def allocate(self, **more: Any) -> None:
        """Ask for GPUs; what is told takes the place of the usual."""
        usual = {"namespace": "ml", "podName": "p", "workloadType": "Training", "teamId": "ml"}
        body = usual | {"requiredMemoryGb": 16} | more
        self.server.ask("POST", "/api/v1/gpu/allocations", body)

    def scrape(self, **targets: str) -> None:
        """Scrape these addresses, by job, from now on."""
        names = {name.replace("_", "-"): address for name, address in targets.items()}
        groups = [{"targets": [at], "labels": {"job": job}} for job, at in names.items()]
        written = self.jobs.with_suffix(".new")
        written.write_text(yaml.safe_dump(groups))
        written.rename(self.jobs)


@contextmanager
def watching(folder: Path, rules: Mapping[str, Any]) -> Iterator[Watched]:
    """Run the three until the block ends; the small fleet of `register_fleet` is there."""
    jobs = folder / "jobs.yml"
    (folder / "rules.yml").write_text(yaml.safe_dump(dict(rules)))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yml")],
        "scrape_configs": [{"job_name": "listed", "file_sd_configs": [{"files": [str(jobs)]}]}],
    }
    with (
        serving(folder, "--set", "billing.max-rate-per-hour=999999") as server,
        exporting() as exporter,
        scraping(folder, config) as prometheus,
    ):
        register_fleet(server)
        watched = Watched(server, exporter, prometheus, jobs)
        address = server.url.removeprefix("http://")
        watched.scrape(gpu_management=address, dcgm_exporter=exporter.address)
        yield watched
