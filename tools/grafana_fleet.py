"""Dashboards of the fleet, its costs and its alerts.

Several replicas expose the same fleet: take the largest, never the sum.
"""

from typing import Final

from tools.grafana_panels import Dashboard, Panel, Query, stat

_GPU: Final = "gpu, instance, UUID, modelName"
_NAME: Final = "GPU {{gpu}} - {{instance}}"
_GPUS: Final = "sum(max by (model, state) (gpu_devices))"
_HELD: Final = "sum(max by (model) (gpu_held_milli)) / 1000"

OVERVIEW: Final = Dashboard(
    "gpu-overview",
    "GPU overview",
    "How many GPUs there are, who holds them, and whether all is well.",
    (
        stat("GPUs", _GPUS, "Devices of the inventory, whatever their state."),
        stat(
            "Ready",
            'sum(max by (model, state) (gpu_devices{state="READY"}))',
            "Devices on which something can be placed.",
        ),
        stat("Held", _HELD, "In whole GPUs: shares and slices count as parts."),
        stat(
            "Held part",
            f"{_HELD} / {_GPUS}",
            "Held GPUs of all GPUs.",
            unit="percentunit",
            steps=(0.8, 0.95),
        ),
        stat("Allocations", "max(gpu_allocations_active)", "Allocations that hold GPUs now."),
        stat(
            "Waiting",
            "max(gpu_allocations_pending)",
            "Requests that wait in the queue.",
            steps=(1, 20),
        ),
        Panel(
            "GPUs by model and state",
            "timeseries",
            (Query("max by (model, state) (gpu_devices)", "{{model}} {{state}}"),),
            "A GPU that is not READY cannot be given.",
        ),
        Panel(
            "Held GPUs by model",
            "timeseries",
            (Query("max by (model) (gpu_held_milli) / 1000", "{{model}}"),),
            "In whole GPUs.",
        ),
        Panel(
            "Allocations by team",
            "timeseries",
            (
                Query(
                    "sum by (team) (max by (namespace, team) (gpu_allocations_by))",
                    "{{team}}",
                ),
            ),
            "Without a name: allocations of no team.",
        ),
        Panel(
            "GPUs by node",
            "bargauge",
            (Query("max by (cluster, node, model) (node_gpu_count)", "{{node}} {{model}}"),),
            "Cards of each node.",
        ),
        Panel(
            "Time to answer",
            "timeseries",
            (
                Query(
                    "histogram_quantile(0.99, sum by (le)"
                    " (rate(gpu_management_http_request_seconds_bucket[5m])))",
                    "99 of 100 requests",
                ),
            ),
            "How long the API takes, all routes.",
            unit="s",
        ),
        Panel(
            "Requests to the API",
            "timeseries",
            (
                Query(
                    "sum by (status) (rate(gpu_management_http_request_seconds_count[5m]))",
                    "{{status}}",
                ),
            ),
            "Requests a second, by status.",
            unit="reqps",
        ),
    ),
)

COSTS: Final = Dashboard(
    "cost-analysis",
    "GPU cost analysis",
    "What the GPUs cost, in billing currency. Statements and budgets are in the product itself.",
    (
        stat("Today", "max(gpu_daily_cost)", "Since midnight of the billing time zone."),
        stat("This month", "max(gpu_monthly_cost)", "Since the first of the month."),
        stat(
            "An hour",
            "max(rate(gpu_cost_total[1h])) * 3600",
            "At the pace of the last hour.",
        ),
        stat(
            "A day at this pace",
            "max(rate(gpu_cost_total[1h])) * 86400",
            "Above 1000 the alert GPUCostPaceTooHigh fires.",
            steps=(800, 1000),
        ),
        stat("Ever", "max(gpu_cost_total)", "What corrections gave back is not taken off."),
        stat(
            "Price of the fleet",
            "sum(max by (cluster, node, model) (node_gpu_hourly_cost)"
            " * max by (cluster, node, model) (node_gpu_count))",
            "An hour of all GPUs, held or not.",
        ),
        Panel(
            "Cost an hour",
            "timeseries",
            (Query("max(rate(gpu_cost_total[1h])) * 3600", "an hour"),),
            "What was charged, at the pace of the hour before.",
        ),
        Panel(
            "Cost of the day",
            "timeseries",
            (Query("max(gpu_daily_cost)", "today"),),
            "Falls to zero at midnight.",
        ),
        Panel(
            "Cost of the day by team",
            "timeseries",
            (Query("max by (team) (gpu_daily_cost_by_team)", "{{team}}"),),
            "Without a name: what no team holds.",
        ),
        Panel(
            "Teams today",
            "piechart",
            (Query("max by (team) (gpu_daily_cost_by_team)", "{{team}}"),),
            "Parts of today's cost.",
        ),
        Panel(
            "Price of one GPU",
            "table",
            (Query("max by (cluster, node, model) (node_gpu_hourly_cost)"),),
            "An hour of a card of each node.",
        ),
        Panel(
            "GPUs of containers",
            "table",
            (Query("max by (namespace, pod, container, node) (container_gpu_allocation)"),),
            "What containers hold; shares and slices count as parts.",
        ),
    ),
    since="now-24h",
)

ALERTS: Final = Dashboard(
    "gpu-alerts",
    "GPU alerts",
    "What is firing, and the values that the alerts look at.",
    (
        stat(
            "Critical",
            'count(ALERTS{alertname=~"(GPU|MIG).*",alertstate="firing",severity="critical"})'
            " or vector(0)",
            "Alerts that fire.",
            steps=(1, 1),
        ),
        stat(
            "Warnings",
            'count(ALERTS{alertname=~"(GPU|MIG).*",alertstate="firing",severity="warning"})'
            " or vector(0)",
            "Alerts that fire.",
            steps=(1, 10),
        ),
        stat(
            "Pending",
            'count(ALERTS{alertname=~"(GPU|MIG).*",alertstate="pending"}) or vector(0)',
            "Conditions that hold, but not yet for long enough.",
        ),
        stat("Servers that answer", 'sum(up{job="gpu-management"})', "Replicas that are scraped."),
        stat(
            "Exporters that answer", 'sum(up{job="dcgm-exporter"})', "One on each node with GPUs."
        ),
        stat(
            "GPUs that cannot be used",
            'sum(max by (model, state) (gpu_devices{state!="READY"})) or vector(0)',
            "In the inventory, but not READY.",
            steps=(1, 5),
        ),
        Panel(
            "Alerts now",
            "table",
            (Query('ALERTS{alertname=~"(GPU|MIG).*"} or vector(0)'),),
            "What each means and what to do: docs/guides/alerts.md.",
            width=24,
        ),
        Panel(
            "Temperature",
            "timeseries",
            (Query(f"max by ({_GPU}) (DCGM_FI_DEV_GPU_TEMP)", _NAME),),
            "GPUHighTemperature looks at 85 °C, GPUNearSlowdownTemperature at the model's limit.",
            unit="celsius",
        ),
        Panel(
            "Last XID",
            "timeseries",
            (Query(f"max by ({_GPU}) (DCGM_FI_DEV_XID_ERRORS)", _NAME),),
            "A code stays until the driver is loaded again.",
        ),
        Panel(
            "Failed allocations",
            "timeseries",
            (Query("max by (reason) (increase(gpu_allocation_failures_total[5m]))", "{{reason}}"),),
            "In five minutes, by reason.",
        ),
        Panel(
            "Remapped memory rows",
            "timeseries",
            (Query(f"max by ({_GPU}) (DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS)", _NAME),),
            "After uncorrectable errors, since the card was made.",
        ),
    ),
)
