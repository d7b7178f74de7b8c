"""Tell what happened to an allocation: events for everybody, the audit log for the record."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation
from gpu_management.auth import service as auth
from gpu_management.auth.principals import Principal
from gpu_management.events import service as events


def say(session: Session, kind: str, allocation: Allocation, *, now: datetime) -> None:
    """Write an event about an allocation in the transaction of the deed."""
    events.record(
        session,
        kind,
        subject_kind="allocation",
        subject_id=allocation.allocation_id,
        data=_event_data(allocation),
        now=now,
        team=allocation.team_id,
        namespace=allocation.namespace,
    )


def _event_data(allocation: Allocation) -> dict[str, Any]:
    cost = allocation.cost_per_hour
    return {
        "allocationId": allocation.allocation_id,
        "phase": allocation.phase.value,
        "namespace": allocation.namespace,
        "podName": allocation.pod_name,
        "teamId": allocation.team_id,
        "nodeName": allocation.node_name,
        "allocatedResource": allocation.allocated_resource,
        "costPerHour": None if cost is None else float(cost),
        "message": allocation.message,
    }


def audit(
    session: Session, principal: Principal, action: str, allocation: Allocation, *, now: datetime
) -> None:
    """Write who did what to an allocation, in the transaction of the deed."""
    auth.record(
        session,
        principal,
        action=action,
        target_kind="allocation",
        target_id=allocation.allocation_id,
        after={"phase": allocation.phase.value, "resource": allocation.allocated_resource},
        now=now,
    )
