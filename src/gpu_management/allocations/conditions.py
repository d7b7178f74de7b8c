"""Conditions of an allocation: one entry per aspect, with reason and message (DESIGN 4)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gpu_management.core.clock import wire_time

Conditions = list[dict[str, Any]]


def standalone(now: datetime) -> Conditions:
    """Return what holds of a new allocation while no cluster is attached."""
    message = "no cluster is attached: the ledger holds the device, nothing enforces it in pods"
    return [entry("Enforced", "False", reason="Standalone", message=message, now=now)]


def entry(
    kind: str,
    status: str,
    *,
    reason: str,
    message: str,
    now: datetime,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return one condition; `facts` are the figures and names that its message is made of."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "last_transition_time": wire_time(now),
        "facts": dict(facts or {}),
    }


def with_one(conditions: Sequence[dict[str, Any]], new: dict[str, Any]) -> Conditions:
    """Return the conditions with `new` in place of the one of its type."""
    return [*without(conditions, new["type"]), new]


def without(conditions: Sequence[dict[str, Any]], kind: str) -> Conditions:
    """Return the conditions that are not of type `kind`."""
    return [present for present in conditions if present["type"] != kind]


def has(conditions: Sequence[dict[str, Any]], kind: str) -> bool:
    """Say whether a condition of type `kind` is true."""
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def ended(conditions: Sequence[dict[str, Any]], *, reason: str, now: datetime) -> Conditions:
    """Return the conditions of an allocation that is over."""
    kept = without(without(conditions, "Expiring"), "Releasing")
    message = f"released: {reason}"
    return [*kept, entry("Released", "True", reason=reason, message=message, now=now)]
