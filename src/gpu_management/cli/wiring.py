"""Put a process together from its settings: the one place where everything meets."""

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import anyio
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError

from gpu_management.allocations.admission import admit_team
from gpu_management.allocations.office import Office
from gpu_management.allocations.placer import Placer
from gpu_management.api import dashboard
from gpu_management.api.app import Parts, create_app
from gpu_management.auth import jobs as auth_jobs
from gpu_management.auth.access import parse_role
from gpu_management.auth.authenticators import IssuedKeys, MountedKeys
from gpu_management.auth.network import TrustedNetwork
from gpu_management.auth.principals import Mode, Security
from gpu_management.cli import wiring_metrics, wiring_notifications
from gpu_management.cli.wiring_alerts import alert_jobs, alert_rules
from gpu_management.cli.wiring_cluster import cluster_jobs, method_of, rules_of
from gpu_management.cli.wiring_optimization import reclaim_job
from gpu_management.cli.wiring_retention import purge_job
from gpu_management.controller.leader import Leader
from gpu_management.controller.loops import (
    Job,
    Loops,
    allocation_jobs,
    budget_jobs,
    closing_job,
    limit_job,
    preemption_job,
)
from gpu_management.core.cache import Cache
from gpu_management.core.clock import Clock, utc_now
from gpu_management.core.database import Database, open_database
from gpu_management.core.http import Runtime
from gpu_management.core.schema import upgrade, wait_for_others
from gpu_management.core.settings import Settings, auth_enforced
from gpu_management.core.settings_items import SettingsError
from gpu_management.costs.admission import admission
from gpu_management.costs.budgets import Purse
from gpu_management.costs.currency import OtherCurrency
from gpu_management.costs.currency import settle as settle_currency
from gpu_management.costs.service import Desk
from gpu_management.costs.tally import Tally
from gpu_management.devices import library
from gpu_management.devices import service as devices
from gpu_management.devices.bulk import settle_pools
from gpu_management.mig import service as mig
from gpu_management.notifications.courier import Courier
from gpu_management.rates import service as rates
from gpu_management.rates.pricing import LIST_CURRENCY, SliceRule

_WRITERS_ON_POSTGRES = 2
"""Requests of one replica that write at once: one decides under the lock, the next gets ready."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process ready to serve."""

    settings: Settings
    database: Database
    office: Office
    security: Security
    app: FastAPI
    loops: Loops
    clock: Clock
    courier: Courier


class DatabaseUnreachable(Exception):
    """The database did not answer in the time the settings give it."""


def open_from(settings: Settings) -> Database:
    """Open the database, waiting for it as long as the settings say.

    Raises:
        DatabaseUnreachable: it did not answer.
    """
    import stamina

    database = open_database(
        settings.database.connect_url().get_secret_value(),
        pool_size=settings.database.maximum_pool_size,
        connect_timeout_seconds=settings.database.connect_timeout_seconds,
        schema=settings.database.schema_name,
    )
    try:
        for attempt in stamina.retry_context(
            on=OperationalError,
            attempts=None,
            timeout=settings.database.start_retry_seconds,
            wait_max=2.0,
        ):
            with attempt, database.engine.connect():
                pass
    except OperationalError as refused:
        reason = str(refused.orig).strip().splitlines()[0] if refused.orig else str(refused)
        raise DatabaseUnreachable(
            f"the database {database.engine.url.render_as_string()} does not answer: {reason}"
        ) from refused
    return database


def prepare(
    database: Database, cluster_name: str, clock: Clock, *, currency: str = LIST_CURRENCY
) -> None:
    """Migrate the database and write what every installation starts with.

    Raises:
        SettingsError: the amounts of the database are of another currency.
    """
    upgrade(database)
    now = clock()
    with database.write() as session:
        wait_for_others(session.connection())
        devices.ensure_cluster(session, cluster_name, now=now)
        library.seed_catalog(session)
        session.flush()
        mig.seed_profiles(session)
        try:
            settle_currency(session, currency)
        except OtherCurrency as other:
            raise SettingsError([f"billing.currency: {other}"]) from other
        rates.seed_list_prices(session, now=now, currency=currency)


def security_of(settings: Settings, database: Database) -> tuple[Security, list[Job]]:
    """Return how callers are treated, and the jobs that keep it up to date."""
    issued = IssuedKeys(database)
    jobs = []
    authenticators: list[IssuedKeys | MountedKeys] = [issued]
    if settings.security.api_keys_dir is not None:
        mounted = MountedKeys(settings.security.api_keys_dir)
        authenticators.append(mounted)
        seconds = settings.scheduling.api_keys_seconds
        jobs.append(
            Job(
                "api-keys",
                seconds,
                lambda _: auth_jobs.reload_mounted_keys(mounted),
                everywhere=True,
            )
        )
    security = Security(
        mode=Mode.ENFORCED if auth_enforced(settings) else Mode.DISABLED,
        authenticators=tuple(authenticators),
        anonymous_roles=frozenset(map(parse_role, settings.security.anonymous_roles)),
        trusted_networks=tuple(
            TrustedNetwork(trusted.cidr, frozenset(map(parse_role, trusted.roles)), trusted.team)
            for trusted in settings.security.trusted_networks
        ),
        trusted_proxies=tuple(settings.server.trusted_proxies),
        devices_readable=settings.security.devices_readable,
    )

    def flush(_now: object) -> None:
        with database.write() as session:
            auth_jobs.flush_last_used(session, issued)
            auth_jobs.flush_refusals(session, security)

    jobs.append(Job("auth-flush", 30, flush, everywhere=True))
    return security, jobs


