"""Make minutes of samples and hours of minutes, and let go of what is old, in bounded batches.

Each step is one statement over one minute or hour, so a run that is cut short goes on where it was;
doing a step twice changes nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Delete,
    Float,
    Integer,
    Select,
    Table,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Hold, HoldKind
from gpu_management.core.database import insert_new, table_of
from gpu_management.metrics.models import (
    HourUse,
    LateMinute,
    MinuteUse,
    PodMinute,
    PodSample,
    RemadeMinute,
    RollUp,
    Sample,
)

MINUTE: Final = 60
HOUR: Final = 3600
LATENESS: Final = timedelta(seconds=90)
"""How late a sample may come and still be in its minute."""
_SAMPLES: Final = table_of(Sample)
_MINUTES: Final = table_of(MinuteUse)
_HOURS: Final = table_of(HourUse)
_LATE: Final = table_of(LateMinute)
_PODS: Final = table_of(PodSample)
_POD_MINUTES: Final = table_of(PodMinute)
_REMADE: Final = table_of(RemadeMinute)
_HOLDS: Final = table_of(Hold)
_DONE: Final = select(RollUp.done_until_ts).where(RollUp.tier == bindparam("tier"))
_MAXED: Final = ("utilization_pct", "memory_used_mib", "temperature_celsius", "power_w")
_MEANT: Final = (*_MAXED, "sm_clock_mhz", "tensor_active_ratio", "dram_active_ratio")
_MOST_STEPS: Final = 500
"""Steps of one run at most; the next run goes on."""
_LONG_AFTER: Final = timedelta(minutes=5)
"""A minute that is made so long after it was over may be of a day that is closed."""


@dataclass(frozen=True, slots=True)
class Ages:
    """How long each tier is kept."""

    samples: timedelta
    minutes: timedelta
    hours: timedelta


def least_samples(interval_seconds: int) -> int:
    """Return how many samples a minute needs to count for the ledger: half of those there are."""
    return max(1, -(-MINUTE // (2 * interval_seconds)))


def roll_up(session: Session, *, now: datetime, least: int = 2) -> int:
    """Make the minutes and hours that are complete and missing; return how many were made.

    Minutes with `least` samples count for the ledger; see `least_samples`.
    """
    until = int((now - LATENESS).timestamp())
    made = _make_again(session, now, least)
    made += _advance(
        session, "minute", until, seconds=MINUTE, first=_first_sample, make=partial(_minutes, now)
    )
    return made + make_hours(session, least=least)


def make_hours(session: Session, *, least: int) -> int:
    """Make the hours whose minutes are made; return how many."""
    done = session.get(RollUp, "minute")
    until = done.done_until_ts if done else 0
    make = partial(_hours, least)
    return _advance(session, "hour", until, seconds=HOUR, first=_first_minute, make=make)


def note_remade(session: Session, minutes: Iterable[int], *, now: datetime) -> None:
    """Note minutes that were made long after they were over, for the days that are closed."""
    before = int((now - _LONG_AFTER).timestamp())
    moment = int(now.timestamp())
    rows = [{"at_ts": at, "made_ts": moment} for at in minutes if at < before]
    if rows:
        insert_new(session, _REMADE, rows)


def note_late(session: Session, moment: datetime) -> None:
    """Have the minute of `moment` made again when it is made already: samples came late."""
    at = int(moment.timestamp()) // MINUTE * MINUTE
    done = session.execute(_DONE, {"tier": "minute"}).scalar()
    if done is not None and at < done:
        insert_new(session, _LATE, [{"at_ts": at}])


def purge(session: Session, ages: Ages, *, now: datetime, most: int = 50_000) -> int:
    """Delete what is older than its tier is kept, at most about `most` rows; return how many."""
    removed = 0
    for table, column, before in (
        (_SAMPLES, "created_at", now - ages.samples),
        (_PODS, "created_at", now - ages.samples),
        (_MINUTES, "at_ts", int((now - ages.minutes).timestamp())),
        (_POD_MINUTES, "at_ts", int((now - ages.minutes).timestamp())),
        (_HOURS, "at_ts", int((now - ages.hours).timestamp())),
    ):
        statement = _oldest(session, table, column, before, most - removed)
        if statement is not None:
            removed += int(session.connection().execute(statement).rowcount)
        if removed >= most:
            break
    return removed


def _oldest(
    session: Session, table: Table, column: str, before: datetime | int, most: int
) -> Delete | None:
    """Delete everything up to the moment at which about `most` rows are older."""
    at = table.c[column]
    past = select(at).where(at < before).order_by(at)
    last = session.execute(past.offset(most).limit(1)).scalar()
    if last is not None:
        return delete(table).where(at <= last)
    return delete(table).where(at < before)


def _make_again(session: Session, now: datetime, least: int) -> int:
    """Make late minutes, and the hours they are in, anew."""
    late = list(session.scalars(select(_LATE.c.at_ts).order_by(_LATE.c.at_ts).limit(_MOST_STEPS)))
    hours_done = session.execute(_DONE, {"tier": "hour"}).scalar() or 0
    for at in late:
        _minutes(now, session, at)
    hours = sorted({at // HOUR * HOUR for at in late if at // HOUR * HOUR < hours_done})
    for at in hours:
        _hours(least, session, at)
    if late:
        session.execute(delete(_LATE).where(_LATE.c.at_ts.in_(late)))
    return len(late) + len(hours)


def _minutes(now: datetime, session: Session, at: int) -> None:
    """Make a minute of every GPU and instance, and of the pods beside others."""
    _make(session, *_minute(at), at=at)
    make_pod_minutes(session, at)
    note_remade(session, [at], now=now)


def make_pod_minutes(session: Session, at: int) -> None:
    """Make the minute that begins at `at` of the pods on GPUs whose shares are held."""
    _make(session, *_pod_minute(at), at=at)


def _hours(least: int, session: Session, at: int) -> None:
    _make(session, *_hour(at, least), at=at)


def _make(session: Session, target: Table, rows: Select[Any], *, at: int) -> None:
    session.execute(delete(target).where(target.c.at_ts == at))
    names = [column.name for column in rows.selected_columns]
    session.execute(insert(target).from_select(names, rows))


_First = Callable[[Session], int | None]
_Maker = Callable[[Session, int], None]


def _advance(
    session: Session, tier: str, until: int, *, seconds: int, first: _First, make: _Maker
) -> int:
    done = session.get(RollUp, tier)
    if done is None:
        begins = first(session)
        if begins is None:
            return 0
        done = RollUp(tier=tier, done_until_ts=begins - begins % seconds)
        session.add(done)
    made = 0
    while done.done_until_ts + seconds <= until and made < _MOST_STEPS:
        make(session, done.done_until_ts)
        done.done_until_ts += seconds
        made += 1
    session.flush()
    return made


def _first_sample(session: Session) -> int | None:
    first: datetime | None = session.scalar(select(func.min(_SAMPLES.c.created_at)))
    return None if first is None else int(first.timestamp())


def _first_minute(session: Session) -> int | None:
    first: int | None = session.scalar(select(func.min(_MINUTES.c.at_ts)))
    return first


def _minute(at: int) -> tuple[Table, Select[Any]]:
    since = datetime.fromtimestamp(at, UTC)
    of = _SAMPLES.c
    columns: list[ColumnElement[Any]] = [
        literal(at).label("at_ts"),
        of.device_id,
        of.gpu_instance_id,
        func.count().label("samples"),
        func.count(of.utilization_pct).label("utilization_samples"),
        *(func.avg(of[name]).label(name) for name in _MEANT),
        *(func.max(of[name]).label(f"{name}_max") for name in _MAXED),
    ]
    rows = (
        select(*columns)
        .where(of.created_at >= since, of.created_at < since + timedelta(seconds=MINUTE))
        .group_by(of.device_id, of.gpu_instance_id)
    )
    return _MINUTES, rows


def _pod_minute(at: int) -> tuple[Table, Select[Any]]:
    """Pods are told apart only where somebody held shares: elsewhere a GPU has one holder."""
    since = datetime.fromtimestamp(at, UTC)
    until = since + timedelta(seconds=MINUTE)
    of, held = _PODS.c, _HOLDS.c
    shared = select(held.device_id).where(
        held.kind == HoldKind.SHARE,
        held.started_at < until,
        held.ended_at.is_(None) | (held.ended_at > since),
    )
    keys = (of.device_id, of.gpu_instance_id, of.pod_uid)
    rows = (
        select(
            literal(at).label("at_ts"),
            *keys,
            func.count().label("samples"),
            func.count(of.busy_pct).label("busy_samples"),
            func.avg(of.busy_pct).label("busy_pct"),
            func.avg(of.memory_mib).label("memory_mib"),
        )
        .where(of.created_at >= since, of.created_at < until, of.device_id.in_(shared))
        .group_by(*keys)
    )
    return _POD_MINUTES, rows


def _hour(at: int, least: int) -> tuple[Table, Select[Any]]:
    of = _MINUTES.c
    counts = of.utilization_samples >= least
    columns: list[ColumnElement[Any]] = [
        literal(at).label("at_ts"),
        of.device_id,
        of.gpu_instance_id,
        func.sum(of.samples).label("samples"),
        func.sum(of.utilization_samples).label("utilization_samples"),
        *(_weighted(name).label(name) for name in _MEANT),
        *(func.max(of[f"{name}_max"]).label(f"{name}_max") for name in _MAXED),
        literal(least).label("measured_least"),
        func.sum(case((counts, 1), else_=0)).label("measured_minutes"),
        func.sum(case((counts, of.utilization_pct), else_=0.0)).label("measured_pct"),
    ]
    rows = (
        select(*columns)
        .where(of.at_ts >= at, of.at_ts < at + HOUR)
        .group_by(of.device_id, of.gpu_instance_id)
    )
    return _HOURS, rows


def _weighted(name: str) -> ColumnElement[Any]:
    """The mean over an hour, each minute weighted by its samples that had the value."""
    of = _MINUTES.c
    counted = of.utilization_samples if name == "utilization_pct" else of.samples
    weight = cast(
        func.sum(case((of[name].is_(None), 0), else_=counted)),
        Integer,
    )
    return cast(func.sum(of[name] * counted), Float) / func.nullif(weight, 0)
