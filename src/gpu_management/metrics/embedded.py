"""Questions about use, answered from our own tables: minutes, hours, and the newest samples."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Table, bindparam, cast, func, literal, select
from sqlalchemy.orm import Session

from gpu_management.core.database import AnySelect, table_of
from gpu_management.devices.models import Device, Node
from gpu_management.metrics.combine import WHOLE, WHOLE_MILLI, Sum, add, stretch
from gpu_management.metrics.models import HourUse, MinuteUse, RollUp, Sample
from gpu_management.metrics.questions import Group, How, Metric, Now, Point, Question
from gpu_management.mig.models import MigInstance

HOUR: Final = 3600
_MINUTES: Final = table_of(MinuteUse)
_HOURS: Final = table_of(HourUse)
_SAMPLES: Final = table_of(Sample)
_DEVICES: Final = table_of(Device)
_NODES: Final = table_of(Node)
_IN_ONE_QUERY: Final = 500
_FEW: Final = 20
"""So many GPUs are read by their own key; more of them in the order of time."""
_HOURS_DONE: Final = select(RollUp.done_until_ts).where(RollUp.tier == "hour")
_ANY_PARTS: Final = select(MigInstance.id).where(MigInstance.gpu_instance_id.is_not(None)).limit(1)
_NOW: Final = (
    "utilization_pct",
    "memory_used_mib",
    "temperature_celsius",
    "power_w",
    "sm_clock_mhz",
    "ecc_double_bit",
    "last_xid",
    "gpu_util_pct",
    "engine_active_ratio",
    "remap_failed",
    "thermal_violation_ns",
)
_RECENT: Final = (
    select(
        _SAMPLES.c.device_id,
        _SAMPLES.c.gpu_instance_id,
        _SAMPLES.c.created_at,
        *(_SAMPLES.c[name] for name in _NOW),
    )
    .where(_SAMPLES.c.created_at >= bindparam("since"), _SAMPLES.c.created_at <= bindparam("until"))
    .order_by(_SAMPLES.c.created_at)
)


class Embedded:
    """The store in the product's own database."""

    def points(self, session: Session, question: Question) -> list[Point]:
        """Return the buckets of every GPU and instance; see `Store`."""
        found: dict[tuple[int, int, int], Point] = {}
        for table, since, until in _tiers(session, question):
            for devices in _parts(question.devices):
                query = _points(table, question, since, until)
                if devices is not None:
                    query = query.where(table.c.device_id.in_(devices))
                for row in session.connection().execute(query).all():
                    point = Point(*row)
                    known = found.get((point.device, point.instance, point.at))
                    found[point.device, point.instance, point.at] = (
                        point if known is None else _both(known, point, question.how)
                    )
        return list(found.values())

    def sums(
        self, session: Session, question: Question, group: Group
    ) -> dict[str, dict[int, Sum]] | None:
        """Return sums of whole GPUs in SQL; None where instances have a say, or holders."""
        if group.of_holds or (question.devices is not None and len(question.devices) <= _FEW):
            return None
        if question.devices is not None or session.scalar(_ANY_PARTS) is not None:
            return None
        found: dict[str, dict[int, Sum]] = defaultdict(dict)
        for table, since, until in _tiers(session, question):
            query = _sums(table, question, group, (since, until))
            for key, at, total, samples, extreme in session.connection().execute(query):
                there = found[key].setdefault(at, Sum())
                add(there, total * WHOLE_MILLI, samples * WHOLE_MILLI)
                stretch(there, extreme, question.how)
        return found

    def recent(self, session: Session, *, since: int, until: int) -> Iterator[Now]:
        """Return the samples of the last moments, oldest first."""
        told = {
            "since": datetime.fromtimestamp(since, UTC),
            "until": datetime.fromtimestamp(until, UTC),
        }
        for device, instance, at, *values in session.connection().execute(_RECENT, told):
            yield Now(device, instance, int(at.timestamp()), *values)


def _tiers(session: Session, question: Question) -> list[tuple[Table, int, int]]:
    """Hours as far as they are made, minutes for the rest."""
    if question.step % HOUR or question.since % HOUR or question.how is How.MIN:
        return [(_MINUTES, question.since, question.until)]
    done = min(max(session.scalar(_HOURS_DONE) or 0, question.since), question.until)
    tiers = [(_HOURS, question.since, done), (_MINUTES, done, question.until)]
    return [tier for tier in tiers if tier[1] < tier[2]]


def _parts(devices: frozenset[int] | None) -> list[list[int] | None]:
    if devices is None:
        return [None]
    keys = sorted(devices)
    return [keys[at : at + _IN_ONE_QUERY] for at in range(0, len(keys), _IN_ONE_QUERY)]


def _counted(table: Table, metric: Metric) -> ColumnElement[Any]:
    is_best = metric is Metric.UTILIZATION_PCT
    return table.c.utilization_samples if is_best else table.c.samples


def _figures(table: Table, question: Question) -> tuple[ColumnElement[Any], ...]:
    """The bucket, the sum of its samples, their number, and the extreme."""
    of, metric = table.c, question.metric
    value, counted = of[metric.column], _counted(table, metric)
    peak = of[f"{metric.column}_max"] if metric.has_peak else value
    extreme = func.min(value) if question.how is How.MIN else func.max(peak)
    at: ColumnElement[Any] = of.at_ts
    if not _is_own(table, question):
        at = cast(at - (at - question.since) % question.step, BigInteger)
    return (
        at.label("bucket"),
        func.sum(value * counted),
        func.sum(counted),
        extreme,
    )


def _is_own(table: Table, question: Question) -> bool:
    return question.step == (HOUR if table is _HOURS else 60)


def _within(table: Table, question: Question, since: int, until: int) -> ColumnElement[bool]:
    value = table.c[question.metric.column]
    at: ColumnElement[Any] = table.c.at_ts
    if question.devices is not None and len(question.devices) <= _FEW:
        if table is _HOURS:  # the key begins with the time: each hour is looked up
            return at.in_(range(since, until, HOUR)) & value.is_not(None)
        at = at + 0  # else SQLite reads every GPU in the order of time
    return (at >= since) & (at < until) & value.is_not(None)


def _points(table: Table, question: Question, since: int, until: int) -> AnySelect:
    bucket, *figures = _figures(table, question)
    keys = (table.c.device_id, table.c.gpu_instance_id)
    query = select(*keys, bucket, *figures).where(_within(table, question, since, until))
    return query.group_by(*keys, bucket)


def _sums(table: Table, question: Question, group: Group, span: tuple[int, int]) -> AnySelect:
    bucket, *figures = _figures(table, question)
    within = _within(table, question, *span) & (table.c.gpu_instance_id == WHOLE)
    source: Any = table
    key: Any = literal("")
    if group is not Group.CLUSTER:
        source = table.join(_DEVICES, _DEVICES.c.id == table.c.device_id)
        key = _DEVICES.c.model_id if group is Group.MODEL else _DEVICES.c.device_id
    if group is Group.NODE:
        source = source.join(_NODES, _NODES.c.id == _DEVICES.c.node_id)
        key = _NODES.c.node_name
    query = select(key.label("told"), bucket, *figures).select_from(source).where(within)
    return query.group_by(bucket) if group is Group.CLUSTER else query.group_by(key, bucket)


def _both(one: Point, other: Point, how: How) -> Point:
    """A bucket of which a part was in hours and a part in minutes."""
    both = Sum()
    for extreme in (one.extreme, other.extreme):
        stretch(both, extreme, how)
    total, samples = one.total + other.total, one.samples + other.samples
    return Point(one.device, one.instance, one.at, total, samples, both.extreme)
