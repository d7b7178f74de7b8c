"""Read what the rules look at: measurements, counts of the database, counters of this process."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from prometheus_client import REGISTRY
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.alerts import measures as of
from gpu_management.alerts.fleet import Fleet, fleet_of
from gpu_management.alerts.past import Column, Key, Past, column, key_of
from gpu_management.alerts.rules import METRICS_AWAY
from gpu_management.allocations.models import Allocation, Phase
from gpu_management.cluster.models import ClusterLink
from gpu_management.costs.days import day_start
from gpu_management.costs.grouping import Dimension, Question, added_up
from gpu_management.costs.service import Desk, last_days, today_and_month, total_ever
from gpu_management.costs.shaping import money
from gpu_management.devices.models import Device
from gpu_management.metrics.combine import WHOLE
from gpu_management.metrics.latest import Latest
from gpu_management.metrics.questions import HOUR, MINUTE, How, Metric, Now, question
from gpu_management.metrics.store import MetricsUnavailable
from gpu_management.mig.models import MigInstance

_FLEET: Final = key_of()
_COST_SECONDS: Final = 60
"""How often amounts are asked for: they grow slowly, and asking costs more than counting."""
_REPLAY_SECONDS: Final = 15 * MINUTE
"""How far back figures are read again: the longest window over them."""
_FAILURE_REASONS: Final = ("enforcement", "wait-expired")
_RECALL_SECONDS: Final = 24 * HOUR
"""How far back a process that starts looks for GPUs that were measured."""
_FIELDS: Final[Mapping[str, Callable[[Now], float | None]]] = {
    of.TEMPERATURE: lambda now: now.temperature_celsius,
    of.UTILIZATION: lambda now: now.gpu_util_pct,
    of.XID: lambda now: now.last_xid,
    of.DOUBLE_BIT: lambda now: now.ecc_double_bit,
    of.REMAP_FAILURE: lambda now: now.remap_failed,
    of.THERMAL_VIOLATION: lambda now: now.thermal_violation_ns,
}
"""The families of whole GPUs, and the figure of each."""
_HELD: Final = (
    select(Device.model_id, Device.state, func.count(), func.sum(Device.held_milli))
    .where(Device.live_id.is_not(None))
    .group_by(Device.model_id, Device.state)
)
_SLICES: Final = (
    select(MigInstance.held, func.count())
    .where(MigInstance.destroyed_at.is_(None))
    .group_by(MigInstance.held)
)
_PENDING: Final = select(func.count()).where(Allocation.phase == Phase.PENDING)
_FAILED: Final = (
    select(Allocation.failure_reason, func.count())
    .where(Allocation.failure_reason.is_not(None))
    .group_by(Allocation.failure_reason)
)
_SYNCED: Final = select(ClusterLink.cluster_name, ClusterLink.synced_at).where(
    ClusterLink.synced_at.is_not(None)
)


@dataclass(frozen=True, slots=True)
class Told:
    """What every family tells now, and the families whose source does not answer."""

    columns: Mapping[str, Column]
    away: frozenset[str] = frozenset()


@dataclass(slots=True)
class Reader:
    """Reads for one evaluator; remembers what changes seldom, and which nodes were ever measured.

    `latest` is asked for what GPUs do, `desk` for what they cost.
    """

    latest: Latest
    desk: Desk
    _fleet: Fleet = field(default_factory=Fleet)
    _monitored: set[str] = field(default_factory=set)
    _amounts: Mapping[str, Column] = field(default_factory=dict)
    _amounts_at: datetime | None = None

    def recall(
        self, session: Session, *, silent_nodes: Collection[str], now: datetime
    ) -> Mapping[Key, float]:
        """Return when GPUs were measured last, within a day; for a process that starts.

        `silent_nodes` are known to have been measured before that.
        """
        self._fleet = fleet_of(session, self._fleet)
        self._monitored |= set(silent_nodes)
        until = int(now.timestamp())
        asked = question(
            Metric.TEMPERATURE_CELSIUS,
            How.AVG,
            since=until - _RECALL_SECONDS,
            until=until,
            step=HOUR,
        )
        at: dict[int, float] = {}
        try:
            for point in self.latest.store.points(session, asked):
                ends = min(point.at + HOUR, until)
                at[point.device] = max(at.get(point.device, 0.0), float(ends))
        except MetricsUnavailable:
            return {}
        places = dict(zip(self._fleet.gpus, self._fleet.keys, strict=True))
        self._monitored |= {
            node for node, gpus in self._fleet.nodes.items() if any(gpu in at for gpu in gpus)
        }
        return {places[device]: moment for device, moment in at.items() if device in places}

    def replay(self, session: Session, past: Past, *, now: datetime) -> None:
        """Fill the windows of `past` from what is stored; for a process that starts.

        An error that came between the last look of one process and the first of the next is seen.
        """
        until = int(now.timestamp())
        try:
            stored = self.latest.store.recent(session, since=until - _REPLAY_SECONDS, until=until)
            for at, figures in _looks(stored, self.latest.interval_seconds):
                past.add(at, self._measured(figures))
        except MetricsUnavailable:
            return

    def read(self, session: Session, *, now: datetime) -> Told:
        """Return what every family tells now."""
        self._fleet = fleet_of(session, self._fleet)
        try:
            figures = self.latest.all(session, now=now)
            gpus = self.latest.gpus(session, now=now)
        except MetricsUnavailable:
            away = of.OF_GPUS
            columns = {of.UP: self._up(None), METRICS_AWAY: column({_FLEET: 1.0})}
        else:
            away = frozenset()
            columns = {
                **self._measured(gpus),
                of.ENGINE_OF_HELD: self._slices(figures),
                of.UP: self._up(gpus),
                METRICS_AWAY: column({_FLEET: 0.0}),
            }
        return Told({**columns, **_counted(session), **self._costs(session, now)}, away)

    def _measured(self, gpus: Mapping[int, Now]) -> dict[str, Column]:
        found = [gpus.get(pk) for pk in self._fleet.gpus]
        return {
            name: Column(
                self._fleet.keys, _floats(None if one is None else told(one) for one in found)
            )
            for name, told in _FIELDS.items()
        }

    def _slices(self, figures: Mapping[tuple[int, int], Now]) -> Column:
        found = [figures.get(target) for target in self._fleet.slices]
        ratios = (None if one is None else one.engine_active_ratio for one in found)
        return Column(self._fleet.slice_keys, _floats(ratios))

    def _up(self, gpus: Mapping[int, Now] | None) -> Column:
        """Which exporters answer: those of nodes whose GPUs were ever measured; NaN: not known."""
        told = {key_of(job=of.PRODUCT, instance="self"): 1.0}
        for node, devices in self._fleet.nodes.items():
            answers = gpus is not None and any(device in gpus for device in devices)
            if answers:
                self._monitored.add(node)
            if node in self._monitored:
                value = float("nan") if gpus is None else float(answers)
                told[key_of(job=of.EXPORTER, instance=node)] = value
        return column(told)

    def _costs(self, session: Session, now: datetime) -> Mapping[str, Column]:
        at = self._amounts_at
        if at is None or not timedelta(0) <= now - at < timedelta(seconds=_COST_SECONDS):
            self._amounts = _amounts(session, self.desk, now)
            self._amounts_at = now
        return self._amounts


def _looks(stored: Iterable[Now], seconds: int) -> Iterator[tuple[float, Mapping[int, Now]]]:
    """Yield what GPUs told, together for so many seconds, as long as no error's code changes."""
    figures: dict[int, Now] = {}
    began = 0
    for one in stored:
        known = figures.get(one.device)
        is_news = known is not None and known.last_xid != one.last_xid and one.last_xid is not None
        if figures and (one.at // seconds != began // seconds or is_news):
            yield began, figures
            figures = {}
        if not figures:
            began = one.at
        if one.instance == WHOLE or one.device not in figures:
            figures[one.device] = one
    if figures:
        yield began, figures


def _floats(values: Iterable[float | None]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([np.nan if one is None else one for one in values], dtype=np.float64)


def _counted(session: Session) -> dict[str, Column]:
    ask = session.connection().execute
    by_state: dict[Key, float] = {}
    held: dict[Key, float] = defaultdict(float)
    for model, state, number, milli in ask(_HELD):
        by_state[key_of(model=model, state=state.value)] = number
        held[key_of(model=model)] += float(milli)
    slices = {bool(is_held): float(number) for is_held, number in ask(_SLICES)}
    failed: dict[str, float] = dict.fromkeys(_FAILURE_REASONS, 0.0)
    failed |= {str(reason): float(number) for reason, number in ask(_FAILED)}
    return {
        of.DEVICES: column(by_state),
        of.HELD_MILLI: column(held),
        of.MIG_FREE: column({_FLEET: slices.get(False, 0.0)}),
        of.MIG_TOTAL: column({_FLEET: sum(slices.values())}),
        of.PENDING: column({_FLEET: float(session.scalar(_PENDING) or 0)}),
        of.FAILURES: column({key_of(reason=reason): count for reason, count in failed.items()}),
        of.SYNCED: column(
            {key_of(cluster=name): at.timestamp() for name, at in ask(_SYNCED) if at is not None}
        ),
        **_counters(),
    }


def _counters() -> dict[str, Column]:
    """What this process counted itself: it is the one that runs the jobs."""
    names = {of.UNENFORCED: "why", of.JOB_FAILURES: "job"}
    shown = {"why": "why", "job": "exported_job"}
    found: dict[str, dict[Key, float]] = {name: {} for name in names}
    for family in REGISTRY.restricted_registry(list(names)).collect():
        for sample in family.samples:
            label = names.get(sample.name)
            if label is not None:
                key = key_of(**{shown[label]: sample.labels[label]})
                found[sample.name][key] = sample.value
    return {name: column(told) for name, told in found.items()}


def _amounts(session: Session, desk: Desk, now: datetime) -> Mapping[str, Column]:
    today = last_days(desk, 1, now=now)
    teams = _spent(session, desk, Question(today.since, today.until, (Dimension.TEAM,)))
    spent = today_and_month(session, desk, now=now)["daily_cost"]
    a_day_ago = now - timedelta(days=1)
    midnight = day_start(a_day_ago.astimezone(desk.zone).date(), desk.zone)
    before = _spent(session, desk, Question(midnight, max(a_day_ago, midnight)))
    return {
        of.COST_TODAY: column({_FLEET: float(spent)}),
        of.COST_YESTERDAY: column({_FLEET: sum(before.values())}),
        of.COST_OF_TEAM: column(
            {key_of(team=team or ""): amount for (team,), amount in teams.items()}
        ),
        of.COST_EVER: column({_FLEET: float(total_ever(session, desk, now=now))}),
    }


def _spent(session: Session, desk: Desk, asked: Question) -> dict[tuple[str | None, ...], float]:
    found = added_up(session, desk.terms(session), asked)
    return {key: float(money(sums.micros)) for key, sums in found.items()}
