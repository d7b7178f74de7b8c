"""Wire shapes of notifications."""

from datetime import time
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, SecretStr

from gpu_management.core.wire import Moment, Plain, Sentence, WireInt, WireModel, WireRequest
from gpu_management.notifications.messages import Severity
from gpu_management.notifications.models import ChannelKind, DeliveryState, Origin

_EVENTS_AT_MOST = 50
_FILE_NOTE = "`file:NAME` reads it from the folder of secrets (`alerts.notification.secrets-dir`)."


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name[:60]} is no time zone known here, such as Asia/Seoul") from error


def _time_of_day(text: object) -> object:
    if not isinstance(text, str):
        raise ValueError("is a time of day such as 22:00")  # noqa: TRY004 - a field error
    return text


TimeOfDay = Annotated[
    time, BeforeValidator(_time_of_day), Field(json_schema_extra={"examples": ["22:00"]})
]


class QuietHours(WireModel):
    """When only what is critical is told; the rest waits until `until`."""

    begin: TimeOfDay = Field(alias="from", description="Time of day.")
    until: TimeOfDay = Field(description="Time of day, of the next day where it is not after from.")
    timezone: Annotated[str, AfterValidator(_known_zone)] = Field("UTC", max_length=60)


class ChannelUpdate(WireRequest):
    """What of a channel may be changed; secrets that are not told stay as they are."""

    enabled: bool = Field(default=True, description="Off: nothing is told, and nothing kept.")
    events: list[Plain] = Field(
        default_factory=list,
        max_length=_EVENTS_AT_MOST,
        description="Kinds it wants, such as `alert.firing` or `device.*`; none: all of them.",
    )
    min_severity: Severity = Field(Severity.INFO, description="What is less is not told.")
    teams: list[Plain] = Field(
        default_factory=list,
        max_length=_EVENTS_AT_MOST,
        description="Only what is about these teams; none: whatever it is about.",
    )
    labels: dict[Plain, Plain] = Field(
        default_factory=dict,
        max_length=20,
        description="Only what carries these labels or details.",
    )
    # Their length is weighed in `fitness`: what fails here is sent back with its value.
    url: SecretStr | None = Field(None, description=f"Address; never shown. {_FILE_NOTE}")
    routing_key: SecretStr | None = Field(
        None, description=f"PagerDuty's key; never shown. {_FILE_NOTE}"
    )
    signing_secret: SecretStr | None = Field(
        None,
        description=f"Signs webhooks (standardwebhooks.com), base64; never shown. {_FILE_NOTE}",
    )
    headers: dict[str, SecretStr] | None = Field(
        None,
        max_length=20,
        description="Headers that replace or join the usual ones; values are never shown.",
    )
    recipients: list[str] = Field(
        default_factory=list, max_length=50, description="Mail addresses."
    )
    format: str = Field(
        "auto",
        pattern="^(auto|generic|slack|teams|messagecard|adaptivecard|pagerduty)$",
        description="Body; auto tells Slack, Teams and PagerDuty by their host.",
    )
    quiet_hours: QuietHours | None = None
    max_per_minute: WireInt | None = Field(
        None,
        ge=1,
        le=600,
        description="Messages a minute; what is more is told together in one. None: 10 for people,"
        " no limit for webhooks.",
    )
    note: Sentence | None = Field(None, max_length=400)


class ChannelCreate(ChannelUpdate):
    """A channel to add."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "gpu-ops",
                    "kind": "slack",
                    "url": "https://hooks.slack.com/services/T0/B0/example",
                    "events": ["alert.*", "device.failure"],
                    "minSeverity": "warning",
                }
            ]
        }
    )

    name: Plain = Field(min_length=1, max_length=100, description="How people call it; unique.")
    kind: ChannelKind


class Channel(WireModel):
    """A channel; of its secrets only the names."""

    id: int
    name: str
    kind: ChannelKind
    origin: Origin = Field(description="`settings`: it is changed in the settings of the server.")
    enabled: bool
    events: list[str]
    min_severity: Severity
    teams: list[str]
    labels: dict[str, str]
    host: str | None = Field(description="Host of its address; the rest of it is secret.")
    secrets: list[str] = Field(description="Names of the secrets that are set.")
    recipients: list[str]
    format: str
    quiet_hours: QuietHours | None
    max_per_minute: int | None
    note: str | None
    waiting: int = Field(description="Messages that are still to be sent.")
    dead: int = Field(description="Messages that were given up; replay sends them again.")
    failing_since: Moment | None = Field(description="When it began to fail; null while it works.")
    last_sent_at: Moment | None
    created_at: Moment
    created_by: str


class Delivery(WireModel):
    """One message for one channel, and what became of it."""

    id: int
    channel_id: int
    event_id: int | None
    kind: str
    severity: str
    subject_kind: str
    subject_id: str
    team: str | None
    title: str
    text: str
    state: DeliveryState
    attempts: int
    due_at: Moment
    digest_id: int | None = Field(description="The delivery that told of this one as well.")
    created_at: Moment
    sent_at: Moment | None
    error: str | None = Field(description="Why the last attempt was in vain.")


class Replayed(WireModel):
    """How many deliveries are sent again."""

    replayed: int


class AlertmanagerAlert(WireModel):
    """An alert as an Alertmanager sends it."""

    status: str = Field(pattern="^(firing|resolved)$")
    labels: dict[str, str] = Field(default_factory=dict, max_length=100)
    annotations: dict[str, str] = Field(default_factory=dict, max_length=100)
    starts_at: Annotated[str, Field(max_length=40)]
    ends_at: Annotated[str | None, Field(max_length=40)] = None
    fingerprint: Annotated[str, Field(min_length=1, max_length=64, pattern="^[0-9A-Za-z_-]+$")]
    generator_url: Annotated[str | None, Field(alias="generatorURL", max_length=2000)] = None


class AlertmanagerMessage(WireModel):
    """The body of an Alertmanager webhook, version 4."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": "4",
                    "status": "firing",
                    "alerts": [
                        {
                            "status": "firing",
                            "labels": {"alertname": "GPUHighTemperature", "severity": "warning"},
                            "annotations": {"summary": "GPU 0 is hot"},
                            "startsAt": "2026-03-02T12:00:00Z",
                            "fingerprint": "0f1e2d3c4b5a6978",
                        }
                    ],
                }
            ]
        }
    )

    version: str = "4"
    status: str = "firing"
    alerts: list[AlertmanagerAlert] = Field(max_length=5000)
    truncated_alerts: int = 0


class Taken(WireModel):
    """What became of the alerts that were sent."""

    fired: int
    resolved: int
    known: int = Field(description="Repeats of what was told before.")


Facts = dict[str, Any]
