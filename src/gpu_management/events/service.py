"""Write events in the transaction of what happened; read them in order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import eq, ge, lt
from typing import Any

from sqlalchemy import ColumnElement, and_, func, insert, or_, select
from sqlalchemy.orm import Session

from gpu_management.core.database import table_of
from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.core.trips import send
from gpu_management.events import told
from gpu_management.events.filters import Interest
from gpu_management.events.models import Event

_WRITE = insert(table_of(Event)).inline()  # built once: every change of anything writes one

DEFAULT_PAGE = 100
"""Events answered when no limit is asked for: the outbox only grows."""


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which past events are asked for; None asks for any."""

    interest: Interest
    subject_kind: str | None = None
    subject_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def record(  # noqa: PLR0913 - one flat line at every call site says what happened to what
    session: Session,
    kind: str,
    *,
    subject_kind: str,
    subject_id: str,
    data: dict[str, Any],
    now: datetime,
    team: str | None = None,
    namespace: str | None = None,
    cluster: str | None = None,
) -> None:
    """Write that `kind` happened; `data` must be JSON, `team` limits who may see it."""
    row = {
        "type": kind,
        "cluster": cluster,
        "subject_kind": subject_kind,
        "subject_id": subject_id,
        "team": team,
        "namespace": namespace,
        "data": data,
        "created_at": now,
    }

    def tell() -> None:
        told.tell(session, kind, subject_kind=subject_kind, subject_id=subject_id, data=data)

    send(session, _WRITE, row, then=tell)


def since(
    session: Session,
    last_id: int,
    *,
    limit: int,
    interest: Interest = Interest(),  # noqa: B008 - frozen: wants everything
    until_id: int | None = None,
) -> Sequence[Event]:
    """Return at most `limit` events after `last_id`, and not after `until_id`, in order."""
    query = select(Event).where(Event.id > last_id, *_clauses(interest))
    if until_id is not None:
        query = query.where(Event.id <= until_id)
    return session.scalars(query.order_by(Event.id).limit(limit)).all()


def newest_id(session: Session) -> int:
    """Return the number of the newest event; 0 before the first."""
    return session.scalar(select(func.max(Event.id))) or 0


def list_history(session: Session, asked: HistoryFilter, *, page: Page) -> Listing:
    """Return past events, newest first unless asked otherwise."""
    wanted = (
        (Event.subject_kind, eq, asked.subject_kind),
        (Event.subject_id, eq, asked.subject_id),
        (Event.created_at, ge, asked.since),
        (Event.created_at, lt, asked.until),
    )
    clauses = (compare(column, value) for column, compare, value in wanted if value is not None)
    query = select(Event).where(*clauses, *_clauses(asked.interest))
    page = replace(page, sort=page.sort or "-id", limit=page.limit or DEFAULT_PAGE)
    sorts = {"id": Event.id, "createdAt": Event.created_at}
    found = list_rows(session, query, sorts=sorts, key=Event.id, page=page)
    return replace(found, rows=[row[0] for row in found.rows])


def _clauses(interest: Interest) -> list[ColumnElement[bool]]:
    """Say `Interest.wants` in SQL."""
    clauses: list[ColumnElement[bool]] = []
    if interest.team is not None:
        of_the_fleet = and_(Event.team.is_(None), Event.namespace.is_(None))
        clauses.append(or_(of_the_fleet, Event.team == interest.team))
    if interest.types:
        clauses.append(
            or_(
                *(
                    Event.type.startswith(kind[:-1], autoescape=True)
                    if kind.endswith(".*")
                    else Event.type == kind
                    for kind in interest.types
                )
            )
        )
    return clauses
