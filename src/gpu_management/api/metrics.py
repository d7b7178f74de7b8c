"""Metrics of the fleet, read from the database: the same whichever replica is scraped (MET-07)."""

from collections import Counter
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client import Counter as CounterMetric
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Phase
from gpu_management.api import cost_metrics
from gpu_management.costs.service import Desk
from gpu_management.mig.models import MigInstance
from gpu_management.overview.service import fleet_groups

FAILURE_REASONS = ("enforcement", "wait-expired")
"""Every reason a failure can have: series start at 0, so the first failure is an increase."""


def fleet(session: Session, desk: Desk, *, now: datetime) -> bytes:
    """Return the fleet's metrics in Prometheus text format."""
    registry = CollectorRegistry()
    _allocations(session, registry)
    _slices(session, registry)
    _devices(session, registry)
    cost_metrics.write(session, desk, registry, now=now)
    return generate_latest(registry)


def _allocations(session: Session, registry: CollectorRegistry) -> None:
    query = select(Allocation.namespace, Allocation.team_id, func.count()).where(
        Allocation.phase == Phase.ALLOCATED
    )
    rows = session.execute(query.group_by(Allocation.namespace, Allocation.team_id)).all()
    active = Gauge("gpu_allocations_active", "Allocations that hold GPUs now.", registry=registry)
    active.set(sum(count for *_, count in rows))
    by = Gauge(
        "gpu_allocations_by",
        "Allocations that hold GPUs now, by namespace and team.",
        ["namespace", "team"],
        registry=registry,
    )
    for namespace, team, count in rows:
        by.labels(namespace, team or "").set(count)
    waiting = select(func.count()).where(Allocation.phase == Phase.PENDING)
    Gauge("gpu_allocations_pending", "Requests that wait in the queue.", registry=registry).set(
        session.scalar(waiting) or 0
    )
    failures = CounterMetric(
        "gpu_allocation_failures", "Allocations that failed.", ["reason"], registry=registry
    )
    failed = select(Allocation.failure_reason, func.count()).where(
        Allocation.failure_reason.is_not(None)
    )
    counted: dict[str | None, int] = dict.fromkeys(FAILURE_REASONS, 0)
    counted |= dict(session.execute(failed.group_by(Allocation.failure_reason)).all())
    for reason, count in counted.items():
        failures.labels(reason).inc(count)


def _slices(session: Session, registry: CollectorRegistry) -> None:
    query = select(MigInstance.held, func.count()).where(MigInstance.destroyed_at.is_(None))
    counts = Counter(dict(session.execute(query.group_by(MigInstance.held)).all()))
    values = {
        "total": counts[True] + counts[False],
        "available": counts[False],
        "allocated": counts[True],
    }
    for name, value in values.items():
        Gauge(f"gpu_mig_instances_{name}", f"MIG instances: {name}.", registry=registry).set(value)


def _devices(session: Session, registry: CollectorRegistry) -> None:
    by = Gauge(
        "gpu_devices",
        "GPUs of the fleet by model and state.",
        ["model", "state"],
        registry=registry,
    )
    held = Gauge(
        "gpu_held_milli", "Thousandths of GPUs that are held.", ["model"], registry=registry
    )
    for group in fleet_groups(session)[0]:
        by.labels(group.model_id, group.state.value).inc(group.number)
        held.labels(group.model_id).inc(int(group.held_milli))
