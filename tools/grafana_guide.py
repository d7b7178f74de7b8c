"""The dashboard of the integration guide: as it stands there, and as Grafana provisions it."""

from typing import Any

from tools.grafana_panels import Dashboard, Panel, Query, as_json

_GPUS = Panel(
    "GPU Cluster Overview",
    "stat",
    (
        Query('count(up{job="dcgm-exporter"})', "Total GPUs"),
        Query('count(up{job="dcgm-exporter"} == 1)', "Active GPUs"),
        Query("gpu_allocations_active", "Active Allocations"),
    ),
    "Counts exporters, one a node; GPUs are counted by the dashboard GPU overview.",
    width=24,
    height=4,
)
_BUSY = Panel(
    "GPU Utilization by Node",
    "heatmap",
    (Query("avg by (instance) (DCGM_FI_DEV_GPU_UTIL)", "{{ instance }}"),),
    "",
)
_HEAT = Panel(
    "GPU Temperature",
    "timeseries",
    (Query("DCGM_FI_DEV_GPU_TEMP", "GPU {{ gpu }} - {{ instance }}"),),
    "",
    unit="celsius",
    bounds=(0, 100),
)
_SLICES = Panel(
    "MIG Instance Allocation",
    "piechart",
    (
        Query("gpu_mig_instances_allocated", "Allocated"),
        Query("gpu_mig_instances_available", "Available"),
    ),
    "",
    width=8,
    height=6,
)
_COSTS = Panel(
    "GPU Cost Trends",
    "timeseries",
    (Query("rate(gpu_cost_total[1h]) * 3600", "Hourly Cost"),),
    "In billing currency.",
    width=8,
    height=6,
)
GUIDE = Dashboard(
    "gpu-management",
    "GPU Management Dashboard",
    "The dashboard of the integration guide.",
    (_GPUS, _BUSY, _HEAT, _SLICES, _COSTS),
    tags=("gpu", "kubernetes", "management"),
    since="now-1h",
)
_AXES = {
    _HEAT.title: {"label": "Temperature (°C)", "max": 100, "min": 0},
    _COSTS.title: {"label": "Cost ($)", "min": 0},
}
"""Panels that the guide draws with the older kind `graph`, which Grafana converts on import."""


def import_body() -> dict[str, Any]:
    """Return the body of POST /api/dashboards/db, exactly as the guide has it."""
    made = as_json(GUIDE)
    return {
        "dashboard": {
            "id": None,
            **{name: made[name] for name in ("title", "tags", "timezone")},
            "panels": [_as_printed(panel) for panel in made["panels"]],
            "time": made["time"],
            "refresh": made["refresh"],
        }
    }


def _as_printed(panel: dict[str, Any]) -> dict[str, Any]:
    axes = _AXES.get(panel["title"])
    targets = [{name: one[name] for name in ("expr", "legendFormat")} for one in panel["targets"]]
    return {
        "id": panel["id"],
        "title": panel["title"],
        "type": "graph" if axes else panel["type"],
        "targets": targets,
        **({"yAxes": [axes]} if axes else {}),
        "gridPos": panel["gridPos"],
    }
