"""What an event says to people: title, sentence and severity of each kind. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gpu_management.core.text import one_line
from gpu_management.notifications.messages import Message, Severity

ALERT: Final = "alert."
FIRING: Final = "alert.firing"
RESOLVED: Final = "alert.resolved"
TEST: Final = "notification.test"
OVERHEATING: Final = "device.overheating"
_HEAT: Final = frozenset({"GPUHighTemperature", "GPUNearSlowdownTemperature"})
"""Alerts that the integration guide knows as the event `device.overheating`."""
_SUBJECTS: Final = ("deviceId", "device_id", "gpu", "node", "instance")
"""Labels that name what an alert is about, the nearest first."""
_STATE: Final = {
    "alert.acknowledged": "Acknowledged: ",
    "alert.escalated": "Nobody answered yet: ",
    RESOLVED: "Resolved: ",
}
_LONGEST_TITLE: Final = 150
_LONGEST_TEXT: Final = 2000
_SEVERITIES: Final = {
    "critical": Severity.CRITICAL,
    "error": Severity.ERROR,
    "high": Severity.ERROR,
    "warning": Severity.WARNING,
    "medium": Severity.WARNING,
    "info": Severity.INFO,
    "low": Severity.INFO,
    "none": Severity.INFO,
}
"""Words for severity that rules use; PagerDuty knows four (D-23)."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, as far as people are told of it."""

    kind: str
    subject_kind: str
    subject_id: str
    details: Mapping[str, Any]
    at: datetime


_SAID: Final[Mapping[str, tuple[Severity, str, str]]] = {
    "allocation.created": (
        Severity.INFO,
        "GPU allocated",
        "{allocationId} holds {allocatedResource}",
    ),
    "allocation.released": (Severity.INFO, "GPU released", "{allocationId} gave its GPUs back"),
    "allocation.failed": (Severity.ERROR, "GPU allocation failed", "{allocationId}: {message}"),
    "allocation.expiring": (
        Severity.WARNING,
        "GPU allocation ends soon",
        "{allocationId} of {namespace}/{podName} ends in a quarter of an hour",
    ),
    "allocation.cost-limit": (
        Severity.WARNING,
        "GPU allocation nears its cost limit",
        "{allocationId} of {namespace}/{podName}: {message}",
    ),
    "allocation.preempting": (
        Severity.WARNING,
        "GPU allocation gives way",
        "{allocationId} of {namespace}/{podName}: {message}",
    ),
    "device.failure": (Severity.CRITICAL, "GPU failed", "{deviceId} ({modelId}): {reason}"),
    "device.state": (Severity.INFO, "GPU changed its state", "{deviceId} is {state}: {reason}"),
    "cluster.away": (Severity.ERROR, "Cluster cannot be read", "{cluster}: {message}"),
    "cluster.back": (Severity.INFO, "Cluster can be read again", "{cluster} answers"),
    "budget.threshold": (
        Severity.WARNING,
        "Budget warning",
        "{scope} {scopeName} has spent {spent} of {amount} ({mark})",
    ),
    "budget.run-rate": (
        Severity.WARNING,
        "Budget will be passed",
        "{scope} {scopeName} will have spent {projected} of {amount}",
    ),
    "mig.plan.failed": (Severity.ERROR, "Repartition plan failed", "{planId}: {message}"),
    "mig.plan.paused": (Severity.WARNING, "Repartition plan waits", "{planId}: {message}"),
    "notification.failing": (
        Severity.ERROR,
        "Notifications do not arrive",
        "channel {channel}: {message}",
    ),
    TEST: (Severity.INFO, "Test of notifications", "Channel {channel} works; {by} asked for this"),
}
"""Severity, title and sentence by kind; other kinds speak for themselves."""


