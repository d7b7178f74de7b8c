"""Replay the samples of many pods through the idle rule, beside the usual one."""

from collections.abc import Mapping, Sequence
from typing import Any

from gpu_management.optimization.idle import (
    HOUR_SECONDS,
    IdleRule,
    Sample,
    Totals,
    Verdict,
    totals,
    verdicts,
)


def replay(series: Mapping[str, Sequence[Sample]], rule: IdleRule | None = None) -> dict[str, Any]:
    """Return every verdict and the totals, as `gpuctl optimize idle` writes them."""
    used = rule or IdleRule()
    told = []
    ours: list[Verdict] = []
    usual: list[Verdict] = []
    for pod in sorted(series):
        for verdict in verdicts(series[pod], used):
            ours.append(verdict)
            told.append(
                {
                    "pod": pod,
                    "hour_start_ts": verdict.hour_start_ts,
                    "idle_predicted": verdict.idle_predicted,
                    "idle_actual": verdict.idle_actual,
                }
            )
        usual += last_hour_mean(series[pod], used)
    summary = {"pods": len(series), **_shown(totals(ours)), "baseline": _shown(totals(usual))}
    return {"verdicts": told, "totals": summary}


def last_hour_mean(samples: Sequence[Sample], rule: IdleRule) -> list[Verdict]:
    """Return the verdicts of the usual rule: the mean of the hour before, below the same 1 %."""
    means = _hourly_means(samples, rule)
    found = []
    for hour, mean in means.items():
        before = means.get(hour - HOUR_SECONDS)
        if before is not None:
            low = rule.idle_below_pct
            found.append(Verdict(hour, before, before < low, mean < low))
    return found


def _hourly_means(samples: Sequence[Sample], rule: IdleRule) -> dict[int, float]:
    hours: dict[int, list[float]] = {}
    for sample in samples:
        hours.setdefault(sample.ts - sample.ts % HOUR_SECONDS, []).append(sample.busy_pct)
    return {
        hour: sum(values) / len(values)
        for hour, values in hours.items()
        if len(values) >= rule.min_samples
    }


def _shown(found: Totals) -> dict[str, Any]:
    return {
        "cases": found.cases,
        "idle_predicted": found.idle_predicted,
        "idle_actual": found.idle_actual,
        "true_positives": found.true_positives,
        "precision": found.precision,
        "recall": found.recall,
    }
