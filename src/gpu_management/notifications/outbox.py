"""The outbox: claim what is due for a channel, and write down how sending it ended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, select, update
from sqlalchemy.orm import Session

from gpu_management.core.database import AnyRow, UtcDateTime
from gpu_management.events import service as events
from gpu_management.notifications.messages import Severity
from gpu_management.notifications.models import Channel, Delivery, DeliveryState
from gpu_management.notifications.pacing import Form, Pace, Retry, form_of
from gpu_management.notifications.sender import Outcome

AT_ONCE = 20
"""Messages that are claimed together: as many may come twice when a process dies."""
_READ_AT_ONCE = 20_000
_WAITING = DeliveryState.WAITING
_DUE = select(Delivery.channel_id).where(Delivery.state == _WAITING).group_by(Delivery.channel_id)


@dataclass(frozen=True, slots=True)
class Claimed:
    """What one sender has to send now; `together` in one message."""

    rows: Sequence[Delivery] = ()
    together: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """How the attempt for a delivery ended; None: it was not tried after all."""

    delivery_id: int
    attempts: int
    outcome: Outcome | None
    together: bool = False


def due_channels(session: Session, *, now: datetime) -> Sequence[int]:
    """Return the channels for which something is due."""
    return session.scalars(_DUE.where(Delivery.due_at <= now)).all()


def claim(
    session: Session, channel: Channel, *, pace: Pace | None, lease: timedelta, now: datetime
) -> Claimed:
    """Return what is to be sent to a channel now, and keep others from sending it for `lease`.

    The caller holds the lock of the channel's row: two who claim at once would claim the same.
    Of one subject, what came first is sent first: what waits for its next attempt holds back what
    came after it.
    """
    most = _READ_AT_ONCE if pace else 10 * AT_ONCE
    due = _due_in_order(session, channel.id, most=most, now=now)
    sent = _sent_lately(session, channel.id, pace, now=now) if pace and due else 0
    urgent = any(row.severity == Severity.CRITICAL for row in due)
    match form_of(pace, waiting=len(due), sent=sent, urgent=urgent):
        case Form.LATER:
            opens = _window_opens(session, channel.id, pace, now=now)
            _of(session, channel.id, _is_due(now), due_at=opens)
            return Claimed()
        case Form.TOGETHER:
            return _claim_all(session, channel.id, first=due[0].id, until=now + lease, now=now)
        case _:
            ids = [row.id for row in due[:AT_ONCE]]
            return Claimed(_claim_some(session, ids, until=now + lease, now=now))


def _due_in_order(session: Session, channel_id: int, *, most: int, now: datetime) -> list[AnyRow]:
    """Return the first rows that are due, without what another of their subject holds back."""
    waiting = (Delivery.channel_id == channel_id, Delivery.state == _WAITING)
    # One that waits for the end of quiet hours does not hold back what is critical.
    tried = select(Delivery.id, Delivery.subject_kind, Delivery.subject_id).where(
        *waiting, Delivery.due_at > now, Delivery.attempts > 0
    )
    held: dict[tuple[str, str], int] = {}
    for row in session.execute(tried.order_by(Delivery.id).limit(_READ_AT_ONCE)):
        held.setdefault((row.subject_kind, row.subject_id), row.id)
    due = (
        select(Delivery.id, Delivery.subject_kind, Delivery.subject_id, Delivery.severity)
        .where(*waiting, Delivery.due_at <= now)
        .order_by(Delivery.id)
        .limit(most)
    )
    return [
        row
        for row in session.execute(due)
        if held.get((row.subject_kind, row.subject_id), row.id) >= row.id
    ]


def _sent_lately(session: Session, channel_id: int, pace: Pace, *, now: datetime) -> int:
    query = select(func.count()).where(*_sent_since(channel_id, now - pace.window))
    return int(session.scalar(query) or 0)


def _window_opens(
    session: Session, channel_id: int, pace: Pace | None, *, now: datetime
) -> datetime:
    window = pace.window if pace else timedelta()
    first = session.scalar(
        select(func.min(Delivery.sent_at)).where(*_sent_since(channel_id, now - window))
    )
    return (first or now) + window


def _sent_since(channel_id: int, since: datetime) -> tuple[ColumnElement[bool], ...]:
    sent = Delivery.state == DeliveryState.SENT
    return (Delivery.channel_id == channel_id, sent, Delivery.sent_at > since)


def _is_due(now: datetime) -> ColumnElement[bool]:
    return Delivery.due_at <= now


def _of(session: Session, channel_id: int, *which: ColumnElement[bool], **values: Any) -> None:
    """Change what waits for a channel."""
    waiting = (Delivery.channel_id == channel_id, Delivery.state == _WAITING)
    session.execute(
        update(Delivery).where(*waiting, *which).values(**values),
        execution_options={"synchronize_session": False},
    )


def _claim_all(
    session: Session, channel_id: int, *, first: int, until: datetime, now: datetime
) -> Claimed:
    values = {"digest_id": first, "due_at": until, "attempts": Delivery.attempts + 1}
    _of(session, channel_id, _is_due(now), **values, tried_at=_first_tried(now))
    query = select(Delivery).where(
        Delivery.channel_id == channel_id, Delivery.digest_id == first, Delivery.state == _WAITING
    )
    return Claimed(session.scalars(query.order_by(Delivery.id)).all(), together=True)


def _first_tried(now: datetime) -> ColumnElement[Any]:
    return func.coalesce(Delivery.tried_at, bindparam(None, now, UtcDateTime()))


def _claim_some(
    session: Session, ids: Sequence[int], *, until: datetime, now: datetime
) -> Sequence[Delivery]:
    if not ids:
        return ()
    rows = session.scalars(select(Delivery).where(Delivery.id.in_(ids)).order_by(Delivery.id)).all()
    for row in rows:
        row.due_at, row.attempts, row.digest_id = until, row.attempts + 1, None
        row.tried_at = row.tried_at or now
    return rows


def settle(
    session: Session, channel: Channel, results: Iterable[Result], *, retry: Retry, now: datetime
) -> None:
    """Write down how attempts ended; a channel that begins to fail is an event."""
    died: str | None = None
    arrived = False
    for result in results:
        values = _values(session, result, retry=retry, now=now)
        arrived = arrived or values.get("state") is DeliveryState.SENT
        if values.get("state") is DeliveryState.DEAD:
            died = str(values["error"])
        which = Delivery.digest_id if result.together else Delivery.id
        _of(session, channel.id, which == result.delivery_id, **values)
        if result.together and values.get("state") is DeliveryState.SENT:
            _leave_one_sent(session, result.delivery_id)
    if arrived:
        channel.last_sent_at, channel.failing_since = now, None
    if died is not None and channel.failing_since is None:
        channel.failing_since = now
        _say_failing(session, channel, died, now=now)


def _values(session: Session, result: Result, *, retry: Retry, now: datetime) -> dict[str, Any]:
    outcome = result.outcome
    if outcome is None:
        return {"due_at": now, "attempts": result.attempts - 1}
    if outcome.error is None:
        return {"state": DeliveryState.SENT, "sent_at": now, "error": None}
    if outcome.lasts:
        retry = replace(retry, keep_trying=timedelta())
    began = session.scalar(select(Delivery.tried_at).where(Delivery.id == result.delivery_id))
    again = retry.again_at(result.attempts, began=began or now, now=now, asked=outcome.retry_after)
    if again is None:
        return {"state": DeliveryState.DEAD, "error": outcome.error}
    return {"due_at": again, "error": outcome.error}


def _leave_one_sent(session: Session, first: int) -> None:
    """Of a digest, the first is the one that was sent: the window counts messages."""
    session.execute(
        update(Delivery)
        .where(Delivery.digest_id == first, Delivery.id != first)
        .where(Delivery.state == DeliveryState.SENT)
        .values(state=DeliveryState.DIGESTED),
        execution_options={"synchronize_session": False},
    )


def _say_failing(session: Session, channel: Channel, why: str, *, now: datetime) -> None:
    events.record(
        session,
        "notification.failing",
        subject_kind="notification-channel",
        subject_id=channel.name,
        data={"channelId": channel.id, "channel": channel.name, "message": why},
        now=now,
    )
