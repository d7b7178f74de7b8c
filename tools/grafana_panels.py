"""Panels of Grafana dashboards as plain values, and the JSON that Grafana reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_COLUMNS: Final = 24
_SCHEMA: Final = 39
"""Grafana 10 and newer read this without migration."""
_DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_INSTANT: Final = frozenset({"stat", "piechart", "bargauge", "table"})
_COLOURS: Final = ("green", "orange", "red")


@dataclass(frozen=True, slots=True)
class Query:
    """An expression and how its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture; `width` of 24 columns, `steps` are where it turns orange and red."""

    title: str
    kind: str
    queries: tuple[Query, ...]
    about: str
    unit: str = "short"
    width: int = 12
    height: int = 8
    steps: tuple[float, ...] = ()
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice above the panels, filled from the values of a label."""

    name: str
    metric: str
    label: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of panels, laid out from left to right."""

    uid: str
    title: str
    about: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...] = ()
    tags: tuple[str, ...] = ("gpu", "kubernetes")
    since: str = "now-6h"


def stat(
    title: str, expr: str, about: str, *, unit: str = "short", steps: tuple[float, ...] = ()
) -> Panel:
    """Return a small panel with one number."""
    return Panel(title, "stat", (Query(expr),), about, unit=unit, width=4, height=4, steps=steps)


def as_json(dashboard: Dashboard) -> dict[str, Any]:
    """Return the dashboard as a file that Grafana provisions."""
    return {
        "id": None,
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": list(dashboard.tags),
        "timezone": "browser",
        "schemaVersion": _SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": dashboard.since, "to": "now"},
        "templating": {"list": [_source(), *map(_choice, dashboard.variables)]},
        "panels": [
            _panel(panel, number, place)
            for number, (panel, place) in enumerate(_placed(dashboard.panels), 1)
        ],
    }


def _source() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
    }


def _choice(variable: Variable) -> dict[str, Any]:
    asked = f"label_values({variable.metric}, {variable.label})"
    return {
        "name": variable.name,
        "label": variable.name.capitalize(),
        "type": "query",
        "datasource": _DATASOURCE,
        "definition": asked,
        "query": {"query": asked, "refId": variable.name},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
        "sort": 1,
    }


def _placed(panels: tuple[Panel, ...]) -> Iterator[tuple[Panel, dict[str, int]]]:
    column = row = tallest = 0
    for panel in panels:
        if column + panel.width > _COLUMNS:
            column, row, tallest = 0, row + tallest, 0
        yield panel, {"h": panel.height, "w": panel.width, "x": column, "y": row}
        column, tallest = column + panel.width, max(tallest, panel.height)


def _panel(panel: Panel, number: int, place: Mapping[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "title": panel.title,
        "description": panel.about,
        "type": panel.kind,
        "datasource": _DATASOURCE,
        "gridPos": dict(place),
        "targets": [_target(query, at, panel.kind) for at, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel.kind),
    }


def _target(query: Query, at: int, kind: str) -> dict[str, Any]:
    return {
        "refId": chr(ord("A") + at),
        "datasource": _DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": kind in _INSTANT,
        "range": kind not in _INSTANT,
        "format": "table" if kind == "table" else "time_series",
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    told: dict[str, Any] = {"unit": panel.unit}
    if panel.bounds is not None:
        told["min"], told["max"] = panel.bounds
    if panel.steps:
        limits: list[float | None] = [None, *panel.steps]
        steps = [
            {"color": colour, "value": at} for colour, at in zip(_COLOURS, limits, strict=False)
        ]
        told["thresholds"] = {"mode": "absolute", "steps": steps}
    return told


def _options(kind: str) -> dict[str, Any]:
    if kind == "timeseries":
        return {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    if kind in _INSTANT - {"table"}:
        return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    return {}
