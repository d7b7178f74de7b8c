"""Hold every rule against what was told, and say what changed. Pure."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np

from gpu_management.alerts import machine
from gpu_management.alerts.machine import Look, Move, Standing, State
from gpu_management.alerts.measures import Figures
from gpu_management.alerts.past import Key, Past
from gpu_management.alerts.rules import Rule
from gpu_management.alerts.wording import said

Subject = tuple[str, Key]
"""A rule by its name, and whom it is about."""

_NO_VALUE: Final = float("nan")


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered between looks: who stands where, and when the last look was."""

    at: datetime | None = None
    standings: Mapping[Subject, Standing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class News:
    """What a look made of one alert; `value` is NaN where nothing is known."""

    rule: Rule
    key: Key
    move: Move
    standing: Standing
    value: float

    @property
    def labels(self) -> dict[str, str]:
        """Return what tells the alert from others, as Prometheus writes it."""
        return labels_of(self.rule, self.key)

    @property
    def fingerprint(self) -> str:
        """Return a short name that is the same for the same alert, always."""
        return fingerprint_of(self.rule.name, self.key)

    @property
    def summary(self) -> str:
        """Return what happened, in one line."""
        return said(self.rule.summary, self.labels, self.value)

    @property
    def description(self) -> str:
        """Return what happened, with the figure."""
        return said(self.rule.description, self.labels, self.value)


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a look: what to remember, what changed, and what fires with which value."""

    memory: Memory
    news: tuple[News, ...]
    values: Mapping[Subject, float]


def labels_of(rule: Rule, key: Key) -> dict[str, str]:
    """Return all labels of an alert."""
    more = {"alertname": rule.name, "severity": rule.severity, "component": rule.component}
    return dict(key) | {name: str(value) for name, value in more.items()}


def fingerprint_of(name: str, key: Key) -> str:
    """Return 16 hexadecimal digits that name a rule and a subject."""
    text = "\x1f".join([name, *(f"{label}\x1e{value}" for label, value in key)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def evaluate(memory: Memory, past: Past, rules: Sequence[Rule], *, now: datetime) -> Found:
    """Look once with every rule; `memory` stays as it is, so a look can be done again."""
    step = machine.step_of(memory.at, now)
    by_rule: dict[str, dict[Key, Standing]] = {}
    for (name, key), known in memory.standings.items():
        by_rule.setdefault(name, {})[key] = known
    standings: dict[Subject, Standing] = {}
    news: list[News] = []
    values: dict[Subject, float] = {}
    for rule in rules:
        look = _Looked(rule, by_rule.get(rule.name, {}), now, step)
        for key, standing, moved, value in look.at(rule.measure(past)):
            if standing is not None:
                standings[rule.name, key] = standing
                if standing.state is State.FIRING:
                    values[rule.name, key] = value
            if moved is not None and standing is not None:
                news.append(News(rule, key, moved, standing, value))
    return Found(Memory(now, standings), tuple(news), values)


@dataclass(frozen=True, slots=True)
class _Looked:
    """One rule's look: only who holds, or stood somewhere, is looked at one by one."""

    rule: Rule
    before: Mapping[Key, Standing]
    now: datetime
    step: float

    def at(self, figures: Figures) -> Iterable[tuple[Key, Standing | None, Move | None, float]]:
        with np.errstate(invalid="ignore"):
            holds = self.rule.compare.test(figures.judged, self.rule.threshold)
        holds &= ~np.isnan(figures.judged)
        shown = figures.judged if figures.shown is None else figures.shown
        places = np.flatnonzero(holds).tolist()
        seen: set[Key] = set()
        for place in places:
            key = figures.keys[place]
            seen.add(key)
            yield self._one(key, holds=True, value=float(shown[place]))
        rest = [key for key in self.before if key not in seen]
        if rest:
            known = self._known(figures, rest)
            for key in rest:
                holds_not, value = known.get(
                    key, (False if figures.is_complete else None, _NO_VALUE)
                )
                yield self._one(key, holds=holds_not, value=value)

    def _known(
        self, figures: Figures, keys: Iterable[Key]
    ) -> Mapping[Key, tuple[bool | None, float]]:
        """Whether the condition is known not to hold, for keys that are told of."""
        wanted = set(keys)
        shown = figures.judged if figures.shown is None else figures.shown
        return {
            key: (None if np.isnan(figures.judged[place]) else False, float(shown[place]))
            for place, key in enumerate(figures.keys)
            if key in wanted
        }

    def _one(
        self, key: Key, *, holds: bool | None, value: float
    ) -> tuple[Key, Standing | None, Move | None, float]:
        look = Look(self.now, self.step, holds)
        standing, moved = machine.move(
            self.before.get(key), look, for_seconds=self.rule.for_seconds
        )
        return key, standing, moved, value
