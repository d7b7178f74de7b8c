"""For every alert: series on which it fires, with what it says, and series on which it must not.

Series are written as promtool reads them, a value a minute: `91x10` repeats, `0+5x10` grows by 5.
"""

from dataclasses import dataclass, field
from typing import Final

Series = dict[str, str]
_ON: Final = 'instance="n1:9400",gpu="0",UUID="GPU-1",modelName="NVIDIA A100-SXM4-40GB"'
_GPU: Final = {"instance": "n1:9400", "gpu": "0", "UUID": "GPU-1"}
_MODEL: Final = _GPU | {"modelName": "NVIDIA A100-SXM4-40GB"}
_SLICE: Final = 'instance="n1:9400",gpu="0",UUID="GPU-1",GPU_I_ID="9",GPU_I_PROFILE="1g.5gb"'


def dcgm(name: str, values: str, *, more: str = "") -> Series:
    """Return a series of the first GPU of node n1."""
    return {f"DCGM_FI_{name}{{{_ON}{more}}}": values}


@dataclass(frozen=True, slots=True)
class Case:
    """What an alert says `at` a time: nothing (`says` empty), or one summary and description."""

    alert: str
    at: str
    series: Series
    says: tuple[str, str] | None = None
    labels: dict[str, str] = field(default_factory=dict)


def _quiet(alert: str, at: str, *series: Series) -> list[Case]:
    return [Case(alert, at, one) for one in series]


_UP = 'up{job="gpu-management",instance="gm:8080"}'
_EXPORTER = 'up{job="dcgm-exporter",instance="n1:9400"}'
_MIG = ("gpu_mig_instances_available", "gpu_mig_instances_total")
_JOB = 'gpu_management_job_failures_total{instance="gm:8080",job="gpu-management",exported_job="x"}'
_TIME = 'gpu_management_cluster_synced_timestamp_seconds{cluster="prod",instance="gm:8080"}'
_FAILED = 'gpu_allocation_failures_total{instance="gm:8080",reason="enforcement"}'
_HOT = dcgm("DEV_GPU_TEMP", "91x20")
_HELD = {'gpu_held_milli{model="t4"}': "800x90", 'gpu_devices{model="t4",state="READY"}': "1x90"}


GUIDE_CASES: Final = [
    Case(
        "GPUHighTemperature",
        "6m",
        _HOT,
        ("GPU 0 temperature is high", "GPU 0 on n1:9400 has temperature 91°C"),
        _MODEL,
    ),
    *_quiet("GPUHighTemperature", "4m", _HOT),
    *_quiet("GPUHighTemperature", "9m", dcgm("DEV_GPU_TEMP", "85x20"), {}),
    *_quiet("GPUHighTemperature", "9m", dcgm("DEV_GPU_TEMP", "91x5 80 91x9")),
    Case(
        "GPUHighUtilization",
        "11m",
        dcgm("DEV_GPU_UTIL", "99x20"),
        ("GPU 0 utilization is high", "GPU 0 utilization is 99%"),
        _MODEL,
    ),
    *_quiet("GPUHighUtilization", "9m", dcgm("DEV_GPU_UTIL", "99x20")),
    *_quiet("GPUHighUtilization", "15m", dcgm("DEV_GPU_UTIL", "95x20")),
    Case(
        "GPUAllocationFailure",
        "6m",
        {_FAILED: "0 0 0 0 1 1 1 1"},
        ("GPU allocation failures detected", "1 GPU allocation failures in the last 5 minutes"),
        {"instance": "gm:8080", "reason": "enforcement"},
    ),
    *_quiet("GPUAllocationFailure", "9m", {_FAILED: "7x20"}, {_FAILED: "0x20"}, {}),
    Case(
        "GPUManagementDown",
        "3m",
        {_UP: "0x9"},
        (
            "GPU Management application is down",
            "GPU Management application has been down for more than 2 minutes",
        ),
        {"job": "gpu-management", "instance": "gm:8080"},
    ),
    *_quiet("GPUManagementDown", "5m", {_UP: "1x9"}, {_EXPORTER: "0x9"}, {_UP: "1 0 1 0 1 0 1"}),
    Case(
        "MIGInstancesLow",
        "6m",
        {_MIG[0]: "1x9", _MIG[1]: "20x9"},
        ("Available MIG instances are running low", "Only 5% of MIG instances are available"),
    ),
    *_quiet("MIGInstancesLow", "8m", {_MIG[0]: "0x9", _MIG[1]: "0x9"}),
    *_quiet("MIGInstancesLow", "8m", {_MIG[0]: "2x9", _MIG[1]: "20x9"}, {}),
    Case(
        "GPUCostThresholdExceeded",
        "1m",
        {"gpu_daily_cost": "1000.5x5"},
        ("Daily GPU cost threshold exceeded", "Daily GPU cost is $1000.5, exceeding threshold"),
    ),
    *_quiet("GPUCostThresholdExceeded", "1m", {"gpu_daily_cost": "1000x5"}, {}),
]
"""The six alerts of the integration guide."""

