"""What the controller calls on a timer: closing the days of the ledger."""

from datetime import datetime

from sqlalchemy.orm import Session

from gpu_management.costs import closing
from gpu_management.costs.service import Desk


def has_days_to_close(session: Session, desk: Desk, *, now: datetime) -> bool:
    """Say whether `close_days` has something to do, without taking the writer's turn."""
    return closing.is_due(session, desk.terms(session), now=now)


def close_days(session: Session, desk: Desk, *, now: datetime) -> int:
    """Append what changed on closed days and close a few more; return how many."""
    return closing.close_days(session, desk.terms(session), now=now)
