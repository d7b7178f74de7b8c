"""Find held GPUs that will be idle in the coming hour, with the evidence for it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import exp
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation
from gpu_management.core.database import AnyRow, in_parts
from gpu_management.metrics import fleet
from gpu_management.metrics.fleet import Only, Stretch
from gpu_management.metrics.questions import Group, How, Metric, Point, Question, question
from gpu_management.metrics.store import Store
from gpu_management.optimization.idle import HOUR_SECONDS, IdleRule, RecentMean, Sample

LOOK_BACK_SECONDS = 6 * HOUR_SECONDS
"""What lies further back weighs less than 1 % (exp(-6 h / 75 min))."""
BUCKET_SECONDS = 300
MADE_SECONDS = 180
"""Minutes are made of samples so long after they are over."""
_ENOUGH = 0.9
"""The part of an hour's samples that must be there, as in `IdleRule.min_samples`."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why something is expected to stay idle."""

    recent_mean_pct: float
    last_hour_pct: float
    samples: int


def evidence(
    points: Sequence[Point], *, until: int, interval_seconds: int, rule: IdleRule
) -> Evidence | None:
    """Return what speaks for idleness, or None: it is busy, or too little was measured.

    `points` are one target's, in order of time; the last hour before `until` needs 90 % of its
    samples. Nothing after `until` is looked at.
    """
    recent = RecentMean(rule.time_constant_seconds)
    total = samples = 0.0
    for point in points:
        if point.at + BUCKET_SECONDS > until or not point.samples:
            continue
        recent.see(Sample(point.at + BUCKET_SECONDS, point.total / point.samples))
        if point.at >= until - HOUR_SECONDS:
            total, samples = total + point.total, samples + point.samples
    score = recent.value()
    expected = HOUR_SECONDS / interval_seconds
    if score is None or samples < _ENOUGH * expected or score >= rule.threshold_pct:
        return None
    return Evidence(score, total / samples, int(samples))


def idle_now(
    session: Session,
    store: Store,
    *,
    only: Only,
    interval_seconds: int,
    now: datetime,
    rule: IdleRule | None = None,
) -> list[dict[str, Any]]:
    """Return whole GPUs and MIG instances that are held and idle, the dearest first.

    A hold younger than an hour is left alone: what starts up needs its time.

    Raises:
        MetricsUnavailable: the backend did not answer.
    """
    until = (int(now.timestamp()) - MADE_SECONDS) // BUCKET_SECONDS * BUCKET_SECONDS
    known = fleet.names(session)
    held = fleet.holders(session, Group.ALLOCATION, only, since=until - 1, until=until)
    rule = rule or IdleRule()
    quiet = _quiet(session, store, fleet.devices_of(known, only), until=until, rule=rule)
    quiet &= held.keys()
    if not quiet:
        return []
    asked = question(
        Metric.UTILIZATION_PCT,
        How.AVG,
        since=until - LOOK_BACK_SECONDS,
        until=until,
        step=BUCKET_SECONDS,
        devices=frozenset(quiet),
    )
    measured = _by_target(store.points(session, asked))
    found = []
    for device, stretches in held.items():
        for one in stretches:
            mine = _own(measured.get((device, one.instance), ()), one)
            if one.key and one.since <= until - HOUR_SECONDS and mine:
                why = evidence(mine, until=until, interval_seconds=interval_seconds, rule=rule)
                if why is not None:
                    found.append((known[device], one, why))
    return _shown(session, found, until)


def busy_for_certain_pct(rule: IdleRule) -> float:
    """Return a mean of the last hour from which on nothing can be idle by the rule, in percent.

    The hour's buckets weigh at least exp(-1 h / fade) each, and all that ever were together at most
    1 / (1 - exp(-bucket / fade)); doubled, because buckets may have different numbers of samples.
    """
    fade = rule.time_constant_seconds
    buckets = HOUR_SECONDS / BUCKET_SECONDS
    part = buckets * exp(-HOUR_SECONDS / fade) * (1 - exp(-BUCKET_SECONDS / fade))
    return 2 * rule.threshold_pct / part


def _quiet(
    session: Session, store: Store, devices: frozenset[int] | None, *, until: int, rule: IdleRule
) -> set[int]:
    """Return the GPUs with a target that may be idle: only of those the past is read."""
    since = until - HOUR_SECONDS
    asked = Question(Metric.UTILIZATION_PCT, How.AVG, since, until, HOUR_SECONDS, devices)
    most = busy_for_certain_pct(rule)
    found = store.points(session, asked)
    return {one.device for one in found if one.samples and one.total / one.samples < most}


def _by_target(points: Sequence[Point]) -> Mapping[tuple[int, int], list[Point]]:
    found: dict[tuple[int, int], list[Point]] = defaultdict(list)
    for point in sorted(points, key=lambda one: one.at):
        found[point.device, point.instance].append(point)
    return found


def _own(points: Sequence[Point], stretch: Stretch) -> list[Point]:
    """What the holder before did says nothing about this one."""
    return [point for point in points if point.at >= stretch.since]


def _shown(
    session: Session, found: Sequence[tuple[AnyRow, Stretch, Evidence]], until: int
) -> list[dict[str, Any]]:
    holders = _allocations(session, sorted({stretch.key for _, stretch, _ in found}))
    rows = [
        {
            "device_id": device.device_id,
            "node_name": device.node_name,
            "model_id": device.model_id,
            "gpu_instance_id": None if stretch.instance < 0 else stretch.instance,
            "allocation_id": stretch.key,
            "namespace": holders[stretch.key].namespace,
            "pod_name": holders[stretch.key].pod_name,
            "team_id": holders[stretch.key].team_id,
            "workload_type": holders[stretch.key].workload_type,
            "held_since": datetime.fromtimestamp(stretch.since, UTC),
            "judged_at": datetime.fromtimestamp(until, UTC),
            "recent_mean_pct": round(why.recent_mean_pct, 3),
            "last_hour_pct": round(why.last_hour_pct, 3),
            "samples": why.samples,
            "cost_per_hour": holders[stretch.key].cost_per_hour,
        }
        for device, stretch, why in found
    ]
    return sorted(rows, key=lambda row: (-(row["cost_per_hour"] or 0), row["device_id"]))


def _allocations(session: Session, keys: Sequence[str]) -> dict[str, Allocation]:
    found: dict[str, Allocation] = {}
    for some in in_parts(keys):
        query = select(Allocation).where(Allocation.allocation_id.in_(some))
        found |= {row.allocation_id: row for row in session.scalars(query)}
    return found
