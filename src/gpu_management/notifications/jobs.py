"""What the controller calls on a timer: old deliveries go."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gpu_management.notifications.models import Delivery, DeliveryState, Received

_AT_A_TIME = 500


def purge(session: Session, *, before: datetime, at_once: int) -> int:
    """Delete deliveries from before a moment that need no more sending; return how many.

    What an Alertmanager told that long ago goes with them.
    """
    old = select(Delivery.id).where(
        Delivery.created_at < before, Delivery.state != DeliveryState.WAITING
    )
    found = list(session.scalars(old.order_by(Delivery.created_at).limit(at_once)))
    for start in range(0, len(found), _AT_A_TIME):
        session.execute(delete(Delivery).where(Delivery.id.in_(found[start : start + _AT_A_TIME])))
    session.execute(delete(Received).where(Received.received_at < before))
    return len(found)
