"""Series as promtool writes them, told to our evaluator minute by minute."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from gpu_management.alerts import measures as of
from gpu_management.alerts.evaluator import Memory, News, evaluate
from gpu_management.alerts.machine import State
from gpu_management.alerts.past import Column, Key, Past, column, key_of
from gpu_management.alerts.rules import SHIPPED, Rule
from gpu_management.metrics.exposition import owner_of

BEGAN = datetime(2026, 1, 2, tzinfo=UTC)
BY_NAME: Mapping[str, Rule] = {rule.name: rule for rule in SHIPPED}
_SERIES = re.compile(r"(\w+)(?:\{(.*)\})?$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_TERM = re.compile(r"(?P<first>-?[\d.]+|_)(?:(?P<step>[+-][\d.]+))?(?:x(?P<more>\d+))?$")
_GPU = ("instance", "gpu", "UUID", "modelName")
_KEPT: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(of.OF_GPUS - {of.ENGINE_OF_HELD}, _GPU),
    of.ENGINE_OF_HELD: (*_GPU, "GPU_I_ID", "GPU_I_PROFILE"),
    of.UP: ("instance", "job"),
    of.DEVICES: ("model", "state"),
    of.HELD_MILLI: ("model",),
    of.FAILURES: ("instance", "reason"),
    of.SYNCED: ("cluster",),
    of.UNENFORCED: ("why",),
    of.JOB_FAILURES: ("job", "exported_job"),
    of.COST_OF_TEAM: ("team",),
}
"""The labels that tell series of a family apart; the largest of those alike counts."""


def told(series: Mapping[str, str]) -> dict[str, dict[Key, list[float]]]:
    """Return the values a minute of each family and key; NaN is a gap."""
    found: dict[str, dict[Key, list[float]]] = {}
    for text, values in series.items():
        match = _SERIES.match(text)
        assert match is not None, text
        name, labels = match[1], dict(_LABEL.findall(match[2] or ""))
        if name == of.ENGINE_OF_HELD and not _is_held(labels):
            continue
        key = key_of(**{one: labels[one] for one in _KEPT.get(name, ()) if one in labels})
        minutes = _minutes(values)
        before = found.setdefault(name, {}).get(key)
        found[name][key] = minutes if before is None else _larger(before, minutes)
    return found


def fired(case_rule: str, series: Mapping[str, str], *, minutes: int) -> list[News]:
    """Return what fires at the last of so many minutes."""
    families, past, memory = told(series), Past(of.KEEP_SECONDS), Memory()
    firing: dict[Key, News] = {}
    rule = BY_NAME[case_rule]
    for minute in range(minutes + 1):
        now = BEGAN + timedelta(minutes=minute)
        past.add(now.timestamp() - BEGAN.timestamp(), _columns(families, minute))
        found = evaluate(memory, past, [rule], now=now)
        memory = found.memory
        for news in found.news:
            firing[news.key] = news
        for (_name, key), value in found.values.items():
            one = firing[key]
            firing[key] = News(one.rule, key, one.move, memory.standings[rule.name, key], value)
    return [
        news
        for key, news in firing.items()
        if (rule.name, key) in memory.standings
        and memory.standings[rule.name, key].state is State.FIRING
    ]


def _columns(families: Mapping[str, Mapping[Key, list[float]]], minute: int) -> dict[str, Column]:
    found = {
        name: column({key: _at(values, minute) for key, values in keys.items()})
        for name, keys in families.items()
    }
    today = families.get(of.COST_TODAY)
    if today is not None:
        before = {key: _at(values, minute - 1440) for key, values in today.items()}
        found[of.COST_YESTERDAY] = column(before)
    return found


def _at(values: list[float], minute: int) -> float:
    return values[minute] if 0 <= minute < len(values) else math.nan


def _is_held(labels: Mapping[str, str]) -> bool:
    owner = owner_of(labels)
    return owner is not None and "dcgm-exporter" not in owner.pod


def _larger(one: Iterable[float], other: Iterable[float]) -> list[float]:
    pairs = zip(one, other, strict=False)
    return [b if math.isnan(a) else a if math.isnan(b) else max(a, b) for a, b in pairs]


def _minutes(text: str) -> list[float]:
    found: list[float] = []
    for term in text.split():
        if term == "stale":
            found += [math.nan] * 10_000
            continue
        match = _TERM.match(term)
        assert match is not None, term
        first = math.nan if match["first"] == "_" else float(match["first"])
        if match["first"] == "_":
            found += [first] * int(match["more"] or 1)
            continue
        step = float(match["step"] or 0)
        found += [first + step * number for number in range(int(match["more"] or 0) + 1)]
    return found
