"""Put alerts together from the settings."""

from collections.abc import Iterable
from datetime import timedelta

from gpu_management.alerts.jobs import Watch
from gpu_management.alerts.journal import Terms
from gpu_management.alerts.reading import Reader
from gpu_management.alerts.rules import RULES, Rule, rules_of
from gpu_management.controller.loops import Job
from gpu_management.core.database import Database
from gpu_management.core.settings import Settings
from gpu_management.core.settings_items import SettingsError
from gpu_management.core.text import did_you_mean
from gpu_management.costs.service import Desk
from gpu_management.metrics.health import HealthWatch
from gpu_management.metrics.latest import Latest
from gpu_management.metrics.store import Store


def alert_rules(settings: Settings) -> tuple[Rule, ...]:
    """Return the rules that are in force.

    Raises:
        SettingsError: a setting names a rule that is not there.
    """
    told = settings.alerts
    _check("alerts.thresholds", told.thresholds)
    _check("alerts.disabled", told.disabled)
    return rules_of(told.thresholds, told.disabled)


def _check(setting: str, names: Iterable[str]) -> None:
    known = [rule.name for rule in RULES]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise SettingsError([f"{setting}: there is no rule {name[:60]!r}{hint}"])


def alert_jobs(settings: Settings, database: Database, store: Store, desk: Desk) -> list[Job]:
    """Return the jobs that judge the health of GPUs, and hold the rules against them.

    Raises:
        SettingsError: a setting names a rule that is not there.
    """
    told, interval = settings.alerts, settings.metrics.collection_interval_seconds
    latest = Latest(store, interval, ask_seconds=1)
    health = HealthWatch(database, latest, frozenset(settings.metrics.fail_on_xids))
    jobs = [Job("device-health", max(interval, told.evaluation_seconds), health.run)]
    if told.enabled:
        after = timedelta(seconds=told.escalation_seconds) or None
        terms = Terms(settings.cluster.name, after)
        watch = Watch(database, Reader(latest, desk), terms, alert_rules(settings))
        jobs.append(Job("alerts", told.evaluation_seconds, watch.run))
    return jobs