HARDWARE_CASES: Final = [
    Case(
        "GPUNearSlowdownTemperature",
        "7m",
        dcgm("DEV_GPU_TEMP", "86x20"),
        (
            "GPU 0 is about to be slowed down by heat",
            "GPU 0 (NVIDIA A100-SXM4-40GB) on n1:9400 has 86°C,"
            " within 3°C of where its clocks are lowered",
        ),
        _MODEL,
    ),
    *_quiet("GPUNearSlowdownTemperature", "9m", dcgm("DEV_GPU_TEMP", "85x20")),
    *_quiet(
        "GPUNearSlowdownTemperature",
        "9m",
        {'DCGM_FI_DEV_GPU_TEMP{instance="n1:9400",gpu="0",UUID="GPU-1",modelName="x"}': "99x20"},
    ),
    Case(
        "GPUThrottledByHeat",
        "12m",
        dcgm("DEV_THERMAL_VIOLATION", "0+30000000000x20"),
        (
            "GPU 0 is slowed down by heat",
            "GPU 0 on n1:9400 was slowed down by heat for 50% of the last 5 minutes",
        ),
        _GPU,
    ),
    *_quiet("GPUThrottledByHeat", "12m", dcgm("DEV_THERMAL_VIOLATION", "0+3000000000x20"), {}),
    Case(
        "GPUHardwareError",
        "6m",
        dcgm("DEV_XID_ERRORS", "0x3 79x9"),
        ("GPU 0 reported a hardware error", "GPU 0 on n1:9400 reported XID 79"),
        _MODEL,
    ),
    Case(
        "GPUHardwareError",
        "6m",
        dcgm("DEV_XID_ERRORS", "0x3 stale", more=',err_code="0"')
        | dcgm("DEV_XID_ERRORS", "_x4 48x9", more=',err_code="48"'),
        ("GPU 0 reported a hardware error", "GPU 0 on n1:9400 reported XID 48"),
        _MODEL,
    ),
    *_quiet("GPUHardwareError", "6m", dcgm("DEV_XID_ERRORS", "0x3 31x9"), {}),
    *_quiet("GPUHardwareError", "30m", dcgm("DEV_XID_ERRORS", "0x3 79x40")),
    Case(
        "GPUDoubleBitErrors",
        "6m",
        dcgm("DEV_ECC_DBE_VOL_TOTAL", "0x3 2x9"),
        (
            "GPU 0 has uncorrectable memory errors",
            "GPU 0 on n1:9400 had uncorrectable memory errors in the last 15 minutes",
        ),
        _GPU,
    ),
    *_quiet("GPUDoubleBitErrors", "6m", dcgm("DEV_ECC_DBE_VOL_TOTAL", "2x9"), {}),
    Case(
        "GPURowRemapFailure",
        "1m",
        dcgm("DEV_ROW_REMAP_FAILURE", "1x3"),
        (
            "GPU 0 cannot replace bad memory rows",
            "GPU 0 on n1:9400 has no spare memory rows left: the card must be replaced",
        ),
        _GPU,
    ),
    *_quiet("GPURowRemapFailure", "1m", dcgm("DEV_ROW_REMAP_FAILURE", "0x3"), {}),
    Case(
        "GPUGone",
        "25m",
        dcgm("DEV_GPU_TEMP", "50x9 stale") | {_EXPORTER: "1x40"},
        (
            "GPUs of n1:9400 are gone",
            "1 GPUs that n1:9400 measured within the last hour are not there any more",
        ),
        {"instance": "n1:9400"},
    ),
    *_quiet("GPUGone", "25m", dcgm("DEV_GPU_TEMP", "50x9 stale") | {_EXPORTER: "1x9 0x40"}),
    *_quiet("GPUGone", "25m", dcgm("DEV_GPU_TEMP", "50x40") | {_EXPORTER: "1x40"}),
    Case(
        "GPUExporterDown",
        "6m",
        {_EXPORTER: "0x9"},
        (
            "GPUs of n1:9400 are not measured",
            "The exporter n1:9400 has not answered for more than 5 minutes:"
            " nothing is known of its GPUs",
        ),
        {"job": "dcgm-exporter", "instance": "n1:9400"},
    ),
    *_quiet("GPUExporterDown", "6m", {_EXPORTER: "1x9"}, {_UP: "0x9"}),
    Case(
        "GPUUnavailable",
        "11m",
        {
            'gpu_devices{model="t4",state="FAILED",instance="a"}': "2x20",
            'gpu_devices{model="t4",state="FAILED",instance="b"}': "2x20",
        },
        ("GPUs are FAILED", "2 GPUs of model t4 are FAILED: nothing can be placed on them"),
        {"model": "t4", "state": "FAILED"},
    ),
    *_quiet("GPUUnavailable", "15m", {'gpu_devices{model="t4",state="READY"}': "2x20"}),
]