def message_of(happened: Happened) -> Message:
    """Return what there is to tell of an event."""
    if happened.kind.startswith(ALERT):
        return _of_alert(happened)
    fallback = (Severity.INFO, happened.kind, _plain_text(happened))
    severity, title, sentence = _SAID.get(happened.kind, fallback)
    known = _Known(happened.details, happened.subject_id)
    text = sentence if happened.kind not in _SAID else sentence.format_map(known)
    return Message(
        kind=happened.kind,
        severity=severity,
        title=title,
        text=_cut(text, _LONGEST_TEXT),
        at=happened.at,
        subject_kind=happened.subject_kind,
        subject_id=happened.subject_id,
        details=happened.details,
        since=happened.at,
    )


class _Known(dict[str, Any]):
    """Values for a sentence; what is not known reads `-`, or is the subject's own name."""

    def __init__(self, details: Mapping[str, Any], subject_id: str) -> None:
        super().__init__({name: value for name, value in details.items() if value is not None})
        self._subject_id = subject_id

    def __missing__(self, name: str) -> str:
        return self._subject_id if name.endswith("Id") or name == "cluster" else "-"


def _plain_text(happened: Happened) -> str:
    said = happened.details.get("message")
    return f"{happened.subject_kind} {happened.subject_id}" + (f": {said}" if said else "")


def _of_alert(happened: Happened) -> Message:
    """Read an alert's event: name, severity, labels, annotations, startsAt, value."""
    told = happened.details
    labels, notes = _mapping(told.get("labels")), _mapping(told.get("annotations"))
    name = str(told.get("name") or labels.get("alertname") or happened.subject_id)
    text = notes.get("description") or notes.get("summary") or f"{name} on {_place(labels)}"
    title = _STATE.get(happened.kind, "") + str(notes.get("summary") or name)
    return Message(
        kind=happened.kind,
        severity=severity_of(told.get("severity") or labels.get("severity")),
        title=_cut(title, _LONGEST_TITLE),
        text=_cut(str(text), _LONGEST_TEXT),
        at=happened.at,
        subject_kind=happened.subject_kind,
        subject_id=happened.subject_id,
        resolved=happened.kind == RESOLVED,
        details=_flat(told, labels, name=name),
        also=OVERHEATING if name in _HEAT and happened.kind == FIRING else None,
        since=moment(told.get("startsAt")) or happened.at,
    )


def is_hushed(happened: Happened) -> bool:
    """Return whether an alert is silenced: nobody is told that it fires."""
    return happened.kind.startswith(ALERT) and happened.details.get("silenced") is True


def severity_of(word: object) -> Severity:
    """Return the severity that a rule's word means; a warning where it is unknown."""
    text = word.casefold() if isinstance(word, str) else ""
    return _SEVERITIES.get(text, Severity.WARNING)


def moment(text: object) -> datetime | None:
    """Read a moment with its zone; None for anything else."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _flat(told: Mapping[str, Any], labels: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """Return the facts a channel shows; the labels stand beside them for routing."""
    allocations = told.get("allocations")
    facts = {
        "alert": name,
        "alertId": told.get("alertId"),
        "deviceId": told.get("deviceId") or _first(labels, *_SUBJECTS),
        "node": told.get("nodeName") or _first(labels, "node", "Hostname", "instance"),
        "value": told.get("value"),
        "threshold": told.get("threshold") or labels.get("threshold"),
        "state": told.get("state"),
        "startsAt": told.get("startsAt"),
        "endsAt": told.get("endsAt"),
        "acknowledgedBy": told.get("acknowledgedBy"),
        "allocations": ", ".join(map(str, allocations)) if isinstance(allocations, list) else None,
        "labels": dict(labels) or None,
    }
    if name in _HEAT:
        facts["temperature"] = told.get("value")
    return {key: value for key, value in facts.items() if value is not None and value != ""}


def _place(labels: Mapping[str, Any]) -> str:
    return _first(labels, *_SUBJECTS) or "the fleet"


def _first(labels: Mapping[str, Any], *names: str) -> str | None:
    return next((str(labels[name]) for name in names if labels.get(name)), None)


def _mapping(told: object) -> Mapping[str, Any]:
    return told if isinstance(told, Mapping) else {}


def _cut(text: str, longest: int) -> str:
    plain = one_line(text)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"
