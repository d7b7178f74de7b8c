"""What the controller calls on a timer: old events go, a bounded number at a time."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gpu_management.events.models import Event

AT_ONCE = 1000
"""Rows one transaction deletes at most, so that nobody waits long for it."""


def purge(session: Session, *, before: datetime, at_once: int = AT_ONCE) -> int:
    """Delete the oldest events from before a moment; return how many: call again when `at_once`.

    The newest event stays, however old, so that numbers go on where they were.
    """
    newest = select(Event.id).order_by(Event.id.desc()).limit(1).scalar_subquery()
    old = select(Event.id).where(Event.created_at < before, Event.id < newest)
    found = list(session.scalars(old.order_by(Event.created_at).limit(at_once)))
    for start in range(0, len(found), 500):
        session.execute(delete(Event).where(Event.id.in_(found[start : start + 500])))
    return len(found)
