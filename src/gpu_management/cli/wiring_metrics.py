"""Put measuring together from the settings."""

from datetime import timedelta

from gpu_management.controller.loops import Job, metrics_jobs
from gpu_management.core.database import Database
from gpu_management.core.settings import Metrics
from gpu_management.metrics.rollup import Ages
from gpu_management.metrics.service import Intake


def intake_of(told: Metrics) -> Intake:
    """Return how measurements are taken in."""
    return Intake(
        interval_seconds=told.collection_interval_seconds,
        most_readings=told.batch_size,
        kept=timedelta(hours=told.retention.samples_hours),
    )


def jobs_of(database: Database, told: Metrics) -> list[Job]:
    """Return the jobs of measurements."""
    kept = told.retention
    ages = Ages(
        samples=timedelta(hours=kept.samples_hours),
        minutes=timedelta(days=kept.minutes_days),
        hours=timedelta(days=kept.hours_days),
    )
    return metrics_jobs(database, ages)
