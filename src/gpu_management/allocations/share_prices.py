"""What a gap on a device is still good for, from the mix of share sizes.

A minimal-bins LP (arc-flow: Valério de Carvalho, Annals of Operations Research 86, 1999) packs the
asked shares into devices of 1,000 milli. The dual price of a size is the part of a device that one
such share is worth, and the value of a gap is the best total price that fits into it.
"""

from collections.abc import Mapping
from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gpu_management.allocations.fleet import WHOLE_MILLI

if TYPE_CHECKING:
    import highspy

Values = npt.NDArray[np.float64]

_FINEST_GRID = 200
_USUAL_GRID_MILLI = 10
_SIZES_COUNTED = 40
"""Sizes the LP looks at: the most asked ones; the rest move the prices by less than they cost."""


class SharePricesUnsolved(RuntimeError):
    """The solver did not find the optimum of a linear programme that always has one."""


def gap_values(counts: Mapping[int, float]) -> Values:
    """Return what a gap of 0-1000 milli is worth, in devices (0-1), by counts of share sizes.

    Raises:
        SharePricesUnsolved: the solver failed; nothing is guessed in its place.
    """
    asked = sorted(
        ((count, milli) for milli, count in counts.items() if count > 0 and milli < WHOLE_MILLI),
        reverse=True,
    )[:_SIZES_COUNTED]
    if not asked:
        return np.zeros(WHOLE_MILLI + 1)
    step = _grid_step(milli for _, milli in asked)
    on_grid: dict[int, float] = {}
    for count, milli in asked:
        size = _grid_size(milli, step)
        on_grid[size] = on_grid.get(size, 0.0) + count
    points = WHOLE_MILLI // step
    prices = _dual_prices(on_grid, points)
    return _knapsack(prices, points)[np.arange(WHOLE_MILLI + 1) // step]


def _grid_step(sizes_milli: Any) -> int:
    step = gcd(WHOLE_MILLI, *sizes_milli)
    return step if WHOLE_MILLI // step <= _FINEST_GRID else _USUAL_GRID_MILLI


def _grid_size(milli: int, step: int) -> int:
    """Round up, or down where rounding up would let fewer of them onto a device."""
    up = -(-milli // step)
    if WHOLE_MILLI // (up * step) == WHOLE_MILLI // milli:
        return up
    return max(milli // step, 1)


def _dual_prices(counts: Mapping[int, float], points: int) -> dict[int, float]:
    """Solve the arc-flow LP and return the dual price of each size (grid steps)."""
    import highspy

    sizes = sorted(counts, reverse=True)
    total = sum(counts.values())
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)  # noqa: FBT003 - the solver's own signature
    endless = solver.getInfinity()
    flows = points + 1
    lower = [0.0] * flows + [counts[size] / total for size in sizes]
    upper = [0.0] * flows + [endless] * len(sizes)
    none = np.zeros(0, np.int32)
    solver.addRows(len(lower), np.array(lower), np.array(upper), 0, none, none, np.zeros(0))
    _add_arcs(solver, sizes, points)
    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise SharePricesUnsolved(f"share prices of {len(sizes)} sizes: the solver says {status}")
    duals = solver.getSolution().row_dual
    return {size: float(duals[flows + row]) for row, size in enumerate(sizes)}


def _add_arcs(solver: "highspy.Highs", sizes: list[int], points: int) -> None:
    """Add a column per arc: devices, then each size at each position, then waste."""
    rows: list[int] = [0, points]
    factors: list[float] = [1.0, -1.0]
    starts: list[int] = [0]
    for row, size in enumerate(sizes, start=points + 1):
        for at in range(points - size + 1):
            starts.append(len(rows))
            rows += (at, at + size, row)
            factors += (-1.0, 1.0, 1.0)
    for at in range(points):
        starts.append(len(rows))
        rows += (at, at + 1)
        factors += (-1.0, 1.0)
    columns = len(starts)
    costs = np.zeros(columns)
    costs[0] = 1.0
    solver.addCols(
        columns,
        costs,
        np.zeros(columns),
        np.full(columns, solver.getInfinity()),
        len(rows),
        np.array(starts, np.int32),
        np.array(rows, np.int32),
        np.array(factors),
    )


def _knapsack(prices: Mapping[int, float], points: int) -> Values:
    """Return the best total price for each gap, any number of each size (grid steps)."""
    best = np.zeros(points + 1)
    for gap in range(1, points + 1):
        fitting = [price + best[gap - size] for size, price in prices.items() if size <= gap]
        best[gap] = max([best[gap - 1], *fitting])
    return np.round(best, 12)
