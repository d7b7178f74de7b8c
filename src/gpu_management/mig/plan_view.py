"""A repacking plan as people see it: who is hit and when, and each device before and after."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gpu_management.mig.cluster_layout import Gpu, Item, Situation, compute_slices
from gpu_management.mig.fragmentation import fit_now, fit_repacked, fragmentation_ratio
from gpu_management.mig.geometry import Placement
from gpu_management.mig.plan_service import Claims, Holder, Rules, boards_of
from gpu_management.mig.plan_steps import Op, Step, start_times
from gpu_management.mig.planner import Plan, cost_curve
from gpu_management.mig.windows import Window

_MOVED = frozenset({Op.MOVE, Op.RESTART})


def shown(
    plan: Plan, holders: Mapping[str, Holder], rules: Rules, *, curve: bool, now: datetime
) -> dict[str, Any]:
    """Return a plan as the wire shows it; `holders` by the id of the slice."""
    situation, after = plan.situation, after_plan(plan)
    weights = demand_weights(situation)
    unserved_slices, restarts, move_cost, gpus_touched, _ = plan.value.as_tuple()
    found = (unserved_slices, restarts, move_cost, gpus_touched)
    return {
        "created_at": now,
        "demand": dict(situation.demand),
        "steps": _steps(plan, holders),
        "unserved": plan.unserved,
        "figures": _figures(found),
        "bound": _figures(plan.bound.as_tuple()),
        "optimal": plan.optimal,
        "makespan_seconds": plan.value.makespan_s,
        "solve_ms": round(plan.solve_ms, 1),
        "devices": _devices(plan, after, rules),
        "fits_before": {name: fit_now(boards_of(situation), name) for name in weights},
        "fits_after": {name: fit_now(boards_of(after), name) for name in weights},
        "fragmentation_before": fragmentation_ratio(boards_of(situation), weights),
        "fragmentation_after": fragmentation_ratio(boards_of(after), weights),
        "curve": [
            {"move_cost": cost, "unserved_slices": left}
            for cost, left in (cost_curve(situation, plan) if curve else ())
        ],
    }


def fragmentation(situation: Situation) -> dict[str, Any]:
    """Return how much capacity the layout wastes, for the demand."""
    boards, weights = boards_of(situation), demand_weights(situation)
    return {
        "ratio": fragmentation_ratio(boards, weights),
        "devices": len(boards),
        "fits_now": {name: fit_now(boards, name) for name in weights},
        "fits_repacked": {name: fit_repacked(boards, name) for name in weights},
    }


def demand_weights(situation: Situation) -> dict[str, float]:
    """Return the slices asked for by profile; without demand, each plain profile counts the same.

    A profile weighs its slices, so that a large one that fits no more is not drowned by small ones.
    """
    asked = {name: count for name, count in situation.demand.items() if count}
    if not asked:
        boards = dict.fromkeys(gpu.geometry for gpu in situation.gpus)
        asked = {kind.name: 1 for board in boards for kind in board.profiles if kind.is_plain}
    return {name: float(count * compute_slices(name)) for name, count in asked.items()}


def after_plan(plan: Plan) -> Situation:
    """Return the GPUs as they are when the last step has ended; the demand that is left."""
    standing: list[dict[str, Item]] = [
        {item.id: item for item in gpu.items} for gpu in plan.situation.gpus
    ]
    for step in plan.steps:
        if step.op is not Op.CREATE:
            del standing[step.source][step.item.id]
        if step.op is not Op.DESTROY:
            item = step.item
            standing[step.gpu][item.id] = Item(item.id, item.profile, step.start, running=True)
    gpus = [
        Gpu(gpu.id, gpu.node, gpu.geometry, tuple(items.values()), gpu.frozen)
        for gpu, items in zip(plan.situation.gpus, standing, strict=True)
    ]
    return Situation(gpus, plan.unserved)


def _figures(values: Sequence[float]) -> dict[str, float]:
    names = ("unserved_slices", "restarts", "move_cost", "gpus_touched")
    return dict(zip(names, values, strict=True))


def _steps(plan: Plan, holders: Mapping[str, Holder]) -> list[dict[str, Any]]:
    begins = start_times(plan.steps)
    return [
        _step(plan.situation, step, holders.get(step.item.id))
        | {"number": number, "starts_after_seconds": begin}
        for number, (step, begin) in enumerate(zip(plan.steps, begins, strict=True), start=1)
    ]


def _step(situation: Situation, step: Step, holder: Holder | None) -> dict[str, Any]:
    gpu, moved = situation.gpus[step.gpu], step.op in _MOVED
    return {
        "op": step.op.value,
        "node_name": gpu.node,
        "device_id": gpu.id,
        "from_device_id": situation.gpus[step.source].id if moved else None,
        "mig_id": None if step.op is Op.CREATE else step.item.id,
        "profile": step.item.profile,
        "start": step.start,
        "allocation_id": holder.allocation_id if holder else None,
        "namespace": holder.namespace if holder else None,
        "pod_name": holder.pod_name if holder else None,
        "seconds": step.seconds,
        "downtime_seconds": step.seconds if step.op is Op.RESTART else 0.0,
    }


def _devices(plan: Plan, after: Situation, rules: Rules) -> list[dict[str, Any]]:
    ends: dict[int, float] = {}
    for step, begin in zip(plan.steps, start_times(plan.steps), strict=True):
        ends |= dict.fromkeys((step.gpu, step.source), begin + step.seconds)
    windows = {window.node_name: window for window in rules.windows}
    return [
        {
            "device_id": gpu.id,
            "node_name": gpu.node,
            "before": _slices(gpu),
            "after": _slices(after.gpus[index]),
            "busy_until_seconds": ends[index],
            "fits_window": _fits(windows.get(gpu.node), ends[index]),
        }
        for index, gpu in enumerate(plan.situation.gpus)
        if index in ends
    ]


def _slices(gpu: Gpu) -> list[dict[str, Any]]:
    return [
        {"profile": item.profile, "start": item.start, "in_use": item.running}
        for item in sorted(gpu.items, key=lambda item: item.start)
    ]


def _fits(window: Window | None, seconds: float) -> bool | None:
    if window is None:
        return None
    return seconds <= (window.ends_at - window.starts_at).total_seconds()


def holders_by_slice(claims: Claims, slices: Mapping[int, str]) -> dict[str, Holder]:
    """Return the holders by the id of their slice; `slices` has the id of each by its key."""
    return {slices[pk]: holder for pk, holder in claims.holders.items() if pk in slices}


def layouts_of(layouts: Sequence[Sequence[Placement]]) -> list[dict[str, Any]]:
    """Return layouts as the wire shows them."""
    return [
        {
            "profiles": {p.profile: sum(o.profile == p.profile for o in layout) for p in layout},
            "placements": [{"profile": p.profile, "start": p.start} for p in layout],
        }
        for layout in layouts
    ]
