"""The job that deletes what is kept long enough."""

from collections.abc import Callable
from datetime import datetime, timedelta

from gpu_management.alerts.jobs import purge as purge_alerts
from gpu_management.auth.jobs import purge_audit
from gpu_management.controller.loops import Job
from gpu_management.core.database import Database
from gpu_management.core.settings import Retention
from gpu_management.events.jobs import AT_ONCE, purge
from gpu_management.notifications.jobs import purge as purge_deliveries

_MOST_PER_RUN = 50
"""Transactions of one run at most; the next run goes on."""

Purge = Callable[..., int]


def purge_job(database: Database, kept: Retention) -> Job:
    """Return the job that deletes old events, deliveries, alerts and audit rows, never holds."""
    ages: tuple[tuple[Purge, int], ...] = (
        (purge, kept.events_days),
        (purge_deliveries, kept.events_days),
        (purge_alerts, kept.events_days),
        (purge_audit, kept.audit_days),
    )

    def run(now: datetime) -> None:
        for delete, days in ages:
            if days:
                _all(database, delete, before=now - timedelta(days=days))

    return Job("purge", kept.purge_seconds, run)


def _all(database: Database, delete: Purge, *, before: datetime) -> None:
    for _ in range(_MOST_PER_RUN):
        with database.write() as session:
            gone = delete(session, before=before, at_once=AT_ONCE)
        if gone < AT_ONCE:
            return
