"""What each rule looks at, from what was told lately. Pure.

A measure answers one figure a subject: what is judged, and what a person is shown. NaN says that
nobody knows, an infinity on the harmless side that the rule has no bearing there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from gpu_management.alerts.past import Floats, Key, Past, key_of
from gpu_management.devices.catalog import load_models
from gpu_management.devices.health import HARDWARE_XIDS

TEMPERATURE: Final = "DCGM_FI_DEV_GPU_TEMP"
UTILIZATION: Final = "DCGM_FI_DEV_GPU_UTIL"
XID: Final = "DCGM_FI_DEV_XID_ERRORS"
DOUBLE_BIT: Final = "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL"
REMAP_FAILURE: Final = "DCGM_FI_DEV_ROW_REMAP_FAILURE"
THERMAL_VIOLATION: Final = "DCGM_FI_DEV_THERMAL_VIOLATION"
ENGINE_OF_HELD: Final = "DCGM_FI_PROF_GR_ENGINE_ACTIVE"
UP: Final = "up"
DEVICES: Final = "gpu_devices"
HELD_MILLI: Final = "gpu_held_milli"
MIG_FREE: Final = "gpu_mig_instances_available"
MIG_TOTAL: Final = "gpu_mig_instances_total"
PENDING: Final = "gpu_allocations_pending"
FAILURES: Final = "gpu_allocation_failures_total"
SYNCED: Final = "gpu_management_cluster_synced_timestamp_seconds"
UNENFORCED: Final = "gpu_management_enforcement_failures_total"
JOB_FAILURES: Final = "gpu_management_job_failures_total"
COST_TODAY: Final = "gpu_daily_cost"
COST_YESTERDAY: Final = "gpu_daily_cost_yesterday"
COST_OF_TEAM: Final = "gpu_daily_cost_by_team"
COST_EVER: Final = "gpu_cost_total"
OF_GPUS: Final = frozenset(
    {
        TEMPERATURE,
        UTILIZATION,
        XID,
        DOUBLE_BIT,
        REMAP_FAILURE,
        THERMAL_VIOLATION,
        ENGINE_OF_HELD,
    }
)
"""Families that come from measuring; the rest is counted in the database."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
KEEP_SECONDS: Final[Mapping[str, float]] = {
    XID: 10 * MINUTE,
    DOUBLE_BIT: 15 * MINUTE,
    THERMAL_VIOLATION: 5 * MINUTE,
    ENGINE_OF_HELD: 5 * MINUTE,
    PENDING: 30 * MINUTE,
    FAILURES: 5 * MINUTE,
    UNENFORCED: 15 * MINUTE,
    JOB_FAILURES: 15 * MINUTE,
    COST_EVER: HOUR,
}
"""The windows that the measures look back over."""

EXPORTER: Final = "dcgm-exporter"
PRODUCT: Final = "gpu-management"
_FLEET: Final = key_of()


@dataclass(frozen=True, slots=True)
class Figures:
    """What is `judged` of each subject, and what is `shown` of it where that is another figure."""

    keys: Sequence[Key]
    judged: Floats
    shown: Floats | None = None
    is_complete: bool = True
    """Whether a subject that is not among them is gone, rather than not known."""


Measure = Callable[[Past], Figures]


def newest(name: str) -> Measure:
    """Look at the newest value of a family."""

    def measure(past: Past) -> Figures:
        return Figures(past.keys(name), past.latest(name), is_complete=past.knows(name))

    return measure


def grown(name: str, seconds: float) -> Measure:
    """Look at how much a counter grew in the last `seconds`."""

    def measure(past: Past) -> Figures:
        return Figures(past.keys(name), past.increase(name, seconds), is_complete=past.knows(name))

    return measure


def lowest(name: str, seconds: float) -> Measure:
    """Look at the lowest value of the last `seconds`."""

    def measure(past: Past) -> Figures:
        return Figures(past.keys(name), past.lowest(name, seconds), is_complete=past.knows(name))

    return measure


def highest(name: str, seconds: float) -> Measure:
    """Look at the highest value of the last `seconds`."""

    def measure(past: Past) -> Figures:
        return Figures(past.keys(name), past.highest(name, seconds), is_complete=past.knows(name))

    return measure


def grown_in_all(name: str, seconds: float) -> Measure:
    """Look at how much the counters of a family grew together."""

    def measure(past: Past) -> Figures:
        return _one(past, name, _sum(past.increase(name, seconds)))

    return measure


@cache
def _slowdown_celsius() -> Mapping[str, int]:
    """Where clocks are lowered, by the name of a model; models whose limit is known."""
    known: dict[str, int] = {}
    for model in load_models():
        limit = None if model.thermal is None else model.thermal.slowdown_celsius
        if limit is not None:
            known |= dict.fromkeys((model.model_name, *model.name_aliases), limit)
    return known


def below_slowdown(past: Past) -> Figures:
    """Look at how far temperatures are below where the model's clocks are lowered."""
    limits = _slowdown_celsius()
    models = past.labels(TEMPERATURE, "modelName")
    slowdown = np.array([limits.get(name, np.inf) for name in models], dtype=np.float64)
    degrees = past.latest(TEMPERATURE)
    known = past.knows(TEMPERATURE)
    return Figures(past.keys(TEMPERATURE), slowdown - degrees, degrees, is_complete=known)


def held_down_by_heat(past: Past) -> Figures:
    """Look at the part of the last five minutes in which heat held clocks down."""
    ratio = past.increase(THERMAL_VIOLATION, 5 * MINUTE) / (5 * MINUTE) / 1e9
    return Figures(past.keys(THERMAL_VIOLATION), ratio, is_complete=past.knows(THERMAL_VIOLATION))


