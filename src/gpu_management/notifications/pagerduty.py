"""PagerDuty: Events API v2 (https://developer.pagerduty.com/docs/events-api-v2). Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gpu_management.notifications.messages import Message, Severity

URL: Final = "https://events.pagerduty.com/v2/enqueue"
COMPONENT: Final = "gpu-management"
GROUP: Final = "gpu-cluster"
CLASS: Final = "gpu-hardware"
_ACKNOWLEDGED: Final = "alert.acknowledged"
_LONGEST_SUMMARY: Final = 1024
_LONGEST_KEY: Final = 255


def dedup_key(source: str, component: str, at: datetime) -> str:
    """Return the key of an alert: by source, component and the UTC day it began.

    It is made once and stored with the alert, so that it resolves after midnight too (D-23).
    """
    day = at.astimezone(UTC).strftime("%Y%m%d")
    return f"gpu-{source}-{component}-{day}"[:_LONGEST_KEY]


def trigger(  # noqa: PLR0913 - the fields of the API
    routing_key: str,
    *,
    key: str,
    severity: Severity,
    summary: str,
    source: str,
    component: str = COMPONENT,
    group: str = GROUP,
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the JSON that opens an incident, or adds to the open one of the same key."""
    return {
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": key,
        "payload": {
            "summary": summary[:_LONGEST_SUMMARY],
            "source": source,
            "severity": severity.value,
            "component": component,
            "group": group,
            "class": CLASS,
            "custom_details": dict(details or {}),
        },
    }


def resolve(routing_key: str, *, key: str) -> dict[str, Any]:
    """Return the JSON that closes the incident of a key."""
    return {"routing_key": routing_key, "event_action": "resolve", "dedup_key": key}


def acknowledge(routing_key: str, *, key: str) -> dict[str, Any]:
    """Return the JSON that says somebody is at it."""
    return {"routing_key": routing_key, "event_action": "acknowledge", "dedup_key": key}


def body(message: Message, routing_key: str, *, key: str) -> dict[str, Any]:
    """Return the JSON that PagerDuty is sent for a message."""
    if message.resolved:
        return resolve(routing_key, key=key)
    if message.kind == _ACKNOWLEDGED:
        return acknowledge(routing_key, key=key)
    return trigger(
        routing_key,
        key=key,
        severity=message.severity,
        summary=message.text,
        source=message.subject_id,
        details=_details(message.details),
    )


def _details(details: Mapping[str, Any]) -> dict[str, Any]:
    """Temperatures carry their unit, as the integration guide shows them."""
    told = {name: value for name, value in details.items() if value is not None}
    for name in ("temperature", "threshold"):
        if isinstance(told.get(name), int | float):
            told[name] = f"{float(told[name])}°C"
    return told