def build(settings: Settings, *, clock: Clock = utc_now) -> Process:
    """Open, migrate and assemble.

    Raises:
        DatabaseUnreachable: the database did not answer.
        SettingsError: the database does not fit the settings.
    """
    database = open_from(settings)
    prepare(database, settings.cluster.name, clock, currency=settings.billing.currency)
    with database.write() as session:
        settle_pools(session, settings.cluster.name, settings.billing.node_pool_labels, now=clock())
    keeper = rates.BookKeeper(SliceRule(settings.billing.slice_rule))
    tally = Tally(database, keeper, ZoneInfo(settings.billing.timezone))
    purse = Purse(tally, settings.cluster.name, settings.billing.currency)
    office = Office(
        Placer(settings.cluster.name, keeper=keeper),
        checks=(admit_team, admission(purse)),
        aging_seconds=settings.allocations.aging_seconds,
        enforcement=rules_of(settings),
    )
    with database.read() as session:
        office.placer.refresh(session)
    security, auth_work = security_of(settings, database)
    parts = replace(
        _parts(settings, database, office, security, clock=clock, keeper=keeper), purse=purse
    )
    jobs = allocation_jobs(
        database,
        office,
        expiry_seconds=settings.scheduling.expiry_seconds,
        queue_seconds=settings.scheduling.queue_seconds,
    )
    if settings.allocations.preemption:
        notice = settings.allocations.preemption_notice_seconds
        seconds = settings.scheduling.queue_seconds
        jobs.append(preemption_job(database, office, notice_seconds=notice, seconds=seconds))
    money = _money_jobs(settings, database, purse, keeper)
    money.append(closing_job(database, parts.desk))
    jobs += cluster_jobs(settings, database, clock, office)
    jobs.append(purge_job(database, settings.retention))
    store = parts.metrics_store
    jobs += wiring_metrics.jobs_of(database, settings.metrics, store)
    jobs += alert_jobs(settings, database, store, parts.desk)
    courier, sending = wiring_notifications.courier_of(
        settings, database, clock, parts.notification_terms
    )
    jobs += sending
    seconds = settings.metrics.collection_interval_seconds
    jobs.append(reclaim_job(database, store, settings.optimization, interval_seconds=seconds))
    loops = Loops(clock, Leader(database), [*jobs, *money, *auth_work])
    return Process(settings, database, office, security, create_app(parts), loops, clock, courier)


def _money_jobs(
    settings: Settings, database: Database, purse: Purse, keeper: rates.BookKeeper
) -> list[Job]:
    """Return the jobs of budgets and of cost limits."""
    timers = settings.scheduling
    limit = limit_job(
        database, keeper, currency=settings.billing.currency, seconds=timers.expiry_seconds
    )
    return [limit, *budget_jobs(database, purse, seconds=timers.budgets_seconds)]


def _parts(
    settings: Settings,
    database: Database,
    office: Office,
    security: Security,
    *,
    clock: Clock,
    keeper: rates.BookKeeper,
) -> Parts:
    writers = 1 if database.is_sqlite else _WRITERS_ON_POSTGRES
    note = None
    if security.mode is Mode.DISABLED:
        note = "Development mode: authentication is off, everybody may do everything."
    return Parts(
        runtime=Runtime(
            database=database,
            clock=clock,
            write_gate=anyio.Semaphore(writers),
            cluster_name=settings.cluster.name,
            envelope_agents=tuple(settings.api.envelope_user_agents),
            strict_fields=settings.api.strict_fields,
        ),
        security=security,
        office=office,
        desk=Desk(
            settings.billing.currency,
            ZoneInfo(settings.billing.timezone),
            keeper,
            settings.metrics.collection_interval_seconds,
        ),
        context_path=settings.server.context_path,
        slow_seconds=settings.api.slow_call_seconds,
        default_wait_seconds=settings.allocations.max_wait_seconds,
        metrics_public=settings.metrics.public,
        rate_limit_per_minute=settings.api.rate_limit_per_minute,
        insecure_note=note,
        node_pool_labels=settings.billing.node_pool_labels,
        max_rate_per_hour=settings.billing.max_rate_per_hour,
        mig_method=method_of(settings),
        alert_rules=alert_rules(settings),
        notification_terms=wiring_notifications.terms_of(settings),
        mig_by_collectors=settings.cluster.mig_by_collectors,
        dashboard=dashboard.built(),
        intake=wiring_metrics.intake_of(settings.metrics),
        metrics_store=wiring_metrics.store_of(settings.metrics),
        cache=Cache(
            enabled=settings.cache.enabled,
            ttl_seconds=settings.cache.ttl_seconds,
            max_size=settings.cache.max_size,
        ),
    )
