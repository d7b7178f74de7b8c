"""Make deliveries of events: each event once for each channel that wants it.

The events are followed like a stream, behind a bookmark that moves in the transaction that writes
the deliveries: what changed a GPU never waits for the rules of channels, and a process that dies
leaves either both or neither.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from gpu_management.core.database import table_of
from gpu_management.events import service as events
from gpu_management.events.filters import settled
from gpu_management.events.models import Event
from gpu_management.notifications.messages import Message, Severity, to_json
from gpu_management.notifications.models import Bookmark, Channel, Delivery, DeliveryState
from gpu_management.notifications.routing import QuietHours, Route, due_at
from gpu_management.notifications.telling import FIRING, RESOLVED, Happened, is_hushed, message_of

READ_AT_ONCE = 500
OLDEST = timedelta(days=1)
"""What happened longer ago is not told any more: nothing was sent since then."""
_OWN = "notification."
_ONE = 1
_BEHIND = (
    select(Event)
    .where(
        Event.id > select(Bookmark.event_id).where(Bookmark.id == _ONE).scalar_subquery(),
    )
    .order_by(Event.id)
    .limit(READ_AT_ONCE)
)
_INSERT = insert(table_of(Delivery))


@dataclass(frozen=True, slots=True)
class Listener:
    """A channel, as far as it decides what it is told and when."""

    id: int
    name: str
    route: Route
    quiet: QuietHours | None


def begin(session: Session) -> None:
    """Put the bookmark behind the newest event, if there is none: the past is not told."""
    if session.get(Bookmark, _ONE) is None:
        session.add(Bookmark(id=_ONE, event_id=events.newest_id(session)))


def is_behind(session: Session) -> bool:
    """Say whether there are events that are not deliveries yet."""
    return session.scalars(_BEHIND.limit(1)).first() is not None


def take(session: Session, *, now: datetime) -> int:
    """Make deliveries of the next events; return how many events those were, 0 at the end."""
    rows = session.scalars(_BEHIND).all()
    bookmark = session.get(Bookmark, _ONE, with_for_update=True)
    if not rows or bookmark is None:
        return 0
    # Numbers of a purged past are missing for good: the first row is always old enough.
    ready = settled(rows, after=bookmark.event_id, now=now)
    ready = [row for row in ready if row.id > bookmark.event_id]
    if not ready:
        return 0
    fresh = [row for row in ready if now - row.created_at < OLDEST]
    told = _told_alerts(session, fresh)
    made = list(_deliveries(fresh, _listeners(session), told, now=now))
    if made:
        session.execute(_INSERT, made)
    session.execute(update(Bookmark).where(Bookmark.id == _ONE).values(event_id=ready[-1].id))
    return len(ready)


def row_of(
    listener: Listener, message: Message, *, team: str | None, event_id: int | None, now: datetime
) -> dict[str, Any]:
    """Return the delivery that tells a channel of a message, as it is written."""
    return {
        "channel_id": listener.id,
        "event_id": event_id,
        "kind": message.kind[:60],
        "severity": message.severity.value,
        "subject_kind": message.subject_kind[:40],
        "subject_id": message.subject_id[:255],
        "team": team,
        "message": to_json(message),
        "state": DeliveryState.WAITING,
        "attempts": 0,
        "due_at": due_at(message, listener.quiet, now=now),
        "created_at": now,
    }


def listener_of(channel: Channel) -> Listener:
    """Return what decides about a channel."""
    told = channel.route
    route = Route(
        tuple(told.get("events", ())),
        Severity(told.get("min_severity", Severity.INFO)),
        tuple(told.get("teams", ())),
        dict(told.get("labels", {})),
    )
    return Listener(channel.id, channel.name, route, _quiet(channel.options.get("quiet_hours")))


def _listeners(session: Session) -> list[Listener]:
    query = select(Channel).where(Channel.enabled.is_(True)).order_by(Channel.id)
    return [listener_of(channel) for channel in session.scalars(query)]


def _deliveries(
    rows: Sequence[Event],
    listeners: Sequence[Listener],
    told: set[tuple[int, str]],
    *,
    now: datetime,
) -> Iterator[dict[str, Any]]:
    """Yield what is to be written; `told` are the alerts that channels know, and grows."""
    for row in rows if listeners else ():
        happened = Happened(row.type, row.subject_kind, row.subject_id, row.data, row.created_at)
        message = message_of(happened)
        for listener in listeners:
            if row.type.startswith(_OWN) and row.subject_id == listener.name:
                continue  # a channel that fails is told to the others
            known = (listener.id, row.subject_id)
            if message.resolved:
                # Who heard that it fires hears that it is over, silenced or not; nobody else does.
                if known not in told and listener.route.hears(FIRING):
                    continue
            elif is_hushed(happened):
                continue
            kind = listener.route.told_as(message, team=row.team)
            if kind is not None:
                told.add(known)
                named = message if kind == message.kind else replace(message, kind=kind)
                yield row_of(listener, named, team=row.team, event_id=row.id, now=now)


def _told_alerts(session: Session, rows: Sequence[Event]) -> set[tuple[int, str]]:
    """Return which channels were told of the alerts that are over now."""
    over = [row.subject_id for row in rows if row.type == RESOLVED]
    if not over:
        return set()
    query = select(Delivery.channel_id, Delivery.subject_id).where(Delivery.subject_id.in_(over))
    return {(channel_id, subject_id) for channel_id, subject_id in session.execute(query)}


def _quiet(told: Mapping[str, str] | None) -> QuietHours | None:
    if not told:
        return None
    begin_at, end_at = time.fromisoformat(told["from"]), time.fromisoformat(told["until"])
    return QuietHours(begin_at, end_at, ZoneInfo(told["timezone"]))
