"""The verbs of deliveries for people: list them, put a test before a channel, send again."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from gpu_management.auth import service as auth
from gpu_management.auth.principals import Principal
from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.notifications import feed
from gpu_management.notifications.errors import DeliveryNotDead, DeliveryNotFound
from gpu_management.notifications.messages import Message, Severity
from gpu_management.notifications.models import Channel, Delivery, DeliveryState
from gpu_management.notifications.telling import TEST

DEFAULT_PAGE = 100


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries are asked for; None asks for any."""

    channel_id: int | None = None
    state: DeliveryState | None = None
    kind: str | None = None


def find(session: Session, delivery_id: int) -> Delivery:
    """Return a delivery.

    Raises:
        DeliveryNotFound: there is none.
    """
    row = session.get(Delivery, delivery_id)
    if row is None:
        raise DeliveryNotFound(f"no delivery has the number {delivery_id}")
    return row


def list_deliveries(session: Session, asked: DeliveryFilter, *, page: Page) -> Listing:
    """Return deliveries, newest first unless asked otherwise."""
    wanted = (
        (Delivery.channel_id, asked.channel_id),
        (Delivery.state, asked.state),
        (Delivery.kind, asked.kind),
    )
    clauses = [column == value for column, value in wanted if value is not None]
    page = replace(page, sort=page.sort or "-id", limit=page.limit or DEFAULT_PAGE)
    sorts = {"id": Delivery.id, "createdAt": Delivery.created_at}
    query = select(Delivery).where(*clauses)
    found = list_rows(session, query, sorts=sorts, key=Delivery.id, page=page)
    return replace(found, rows=[shown(row[0]) for row in found.rows])


def shown(row: Delivery) -> dict[str, Any]:
    """Return a delivery as the wire shows it."""
    names = (
        "id channel_id event_id kind severity subject_kind subject_id team state attempts due_at"
        " digest_id created_at sent_at error"
    )
    fields = {name: getattr(row, name) for name in names.split()}
    return fields | {"title": row.message["title"], "text": row.message["text"]}


def test(session: Session, channel: Channel, *, principal: Principal, now: datetime) -> Delivery:
    """Put a test message before a channel; it is sent like any other, quiet hours or not."""
    message = Message(
        kind=TEST,
        severity=Severity.INFO,
        title="Test of notifications",
        text=f"Channel {channel.name} works; {principal.name} asked for this message.",
        at=now,
        subject_kind="notification-channel",
        subject_id=channel.name,
        details={"channel": channel.name, "by": principal.name},
        since=now,
    )
    listener = replace(feed.listener_of(channel), quiet=None)
    row = Delivery(**feed.row_of(listener, message, team=None, event_id=None, now=now))
    session.add(row)
    session.flush()
    auth.record(
        session,
        principal,
        action="notification-channel.test",
        target_kind="notification-channel",
        target_id=str(channel.id),
        now=now,
    )
    return row


def replay(session: Session, row: Delivery, *, principal: Principal, now: datetime) -> Delivery:
    """Send again what was given up; the receiver can tell by its id that it is the same.

    Raises:
        DeliveryNotDead: it waits or has arrived.
    """
    if row.state is not DeliveryState.DEAD:
        raise DeliveryNotDead(
            f"delivery {row.id} is {row.state.value}; only a dead one is replayed"
        )
    _revive(session, (Delivery.id == row.id,), now=now)
    _record_replay(session, principal, row.channel_id, now=now)
    session.refresh(row)
    return row


def replay_all(session: Session, channel: Channel, *, principal: Principal, now: datetime) -> int:
    """Send everything again that was given up for a channel; return how many those are."""
    replayed = _revive(session, (Delivery.channel_id == channel.id,), now=now)
    _record_replay(session, principal, channel.id, now=now)
    return replayed


def _revive(session: Session, which: tuple[ColumnElement[bool], ...], *, now: datetime) -> int:
    done = session.execute(
        update(Delivery)
        .where(*which, Delivery.state == DeliveryState.DEAD)
        .values(
            state=DeliveryState.WAITING,
            attempts=0,
            due_at=now,
            tried_at=None,
            digest_id=None,
            error=None,
        ),
        execution_options={"synchronize_session": False},
    )
    return int(getattr(done, "rowcount", 0))


def _record_replay(
    session: Session, principal: Principal, channel_id: int, *, now: datetime
) -> None:
    auth.record(
        session,
        principal,
        action="notification-channel.replay",
        target_kind="notification-channel",
        target_id=str(channel_id),
        now=now,
    )
