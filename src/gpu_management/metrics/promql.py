"""Questions about use, answered by Prometheus or VictoriaMetrics from dcgm-exporter's series.

A GPU's row is repeated for every pod that uses it, and a series ends when its pods change; so
sums and counts of samples are added by (UUID, GPU_I_ID), and a mean is their quotient. A bucket has
no more samples than scrapes fit into it; only one of a shared GPU with a gap weighs too much.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.devices.models import Device
from gpu_management.metrics.combine import WHOLE, Sum
from gpu_management.metrics.questions import Group, How, Metric, Now, Point, Question
from gpu_management.metrics.store import MetricsUnavailable

_BY: Final = "by (UUID, GPU_I_ID)"
_SERIES: Final[Mapping[Metric, tuple[tuple[str, int], ...]]] = {
    Metric.UTILIZATION_PCT: (
        ("DCGM_FI_PROF_SM_ACTIVE", 100),
        ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 100),
        ("DCGM_FI_DEV_GPU_UTIL", 1),
    ),
    Metric.MEMORY_USED_MIB: (("DCGM_FI_DEV_FB_USED", 1),),
    Metric.TEMPERATURE_CELSIUS: (("DCGM_FI_DEV_GPU_TEMP", 1),),
    Metric.POWER_W: (("DCGM_FI_DEV_POWER_USAGE", 1),),
    Metric.SM_CLOCK_MHZ: (("DCGM_FI_DEV_SM_CLOCK", 1),),
    Metric.TENSOR_ACTIVE_RATIO: (("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 1),),
    Metric.DRAM_ACTIVE_RATIO: (("DCGM_FI_PROF_DRAM_ACTIVE", 1),),
}
"""The series of a metric, the better one first, with the factor to its unit."""
_NOW: Final[Mapping[str, str]] = {
    "ecc_double_bit": "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
    "last_xid": "DCGM_FI_DEV_XID_ERRORS",
    "gpu_util_pct": "DCGM_FI_DEV_GPU_UTIL",
    "engine_active_ratio": "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
    "remap_failed": "DCGM_FI_DEV_ROW_REMAP_FAILURE",
    "thermal_violation_ns": "DCGM_FI_DEV_THERMAL_VIOLATION",
}
_WHOLE: Final[Mapping[str, type[int]]] = {"last_xid": int, "remap_failed": bool}
_KNOWN: Final = select(Device.live_uuid, Device.id).where(Device.live_uuid.is_not(None))
_HAIR: Final = 0.001
"""Seconds before a bucket's end at which it is asked for: both ends of a range belong to it."""

