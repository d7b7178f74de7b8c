"""What GPUs do now, for those who look at devices and at the fleet; None where nobody knows."""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from gpu_management.metrics.questions import Now

Figures = Mapping[int, Now]
"""The newest figures by the key of a GPU; stale ones are not among them."""


def fill(devices: Sequence[MutableMapping[str, Any]], figures: Figures) -> None:
    """Write temperature, utilisation, memory and power into devices as the wire shows them."""
    for fields in devices:
        now = figures.get(fields["id"])
        if now is not None:
            used = now.memory_used_mib
            fields["memory_used_mb"] = None if used is None else round(used)
            fields["temperature"] = now.temperature_celsius
            fields["gpu_utilization"] = now.utilization_pct
            fields["power_draw_w"] = now.power_w


def averages(figures: Figures) -> dict[str, float | None]:
    """Return the averages of the overview: over the GPUs that were measured."""
    return {
        "average_utilization": _mean([one.utilization_pct for one in figures.values()]),
        "average_temperature": _mean([one.temperature_celsius for one in figures.values()]),
    }


def statistics(figures: Figures) -> dict[str, float | None]:
    """Return average utilisation, and the one that 95 of 100 GPUs do not exceed."""
    busy = sorted(
        one.utilization_pct for one in figures.values() if one.utilization_pct is not None
    )
    highest = round(busy[-(-len(busy) * 95 // 100) - 1], 2) if busy else None
    return {"average_utilization": _mean(busy), "p95_utilization": highest}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 2) if known else None
