"""Wire notifications: the rules and channels of the settings, and the job that sends."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import SecretStr

from gpu_management.controller.loops import Job
from gpu_management.core.clock import Clock
from gpu_management.core.database import Database
from gpu_management.core.settings import Settings
from gpu_management.core.settings_items import SettingsError
from gpu_management.core.settings_notifications import (
    Mail,
    Notification,
    PagerDuty,
    Slack,
    Teams,
    WebhookEndpoint,
)
from gpu_management.notifications import feed, service, slack, teams
from gpu_management.notifications.courier import Courier
from gpu_management.notifications.guard import Outbound
from gpu_management.notifications.models import ChannelKind
from gpu_management.notifications.pacing import Pace, Retry
from gpu_management.notifications.posts import Target, format_of
from gpu_management.notifications.templates import Template, TemplateInvalid, parse
from gpu_management.notifications.terms import Configured, MailServer, Terms


def terms_of(settings: Settings) -> Terms:
    """Return how notifications are sent.

    Raises:
        SettingsError: a template cannot be used.
    """
    told = settings.alerts.notification
    attempts = settings.webhooks.retry
    backoff = timedelta(milliseconds=attempts.backoff_ms)
    problems: list[str] = []
    slack_own = _templates("slack", told.slack.templates, problems)
    teams_own = _templates("teams", told.teams.templates, problems)
    problems += _zone_problems(told.quiet_hours.timezone)
    if problems:
        raise SettingsError(problems)
    return Terms(
        outbound=Outbound(tuple(told.allowed_networks), told.allow_http),
        timeout_seconds=told.timeout_seconds,
        people=Retry(attempts.max_attempts, backoff, timedelta(seconds=told.keep_trying_seconds)),
        machines=Retry(attempts.max_attempts, backoff),
        pace=Pace(told.max_per_minute),
        secrets_dir=told.secrets_dir,
        ca_file=told.ca_file,
        mail=_mail_server(told.mail),
        configured=(*_people(told), *_machines(settings)),
        slack_templates={**slack.default_templates(), **slack_own},
        teams_templates={**teams.default_templates(), **teams_own},
    )


def courier_of(
    settings: Settings, database: Database, clock: Clock, terms: Terms
) -> tuple[Courier, list[Job]]:
    """Return what carries notifications, and the job that keeps it going."""
    with database.write() as session:
        service.settle(session, terms.configured, now=clock())
        feed.begin(session)
    courier = Courier(database, terms, clock)
    told = settings.alerts.notification
    if not told.enabled:
        return courier, []
    return courier, [Job("notifications", told.poll_seconds, courier.tick)]


def _templates(place: str, own: Mapping[str, str], problems: list[str]) -> dict[str, Template]:
    found = {}
    for name, text in own.items():
        try:
            found[name] = parse(text)
        except TemplateInvalid as unfit:
            problems.append(f"alerts.notification.{place}.templates[{name}]: {unfit}")
    return found


def _zone_problems(name: str) -> list[str]:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return [f"alerts.notification.quiet-hours.timezone: {name} is no time zone known here"]
    return []


def _people(told: Notification) -> Iterator[Configured]:
    """Yield the channels that tell people; one without an address is none."""
    card = {"format": told.teams.format}
    to = {"recipients": list(told.mail.recipients)}
    key = _secret(told.pagerduty.routing_key)
    there = {"routing_key": key, "url": told.pagerduty.url} if key else {}
    if told.slack.webhook_url:
        url = _secret(told.slack.webhook_url)
        yield _person(ChannelKind.SLACK, told.slack, told, secrets={"url": url})
    if told.teams.webhook_url:
        url = _secret(told.teams.webhook_url)
        yield _person(ChannelKind.TEAMS, told.teams, told, secrets={"url": url}, options=card)
    if there:
        yield _person(ChannelKind.PAGERDUTY, told.pagerduty, told, secrets=there)
    if told.mail.host and told.mail.recipients:
        yield _person(ChannelKind.MAIL, told.mail, told, secrets={}, options=to)


def _person(
    kind: ChannelKind,
    section: Slack | Teams | PagerDuty | Mail,
    told: Notification,
    *,
    secrets: Mapping[str, str | None],
    options: Mapping[str, Any] | None = None,
) -> Configured:
    route = {"events": _events(section.events), "min_severity": section.min_severity}
    known = {name: value for name, value in secrets.items() if value}
    extra = {**(options or {}), "quiet_hours": _quiet(told)}
    return Configured(kind.value, kind, route, extra, known, enabled=section.enabled)


def _machines(settings: Settings) -> Iterator[Configured]:
    """Yield the endpoints of `webhooks`; those without an address are skipped (WHK-01)."""
    for endpoint in settings.webhooks.endpoints:
        url = _secret(endpoint.url)
        if url:
            yield _endpoint(endpoint, url, enabled=settings.webhooks.enabled)


def _endpoint(endpoint: WebhookEndpoint, url: str, *, enabled: bool) -> Configured:
    form = format_of(Target(ChannelKind.WEBHOOK, url, endpoint.format))
    secrets: dict[str, Any] = {
        "url": url,
        "headers": {name: value.get_secret_value() for name, value in endpoint.headers.items()},
    }
    own = _secret(endpoint.secret)
    if own:
        secrets["routing_key" if form == "pagerduty" else "signing_secret"] = own
    route = {"events": _events(endpoint.events), "min_severity": "info"}
    options = {"format": endpoint.format}
    return Configured(
        endpoint.name[:100], ChannelKind.WEBHOOK, route, options, secrets, enabled=enabled
    )


def _events(patterns: tuple[str, ...]) -> list[str]:
    return [] if "*" in patterns else list(patterns)


def _quiet(told: Notification) -> dict[str, str] | None:
    hours = told.quiet_hours
    if hours.begin is None:
        return None
    return {"from": hours.begin, "until": hours.until, "timezone": hours.timezone}


def _mail_server(told: Mail) -> MailServer | None:
    if not told.host:
        return None
    return MailServer(
        told.host,
        told.port,
        tls=told.tls,
        username=told.username,
        password=_secret(told.password),
        sender=told.sender,
    )


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None
