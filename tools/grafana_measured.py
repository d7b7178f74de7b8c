"""Dashboards of what GPUs and MIG instances do.

A row is repeated for every pod that uses a GPU, and power and temperature for every instance: take
the largest, never the sum.
"""

from typing import Final

from tools.grafana_panels import Dashboard, Panel, Query, Variable, stat

_GPU: Final = "gpu, instance, UUID, modelName"
_NAME: Final = "GPU {{gpu}} - {{instance}}"
_ONE: Final = "A GPU's row is repeated for every pod that uses it and counts once."
_MODEL: Final = 'modelName=~"$model"'
_MODELS: Final = Variable("model", "DCGM_FI_DEV_GPU_TEMP", "modelName")


def _per_gpu(name: str, *, how: str = "max", only: str = _MODEL) -> str:
    return f"{how} by ({_GPU}) ({name}{{{only}}})"


def _lines(title: str, expr: str, about: str, *, unit: str, legend: str = _NAME) -> Panel:
    return Panel(title, "timeseries", (Query(expr, legend),), about, unit=unit)


UTILIZATION: Final = Dashboard(
    "gpu-utilization",
    "GPU utilization",
    "What the GPUs do, as dcgm-exporter or the collector measures it.",
    (
        stat(
            "Utilization",
            f"avg({_per_gpu('DCGM_FI_DEV_GPU_UTIL')})",
            "Average of whole GPUs.",
            unit="percent",
        ),
        stat(
            "Memory used",
            f"sum(max by (UUID, GPU_I_ID) (DCGM_FI_DEV_FB_USED{{{_MODEL}}}))"
            f" / sum(max by (UUID, GPU_I_ID)"
            f" (DCGM_FI_DEV_FB_USED{{{_MODEL}}} + DCGM_FI_DEV_FB_FREE{{{_MODEL}}}))",
            "Used of used and free memory.",
            unit="percentunit",
        ),
        stat(
            "Power",
            f"sum({_per_gpu('DCGM_FI_DEV_POWER_USAGE')})",
            "Instances of a card repeat its power: it counts once.",
            unit="watt",
        ),
        stat(
            "Hottest GPU",
            f"max(DCGM_FI_DEV_GPU_TEMP{{{_MODEL}}})",
            "Core temperature.",
            unit="celsius",
            steps=(80, 88),
        ),
        stat(
            "Measured GPUs",
            f"count(count by (UUID) (DCGM_FI_DEV_GPU_TEMP{{{_MODEL}}}))",
            "GPUs that are measured now.",
        ),
        stat(
            "Hardly working",
            f"count({_per_gpu('DCGM_FI_DEV_GPU_UTIL')} < 5) or vector(0)",
            "Whole GPUs below 5 % now.",
        ),
        _lines("Utilization", _per_gpu("DCGM_FI_DEV_GPU_UTIL"), _ONE, unit="percent"),
        Panel(
            "Utilization by node",
            "heatmap",
            (Query(f"avg by (instance) ({_per_gpu('DCGM_FI_DEV_GPU_UTIL')})", "{{instance}}"),),
            "Average of a node's whole GPUs.",
            unit="percent",
        ),
        _lines("Memory used", _per_gpu("DCGM_FI_DEV_FB_USED") + " * 1048576", _ONE, unit="bytes"),
        _lines("Temperature", _per_gpu("DCGM_FI_DEV_GPU_TEMP"), _ONE, unit="celsius"),
        _lines("Power", _per_gpu("DCGM_FI_DEV_POWER_USAGE"), _ONE, unit="watt"),
        _lines("Clock", _per_gpu("DCGM_FI_DEV_SM_CLOCK") + " * 1e6", _ONE, unit="hertz"),
        _lines(
            "Tensor cores",
            _per_gpu("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"),
            "Part of the time in which tensor cores worked; of a cut card, its busiest slice.",
            unit="percentunit",
        ),
        _lines(
            "Memory bandwidth",
            _per_gpu("DCGM_FI_PROF_DRAM_ACTIVE"),
            "Part of the time in which memory worked; of a cut card, its busiest slice.",
            unit="percentunit",
        ),
    ),
    variables=(_MODELS,),
)

_ENGINE: Final = (
    'max by (instance, gpu, GPU_I_ID, GPU_I_PROFILE) (DCGM_FI_PROF_GR_ENGINE_ACTIVE{GPU_I_ID!=""})'
)
_SLICE_NAME: Final = "{{GPU_I_PROFILE}} #{{GPU_I_ID}} of GPU {{gpu}} - {{instance}}"

MIG: Final = Dashboard(
    "mig-management",
    "MIG management",
    "MIG instances: how many there are, who holds them, what they do.",
    (
        stat("Instances", "max(gpu_mig_instances_total)", "MIG instances there are."),
        stat("Allocated", "max(gpu_mig_instances_allocated)", "Held instances."),
        stat("Available", "max(gpu_mig_instances_available)", "Instances that can be given."),
        stat(
            "Available part",
            "max(gpu_mig_instances_available) / max(gpu_mig_instances_total)",
            "No number while there is no instance. Below 10 % the alert MIGInstancesLow fires.",
            unit="percentunit",
        ),
        stat("Measured", f"count({_ENGINE})", "Instances that are measured now."),
        stat(
            "Hardly working",
            f"count({_ENGINE} < 0.05) or vector(0)",
            "Measured instances below 5 % now, held or not.",
        ),
        Panel(
            "Allocated and available",
            "piechart",
            (
                Query("max(gpu_mig_instances_allocated)", "Allocated"),
                Query("max(gpu_mig_instances_available)", "Available"),
            ),
            "Instances now.",
            width=8,
        ),
        Panel(
            "Instances",
            "timeseries",
            (
                Query("max(gpu_mig_instances_allocated)", "Allocated"),
                Query("max(gpu_mig_instances_available)", "Available"),
            ),
            "Steps are repartitions.",
            width=16,
        ),
        _lines(
            "Engine active",
            _ENGINE,
            "Utilization of an instance; GPU_UTIL does not exist for it.",
            unit="percentunit",
            legend=_SLICE_NAME,
        ),
        _lines(
            "Memory used",
            "max by (instance, gpu, GPU_I_ID, GPU_I_PROFILE)"
            ' (DCGM_FI_DEV_FB_USED{GPU_I_ID!=""}) * 1048576',
            "Memory of an instance that is taken.",
            unit="bytes",
            legend=_SLICE_NAME,
        ),
        Panel(
            "Instances by profile",
            "bargauge",
            (
                Query(
                    "count by (GPU_I_PROFILE) (count by (UUID, GPU_I_ID, GPU_I_PROFILE)"
                    ' (DCGM_FI_DEV_FB_USED{GPU_I_ID!=""}))',
                    "{{GPU_I_PROFILE}}",
                ),
            ),
            "Measured instances.",
        ),
        Panel(
            "What instances do",
            "table",
            (Query(_ENGINE),),
            "Part of the time in which an instance worked, now.",
        ),
    ),
)
