"""Answers about use: series by group, the highest of a window, and the newest figures."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.core.database import AnyRow
from gpu_management.devices.models import Device
from gpu_management.metrics import fleet
from gpu_management.metrics.combine import Sum, figure, grouped, once
from gpu_management.metrics.fleet import Only
from gpu_management.metrics.latest import Latest
from gpu_management.metrics.questions import Group, Point, Question
from gpu_management.metrics.store import Store


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of a group in a bucket; `samples` is the number behind it, in whole GPUs."""

    group: str
    at: datetime
    value: float
    samples: float


def series(
    session: Session, store: Store, question: Question, *, group: Group, only: Only
) -> list[Row]:
    """Return the figures of every group, by group and time; a gap has no row.

    Raises:
        MetricsUnavailable: the backend did not answer.
    """
    found = _sums(session, store, question, group, only)
    rows = []
    for key in sorted(found):
        for at, there in sorted(found[key].items()):
            value = figure(there, question.how)
            if value is not None:
                moment = datetime.fromtimestamp(at, UTC)
                rows.append(Row(key, moment, value, there.weight / 1000))
    return rows


def top(rows: Iterable[Row], *, most: int, lowest: bool) -> list[Row]:
    """Return the groups with the highest (or lowest) figures, ties by name."""
    sign = 1 if lowest else -1
    return sorted(rows, key=lambda row: (sign * row.value, row.group))[:most]


def _sums(
    session: Session, store: Store, question: Question, group: Group, only: Only
) -> Mapping[str, dict[int, Sum]]:
    known: dict[int, AnyRow] = {}
    if only != Only() or group.of_holds:
        known = fleet.names(session)
        question = replace(question, devices=fleet.devices_of(known, only))
    if not only.of_holds:
        quick = store.sums(session, question, group)
        if quick is not None:
            return quick
    sizes = fleet.shares(session, question.devices)
    named = known or fleet.names(session, question.devices)
    keys = _keys(session, question, group, only, named)

    def weight_of(point: Point) -> int | None:
        return sizes.milli(point, question.step)

    points = once(store.points(session, question))
    sums = grouped(points, keys, weight_of=weight_of, metric=question.metric, how=question.how)
    return {str(key): buckets for key, buckets in sums.items()}


def _keys(
    session: Session, question: Question, group: Group, only: Only, named: Mapping[int, AnyRow]
) -> Any:
    """Return what tells a point's groups, each with its part of the point."""
    static = {device: fleet.static_key(group, row) for device, row in named.items()}

    def by_what_it_is(point: Point) -> Iterable[tuple[Hashable, float]]:
        return ((static[point.device], 1.0),)

    if not group.of_holds and not only.of_holds:
        return by_what_it_is
    held = fleet.holders(session, group, only, since=question.since, until=question.until)

    def by_holder(point: Point) -> Iterator[tuple[Hashable, float]]:
        stretches = held.get(point.device, ())
        for key, part in fleet.held_parts(stretches, point, question.step):
            yield key if group.of_holds else static[point.device], part

    return by_holder


def newest(session: Session, latest: Latest, only: Only, *, now: datetime) -> list[dict[str, Any]]:
    """Return the newest figures of GPUs and instances that are not older than five intervals.

    Raises:
        MetricsUnavailable: the backend did not answer.
    """
    known = fleet.names(session)
    wanted = fleet.devices_of(known, only)
    if only.of_holds:
        until = int(now.timestamp())
        held = fleet.holders(session, Group.DEVICE, only, since=until - 1, until=until)
        wanted = frozenset(held) if wanted is None else wanted & frozenset(held)
    living = set(session.scalars(select(Device.id).where(Device.live_id.is_not(None))))
    rows = []
    for target, figures in latest.all(session, now=now).items():
        device, instance = target
        if device in living and (wanted is None or device in wanted):
            row = known[device]
            rows.append(
                {
                    "device_id": row.device_id,
                    "gpu_instance_id": None if instance < 0 else instance,
                    "node_name": row.node_name,
                    "model_id": row.model_id,
                    "at": datetime.fromtimestamp(figures.at, UTC),
                    **{name: getattr(figures, name) for name in SHOWN},
                }
            )
    return sorted(rows, key=lambda row: (row["device_id"], row["gpu_instance_id"] or -1))


SHOWN = (
    "utilization_pct",
    "memory_used_mib",
    "temperature_celsius",
    "power_w",
    "sm_clock_mhz",
    "ecc_double_bit",
    "last_xid",
)
"""The figures of `newest`."""
