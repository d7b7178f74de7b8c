"""Who holds which slice, and who waits for slices: what a repacking plan asks allocations."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold, Phase
from gpu_management.mig.plan_service import Claims, Holder, Waiting


def claims_of(session: Session, cluster: str) -> Claims:
    """Return the open holds of slices with their allocations, and the requests that wait."""
    held = (
        select(Hold.mig_instance_id, Allocation)
        .join(Allocation, Allocation.allocation_id == Hold.allocation_id)
        .where(
            Hold.ended_at.is_(None),
            Hold.mig_instance_id.is_not(None),
            Allocation.cluster_name == cluster,
        )
    )
    holders = {pk: _holder(found) for pk, found in session.execute(held) if pk is not None}
    pending = select(Allocation).where(
        Allocation.phase == Phase.PENDING,
        Allocation.use_mig.is_(True),
        Allocation.cluster_name == cluster,
    )
    waiting = [
        Waiting(each.allocation_id, each.required_memory_gb, each.gpu_count)
        for each in session.scalars(pending.order_by(Allocation.requested_at))
    ]
    return Claims(holders, waiting)


def _holder(allocation: Allocation) -> Holder:
    return Holder(
        allocation.allocation_id,
        allocation.namespace,
        allocation.pod_name,
        allocation.team_id,
        allocation.workload_type.value,
        allocation.priority,
        allocation.movable,
    )
