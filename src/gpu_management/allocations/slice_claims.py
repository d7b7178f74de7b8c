"""Who holds which slice, and who waits for slices: what a repacking plan asks allocations."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold, Phase
from gpu_management.core.database import AnySelect, in_parts
from gpu_management.devices.models import Device
from gpu_management.mig.plan_service import Claims, Holder, Waiting


def claims_of(session: Session, cluster: str, *, among: Sequence[int] | None = None) -> Claims:
    """Return the open holds of slices with their allocations, and the requests that wait.

    With `among`, only the holders of these instances are sought.
    """
    held = (
        select(Hold.mig_instance_id, Allocation)
        .join(Allocation, Allocation.allocation_id == Hold.allocation_id)
        .where(
            Hold.ended_at.is_(None),
            Hold.mig_instance_id.is_not(None),
            Allocation.cluster_name == cluster,
        )
    )
    asked = [held] if among is None else [_of(held, part) for part in in_parts(among)]
    holders = {
        pk: _holder(found)
        for query in asked
        for pk, found in session.execute(query)
        if pk is not None
    }
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


def _of(held: AnySelect, instances: Sequence[int]) -> AnySelect:
    return held.where(Hold.mig_instance_id.in_(instances))


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


def past_use(session: Session, cluster: str, since: datetime) -> dict[str, int]:
    """Return how many more slices of each profile than now were held at once, at most, since then.

    Profiles that were never held more than now are left out.
    """
    query = (
        select(Hold.profile_name, Hold.started_at, Hold.ended_at)
        .join(Device, Device.id == Hold.device_id)
        .where(
            Device.cluster_name == cluster,
            Hold.profile_name.is_not(None),
            or_(Hold.ended_at.is_(None), Hold.ended_at > since),
        )
    )
    changes: dict[str, list[tuple[datetime, int]]] = {}
    for profile, started_at, ended_at in session.execute(query):
        own = changes.setdefault(str(profile), [])
        own.append((max(started_at, since), 1))
        if ended_at is not None:
            own.append((ended_at, -1))
    found = {profile: _above_the_end(own) for profile, own in changes.items()}
    return {profile: count for profile, count in found.items() if count}


def _above_the_end(changes: list[tuple[datetime, int]]) -> int:
    """Return by how much the highest sum of the changes, in order of time, passes the last."""
    level = highest = 0
    for _, change in sorted(changes):  # what ends makes room for what begins
        level += change
        highest = max(highest, level)
    return highest - level
