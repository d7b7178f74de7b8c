"""Alerts of an Alertmanager: each change of an alert becomes one event, repeats become none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.core.clock import wire_time
from gpu_management.core.problems import FieldError, ValidationFailed
from gpu_management.core.text import one_line
from gpu_management.events import service as events
from gpu_management.notifications import schemas
from gpu_management.notifications.models import Received
from gpu_management.notifications.telling import moment, severity_of

_LONGEST_VALUE = 1000
_LONGEST_NAME = 200
_AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class Told:
    """An alert that somebody else found."""

    fingerprint: str
    is_firing: bool
    starts_at: datetime
    ends_at: datetime | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def receive(
    session: Session, sent: Sequence[schemas.AlertmanagerAlert], *, now: datetime
) -> dict[str, int]:
    """Write an event for each alert that changed; return how many fired, resolved, are known.

    Raises:
        ValidationFailed: an alert does not say when it began.
    """
    told = [_read(number, alert) for number, alert in enumerate(sent)]
    known = _known(session, [alert.fingerprint for alert in told])
    counts = {"fired": 0, "resolved": 0, "known": 0}
    for alert in told:
        counts[_keep(session, known, alert, now=now)] += 1
    return counts


def _known(session: Session, fingerprints: Sequence[str]) -> dict[str, Received]:
    found: dict[str, Received] = {}
    for start in range(0, len(fingerprints), _AT_A_TIME):
        part = fingerprints[start : start + _AT_A_TIME]
        rows = session.scalars(select(Received).where(Received.fingerprint.in_(part)))
        found |= {row.fingerprint: row for row in rows}
    return found


def _keep(session: Session, known: dict[str, Received], alert: Told, *, now: datetime) -> str:
    row = known.get(alert.fingerprint)
    if row is None:
        if not alert.is_firing:
            return "known"  # it fired before we listened: there is nothing to take back
        row = Received(fingerprint=alert.fingerprint)
        session.add(row)
        known[alert.fingerprint] = row
    elif not _is_news(row, alert):
        row.received_at = now
        return "known"
    row.starts_at, row.is_firing, row.received_at = alert.starts_at, alert.is_firing, now
    kind = "alert.firing" if alert.is_firing else "alert.resolved"
    events.record(
        session,
        kind,
        subject_kind="alert",
        subject_id=_alert_id(alert),
        data=_data(alert),
        now=now,
        team=alert.labels.get("team", "")[:100] or None,
        namespace=alert.labels.get("namespace", "")[:63] or None,
    )
    return "fired" if alert.is_firing else "resolved"


def _is_news(row: Received, alert: Told) -> bool:
    """Say whether it changed; what was sent late about an earlier time did not."""
    if alert.starts_at != row.starts_at:
        return alert.is_firing and alert.starts_at > row.starts_at
    return row.is_firing and not alert.is_firing


def _alert_id(alert: Told) -> str:
    return f"{alert.fingerprint}-{int(alert.starts_at.timestamp())}"


def _data(alert: Told) -> dict[str, Any]:
    name = alert.labels.get("alertname", "alert")
    return {
        "alertId": _alert_id(alert),
        "fingerprint": alert.fingerprint,
        "name": name,
        "severity": severity_of(alert.labels.get("severity")).value,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": wire_time(alert.starts_at),
        "endsAt": wire_time(alert.ends_at) if alert.ends_at else None,
        "value": None,
        "state": "firing" if alert.is_firing else "resolved",
        "source": "alertmanager",
    }


def _read(number: int, alert: schemas.AlertmanagerAlert) -> Told:
    starts_at = moment(alert.starts_at)
    if starts_at is None:
        message = f"alert {number} has no startsAt with a time zone"
        field = f"alerts.{number}.startsAt"
        raise ValidationFailed(message, errors=[FieldError(field, "format", message)])
    is_firing = alert.status == "firing"
    return Told(
        alert.fingerprint,
        is_firing,
        starts_at,
        None if is_firing else moment(alert.ends_at),
        _cut(alert.labels),
        _cut(alert.annotations),
    )


def _cut(told: Mapping[str, str]) -> dict[str, str]:
    return {
        one_line(name)[:_LONGEST_NAME]: one_line(value)[:_LONGEST_VALUE]
        for name, value in told.items()
    }
