"""A repacking plan of the fleet as it is: who may move and at what cost, what is asked for.

A plan is plain data in terms of devices, slices and allocations; nothing here changes anything.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.devices.models import Device, DeviceState, Model, Node
from gpu_management.mig.cluster_layout import Gpu, Item, Situation
from gpu_management.mig.fragmentation import Boards
from gpu_management.mig.geometry import Geometry, load_geometries
from gpu_management.mig.layout import smallest_profile_for
from gpu_management.mig.models import MigInstance
from gpu_management.mig.windows import Window, keeping_label


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a slice, as far as moving it is concerned."""

    allocation_id: str
    namespace: str
    pod_name: str
    team_id: str | None
    workload_type: str
    priority: int
    movable: bool | None = None
    """What its owner says: it may move, never, or nothing."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits for slices: GB each, and how many."""

    allocation_id: str
    required_memory_gb: int
    count: int


@dataclass(frozen=True, slots=True)
class Claims:
    """Who holds which slice (by the instance's key), and who waits for slices."""

    holders: Mapping[int, Holder]
    waiting: Sequence[Waiting]


class ClaimsOf(Protocol):
    """Answers for a cluster; allocations know it, and they stand below MIG."""

    def __call__(
        self, session: Session, cluster: str, *, among: Sequence[int] | None = None
    ) -> Claims:
        """Return who waits, and who holds slices: any, or `among` these instances."""
        ...


PastUse = Callable[[Session, str, datetime], Mapping[str, int]]
"""How many more slices of each profile than now were held at once at most, since a moment."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a plan may touch, and what touching costs.

    A slice may move if its owner says so, or if its allocation, namespace, team or kind of work is
    named; never if its owner forbids it. Its cost is 1 plus `cost_per_priority` for each point of
    priority, times the weight of its team. With windows, only their nodes are touched.
    """

    allocation_ids: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    workload_types: frozenset[str] = frozenset()
    team_weights: Mapping[str, float] = field(default_factory=dict)
    cost_per_priority: float = 0.0
    move_seconds: float = 120.0
    kept_devices: frozenset[str] = frozenset()
    kept_nodes: frozenset[str] = frozenset()
    kept_labels: Mapping[str, str] = field(default_factory=dict)
    windows: Sequence[Window] = ()
    may_restart: bool = True

    def may_move(self, holder: Holder | None) -> bool:
        """Say whether a slice may move; one that nobody is known to hold never does."""
        if holder is None or holder.movable is False:
            return False
        return (
            holder.movable is True
            or holder.allocation_id in self.allocation_ids
            or holder.namespace in self.namespaces
            or holder.team_id in self.teams
            or holder.workload_type in self.workload_types
        )

    def cost(self, holder: Holder) -> float:
        """Return what moving a slice of this holder costs."""
        weight = self.team_weights.get(holder.team_id or "", 1.0)
        return weight * max(0.0, 1.0 + self.cost_per_priority * holder.priority)

    def keeps(self, device_id: str, node: Node) -> bool:
        """Say whether a device must not be touched."""
        labelled = keeping_label(node.labels, self.kept_labels) is not None
        named = device_id in self.kept_devices or node.node_name in self.kept_nodes
        windows = {window.node_name for window in self.windows}
        closed = bool(windows) and node.node_name not in windows
        return labelled or named or closed or not node.is_schedulable


def situation_of(
    session: Session,
    cluster: str,
    claims: Claims,
    *,
    rules: Rules,
    demand: Mapping[str, int] | None,
) -> Situation:
    """Return the MIG GPUs that are ready, and the demand: given, or of the requests that wait."""
    standing: dict[int, list[Item]] = {}
    instances = select(MigInstance).where(MigInstance.destroyed_at.is_(None))
    for instance in session.scalars(instances.order_by(MigInstance.placement_start)):
        item = _item(instance, claims.holders.get(instance.id), rules)
        standing.setdefault(instance.device_id, []).append(item)
    ready = (
        select(Device.id, Device.device_id, Model.mig_geometry, Node)
        .join(Node, Node.id == Device.node_id)
        .join(Model, Model.model_id == Device.model_id)
        .where(
            Device.cluster_name == cluster,
            Device.live_id.is_not(None),
            Device.mig_enabled.is_(True),
            Device.state == DeviceState.READY,
            Model.mig_geometry.is_not(None),
        )
        .order_by(Device.id)
    )
    gpus = [
        Gpu(
            device_id,
            node.node_name,
            load_geometries()[key or ""],
            tuple(standing.get(pk, ())),
            frozen=rules.keeps(device_id, node),
        )
        for pk, device_id, key, node in session.execute(ready)
    ]
    asked = waiting_demand(gpus, claims.waiting) if demand is None else demand
    return Situation(gpus, asked, may_restart=rules.may_restart)


def _item(instance: MigInstance, holder: Holder | None, rules: Rules) -> Item:
    movable = instance.held and rules.may_move(holder)
    return Item(
        instance.mig_id,
        instance.profile_name,
        instance.placement_start,
        running=instance.held,
        movable=movable,
        move_cost=rules.cost(holder) if movable and holder else 0.0,
        move_s=rules.move_seconds if movable else 0.0,
    )


def with_past_use(situation: Situation, past: Mapping[str, int]) -> Situation:
    """Return a situation whose demand also has room for what was in use before."""
    names = [*situation.demand, *(name for name in past if name not in situation.demand)]
    wanted = {name: max(situation.demand.get(name, 0), past.get(name, 0)) for name in names}
    return replace(situation, demand={name: count for name, count in wanted.items() if count})


def waiting_demand(gpus: Sequence[Gpu], waiting: Sequence[Waiting]) -> dict[str, int]:
    """Return the demand of requests that wait, each as the smallest profile that satisfies it."""
    boards = dict.fromkeys(gpu.geometry for gpu in gpus)
    demand: Counter[str] = Counter()
    for request in waiting:
        name = _first_choice(boards, request.required_memory_gb)
        if name is not None:
            demand[name] += request.count
    return dict(demand)


def _first_choice(boards: Mapping[Geometry, None], memory_gb: int) -> str | None:
    kinds = [
        (kind.memory_gb, not kind.is_plain, kind.size / board.placement_units, kind.name)
        for board in boards
        for kind in smallest_profile_for(board, memory_gb)
    ]
    return min(kinds)[-1] if kinds else None


def boards_of(situation: Situation) -> Boards:
    """Return the GPUs that may be cut, with the places of the slices in use."""
    return [
        (gpu.geometry, tuple(item.place for item in gpu.items if item.running))
        for gpu in situation.gpus
    ]
