"""What there is to tell, before a channel gives it its form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad it is; the words of the PagerDuty events API, least first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell; `kind` is an event's, such as `device.overheating`."""

    kind: str
    severity: Severity
    title: str
    text: str
    at: datetime
    subject_kind: str
    subject_id: str
    resolved: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    """Facts by their wire names: `deviceId`, `temperature`, `allocationId` …"""


def template_values(message: Message) -> dict[str, Any]:
    """Return what templates may name: the details, and what every message has."""
    return {
        **message.details,
        "alertType": message.title,
        "message": message.text,
        "severity": message.severity.value,
        "critical": message.severity is Severity.CRITICAL,
        "resolved": message.resolved,
        "timestamp": message.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "eventType": message.kind,
    }
