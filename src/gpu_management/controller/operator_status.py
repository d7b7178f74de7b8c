"""What an object of ours is told: its status, from the allocation it owns."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gpu_management.allocations.models import Allocation, Phase
from gpu_management.core.clock import wire_time

Status = dict[str, Any]


def of_allocation(allocation: Allocation, present: Mapping[str, Any], generation: int) -> Status:
    """Return the status of an object that owns an allocation."""
    cost = allocation.cost_per_hour
    began, ends = allocation.allocated_at, allocation.expires_at
    return {
        "phase": allocation.phase.value,
        "allocationId": allocation.allocation_id,
        "allocatedResource": allocation.allocated_resource,
        "allocationTime": None if began is None else wire_time(began),
        "expirationTime": None if ends is None else wire_time(ends),
        "nodeName": allocation.node_name,
        "claimName": allocation.claim_name,
        "costPerHour": None if cost is None else _number(cost),
        "message": allocation.message,
        "observedGeneration": generation,
        "conditions": [_held(allocation, present), *map(_condition, allocation.conditions)],
    }


def of_refusal(
    phase: Phase, reason: str, message: str, present: Mapping[str, Any], *, now: datetime
) -> Status:
    """Return the status of an object that owns no allocation: it waits, or cannot be served."""
    return {
        "phase": phase.value,
        "message": message,
        "conditions": [_since("Allocated", "False", reason, message, present, wire_time(now))],
    }


def not_applied(message: str, present: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return the condition of an object that was edited in a way that cannot be followed."""
    return _since("SpecApplied", "False", "NotWhileRunning", message, present, wire_time(now))


def _number(cost: Any) -> int | float:
    """Return an amount as JSON has it after the API server wrote it: 2, not 2.0."""
    return int(cost) if cost == int(cost) else float(cost)


def _held(allocation: Allocation, present: Mapping[str, Any]) -> dict[str, Any]:
    """Return the condition to wait for: `kubectl wait --for=condition=Allocated`."""
    is_held = allocation.phase is Phase.ALLOCATED
    moment = allocation.allocated_at if is_held else allocation.released_at
    since = wire_time(moment or allocation.requested_at)
    message = (allocation.message or "")[:1000]
    return _since(
        "Allocated",
        "True" if is_held else "False",
        allocation.phase.value,
        message,
        present,
        since,
    )


def _condition(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": told["type"],
        "status": told["status"],
        "reason": "".join(word[:1].upper() + word[1:] for word in told["reason"].split()),
        "message": told["message"],
        "lastTransitionTime": told["last_transition_time"],
    }


def _since(  # noqa: PLR0917 - the parts of one condition
    kind: str, status: str, reason: str, message: str, present: Mapping[str, Any], moment: str
) -> dict[str, Any]:
    """Return a condition that keeps its time while its status stays."""
    before: Sequence[Mapping[str, Any]] = present.get("conditions") or ()
    same = (c for c in before if c.get("type") == kind and c.get("status") == status)
    since = next((c.get("lastTransitionTime") for c in same), None) or moment
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
    }
