"""Metrics of cost: what was spent, by team, and the names that OpenCost's users know."""

from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client import Counter as CounterMetric
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold
from gpu_management.costs.grouping import Dimension, Question, added_up
from gpu_management.costs.service import Desk, last_days, today_and_month, total_ever
from gpu_management.costs.shaping import money
from gpu_management.devices.models import Device, Node

_PLACE = ("cluster", "node", "model")


def write(session: Session, desk: Desk, registry: CollectorRegistry, *, now: datetime) -> None:
    """Add every metric of cost to `registry`."""
    spent = today_and_month(session, desk, now=now)
    _gauge(registry, "gpu_daily_cost", "Cost since midnight, in billing currency.").set(
        float(spent["daily_cost"])
    )
    _gauge(
        registry, "gpu_monthly_cost", "Cost since the first of the month, in billing currency."
    ).set(float(spent["monthly_cost"]))
    CounterMetric(
        "gpu_cost",
        "Ever charged, in billing currency; what corrections gave back is not taken off.",
        registry=registry,
    ).inc(float(total_ever(session, desk, now=now)))
    _teams(session, desk, registry, now=now)
    _nodes(session, desk, registry, now=now)
    _pods(session, registry)


def _gauge(registry: CollectorRegistry, name: str, about: str, *labels: str) -> Gauge:
    return Gauge(name, about, labels, registry=registry)


def _teams(session: Session, desk: Desk, registry: CollectorRegistry, *, now: datetime) -> None:
    by = _gauge(
        registry, "gpu_daily_cost_by_team", "Cost since midnight, in billing currency.", "team"
    )
    today = last_days(desk, 1, now=now)
    question = Question(today.since, today.until, (Dimension.TEAM,))
    for (team,), sums in added_up(session, desk.terms(session), question).items():
        by.labels(team or "").set(float(money(sums.micros)))


def _nodes(session: Session, desk: Desk, registry: CollectorRegistry, *, now: datetime) -> None:
    price = _gauge(
        registry,
        "node_gpu_hourly_cost",
        "Price of one GPU of the node an hour, in billing currency.",
        *_PLACE,
    )
    count = _gauge(registry, "node_gpu_count", "GPUs of the node.", *_PLACE)
    query = (
        select(Node.cluster_name, Node.node_name, Node.node_pool, Device.model_id, func.count())
        .join(Device, Device.node_id == Node.id)
        .where(Device.live_id.is_not(None))
        .group_by(Node.cluster_name, Node.node_name, Node.node_pool, Device.model_id)
    )
    book = desk.keeper.book(session)
    for cluster, node, pool, model, number in session.execute(query):
        count.labels(cluster, node, model).set(number)
        rate = book.card_micros(model, now, cluster_name=cluster, node_pool=pool)
        if rate is not None:
            price.labels(cluster, node, model).set(float(money(rate)))


def _pods(session: Session, registry: CollectorRegistry) -> None:
    held = _gauge(
        registry,
        "container_gpu_allocation",
        "GPUs that a container holds; shares and slices count as parts.",
        "namespace",
        "pod",
        "container",
        "node",
    )
    keys = (
        Allocation.namespace,
        Allocation.pod_name,
        Allocation.container_name,
        Allocation.node_name,
    )
    query = (
        select(*keys, func.sum(Hold.milli))
        .join(Allocation, Allocation.allocation_id == Hold.allocation_id)
        .where(Hold.ended_at.is_(None))
        .group_by(*keys)
    )
    for namespace, pod, container, node, milli in session.execute(query):
        held.labels(namespace, pod, container or "", node or "").set(int(milli) / 1000)
