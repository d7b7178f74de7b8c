"""Wire shapes of alerts and silences (DTO-16)."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from gpu_management.alerts.kinds import Component, Severity
from gpu_management.alerts.models import AlertStatus
from gpu_management.alerts.rules import Compare
from gpu_management.alerts.silences import Matcher, Operator
from gpu_management.alerts.silencing import Wish
from gpu_management.core.problems import FieldError, ValidationFailed
from gpu_management.core.wire import Instant, Moment, Plain, Sentence, WireModel, WireRequest


class Alert(WireModel):
    """Something that holds and somebody should know of, from firing to its end."""

    alert_id: str
    fingerprint: str = Field(description="The same for the same rule and subject, always.")
    alert_type: str = Field(validation_alias="name", description="Name of the rule.")
    severity: Severity
    component: Component
    status: AlertStatus = Field(description="What somebody did about it wins over `firing`.")
    cluster_name: str | None
    device_id: str | None
    node_name: str | None
    team: str | None
    labels: dict[str, str]
    summary: str
    message: str = Field(validation_alias="description")
    value: float | None = Field(description="As it was when it was last looked at.")
    threshold: float
    is_known: bool = Field(description="False: nothing is known of its subject now.")
    started_at: Moment = Field(description="Since when the condition holds.")
    fired_at: Moment = Field(description="Since when it has held long enough.")
    resolved_at: Moment | None
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    comment: str | None
    silence_id: str | None
    escalations: int = Field(description="How often it was told again, as nobody took it on.")
    notifications_sent: int = Field(description="Messages about it that arrived somewhere.")
    allocations: list[str] = Field(description="Who holds the GPU now; of open alerts.")


def read_statuses(text: str | None) -> tuple[AlertStatus, ...]:
    """Read `firing,silenced`; nothing for no text.

    Raises:
        ValidationFailed: a part is no status.
    """
    names = [part.strip() for part in (text or "").split(",") if part.strip()]
    try:
        return tuple(AlertStatus(name) for name in names)
    except ValueError as unknown:
        message = f"status takes {', '.join(AlertStatus)}, with commas between"
        errors = [FieldError("status", "allowed", message, text)]
        raise ValidationFailed(message, errors=errors) from unknown


class AlertRule(WireModel):
    """A rule, and how it stands."""

    name: str
    severity: Severity
    component: Component
    compare: Compare
    threshold: float
    default_threshold: float
    for_seconds: float = Field(description="How long the condition must hold.")
    enabled: bool
    summary: str
    description: str
    firing: int = Field(description="Alerts of it that are open.")
    pending: int = Field(description="Subjects for which it holds, not long enough yet.")
    evaluated_at: Moment | None = Field(description="Null: nobody has looked yet.")


class Acknowledgement(WireRequest):
    """That somebody takes an alert on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"comment": "on it, INC-7"}]})

    comment: Sentence | None = Field(None, max_length=400)


class MatcherTold(WireModel):
    """A condition on a label, such as `deviceId` or `alertname`."""

    name: Plain = Field(min_length=1, max_length=80)
    operator: Operator = Field(
        Operator.IS, description="`~` and `!~` take a pattern, with `*` for anything."
    )
    value: Plain = Field(max_length=300)


def _in_time(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


class SilenceCreate(WireRequest):
    """Alerts that nobody is to be told of; all matchers must fit."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "matchers": [{"name": "instance", "operator": "=", "value": "gpu-worker-1"}],
                    "endsAt": "2036-01-02T03:04:05Z",
                    "comment": "the fans are being replaced",
                }
            ]
        }
    )

    matchers: list[MatcherTold] = Field(min_length=1, max_length=20)
    starts_at: Annotated[Instant, AfterValidator(_in_time)] | None = Field(
        None, description="Null: now."
    )
    ends_at: Annotated[Instant, AfterValidator(_in_time)]
    comment: Sentence = Field(min_length=1, max_length=400)

    def wish(self) -> Wish:
        """Return it as the service takes it."""
        matchers = tuple(Matcher(one.name, one.operator, one.value) for one in self.matchers)
        return Wish(matchers, self.starts_at, self.ends_at, self.comment)


class Silence(WireModel):
    """A time in which nobody is told of the alerts that match."""

    silence_id: str
    matchers: list[MatcherTold]
    starts_at: Moment
    ends_at: Moment
    comment: str
    created_at: Moment
    created_by: str