PRODUCT_CASES: Final = [
    Case(
        "GPUManagementAbsent",
        "3m",
        {_EXPORTER: "1x9"},
        (
            "GPU Management application is not scraped",
            "Prometheus has had no target of the job gpu-management for more than 2 minutes",
        ),
        {"job": "gpu-management"},
    ),
    *_quiet("GPUManagementAbsent", "3m", {_UP: "0x9"}, {_UP: "1x9"}),
    Case(
        "GPUClusterUnreadable",
        "10m",
        {_TIME: "0x20"},
        ("GPU cluster prod cannot be read", "What is shown of prod was last true 10m 0s ago"),
        {"cluster": "prod"},
    ),
    *_quiet("GPUClusterUnreadable", "10m", {_TIME: "0+60x20"}, {}),
    Case(
        "GPUEnforcementFailing",
        "9m",
        {'gpu_management_enforcement_failures_total{why="refused"}': "0+1x20"},
        (
            "Allocations are not enforced by the cluster",
            "9 allocations were not enforced by the cluster in the last 15 minutes",
        ),
    ),
    *_quiet(
        "GPUEnforcementFailing",
        "9m",
        {'gpu_management_enforcement_failures_total{why="refused"}': "3x20"},
        {},
    ),
    Case(
        "GPUManagementJobFailing",
        "20m",
        {_JOB: "0+1x30"},
        (
            "A job of GPU Management keeps failing",
            "The job x failed 15 times in the last 15 minutes",
        ),
        {"job": "gpu-management", "exported_job": "x"},
    ),
    *_quiet("GPUManagementJobFailing", "20m", {_JOB: "0x9 1x30"}, {}),
    Case(
        "GPURequestsWaiting",
        "40m",
        {"gpu_allocations_pending": "3 2x50"},
        (
            "Requests for GPUs are waiting",
            "At least 2 requests for GPUs have been waiting for the last 30 minutes",
        ),
    ),
    *_quiet("GPURequestsWaiting", "40m", {"gpu_allocations_pending": "3x20 0 3x30"}, {}),
]

