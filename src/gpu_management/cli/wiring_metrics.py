"""Put measuring together from the settings."""

from datetime import datetime, timedelta

import httpx2

from gpu_management.controller.loops import Job, metrics_jobs
from gpu_management.core.database import Database
from gpu_management.core.settings import Metrics
from gpu_management.core.settings_items import SettingsError
from gpu_management.metrics import copying
from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.promql import Promql
from gpu_management.metrics.rollup import Ages, least_samples
from gpu_management.metrics.service import Intake
from gpu_management.metrics.store import Store

_PROMETHEUS_SECONDS = 30.0
_COPY_SECONDS = 60
_MOST_COPIES = 10
"""Hours that one run copies at most; the next run goes on."""


def intake_of(told: Metrics) -> Intake:
    """Return how measurements are taken in."""
    return Intake(
        interval_seconds=told.collection_interval_seconds,
        most_readings=told.batch_size,
        kept=timedelta(hours=told.retention.samples_hours),
    )


def jobs_of(database: Database, told: Metrics, store: Store) -> list[Job]:
    """Return the jobs of measurements; with a Prometheus, minutes of held GPUs come from there."""
    kept = told.retention
    ages = Ages(
        samples=timedelta(hours=kept.samples_hours),
        minutes=timedelta(days=kept.minutes_days),
        hours=timedelta(days=kept.hours_days),
    )
    least = least_samples(told.collection_interval_seconds)
    jobs = metrics_jobs(database, ages, least=least)
    if told.backend == "embedded":
        return jobs
    copy = _copy_job(database, store, least)
    return [copy, *(job for job in jobs if job.name != "metrics-roll-up")]


def _copy_job(database: Database, store: Store, least: int) -> Job:
    def copy(now: datetime) -> None:
        for _ in range(_MOST_COPIES):
            with database.read() as session:
                copied = copying.fetch(session, store, now=now)
            if copied is None:
                return
            with database.write() as session:
                copying.keep(session, copied, now=now, least=least)

    return Job("metrics-copy", _COPY_SECONDS, copy)


def store_of(told: Metrics) -> Store:
    """Return who answers questions about use.

    Raises:
        SettingsError: a Prometheus is to answer, and none is named.
    """
    if told.backend == "embedded":
        return Embedded()
    if told.prometheus_url is None:
        raise SettingsError(["metrics.prometheus-url: backend promql needs the address"])
    client = httpx2.Client(base_url=told.prometheus_url, timeout=_PROMETHEUS_SECONDS)
    return Promql(client, told.collection_interval_seconds)
