"""The verbs of alerts: list them, count them, take one on; and the rules behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from gpu_management.alerts import journal
from gpu_management.alerts.errors import AlertNotFound, AlertOver
from gpu_management.alerts.kinds import Severity
from gpu_management.alerts.models import Alert, AlertStatus, Evaluation
from gpu_management.alerts.rules import Rule
from gpu_management.auth import service as auth
from gpu_management.auth.access import visible_team
from gpu_management.auth.principals import Principal
from gpu_management.core.database import in_parts
from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.notifications.models import Delivery

_IS_OPEN: Final = Alert.resolved_at.is_(None)
_IS_TAKEN: Final = Alert.acknowledged_at.is_not(None)
_STATUS: Final[Mapping[AlertStatus, ColumnElement[bool]]] = {
    AlertStatus.RESOLVED: Alert.resolved_at.is_not(None),
    AlertStatus.ACKNOWLEDGED: and_(_IS_OPEN, _IS_TAKEN),
    AlertStatus.SILENCED: and_(_IS_OPEN, ~_IS_TAKEN, Alert.silence_id.is_not(None)),
    AlertStatus.FIRING: and_(_IS_OPEN, ~_IS_TAKEN, Alert.silence_id.is_(None)),
}
"""`Alert.status` in SQL."""


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts are asked for; None asks for any. Without a status: those that are open."""

    statuses: tuple[AlertStatus, ...] = ()
    severity: Severity | None = None
    name: str | None = None
    device_id: str | None = None
    node_name: str | None = None
    since: datetime | None = None


def list_alerts(
    session: Session, asked: AlertFilter, *, principal: Principal, page: Page
) -> Listing:
    """Return alerts, the newest first unless asked otherwise."""
    query = select(Alert).where(*_clauses(asked), *_visible(principal))
    sorts = {
        "firedAt": Alert.fired_at,
        "name": Alert.name,
        "severity": Alert.severity,
    }
    wanted = Page(page.limit, page.cursor, page.sort or "-firedAt")
    found = list_rows(session, query, sorts=sorts, key=Alert.id, page=wanted)
    rows = [row[0] for row in found.rows]
    return Listing(describe(session, rows), found.total, found.next_cursor)


def _clauses(asked: AlertFilter) -> list[ColumnElement[bool]]:
    clauses = [or_(*(_STATUS[one] for one in asked.statuses)) if asked.statuses else _IS_OPEN]
    for column, value in (
        (Alert.severity, asked.severity),
        (Alert.name, asked.name),
        (Alert.device_id, asked.device_id),
        (Alert.node_name, asked.node_name),
    ):
        if value is not None:
            clauses.append(column == value)
    if asked.since is not None:
        clauses.append(Alert.fired_at >= asked.since)
    return clauses


def _visible(principal: Principal) -> list[ColumnElement[bool]]:
    team = visible_team(principal)
    return [] if team is None else [or_(Alert.team.is_(None), Alert.team == team)]


def describe(session: Session, rows: Sequence[Alert]) -> list[dict[str, Any]]:
    """Return alerts as the wire shows them, with the allocations that open ones touch."""
    held = journal.holders(session, (row.device_id for row in rows if row.resolved_at is None))
    sent = _sent(session, [row.alert_id for row in rows])
    return [
        {name: getattr(row, name) for name in _SHOWN}
        | {
            "allocations": held.get(row.device_id or "", []) if row.resolved_at is None else [],
            "notifications_sent": sent.get(row.alert_id, 0),
        }
        for row in rows
    ]


def _sent(session: Session, alert_ids: Sequence[str]) -> dict[str, int]:
    """How many messages about each alert arrived somewhere."""
    found: dict[str, int] = {}
    query = (
        select(Delivery.subject_id, func.count())
        .where(Delivery.subject_kind == "alert", Delivery.sent_at.is_not(None))
        .group_by(Delivery.subject_id)
    )
    for some in in_parts(alert_ids):
        found |= dict(session.execute(query.where(Delivery.subject_id.in_(some))).all())
    return found


_SHOWN: Final = (
    "alert_id",
    "fingerprint",
    "name",
    "severity",
    "component",
    "status",
    "cluster_name",
    "device_id",
    "node_name",
    "team",
    "labels",
    "summary",
    "description",
    "value",
    "threshold",
    "is_known",
    "started_at",
    "fired_at",
    "resolved_at",
    "acknowledged_at",
    "acknowledged_by",
    "comment",
    "silence_id",
    "escalations",
)


def find(session: Session, alert_id: str, *, principal: Principal) -> Alert:
    """Return an alert the caller may see.

    Raises:
        AlertNotFound: there is none of that id, or it is another team's.
    """
    query = select(Alert).where(Alert.alert_id == alert_id, *_visible(principal))
    row = session.scalars(query).one_or_none()
    if row is None:
        raise AlertNotFound(f"no alert has the id {alert_id}")
    return row


def acknowledge(
    session: Session, alert_id: str, *, comment: str | None, principal: Principal, now: datetime
) -> Alert:
    """Take an alert on: it is not told of again. Once more changes who did, and the comment.

    Raises:
        AlertNotFound: there is none of that id.
        AlertOver: it has ended.
    """
    row = find(session, alert_id, principal=principal)
    session.refresh(row, with_for_update=True)
    if row.resolved_at is not None:
        raise AlertOver(f"{row.name} ended at {row.resolved_at.isoformat()}")
    row.acknowledged_at, row.acknowledged_by = now, principal.name[:120]
    row.comment, row.escalate_at = comment, None
    journal.tell(session, "alert.acknowledged", row, held={}, now=now)
    after = {"comment": comment}
    record(session, principal, "alert.acknowledge", target_id=row.alert_id, after=after, now=now)
    return row


def open_counts(session: Session) -> dict[str, int]:
    """Return how many alerts are open and not silenced, by severity."""
    query = select(Alert.severity, func.count()).where(_IS_OPEN, Alert.silence_id.is_(None))
    found = session.connection().execute(query.group_by(Alert.severity))
    return {severity.value: count for severity, count in found}


def list_rules(
    session: Session, rules: Sequence[Rule], defaults: Sequence[Rule]
) -> list[dict[str, Any]]:
    """Return every rule: whether it is in force, and how many alerts it has open and waiting."""
    row = session.get(Evaluation, "alerts")
    waiting: dict[str, int] = {}
    for name, _key, told in () if row is None else row.waiting:
        waiting[name] = waiting.get(name, 0) + (told["state"] == "pending")
    query = select(Alert.name, func.count()).where(_IS_OPEN).group_by(Alert.name)
    firing: dict[str, int] = dict(session.execute(query).all())
    in_force = {rule.name: rule for rule in rules}
    return [
        {
            "name": rule.name,
            "severity": rule.severity,
            "component": rule.component,
            "compare": rule.compare,
            "threshold": in_force.get(rule.name, rule).threshold,
            "default_threshold": rule.threshold,
            "for_seconds": rule.for_seconds,
            "enabled": rule.name in in_force,
            "summary": rule.summary,
            "description": rule.description,
            "firing": firing.get(rule.name, 0),
            "pending": waiting.get(rule.name, 0),
            "evaluated_at": None if row is None else row.evaluated_at,
        }
        for rule in defaults
    ]


def record(
    session: Session,
    principal: Principal,
    action: str,
    *,
    target_id: str,
    after: dict[str, Any],
    now: datetime,
) -> None:
    """Write an audit entry about an alert or a silence."""
    auth.record(
        session,
        principal,
        action=action,
        target_kind=action.partition(".")[0],
        target_id=target_id,
        now=now,
        after=after,
    )