USE_CASES: Final = [
    Case(
        "MIGInstancesExhausted",
        "16m",
        {_MIG[0]: "0x30", _MIG[1]: "7x30"},
        (
            "No MIG instance is free",
            "No MIG instance has been free for more than 15 minutes",
        ),
    ),
    *_quiet("MIGInstancesExhausted", "20m", {_MIG[0]: "0x30", _MIG[1]: "0x30"}),
    *_quiet("MIGInstancesExhausted", "20m", {_MIG[0]: "1x30", _MIG[1]: "7x30"}),
    Case(
        "MIGInstancesUnused",
        "25h",
        {_MIG[0]: "9x1600", _MIG[1]: "10x1600"},
        ("Most MIG instances are not used", "90% of MIG instances have been free for a day"),
    ),
    *_quiet("MIGInstancesUnused", "25h", {_MIG[0]: "8x1600", _MIG[1]: "10x1600"}),
    *_quiet("MIGInstancesUnused", "25h", {_MIG[0]: "0x1600", _MIG[1]: "0x1600"}),
    *[
        Case(
            "MIGInstanceIdle",
            "121m",
            {f"DCGM_FI_PROF_GR_ENGINE_ACTIVE{{{_SLICE},{pods}}}": "0.001x130"},
            (
                "A MIG instance is held but not used",
                "Instance 9 (1g.5gb) of GPU 0 on n1:9400 has been held"
                " without being used for 2 hours",
            ),
            _GPU | {"GPU_I_ID": "9", "GPU_I_PROFILE": "1g.5gb"},
        )
        for pods in ('pod="train"', 'pod="dcgm-exporter-x",exported_pod="train"')
    ],
    *[
        Case(
            "MIGInstanceIdle",
            "121m",
            {f"DCGM_FI_PROF_GR_ENGINE_ACTIVE{{{_SLICE}{pods}}}": values},
        )
        for pods, values in (
            ("", "0x130"),
            (',pod="dcgm-exporter-x"', "0x130"),
            (',pod="train"', "0x60 0.5 0x70"),
        )
    ],
    Case(
        "GPUCostPaceTooHigh",
        "125m",
        {"gpu_cost_total": "0+1x130"},
        (
            "GPU cost of a day would pass the threshold",
            "At the pace of the last hour a day costs 1.44k, above the threshold of 1000",
        ),
    ),
    *_quiet("GPUCostPaceTooHigh", "125m", {"gpu_cost_total": "0+0.6x130"}, {}),
    Case(
        "GPUCostJump",
        "31h",
        {"gpu_daily_cost": "200x1500 400x600"},
        (
            "GPU cost is far above yesterday's",
            "GPUs have cost 400 today, more than one and a half times as much as yesterday"
            " until this hour",
        ),
    ),
    *_quiet("GPUCostJump", "31h", {"gpu_daily_cost": "200x1500 290x600"}),
    *_quiet("GPUCostJump", "31h", {"gpu_daily_cost": "1x1500 99x600"}, {}),
    Case(
        "GPUTeamCostHigh",
        "1m",
        {'gpu_daily_cost_by_team{team="ml",instance="a"}': "600x5"},
        ("GPUs of team ml are expensive today", "GPUs of team ml have cost 600 today"),
        {"team": "ml"},
    ),
    *_quiet("GPUTeamCostHigh", "1m", {'gpu_daily_cost_by_team{team="ml"}': "500x5"}, {}),
    Case(
        "GPUsHeldButIdle",
        "65m",
        _HELD | dcgm("DEV_GPU_UTIL", "3x90"),
        (
            "GPUs are held but hardly used",
            "80% of GPUs are held, and on average they have worked less than 10% for an hour",
        ),
    ),
    *_quiet("GPUsHeldButIdle", "65m", _HELD | dcgm("DEV_GPU_UTIL", "30x90"), _HELD),
]

CASES: Final = [*GUIDE_CASES, *HARDWARE_CASES, *PRODUCT_CASES, *USE_CASES]
