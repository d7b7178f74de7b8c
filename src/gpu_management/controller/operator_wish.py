"""What an object asks for, and whether that differs from the allocation it owns."""

from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation
from gpu_management.allocations.request import Ask
from gpu_management.allocations.schemas import AllocationCreate
from gpu_management.auth import teams
from gpu_management.auth.models import Team
from gpu_management.cluster.crd import AllocationObject
from gpu_management.core.problems import Forbidden, ValidationFailed

WAIT_SECONDS = 365 * 86_400
"""An object waits for its place until it is deleted; in effect for ever."""

_FIELDS = (
    "workloadType",
    "requiredMemoryGb",
    "useMig",
    "maxDurationHours",
    "costLimit",
    "userId",
    "teamId",
    "count",
)
_ROWS = {
    "workload_type": "workloadType",
    "required_memory_gb": "requiredMemoryGb",
    "use_mig": "useMig",
    "gpu_count": "count",
    "pod_name": "podName",
    "cost_limit": "costLimit",
}


def read_wish(thing: AllocationObject) -> Ask:
    """Return the request that an object makes.

    Raises:
        ValidationFailed: something is missing or cannot be so.
    """
    told: dict[str, Any] = {name: thing.spec[name] for name in _FIELDS if name in thing.spec}
    pod_name = thing.spec.get("podName") or thing.name
    try:
        asked = AllocationCreate.model_validate(
            {**told, "namespace": thing.namespace, "podName": pod_name, "wait": True}
        )
    except ValidationError as faults:
        words = [
            f"spec.{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults.errors()
        ]
        raise ValidationFailed("; ".join(words)) from faults
    return asked.to_ask(default_wait_seconds=WAIT_SECONDS)


def check_team(session: Session, ask: Ask) -> None:
    """Let an object name a team only where its namespace is not another team's.

    Who may write objects of a namespace may spend what that namespace's team may, and no more.

    Raises:
        Forbidden: the namespace is another team's, or the team has namespaces and not this one.
    """
    if ask.team_id is None:
        return
    owner = teams.team_of_namespace(session, ask.namespace)
    if owner == ask.team_id:
        return
    if owner is not None:
        raise Forbidden(
            f"namespace {ask.namespace} belongs to team {owner}; spec.teamId is {ask.team_id}"
        )
    named = session.scalar(select(Team).where(Team.team_id == ask.team_id))
    if named is not None and named.namespaces:
        places = ", ".join(named.namespaces)
        raise Forbidden(
            f"team {ask.team_id} has the namespaces {places}; this object is in {ask.namespace}"
        )


def changed_fields(ask: Ask, allocation: Allocation) -> list[str]:
    """Return the fields of the spec that are not as the allocation has them, but its duration."""
    wanted = {
        "workload_type": ask.workload_type,
        "required_memory_gb": ask.required_memory_gb,
        "use_mig": ask.use_mig,
        "gpu_count": ask.count,
        "pod_name": ask.pod_name,
        "cost_limit": ask.cost_limit,
    }
    found = [_ROWS[name] for name, value in wanted.items() if getattr(allocation, name) != value]
    if ask.team_id is not None and ask.team_id != allocation.team_id:
        found.append("teamId")
    if ask.user_id is not None and ask.user_id != allocation.user_id:
        found.append("userId")
    return found


def more_hours(ask: Ask, allocation: Allocation) -> int:
    """Return by how many hours the object asks to run longer; 0 where it does not."""
    if ask.max_duration_hours is None or allocation.max_duration_hours is None:
        return 0
    return max(0, ask.max_duration_hours - allocation.max_duration_hours)
