"""What there is to tell, before a channel gives it its form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from gpu_management.core.clock import wire_time


class Severity(StrEnum):
    """How bad it is; the words of the PagerDuty events API, least first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return its place, from 0 for the least."""
        return list(Severity).index(self)


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
    also: str | None = None
    """Another name of its kind: an alert about heat is a `device.overheating` too."""
    since: datetime | None = None
    """When what it is about began; of an alert, the same when it fires and when it is over."""


def to_json(message: Message) -> dict[str, Any]:
    """Return a message as it is kept with its delivery."""
    return {
        "kind": message.kind,
        "severity": message.severity.value,
        "title": message.title,
        "text": message.text,
        "at": wire_time(message.at),
        "subject_kind": message.subject_kind,
        "subject_id": message.subject_id,
        "resolved": message.resolved,
        "details": dict(message.details),
        "also": message.also,
        "since": wire_time(message.since) if message.since else None,
    }


def from_json(kept: Mapping[str, Any]) -> Message:
    """Return the message that was kept."""
    since = kept["since"]
    told = {
        **kept,
        "severity": Severity(kept["severity"]),
        "at": datetime.fromisoformat(kept["at"]),
        "since": datetime.fromisoformat(since) if since else None,
    }
    return Message(**told)


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
