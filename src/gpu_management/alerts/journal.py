"""Write down what a look found: alerts that fire and end, each with its event."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from gpu_management.alerts import memory, silences
from gpu_management.alerts.evaluator import News
from gpu_management.alerts.machine import Move
from gpu_management.alerts.models import Alert, Silence
from gpu_management.alerts.silences import Hush
from gpu_management.allocations.models import Allocation, Hold
from gpu_management.core.clock import wire_time
from gpu_management.core.database import table_of
from gpu_management.devices.models import Device
from gpu_management.events import service as events

MOST_ESCALATIONS: Final = 3
"""An alert that nobody takes on is told of again so often at most."""
_AT_ONCE: Final = 500
_MOST_NAMED: Final = 20
"""Allocations that an event names at most."""
_TABLE: Final = table_of(Alert)
_ADD: Final = insert(_TABLE)
_TOUCH: Final = (
    update(_TABLE)
    .where(_TABLE.c.open_fingerprint == bindparam("told"))
    .values(value=bindparam("figure"))
)


@dataclass(frozen=True, slots=True)
class Terms:
    """How alerts of this house are written down; `escalate_after` None: never told again."""

    cluster_name: str
    escalate_after: timedelta | None = None


def write(session: Session, news: Sequence[News], terms: Terms, *, now: datetime) -> None:
    """Write down everything a look found."""
    fired = [one for one in news if one.move is Move.FIRED]
    others = {one.fingerprint: one for one in news if one.move is not Move.FIRED}
    if fired:
        _fire(session, fired, terms, now=now)
    for row in _open(session, others):
        _change(session, row, others[row.fingerprint], now=now)


def _fire(session: Session, fired: Sequence[News], terms: Terms, *, now: datetime) -> None:
    hushes = hushes_now(session, now)
    rows = [_row(one, terms, hushes, now) for one in fired]
    for start in range(0, len(rows), _AT_ONCE):
        session.connection().execute(_ADD, rows[start : start + _AT_ONCE])
    held = holders(session, (row["device_id"] for row in rows))
    for row in rows:
        tell(session, "alert.firing", Alert(**row), held=held, now=now)


def _row(news: News, terms: Terms, hushes: Sequence[Hush], now: datetime) -> dict[str, Any]:
    labels = news.labels
    quiet = silences.silenced_by(hushes, labels)
    after = terms.escalate_after
    return {
        "alert_id": str(uuid4()),
        "fingerprint": news.fingerprint,
        "open_fingerprint": news.fingerprint,
        "name": news.rule.name,
        "severity": news.rule.severity,
        "component": news.rule.component,
        "cluster_name": terms.cluster_name,
        "device_id": labels.get("deviceId"),
        "node_name": labels.get("instance"),
        "team": labels.get("team") or None,
        "labels": labels,
        "summary": news.summary[:1000],
        "description": news.description[:2000],
        "value": finite(news.value),
        "threshold": float(news.rule.threshold),
        "standing": memory.written(news.standing),
        "is_known": True,
        "started_at": news.standing.since,
        "fired_at": now,
        "resolved_at": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "comment": None,
        "silence_id": quiet,
        "escalations": 0,
        "escalate_at": None if after is None or quiet else now + after,
    }


def finite(value: float) -> float | None:
    """Return a value that JSON and every database can hold, or None."""
    return value if math.isfinite(value) else None


def _open(session: Session, fingerprints: Iterable[str]) -> list[Alert]:
    wanted = sorted(fingerprints)
    found: list[Alert] = []
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        found += session.scalars(select(Alert).where(Alert.open_fingerprint.in_(some)))
    return found


def _change(session: Session, row: Alert, news: News, *, now: datetime) -> None:
    row.standing = memory.written(news.standing)
    if news.move is not Move.RESOLVED:
        row.is_known = news.move is Move.FOUND
        return
    row.resolved_at, row.open_fingerprint, row.escalate_at = now, None, None
    tell(session, "alert.resolved", row, held={}, now=now)


def tell(
    session: Session,
    kind: str,
    row: Alert,
    *,
    held: Mapping[str, Sequence[str]],
    now: datetime,
) -> None:
    """Write an event about an alert; `held` are the allocations on each device."""
    ends = row.resolved_at
    events.record(
        session,
        kind,
        subject_kind="alert",
        subject_id=row.alert_id,
        data={
            "alertId": row.alert_id,
            "fingerprint": row.fingerprint,
            "name": row.name,
            "severity": row.severity.value,
            "component": row.component.value,
            "state": row.status.value,
            "labels": row.labels,
            "annotations": {"summary": row.summary, "description": row.description},
            "value": row.value,
            "threshold": row.threshold,
            "startsAt": wire_time(row.started_at),
            "endsAt": None if ends is None else wire_time(ends),
            "deviceId": row.device_id,
            "nodeName": row.node_name,
            "allocations": list(held.get(row.device_id or "", ()))[:_MOST_NAMED],
            "silenced": row.silence_id is not None,
            "acknowledgedBy": row.acknowledged_by,
            "escalations": row.escalations,
        },
        now=now,
        team=row.team,
        cluster=row.cluster_name,
    )


def holders(session: Session, device_ids: Iterable[str | None]) -> dict[str, list[str]]:
    """Return the allocations that hold a part of each device now."""
    wanted = sorted({one for one in device_ids if one is not None})
    found: dict[str, list[str]] = defaultdict(list)
    query = (
        select(Device.device_id, Allocation.allocation_id)
        .join(Hold, Hold.device_id == Device.id)
        .join(Allocation, Allocation.allocation_id == Hold.allocation_id)
        .where(Hold.ended_at.is_(None), Device.live_id.is_not(None))
        .order_by(Hold.id)
    )
    for start in range(0, len(wanted), _AT_ONCE):
        some = query.where(Device.live_id.in_(wanted[start : start + _AT_ONCE]))
        for device, allocation in session.connection().execute(some):
            found[device].append(allocation)
    return found


def hushes_now(session: Session, now: datetime) -> list[Hush]:
    """Return the silences that hold now."""
    query = select(Silence).where(Silence.ends_at > now, Silence.starts_at <= now)
    return silences.in_force(session.scalars(query), now)


def has_work(session: Session, *, now: datetime) -> bool:
    """Return whether a silence may begin or end for an open alert, or one is to be told again."""
    of_open = Alert.open_fingerprint.is_not(None)
    late = select(Alert.id).where(of_open, Alert.escalate_at <= now)
    quiet = select(Alert.id).where(of_open, Alert.silence_id.is_not(None))
    begun = select(Silence.silence_id).where(Silence.ends_at > now, Silence.starts_at <= now)
    return any(session.scalar(one.limit(1)) is not None for one in (late, quiet, begun))


def hush(session: Session, terms: Terms, *, now: datetime) -> int:
    """Let silences begin and end for alerts that are open; return how many changed.

    An alert whose silence is over, and that nobody took on, is told of as firing once more.
    """
    hushes = hushes_now(session, now)
    query = select(Alert).where(Alert.open_fingerprint.is_not(None))
    if not hushes:
        query = query.where(Alert.silence_id.is_not(None))
    changed = []
    for row in session.scalars(query):
        quiet = silences.silenced_by(hushes, row.labels)
        if quiet != row.silence_id:
            was_quiet, row.silence_id = row.silence_id is not None, quiet
            if (quiet is not None) is not was_quiet:
                changed.append(row)
    held = holders(session, (row.device_id for row in changed if row.silence_id is None))
    for row in changed:
        _heard(session, row, terms, held, now=now)
    return len(changed)


def _heard(
    session: Session,
    row: Alert,
    terms: Terms,
    held: Mapping[str, Sequence[str]],
    *,
    now: datetime,
) -> None:
    row.escalate_at = None
    if row.silence_id is not None:
        tell(session, "alert.silenced", row, held={}, now=now)
    elif row.acknowledged_at is None:
        if terms.escalate_after is not None:
            row.escalate_at = now + terms.escalate_after
        tell(session, "alert.firing", row, held=held, now=now)


def escalate(session: Session, terms: Terms, *, now: datetime) -> int:
    """Tell once more of alerts that nobody took on in time; return how many."""
    if terms.escalate_after is None:
        return 0
    query = select(Alert).where(Alert.escalate_at <= now, Alert.open_fingerprint.is_not(None))
    query = query.order_by(Alert.escalate_at).limit(_AT_ONCE).with_for_update(skip_locked=True)
    rows = session.scalars(query).all()
    held = holders(session, (row.device_id for row in rows))
    for row in rows:
        row.escalations += 1
        is_last = row.escalations >= MOST_ESCALATIONS
        row.escalate_at = None if is_last else now + terms.escalate_after
        tell(session, "alert.escalated", row, held=held, now=now)
    return len(rows)


def touch(session: Session, values: Mapping[str, float]) -> None:
    """Write down how high the figures of open alerts are now, where they are known."""
    rows = [
        {"told": name, "figure": value} for name, value in values.items() if math.isfinite(value)
    ]
    if rows:
        session.connection().execute(_TOUCH, rows)
