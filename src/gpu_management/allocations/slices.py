"""MIG requests: which profile on which GPU, one slice or several on one node."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gpu_management.allocations.request import Ask
from gpu_management.allocations.view import KnownNode, View
from gpu_management.mig import demand as mig_demand
from gpu_management.mig.fleet import IdleInstance, MigFleet, MigGpu
from gpu_management.mig.geometry import Placement, load_geometries
from gpu_management.mig.layout import held_milli, smallest_profile_for
from gpu_management.mig.placement import Choice, Refusal, choose


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of a placement: the choice, the thousandths it holds, and the device's version."""

    choice: Choice
    geometry: str
    milli: int
    version: int


class SlicePlanner:
    """Answers MIG requests and learns which profiles are asked for."""

    def __init__(self) -> None:
        """Start without knowledge of the demand."""
        self._demand = mig_demand.Demand()

    def plan(
        self, view: View, ask: Ask, kept_nodes: Collection[str]
    ) -> Sequence[Slice] | Refusal | None:
        """Return the slices for `ask`, why there are none, or None when no profile is so large."""
        profiles = profiles_for(view, ask.required_memory_gb)
        if not profiles:
            return None
        if ask.count == 1:
            found = self._first(view.mig, profiles, _pools(view, ask, kept_nodes))
            slices: Sequence[Slice] | Refusal
            slices = [_slice(view, found, 0)] if isinstance(found, Choice) else found
        else:
            slices = self._on_one_node(view, ask, profiles, kept_nodes)
        if not isinstance(slices, Refusal):
            self._demand.learn(profiles)
        return slices

    def _first(
        self,
        fleet: MigFleet,
        profiles: Sequence[str],
        pools: Sequence[Collection[int] | None],
    ) -> Choice | Refusal:
        """Try the preferred models' GPUs first, then the others."""
        found: Choice | Refusal = Refusal(tuple(profiles), {}, None)
        for pool in pools:
            found = choose(fleet, profiles, demand=self._demand, eligible=pool)
            if isinstance(found, Choice):
                return found
        return found

    def _on_one_node(
        self, view: View, ask: Ask, profiles: Sequence[str], kept_nodes: Collection[str]
    ) -> Sequence[Slice] | Refusal:
        whole = _pools(view, ask, kept_nodes)[-1]
        by_node: dict[str, set[int]] = {}
        for key, known in view.devices.items():
            if known.mig_enabled and known.usable and (whole is None or key in whole):
                by_node.setdefault(known.node_name, set()).add(key)
        refusal = choose(view.mig, profiles, demand=self._demand, eligible=set())
        for _node, keys in sorted(by_node.items()):
            found = self._several(view, profiles, ask.count, keys)
            if not isinstance(found, Refusal):
                return found
            refusal = found
        assert isinstance(refusal, Refusal)  # noqa: S101 - nothing fits an empty pool
        return refusal

    def _several(
        self, view: View, profiles: Sequence[str], count: int, keys: Collection[int]
    ) -> Sequence[Slice] | Refusal:
        before = {key: view.mig[key] for key in keys}
        slices: list[Slice] = []
        try:
            for _ in range(count):
                found = choose(view.mig, profiles, demand=self._demand, eligible=keys)
                if isinstance(found, Refusal):
                    return found
                earlier = sum(s.choice.gpu == found.gpu for s in slices)
                slices.append(_slice(view, found, earlier))
                view.mig.upsert(_after(view.mig[found.gpu], found))
            return slices
        finally:
            for gpu in before.values():
                view.mig.upsert(gpu)


def profiles_for(view: View, memory_gb: int) -> list[str]:
    """Return the profiles that satisfy `memory_gb` on any MIG model of the fleet, best first."""
    keys = {known.geometry for known in view.devices.values() if known.geometry}
    ranked = sorted(
        {
            (p.memory_gb, not p.is_plain, p.size / geometry.placement_units, p.name)
            for geometry in (load_geometries()[key] for key in keys)
            for p in smallest_profile_for(geometry, memory_gb)
        }
    )
    return list(dict.fromkeys(name for *_rank, name in ranked))


def largest_profile_gb(view: View) -> int:
    """Return the memory of the largest profile any model of the fleet offers; 0 without MIG."""
    keys = {known.geometry for known in view.devices.values() if known.geometry}
    return max((p.memory_gb for key in keys for p in load_geometries()[key].profiles), default=0)


def _pools(view: View, ask: Ask, kept_nodes: Collection[str]) -> list[Collection[int] | None]:
    """Return the GPUs that may serve, of each preferred model first, then all; None is any."""
    allowed = {n.name for n in view.nodes.values() if _may_use(n, ask) and n.name not in kept_nodes}
    cut = {
        key: known
        for key, known in view.devices.items()
        if known.mig_enabled
        and known.node_name in allowed
        and (not ask.model_ids or known.model_id in ask.model_ids)
    }
    preferred = [
        {key for key, known in cut.items() if known.model_id == model}
        for model in ask.model_preference
    ]
    is_any = len(allowed) == len(view.nodes) and not ask.model_ids
    return [*preferred, None if is_any else set(cut)]


def _may_use(node: KnownNode, ask: Ask) -> bool:
    return (
        node.schedulable
        and (node.cpu_free_milli is None or node.cpu_free_milli >= ask.cpu_milli)
        and (node.memory_free_mib is None or node.memory_free_mib >= ask.memory_mib)
        and all(node.labels.get(name) == value for name, value in ask.node_selector)
    )


def _slice(view: View, choice: Choice, earlier: int) -> Slice:
    known = view.devices[choice.gpu]
    assert known.geometry is not None  # noqa: S101 - only MIG models are in the MIG fleet
    milli = held_milli(load_geometries()[known.geometry], choice.profile)
    return Slice(choice, known.geometry, milli, known.version + earlier)


def _after(gpu: MigGpu, choice: Choice) -> MigGpu:
    """Return the GPU as it is once `choice` is taken."""
    gone = {choice.instance_id, *choice.destroyed}
    idle: tuple[IdleInstance, ...] = tuple(i for i in gpu.idle if i.instance_id not in gone)
    taken = Placement(choice.profile, choice.start)
    return MigGpu(
        gpu.key, gpu.geometry, (*gpu.occupied, taken), idle, gpu.carvable, gpu.price_micros
    )
