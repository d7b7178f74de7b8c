"""Plan a repacking: the best set of moves, proved where time allows, in an order that works.

The program is solved for unserved slices, cost of moves and GPUs touched; of the solutions that
are equal in these, one is taken that burdens no GPU for long; then the steps are ordered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from gpu_management.mig.cluster_layout import SETUP_S, Situation
from gpu_management.mig.geometry import LayoutError
from gpu_management.mig.greedy import greedy_plan
from gpu_management.mig.layout import check_layout
from gpu_management.mig.plan_steps import Step, Value, as_document, unserved, value_of
from gpu_management.mig.repack_model import Model, build
from gpu_management.mig.repack_order import Stuck, Target, order
from gpu_management.mig.repack_solve import Bound, Solver

DEFAULT_LIMIT_S: Final = 30.0
"""Seconds a plan may take, unless somebody says otherwise."""
_ORDERS: Final = 16  # at least; small plans can afford more
_MOST_ORDERS: Final = 200
_STEPS_ORDERED: Final = 4000  # over all orders tried
_LEAST_BALANCE_S: Final = 0.5
_CURVE_S: Final = 2.0  # for each point of the curve
_GREEDY_SHARE: Final = 0.2  # of the time, kept for a plan without the solver


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered steps, how good they are, what no plan can beat, and whether they reach it."""

    situation: Situation
    steps: Sequence[Step]
    value: Value
    bound: Bound
    optimal: bool
    solve_ms: float

    @property
    def unserved(self) -> dict[str, int]:
        """Return how many of each profile stay unserved."""
        return unserved(self.situation, self.steps)

    def as_document(self) -> dict[str, Any]:
        """Return the plan as the OUT file has it."""
        return {
            "version": 1,
            "steps": [as_document(self.situation, step) for step in self.steps],
            "unserved": self.unserved,
            "bound": {
                "unserved_slices": _plain(self.bound.unserved_slices),
                "restarts": self.bound.restarts,
                "move_cost": _plain(self.bound.move_cost),
                "gpus_touched": _plain(self.bound.gpus_touched),
            },
            "optimal": self.optimal,
            "solve_ms": round(self.solve_ms, 1),
        }


def plan(
    situation: Situation, *, limit_s: float = DEFAULT_LIMIT_S, cost_limit: float | None = None
) -> Plan:
    """Return the best plan found within about `limit_s` seconds whose moves cost `cost_limit`."""
    started = monotonic()
    deadline = started + limit_s
    model = build(situation, cost_limit=cost_limit)
    solver = Solver(model, deadline=started + limit_s * (1 - _GREEDY_SHARE))
    solved = solver.solve()
    found: list[list[Step]] = [[]]
    if solved.chosen is not None:
        found += _ordered(model, solved.chosen, deadline)
    if solved.proved and found[1:]:
        spent = monotonic() - started
        solver.deadline = min(deadline, monotonic() + max(spent / 2, _LEAST_BALANCE_S))
        found += _ordered(model, solver.balance(loads(model)) or {}, deadline)
    elif not found[1:] or not _costs_least(value_of(situation, found[1]), solved.bound):
        found += _makeshift(situation, deadline, cost_limit)
    best = min(found, key=lambda steps: value_of(situation, steps).as_tuple())
    value, bound = value_of(situation, best), solved.bound
    reached = value.as_tuple()[:4] == bound.as_tuple()
    took_ms = (monotonic() - started) * 1000
    return Plan(situation, best, value, bound, solved.proved and reached, took_ms)


def _costs_least(value: Value, bound: Bound) -> bool:
    """Say whether no plan can serve more, or the same with less moving."""
    return value.as_tuple()[:3] == bound.as_tuple()[:3]


def cost_curve(situation: Situation, found: Plan, *, points: int = 5) -> list[tuple[float, float]]:
    """Return pairs of cost allowed and slices that stay unserved at best, up to the plan's own."""
    full = found.value.move_cost
    allowed = [round(full * number / points, 2) for number in range(points)] if full else []
    curve = []
    for cost in allowed:
        solver = Solver(build(situation, cost_limit=cost), deadline=monotonic() + _CURVE_S)
        curve.append((cost, solver.least_unserved()))
    return [*curve, (full, found.value.unserved_slices)]


def loads(model: Model) -> list[Mapping[int, float]]:
    """Return for each GPU how many seconds each column keeps it busy at least."""
    busy: dict[int, dict[int, float]] = {}
    for (index, item), column in model.leave.items():
        busy.setdefault(index, {})[column] = item.seconds
    for (index, _), column in (*model.gone.items(), *model.place.items()):
        busy.setdefault(index, {})[column] = SETUP_S
    return list(busy.values())


def target_of(model: Model, chosen: Mapping[int, int]) -> Target:
    """Return what the chosen columns mean, without free instances that go in vain."""
    leaving = tuple(key for key, column in model.leave.items() if chosen.get(column))
    placed = tuple(key for key, column in model.place.items() if chosen.get(column))
    gone = [key for key, column in model.gone.items() if chosen.get(column)]
    for key in tuple(gone):
        others = [each for each in gone if each is not key]
        if _fits(model.situation, key[0], Target(leaving, tuple(others), placed)):
            gone = others
    return Target(leaving, tuple(gone), placed)


def _fits(situation: Situation, index: int, target: Target) -> bool:
    gpu = situation.gpus[index]
    away = {item.id for at, item in (*target.leaving, *target.gone) if at == index}
    places = [item.place for item in gpu.items if item.id not in away]
    places += [place for at, place in target.placed if at == index]
    try:
        check_layout(gpu.geometry, places)
    except LayoutError:
        return False
    return True


def _ordered(model: Model, chosen: Mapping[int, int], deadline: float) -> list[list[Step]]:
    """Return the order that ends first of a few that work, if any does."""
    target, found = target_of(model, chosen), list[list[Step]]()
    steps = 1 + len(target.leaving) + len(target.gone) + len(target.placed)
    for seed in range(min(_MOST_ORDERS, max(_ORDERS, _STEPS_ORDERED // steps))):
        if found and monotonic() > deadline:
            break
        try:
            found.append(order(model.situation, target, seed=seed))
        except Stuck:
            continue
    by_value = sorted(found, key=lambda steps: value_of(model.situation, steps).as_tuple())
    return by_value[:1]


def _makeshift(situation: Situation, deadline: float, cost_limit: float | None) -> list[list[Step]]:
    """Return plans for when the best was not found or has no order: greedy, and without chains.

    Moves to places that are free now can be carried out in any order.
    """
    found = [greedy_plan(situation, few_moves=few) for few in (False, True)]
    if monotonic() < deadline:
        model = build(situation, only_free_places=True, cost_limit=cost_limit)
        chosen = Solver(model, deadline=deadline).solve().chosen
        found += _ordered(model, chosen, deadline) if chosen is not None else []
    if cost_limit is None:
        return found
    return [each for each in found if value_of(situation, each).move_cost <= cost_limit]


def _plain(value: float) -> float:
    return int(value) if value == int(value) else value
