"""The rules: the same alerts as `prometheus/`, with the same thresholds, waits and words.

A test holds them against those files, so neither can change alone.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import eq, ge, gt, le, lt
from typing import Any, Final

from gpu_management.alerts import measures as of
from gpu_management.alerts.kinds import Component, Severity
from gpu_management.alerts.measures import HOUR, MINUTE, Measure
from gpu_management.devices.health import NEAR_SLOWDOWN_CELSIUS, THROTTLED_RATIO


class Compare(StrEnum):
    """How what is judged must stand to the threshold for a rule to hold."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="
    EQUAL = "=="

    @property
    def test(self) -> Callable[[Any, Any], Any]:
        """Return the comparison."""
        return _TESTS[self]


_TESTS: Final[Mapping[Compare, Callable[[Any, Any], Any]]] = {
    Compare.ABOVE: gt,
    Compare.AT_LEAST: ge,
    Compare.BELOW: lt,
    Compare.AT_MOST: le,
    Compare.EQUAL: eq,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that must hold for `for_seconds`, and what is said then."""

    name: str
    measure: Measure
    compare: Compare
    threshold: float
    for_seconds: float
    severity: Severity
    component: Component
    summary: str
    description: str


_ON_GPU: Final = "GPU {{ $labels.gpu }} on {{ $labels.instance }}"
METRICS_AWAY: Final = "GPUMeasurementsUnavailable"
"""Ours alone: inside Prometheus nobody can ask whether Prometheus is there."""

GUIDE_RULES: Final = (
    Rule(
        "GPUHighTemperature",
        of.newest(of.TEMPERATURE),
        Compare.ABOVE,
        85,
        5 * MINUTE,
        Severity.WARNING,
        Component.HARDWARE,
        "GPU {{ $labels.gpu }} temperature is high",
        _ON_GPU + " has temperature {{ $value }}°C",
    ),
    Rule(
        "GPUHighUtilization",
        of.newest(of.UTILIZATION),
        Compare.ABOVE,
        95,
        10 * MINUTE,
        Severity.WARNING,
        Component.HARDWARE,
        "GPU {{ $labels.gpu }} utilization is high",
        "GPU {{ $labels.gpu }} utilization is {{ $value }}%",
    ),
    Rule(
        "GPUAllocationFailure",
        of.grown(of.FAILURES, 5 * MINUTE),
        Compare.ABOVE,
        0,
        0,
        Severity.CRITICAL,
        Component.PRODUCT,
        "GPU allocation failures detected",
        "{{ $value }} GPU allocation failures in the last 5 minutes",
    ),
    Rule(
        "GPUManagementDown",
        of.answers(of.PRODUCT),
        Compare.EQUAL,
        0,
        2 * MINUTE,
        Severity.CRITICAL,
        Component.PRODUCT,
        "GPU Management application is down",
        "GPU Management application has been down for more than 2 minutes",
    ),
    Rule(
        "MIGInstancesLow",
        of.free_slices_pct,
        Compare.BELOW,
        10,
        5 * MINUTE,
        Severity.WARNING,
        Component.MIG,
        "Available MIG instances are running low",
        "Only {{ $value }}% of MIG instances are available",
    ),
    Rule(
        "GPUCostThresholdExceeded",
        of.newest(of.COST_TODAY),
        Compare.ABOVE,
        1000,
        0,
        Severity.WARNING,
        Component.COST,
        "Daily GPU cost threshold exceeded",
        "Daily GPU cost is ${{ $value }}, exceeding threshold",
    ),
)
"""The six of the integration guide."""

HARDWARE_RULES: Final = (
    Rule(
        "GPUNearSlowdownTemperature",
        of.below_slowdown,
        Compare.AT_MOST,
        NEAR_SLOWDOWN_CELSIUS,
        5 * MINUTE,
        Severity.WARNING,
        Component.HARDWARE,
        "GPU {{ $labels.gpu }} is about to be slowed down by heat",
        "GPU {{ $labels.gpu }} ({{ $labels.modelName }}) on {{ $labels.instance }} has"
        " {{ $value }}°C, within 3°C of where its clocks are lowered",
    ),
    Rule(
        "GPUThrottledByHeat",
        of.held_down_by_heat,
        Compare.ABOVE,
        THROTTLED_RATIO,
        5 * MINUTE,
        Severity.WARNING,
        Component.HARDWARE,
        "GPU {{ $labels.gpu }} is slowed down by heat",
        _ON_GPU
        + " was slowed down by heat for {{ $value | humanizePercentage }} of the last 5 minutes",
    ),
    Rule(
        "GPUHardwareError",
        of.new_hardware_errors,
        Compare.ABOVE,
        0,
        0,
        Severity.CRITICAL,
        Component.HARDWARE,
        "GPU {{ $labels.gpu }} reported a hardware error",
        _ON_GPU + " reported XID {{ $value }}",
    ),
    Rule(
        "GPUDoubleBitErrors",
        of.grown(of.DOUBLE_BIT, 15 * MINUTE),
        Compare.ABOVE,
        0,
        0,
        Severity.CRITICAL,
        Component.HARDWARE,
        "GPU {{ $labels.gpu }} has uncorrectable memory errors",
        _ON_GPU + " had uncorrectable memory errors in the last 15 minutes",
    ),
    Rule(
        "GPURowRemapFailure",
        of.newest(of.REMAP_FAILURE),
        Compare.ABOVE,
        0,
        0,
        Severity.CRITICAL,
        Component.HARDWARE,
        "GPU {{ $labels.gpu }} cannot replace bad memory rows",
        _ON_GPU + " has no spare memory rows left: the card must be replaced",
    ),
    Rule(
        "GPUGone",
        of.gone_gpus,
        Compare.ABOVE,
        0,
        5 * MINUTE,
        Severity.CRITICAL,
        Component.HARDWARE,
        "GPUs of {{ $labels.instance }} are gone",
        "{{ $value }} GPUs that {{ $labels.instance }} measured within the last hour are not there"
        " any more",
    ),
    Rule(
        "GPUExporterDown",
        of.answers(of.EXPORTER),
        Compare.EQUAL,
        0,
        5 * MINUTE,
        Severity.WARNING,
        Component.HARDWARE,
        "GPUs of {{ $labels.instance }} are not measured",
        "The exporter {{ $labels.instance }} has not answered for more than 5 minutes: nothing is"
        " known of its GPUs",
    ),
    Rule(
        "GPUUnavailable",
        of.cannot_work,
        Compare.ABOVE,
        0,
        10 * MINUTE,
        Severity.WARNING,
        Component.HARDWARE,
        "GPUs are {{ $labels.state }}",
        "{{ $value }} GPUs of model {{ $labels.model }} are {{ $labels.state }}: nothing can be"
        " placed on them",
    ),
)
PRODUCT_RULES: Final = (
    Rule(
        "GPUManagementAbsent",
        of.no_target,
        Compare.ABOVE,
        0,
        2 * MINUTE,
        Severity.CRITICAL,
        Component.PRODUCT,
        "GPU Management application is not scraped",
        "Prometheus has had no target of the job gpu-management for more than 2 minutes",
    ),
    Rule(
        "GPUClusterUnreadable",
        of.unread_seconds,
        Compare.ABOVE,
        300,
        MINUTE,
        Severity.WARNING,
        Component.PRODUCT,
        "GPU cluster {{ $labels.cluster }} cannot be read",
        "What is shown of {{ $labels.cluster }} was last true {{ $value | humanizeDuration }} ago",
    ),
    Rule(
        "GPUEnforcementFailing",
        of.grown_in_all(of.UNENFORCED, 15 * MINUTE),
        Compare.ABOVE,
        0,
        0,
        Severity.WARNING,
        Component.PRODUCT,
        "Allocations are not enforced by the cluster",
        "{{ $value }} allocations were not enforced by the cluster in the last 15 minutes",
    ),
    Rule(
        "GPUManagementJobFailing",
        of.grown(of.JOB_FAILURES, 15 * MINUTE),
        Compare.ABOVE,
        2,
        5 * MINUTE,
        Severity.WARNING,
        Component.PRODUCT,
        "A job of GPU Management keeps failing",
        "The job {{ $labels.exported_job }} failed {{ $value }} times in the last 15 minutes",
    ),
    Rule(
        "GPURequestsWaiting",
        of.lowest(of.PENDING, 30 * MINUTE),
        Compare.ABOVE,
        0,
        5 * MINUTE,
        Severity.INFO,
        Component.PRODUCT,
        "Requests for GPUs are waiting",
        "At least {{ $value }} requests for GPUs have been waiting for the last 30 minutes",
    ),
)
USE_RULES: Final = (
    Rule(
        "MIGInstancesExhausted",
        of.free_slices,
        Compare.EQUAL,
        0,
        15 * MINUTE,
        Severity.WARNING,
        Component.MIG,
        "No MIG instance is free",
        "No MIG instance has been free for more than 15 minutes",
    ),
    Rule(
        "MIGInstancesUnused",
        of.free_slices_ratio,
        Compare.ABOVE,
        0.8,
        24 * HOUR,
        Severity.INFO,
        Component.MIG,
        "Most MIG instances are not used",
        "{{ $value | humanizePercentage }} of MIG instances have been free for a day",
    ),
    Rule(
        "MIGInstanceIdle",
        of.highest(of.ENGINE_OF_HELD, 5 * MINUTE),
        Compare.BELOW,
        0.01,
        2 * HOUR,
        Severity.INFO,
        Component.MIG,
        "A MIG instance is held but not used",
        "Instance {{ $labels.GPU_I_ID }} ({{ $labels.GPU_I_PROFILE }}) of GPU {{ $labels.gpu }} on"
        " {{ $labels.instance }} has been held without being used for 2 hours",
    ),
    Rule(
        "GPUCostPaceTooHigh",
        of.cost_of_a_day,
        Compare.ABOVE,
        1000,
        HOUR,
        Severity.INFO,
        Component.COST,
        "GPU cost of a day would pass the threshold",
        "At the pace of the last hour a day costs {{ $value | humanize }}, above the threshold of"
        " 1000",
    ),
    Rule(
        "GPUCostJump",
        of.cost_against_yesterday,
        Compare.ABOVE,
        1.5,
        30 * MINUTE,
        Severity.INFO,
        Component.COST,
        "GPU cost is far above yesterday's",
        "GPUs have cost {{ $value | humanize }} today, more than one and a half times as much as"
        " yesterday until this hour",
    ),
    Rule(
        "GPUTeamCostHigh",
        of.newest(of.COST_OF_TEAM),
        Compare.ABOVE,
        500,
        0,
        Severity.INFO,
        Component.COST,
        "GPUs of team {{ $labels.team }} are expensive today",
        "GPUs of team {{ $labels.team }} have cost {{ $value | humanize }} today",
    ),
    Rule(
        "GPUsHeldButIdle",
        of.idle_while_held,
        Compare.BELOW,
        10,
        HOUR,
        Severity.INFO,
        Component.COST,
        "GPUs are held but hardly used",
        "{{ $value | humanizePercentage }} of GPUs are held, and on average they have worked less"
        " than 10% for an hour",
    ),
)
SHIPPED: Final = (*GUIDE_RULES, *HARDWARE_RULES, *PRODUCT_RULES, *USE_RULES)
"""The rules that `prometheus/` has as well."""
AWAY_RULE: Final = Rule(
    METRICS_AWAY,
    of.newest(METRICS_AWAY),
    Compare.ABOVE,
    0,
    2 * MINUTE,
    Severity.CRITICAL,
    Component.PRODUCT,
    "GPU measurements cannot be read",
    "Measurements cannot be read: nothing is known of the GPUs, and alerts about them stay as they"
    " were",
)
RULES: Final = (*SHIPPED, AWAY_RULE)


def rules_of(thresholds: Mapping[str, float], disabled: Collection[str]) -> tuple[Rule, ...]:
    """Return the rules that are in force, with the thresholds that were set for them."""
    return tuple(
        replace(rule, threshold=thresholds.get(rule.name, rule.threshold))
        for rule in RULES
        if rule.name not in disabled
    )