Target = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Promql:
    """The store in a Prometheus; `interval_seconds` is its scrape interval."""

    client: httpx2.Client
    interval_seconds: int

    def points(self, session: Session, question: Question) -> list[Point]:
        """Return the buckets of every GPU and instance; see `Store`."""
        known = {str(uuid): int(key) for uuid, key in session.connection().execute(_KNOWN)}
        asked = frozenset(known.values()) if question.devices is None else question.devices
        seconds = question.step
        totals = self._range(_total(question.metric, seconds), question, known)
        counts = self._range(_count(question.metric, seconds), question, known)
        extremes: Mapping[tuple[Target, int], float] = {}
        if question.how is not How.AVG:
            extremes = self._range(_extreme(question), question, known)
        most = seconds / self.interval_seconds
        return [
            _point(key, total, counts[key], most=most, extreme=extremes.get(key))
            for key, total in totals.items()
            if key[0][0] in asked and counts.get(key)
        ]

    def sums(
        self, _session: Session, _question: Question, _group: Group
    ) -> dict[str, dict[int, Sum]] | None:
        """Return None: weights of instances and holders are known here only."""
        return None

    def recent(self, session: Session, *, since: int, until: int) -> Iterable[Now]:
        """Return the newest figures."""
        known = {str(uuid): int(key) for uuid, key in session.connection().execute(_KNOWN)}
        seconds = max(1, until - since)
        found: dict[Target, dict[str, Any]] = {}
        for metric in (
            Metric.UTILIZATION_PCT,
            Metric.MEMORY_USED_MIB,
            Metric.TEMPERATURE_CELSIUS,
            Metric.POWER_W,
            Metric.SM_CLOCK_MHZ,
        ):
            query = _best(metric, f"max {_BY} (last_over_time({{}}[{seconds}s]))")
            self._fill(found, metric.column, query, until=until, known=known)
        for name, series in _NOW.items():
            query = f"max {_BY} (last_over_time({series}[{seconds}s]))"
            self._fill(found, name, query, until=until, known=known)
        when = f"max {_BY} (timestamp(DCGM_FI_DEV_FB_USED))"
        self._fill(found, "at", when, until=until, known=known)
        for (device, instance), values in found.items():
            at = int(values.pop("at", until))
            for name, kind in _WHOLE.items():
                if name in values:
                    values[name] = kind(values[name])
            yield Now(device, instance, at, **values)

    def _fill(
        self,
        found: dict[Target, dict[str, Any]],
        name: str,
        query: str,
        *,
        until: int,
        known: Mapping[str, int],
    ) -> None:
        told = self._ask("query", {"query": query, "time": str(until)})
        for target, series in _targets(told, known):
            found.setdefault(target, {})[name] = float(series["value"][1])

    def _range(
        self, query: str, question: Question, known: Mapping[str, int]
    ) -> dict[tuple[Target, int], float]:
        first = question.since + question.step - _HAIR
        told = self._ask(
            "query_range",
            {
                "query": query,
                "start": f"{first:.3f}",
                "end": f"{question.until - _HAIR:.3f}",
                "step": str(question.step),
                "nocache": "1",
            },
        )
        return {
            (target, round(float(at) + _HAIR) - question.step): float(value)
            for target, series in _targets(told, known)
            for at, value in series["values"]
        }

    def _ask(self, path: str, form: dict[str, str]) -> list[dict[str, Any]]:
        try:
            answer = self.client.post(f"/api/v1/{path}", data=form)
            if not answer.is_success:
                raise MetricsUnavailable(
                    f"Prometheus answered {answer.status_code}: {answer.text[:200]}"
                )
            result: list[dict[str, Any]] = answer.json()["data"]["result"]
        except (httpx2.HTTPError, ValueError, KeyError) as error:
            raise MetricsUnavailable(f"Prometheus does not answer: {error}") from error
        return result


def _targets(
    told: Iterable[dict[str, Any]], known: Mapping[str, int]
) -> Iterator[tuple[Target, dict[str, Any]]]:
    for series in told:
        device = known.get(series["metric"].get("UUID", ""))
        number = series["metric"].get("GPU_I_ID", "")
        if device is not None:
            yield (device, int(number) if number.isdecimal() else WHOLE), series


def _best(metric: Metric, query: str) -> str:
    """Return `query` of the best series there is, in the metric's unit."""
    told = [
        query.format(name) + (f" * {factor}" if factor != 1 else "")
        for name, factor in _SERIES[metric]
    ]
    return " or ".join(f"({one})" for one in told)


def _total(metric: Metric, seconds: int) -> str:
    return _best(metric, f"sum {_BY} (sum_over_time({{}}[{seconds}s]))")


def _count(metric: Metric, seconds: int) -> str:
    told = (f"(sum {_BY} (count_over_time({name}[{seconds}s])))" for name, _ in _SERIES[metric])
    return " or ".join(told)


def _extreme(question: Question) -> str:
    seconds, metric = question.step, question.metric
    if question.how is How.MAX and metric.has_peak:
        return _best(metric, f"max {_BY} (max_over_time({{}}[{seconds}s]))")
    minutes = f"avg {_BY} (avg_over_time({{}}[1m] offset 1ms))"
    over = "min_over_time" if question.how is How.MIN else "max_over_time"
    return _best(metric, f"{over}(({minutes})[{seconds - 1}s:1m] offset -1ms)")


def _point(
    key: tuple[Target, int], total: float, count: float, *, most: float, extreme: float | None
) -> Point:
    """A row that is repeated for several pods is counted once."""
    (device, instance), at = key
    samples = min(count, most)
    return Point(device, instance, at, total / count * samples, samples, extreme)
