"""Solve the repacking program: slices unserved first, then cost of moves, then GPUs touched."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import numpy as np

from gpu_management.mig.repack_model import Model

_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Bound:
    """What no plan can beat, in the order of importance; costs as the instances tell them."""

    unserved_slices: float
    restarts: int
    move_cost: float
    gpus_touched: float

    def as_tuple(self) -> tuple[float, ...]:
        """Return the figures in the order in which plans are compared."""
        return self.unserved_slices, self.restarts, round(self.move_cost, 6), self.gpus_touched


@dataclass(frozen=True, slots=True)
class Solved:
    """The columns that are 1 (more for counts), and what no plan can beat.

    `proved` says that these columns meet the bound.
    """

    chosen: Mapping[int, int] | None
    bound: Bound
    proved: bool


class Solver:
    """One program in the solver's memory, solved for one objective after another."""

    def __init__(self, model: Model, *, deadline: float) -> None:
        """Load `model`; stop at `deadline`, a moment of the monotonic clock in seconds."""
        self.model = model
        self.deadline = deadline
        self._highs = _loaded(model)
        self._best: Sequence[float] | None = None

    def solve(self) -> Solved:
        """Return the best columns for the three objectives, one after another."""
        unserved, asked = self.model.unserved()
        bounds, proved = [0.0, 0.0, 0.0], True
        costs_of_moves, touches = self.model.move_cost(), self.model.touches()
        objectives = ((unserved, asked), (costs_of_moves, 0.0), (touches, 0.0))
        for number, (costs, constant) in enumerate(objectives):
            bounds[number], proved = self._minimize(costs, constant)
            if not proved or self._best is None:
                break
            self._keep(costs)
        bound = Bound(bounds[0], 0, bounds[1], bounds[2])
        return Solved(self._chosen(), bound, proved=proved)

    def least_unserved(self) -> float:
        """Return the slices that stay unserved at least, as far as is known at the deadline."""
        return self._minimize(*self.model.unserved())[0]

    def balance(self, loads: Sequence[Mapping[int, float]]) -> Mapping[int, int] | None:
        """Return columns as good whose greatest of `loads` is small; after a proved `solve`."""
        highs, count = self._highs, len(self.model.upper)
        highs.addVar(0.0, float("inf"))
        for load in loads:
            columns = np.array([*load, count], dtype=np.int32)
            highs.addRow(
                -float("inf"), 0.0, len(columns), columns, np.array([*load.values(), -1.0])
            )
        if self._best is not None:
            peaks = [sum(v * self._best[c] for c, v in load.items()) for load in loads]
            self._best = [*self._best, max(peaks, default=0.0)]
        self.model.upper.append(float("inf"))
        self._minimize({count: 1.0}, 0.0)
        return self._chosen()

    def _chosen(self) -> Mapping[int, int] | None:
        if self._best is None:
            return None
        return {c: round(v) for c, v in enumerate(self._best) if round(v)}

    def _minimize(self, costs: Mapping[int, float], constant: float) -> tuple[float, bool]:
        """Return what the objective cannot be less than, and whether the best columns reach it."""
        import highspy

        highs, count = self._highs, len(self.model.upper)
        if not count:
            self._best = []
            return constant, True
        dense = np.zeros(count)
        dense[list(costs)] = list(costs.values())
        highs.changeColsCost(count, np.arange(count, dtype=np.int32), dense)
        if self._best is not None:
            start = highspy.HighsSolution()
            start.col_value = list(self._best)
            highs.setSolution(start)
        left = self.deadline - monotonic()
        if left <= 0:
            return 0.0, False
        highs.setOptionValue("time_limit", left)
        highs.run()
        info = highs.getInfo()
        if info.primal_solution_status == highspy.kSolutionStatusFeasible:
            self._best = [float(round(v)) for v in highs.getSolution().col_value]
        exact = highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return _rounded_up(max(0.0, info.mip_dual_bound + constant), costs), exact

    def _keep(self, costs: Mapping[int, float]) -> None:
        """Let no later solution be worse by `costs` than the best so far."""
        assert self._best is not None  # noqa: S101 - only after a solution
        most = sum(cost * self._best[column] for column, cost in costs.items())
        columns = np.fromiter(costs, dtype=np.int32, count=len(costs))
        values = np.fromiter(costs.values(), dtype=np.float64, count=len(costs))
        self._highs.addRow(-float("inf"), most + _TOLERANCE, len(columns), columns, values)


def _rounded_up(bound: float, costs: Mapping[int, float]) -> float:
    """Return the least whole number from `bound` on where all costs are whole."""
    if not math.isfinite(bound):
        return 0.0
    if all(cost == round(cost) for cost in costs.values()):
        return float(math.ceil(bound - 1e-6))
    return bound


def _loaded(model: Model) -> Any:
    import highspy

    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    highs.setOptionValue("output_flag", False)  # noqa: FBT003 - the solver's own signature
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("mip_rel_gap", 0.0)
    highs.setOptionValue("mip_abs_gap", 1e-6)
    lp = highspy.HighsLp()
    columns, rows = len(model.upper), model.rows
    lp.num_col_, lp.num_row_ = columns, len(rows)
    lp.col_cost_, lp.col_lower_ = np.zeros(columns), np.zeros(columns)
    lp.col_upper_ = np.array(model.upper)
    lp.row_lower_ = np.array([row.low for row in rows])
    lp.row_upper_ = np.array([row.high for row in rows])
    lp.integrality_ = [highspy.HighsVarType.kInteger] * columns
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lengths = [len(row.columns) for row in rows]
    lp.a_matrix_.start_ = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    lp.a_matrix_.index_ = np.array([c for row in rows for c in row.columns], dtype=np.int32)
    lp.a_matrix_.value_ = np.array([v for row in rows for v in row.values])
    highs.passModel(lp)
    return highs
