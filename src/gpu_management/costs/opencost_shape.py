"""Rows as OpenCost writes them: 5 decimals, RFC 3339 in whole seconds. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from gpu_management.costs.opencost import Row
from gpu_management.costs.opencost_schemas import (
    Allocation,
    AllocationAnswer,
    Costs,
    GpuAllocation,
    SummaryAnswer,
    SummaryRange,
    SummarySet,
    WindowTold,
)
from gpu_management.costs.opencost_window import Span
from gpu_management.rates.pricing import MICROS

_OK = 200
_MILLI_SECONDS_PER_HOUR = 3_600_000
_DIGITS = 100_000
_LABEL = "label:"


@dataclass(frozen=True, slots=True)
class StepRows:
    """The rows of one step by name."""

    window: Span
    rows: Mapping[str, Row]


def rounded(exact: Fraction) -> float:
    """Round to 5 decimals, halves up, as OpenCost does."""
    return int(exact * _DIGITS + Fraction(1, 2)) / _DIGITS


def allocations(sets: Sequence[StepRows]) -> AllocationAnswer:
    """Return the answer of `/allocation`."""
    data = [{name: _allocation(name, row, of) for name, row in of.rows.items()} for of in sets]
    return AllocationAnswer(code=_OK, data=data)


def summary(sets: Sequence[StepRows]) -> SummaryAnswer:
    """Return the answer of `/allocation/summary`."""
    first, last = sets[0].window, sets[-1].window
    told = SummaryRange(
        step=(first.end - first.start) // timedelta(microseconds=1) * 1000,
        sets=[
            SummarySet(
                allocations={name: Costs(**_costs(name, row)) for name, row in of.rows.items()},
                window=_window(of.window),
            )
            for of in sets
        ],
        window=_window(Span(first.start, last.end)),
    )
    return SummaryAnswer(code=_OK, data=told)


def _costs(name: str, row: Row) -> dict[str, Any]:
    cost = rounded(Fraction(row.micros, MICROS))
    return {
        "name": name,
        "start": _time(datetime.fromtimestamp(row.start, UTC)),
        "end": _time(datetime.fromtimestamp(row.end, UTC)),
        "gpu_cost": cost,
        "total_cost": cost,
    }


def _allocation(name: str, row: Row, of: StepRows) -> Allocation:
    hours = Fraction(row.milli_seconds, _MILLI_SECONDS_PER_HOUR)
    lasted = row.end - row.start
    count = rounded(hours * 3600 / lasted) if lasted else 0.0
    gpu = row.gpu
    return Allocation(
        **_costs(name, row),
        properties=_properties(row.properties),
        window=_window(of.window),
        minutes=rounded(Fraction(lasted, 60)),
        gpu_count=count,
        gpu_hours=rounded(hours),
        gpu_cost_idle=rounded(Fraction(row.idle_micros, MICROS)),
        gpu_request_average=None if gpu is None else count,
        gpu_allocation=None
        if gpu is None
        else GpuAllocation(
            gpu_device=gpu.device,
            gpu_model=gpu.model,
            gpu_uuid=gpu.uuid,
            is_gpu_shared=gpu.is_shared,
            gpu_usage_average=None,
            gpu_request_average=count,
        ),
    )


def _properties(known: Mapping[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        name: value for name, value in known.items() if ":" not in name and "__" not in name
    }
    labels = {
        name.removeprefix(_LABEL): value for name, value in known.items() if name.startswith(_LABEL)
    }
    return told | ({"labels": labels} if labels else {})


def _window(span: Span) -> WindowTold:
    return WindowTold(start=_time(span.start), end=_time(span.end))


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