def new_hardware_errors(past: Past) -> Figures:
    """Look at how often the last error's code changed, where it is one of the hardware."""
    codes = past.latest(XID)
    of_hardware = np.isin(codes, list(HARDWARE_XIDS))
    changed = past.changes(XID, 10 * MINUTE)
    judged = np.where(of_hardware | np.isnan(codes), changed, 0.0)
    return Figures(past.keys(XID), judged, codes, is_complete=past.knows(XID))


def gone_gpus(past: Past) -> Figures:
    """Count, for each node whose exporter answers, GPUs that told something an hour ago at most."""
    if not past.knows(TEMPERATURE):
        return Figures((), np.empty(0), is_complete=False)
    silent = np.isnan(past.latest(TEMPERATURE))
    seen = past.told_at(TEMPERATURE) >= past.at - HOUR
    gone = dict.fromkeys(_answering(past), 0)
    nodes = past.labels(TEMPERATURE, "instance")
    for place in np.flatnonzero(silent & seen):
        if nodes[place] in gone:
            gone[nodes[place]] += 1
    keys = tuple(key_of(instance=node) for node in gone)
    return Figures(keys, np.array(list(gone.values()), dtype=np.float64))


def _answering(past: Past) -> list[str]:
    """The nodes whose exporter answers."""
    told = zip(
        past.labels(UP, "instance"), past.labels(UP, "job"), past.latest(UP).tolist(), strict=True
    )
    return [instance for instance, job, value in told if job == EXPORTER and value == 1]


def answers(job: str) -> Measure:
    """Look at whether each target of a job answers: 1, or 0."""

    def measure(past: Past) -> Figures:
        places = [place for place, told in enumerate(past.labels(UP, "job")) if told == job]
        keys = past.keys(UP)
        known = past.knows(UP)
        return Figures([keys[at] for at in places], past.latest(UP)[places], is_complete=known)

    return measure


def no_target(past: Past) -> Figures:
    """Look at whether the product has no target at all: 1."""
    is_there = PRODUCT in past.labels(UP, "job")
    return Figures((key_of(job=PRODUCT),), np.array([0.0 if is_there else 1.0]))


def cannot_work(past: Past) -> Figures:
    """Look at how many GPUs of each model have failed or are offline."""
    states = past.labels(DEVICES, "state")
    places = [place for place, state in enumerate(states) if state in {"FAILED", "OFFLINE"}]
    keys = past.keys(DEVICES)
    return Figures([keys[at] for at in places], past.latest(DEVICES)[places])


def unread_seconds(past: Past) -> Figures:
    """Look at how old what is shown of each cluster is."""
    return Figures(past.keys(SYNCED), past.at - past.latest(SYNCED))


def free_slices_pct(past: Past) -> Figures:
    """Look at which percentage of MIG instances is free; without any, none is missing."""
    free, total = past.latest(MIG_FREE), past.latest(MIG_TOTAL)
    if not len(total):
        return Figures((), np.empty(0))
    share = np.divide(free, total, out=np.full_like(total, np.inf), where=total != 0)
    return Figures(past.keys(MIG_TOTAL), share * 100)


def free_slices(past: Past) -> Figures:
    """Look at how many MIG instances are free; without any, none is missing."""
    free, total = past.latest(MIG_FREE), past.latest(MIG_TOTAL)
    return Figures(past.keys(MIG_TOTAL), np.where(total > 0, free, np.inf))


def free_slices_ratio(past: Past) -> Figures:
    """Look at which part of MIG instances is free."""
    found = free_slices_pct(past)
    ratio = np.where(np.isinf(found.judged), -np.inf, found.judged / 100)
    return Figures(found.keys, ratio)


def cost_of_a_day(past: Past) -> Figures:
    """Look at what a day costs at the pace of the last hour."""
    grown_by = past.increase(COST_EVER, HOUR)
    return Figures(past.keys(COST_EVER), grown_by / HOUR * DAY)


def cost_against_yesterday(past: Past) -> Figures:
    """Look at today's cost as a multiple of yesterday's until now, where it is more than 100."""
    today, before = past.latest(COST_TODAY), past.latest(COST_YESTERDAY)
    if len(before) != len(today):
        return Figures((), np.empty(0))
    times = np.divide(today, before, out=np.full_like(today, np.inf), where=before != 0)
    judged = np.where(today > LEAST_JUMP, times, -np.inf)
    return Figures(past.keys(COST_TODAY), np.where(np.isnan(before), np.nan, judged), today)


LEAST_JUMP: Final = 100.0
"""Less cost in a day than this is no news, however little yesterday cost."""


def idle_while_held(past: Past) -> Figures:
    """Look at the average utilization, where more than half of the GPUs are held."""
    busy = past.latest(UTILIZATION)
    known = busy[~np.isnan(busy)]
    gpus, milli = _sum(past.latest(DEVICES)), _sum(past.latest(HELD_MILLI))
    held = milli / WHOLE_MILLI / gpus if gpus else np.nan
    mean = float(known.mean()) if len(known) else np.nan
    judged = mean if held > MOSTLY_HELD else np.inf
    return Figures(
        (_FLEET,),
        np.array([judged]),
        np.array([held]),
        is_complete=past.knows(UTILIZATION),
    )


WHOLE_MILLI: Final = 1000
MOSTLY_HELD: Final = 0.5


def _one(past: Past, name: str, value: float) -> Figures:
    if not past.keys(name):
        return Figures((), np.empty(0), is_complete=past.knows(name))
    return Figures((_FLEET,), np.array([value]))


def _sum(values: Floats) -> float:
    """The sum of what is known; NaN: nothing is."""
    known = values[~np.isnan(values)]
    return float(known.sum()) if len(known) else float("nan")
