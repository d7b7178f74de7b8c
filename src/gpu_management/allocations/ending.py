"""The end of an allocation: its holds close, and everybody is told."""

from datetime import datetime

from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations import holding, journal
from gpu_management.allocations.models import Allocation, Phase


def end(
    session: Session, allocation: Allocation, *, reason: str, revision: int, now: datetime
) -> None:
    """Close the holds of an allocation: it was released, or its enforcement failed.

    The caller holds the cluster's turn.
    """
    has_failed = allocation.failure_reason is not None
    holding.end_holds(session, allocation, revision=revision, now=now)
    allocation.phase = Phase.FAILED if has_failed else Phase.RELEASED
    allocation.released_at = now
    allocation.release_reason = reason
    allocation.reserved_node = None
    if not has_failed:
        allocation.message = f"released: {reason}"
    allocation.conditions = marks.ended(allocation.conditions, reason=reason, now=now)
    allocation.edition += 1
    kind = "allocation.failed" if has_failed else "allocation.released"
    journal.say(session, kind, allocation, now=now)
