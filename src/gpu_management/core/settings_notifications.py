"""Settings of what is told outside: channels for people, webhooks for machines."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork, SecretStr

from gpu_management.core.settings_values import (
    FractionalSeconds,
    Milliseconds,
    Seconds,
    Section,
    Texts,
    comma_list,
)

_TOLD = ("alert.*", "device.failure", "budget.*", "cluster.*", "mig.plan.failed")
"""What people hear of unless they ask for something else."""

SeverityName = Literal["info", "warning", "error", "critical"]


def _time_of_day(text: str) -> str:
    """Refuse what is no time of day."""
    hours, colon, minutes = text.partition(":")
    if not (colon and hours.isdecimal() and minutes.isdecimal()):
        raise ValueError("is no time of day such as 22:00")
    if not (int(hours) < 24 and int(minutes) < 60):  # noqa: PLR2004 - hours and minutes
        raise ValueError("is no time of day such as 22:00")
    return f"{int(hours):02}:{int(minutes):02}"


TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]


class Slack(Section):
    """Messages to a Slack channel."""

    enabled: bool = Field(default=True, description="Send to Slack; needs the address as well.")
    webhook_url: SecretStr | None = Field(None, description="Incoming webhook of the channel.")
    events: Texts = Field(_TOLD, description="Kinds of events that are told; * for all.")
    min_severity: SeverityName = Field("info", description="What is less is not told.")
    templates: dict[str, str] = Field(
        default_factory=dict, description="Message bodies by name, in place of the built-in ones."
    )


class Teams(Section):
    """Messages to a Microsoft Teams channel."""

    enabled: bool = Field(default=True, description="Send to Teams; needs the address as well.")
    webhook_url: SecretStr | None = Field(None, description="Webhook or workflow of the channel.")
    format: Literal["auto", "messagecard", "adaptivecard"] = Field(
        "auto", description="Kind of card; auto: adaptive cards for workflows, by their host."
    )
    events: Texts = Field(_TOLD, description="Kinds of events that are told; * for all.")
    min_severity: SeverityName = Field("info", description="What is less is not told.")
    templates: dict[str, str] = Field(
        default_factory=dict, description="Message bodies by name, in place of the built-in ones."
    )


class PagerDuty(Section):
    """Incidents at PagerDuty."""

    enabled: bool = Field(default=True, description="Send to PagerDuty; needs the key as well.")
    routing_key: SecretStr | None = Field(None, description="Integration key, Events API v2.")
    url: str | None = Field(None, description="Other address, as for accounts in the EU.")
    events: Texts = Field(
        ("alert.*", "device.failure"), description="Kinds of events that are told."
    )
    min_severity: SeverityName = Field("error", description="What is less is not told.")


class Mail(Section):
    """Mail, handed to one server."""

    enabled: bool = Field(default=True, description="Send mail; needs a host as well.")
    host: str | None = Field(None, description="Server that takes mail (SMTP).")
    port: int = Field(587, ge=1, le=65535, description="Its port.")
    tls: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="Encryption; none sends passwords and alerts in the clear."
    )
    username: str | None = Field(None, description="User at the server; none: no login.")
    password: SecretStr | None = Field(None, description="Password of this user.")
    sender: str = Field("gpu-management@localhost", description="Address in From.")
    recipients: Texts = Field((), description="Who gets what is told; channels may name others.")
    events: Texts = Field(_TOLD, description="Kinds of events that are told; * for all.")
    min_severity: SeverityName = Field("warning", description="What is less is not told.")


class QuietHours(Section):
    """When people are told only what is critical; the rest waits."""

    begin: TimeOfDay | None = Field(None, description="Time of day; none: there are none.")
    until: TimeOfDay = Field("07:00", description="Time of day.")
    timezone: str = Field("UTC", description="Time zone of both, such as Asia/Seoul.")


class Notification(Section):
    """Channels that tell people, and how anything is sent."""

    enabled: bool = Field(default=True, description="Send anything at all.")
    slack: Slack = Field(default_factory=Slack, description="Slack.")
    teams: Teams = Field(default_factory=Teams, description="Microsoft Teams.")
    pagerduty: PagerDuty = Field(default_factory=PagerDuty, description="PagerDuty.")
    mail: Mail = Field(default_factory=Mail, description="Mail.")
    quiet_hours: QuietHours = Field(default_factory=QuietHours, description="Quiet hours.")
    poll_seconds: FractionalSeconds = Field(
        0.5, ge=0.1, description="Between looks for events that are to be told."
    )
    timeout_seconds: FractionalSeconds = Field(
        10.0, gt=0, le=60, description="Longest time one attempt may take."
    )
    max_per_minute: int = Field(
        10, ge=1, description="Messages to people a minute, a channel; more become one digest."
    )
    keep_trying_seconds: Seconds = Field(
        6 * 3600, ge=0, description="How long messages to people are tried, once a minute at last."
    )
    allowed_networks: Annotated[tuple[IPvAnyNetwork, ...], BeforeValidator(comma_list)] = Field(
        (), description="Networks that are no public ones and may be sent to all the same."
    )
    allow_http: bool = Field(default=False, description="Send without encryption as well.")
    ca_file: Path | None = Field(
        None, description="Certificates that are believed beside the usual ones (PEM)."
    )
    secrets_dir: Path | None = Field(
        None, description="Folder of secrets that channels name as file:NAME."
    )


class WebhookEndpoint(Section):
    """One receiver of events."""

    name: str = Field(description="Name in logs and deliveries.")
    url: SecretStr | None = Field(None, description="Address; without one it is skipped.")
    events: Texts = Field((), description="Events it wants, such as allocation.created.")
    headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="Headers that replace or join the usual ones."
    )
    format: Literal["auto", "generic", "slack", "teams", "pagerduty"] = Field(
        "auto", description="Body; auto tells Slack, Teams and PagerDuty by their host."
    )
    secret: SecretStr | None = Field(
        None, description="Signs the body (standardwebhooks.com), base64; PagerDuty's routing key."
    )


class WebhookRetry(Section):
    """How a failed delivery is repeated."""

    max_attempts: int = Field(3, ge=1, description="Attempts for one event.")
    backoff_ms: Milliseconds = Field(1000, ge=0, description="Wait before the second attempt.")


class Webhooks(Section):
    """Events sent to other systems."""

    enabled: bool = Field(default=False, description="Send events to the endpoints.")
    endpoints: tuple[WebhookEndpoint, ...] = Field(
        (), description="Receivers: [{name, url, events, headers, format, secret}]."
    )
    retry: WebhookRetry = Field(default_factory=WebhookRetry, description="Repeats.")
