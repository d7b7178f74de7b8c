"""What an allocation costs an hour from now on, when what it holds has changed."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold
from gpu_management.devices.models import Device, Model
from gpu_management.rates.book import Book, Priced


def cost_per_hour(
    session: Session, allocation: Allocation, book: Book, *, now: datetime
) -> Decimal | None:
    """Return what the open holds of an allocation cost an hour, or None where one has no price."""
    query = (
        select(Device.model_id, Model.mig_geometry, Hold.profile_name, Hold.milli, Hold.node_pool)
        .join(Device, Device.id == Hold.device_id)
        .join(Model, Model.model_id == Device.model_id)
        .where(Hold.allocation_id == allocation.allocation_id, Hold.ended_at.is_(None))
    )
    total = Decimal(0)
    for model_id, geometry, profile, milli, pool in session.execute(query):
        held = Priced(model_id, geometry, profile, milli, allocation.cluster_name, pool)
        cost = book.per_hour(held, now)
        if cost is None:
            return None
        total += cost
    return total
