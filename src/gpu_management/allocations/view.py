"""The placement engine's view of the fleet, kept in step with the database.

Every change that placement must see carries a revision of its cluster, in commit order, so
following the database is reading the rows above the highest revision seen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.orm import Session

from gpu_management.allocations.fleet import DeviceRow, Fleet, NodeRow
from gpu_management.allocations.request import Ask
from gpu_management.core.database import AnySelect
from gpu_management.core.trips import Answer, one_trip, send
from gpu_management.devices.models import Device, DeviceState, Model, Node
from gpu_management.mig.fleet import IdleInstance, MigFleet, MigGpu
from gpu_management.mig.geometry import Placement
from gpu_management.mig.models import MigInstance
from gpu_management.rates.book import Book, Priced

# Asked before every decision, so built once.
_NODES: AnySelect = select(
    Node.id,
    Node.node_name,
    Node.rank,
    Node.labels,
    Node.is_schedulable,
    Node.cpu_total_milli,
    Node.cpu_held_milli,
    Node.memory_total_mib,
    Node.memory_held_mib,
    Node.node_pool,
    Node.revision,
).where(Node.cluster_name == bindparam("cluster"), Node.revision > bindparam("seen"))
_DEVICES: AnySelect = (
    select(
        Device.id,
        Device.device_id,
        Device.live_id,
        Device.node_id,
        Device.device_index,
        Device.model_id,
        Device.state,
        Device.mig_enabled,
        Device.held_milli,
        Device.numa_node,
        Device.version,
        Device.revision,
        Model.memory_gb,
        Model.mig_geometry,
    )
    .join(Model, Model.model_id == Device.model_id)
    .where(Device.cluster_name == bindparam("cluster"), Device.revision > bindparam("seen"))
)
# Usually little is new. Saying so lets PostgreSQL keep one plan, by the index, for every `seen`;
# without a limit it would plan both anew each time, under the lock, longer than they take to run.
_FEW = 20
_FEW_NODES = _NODES.order_by(Node.revision).limit(literal_column(str(_FEW)))
_FEW_DEVICES = _DEVICES.order_by(Device.revision).limit(literal_column(str(_FEW)))


@dataclass(slots=True)
class Known:
    """What is remembered of a device beside the engine's arrays."""

    pk: int
    device_id: str
    version: int
    model_id: str
    memory_gb: int
    geometry: str | None
    node_name: str
    mig_enabled: bool
    usable: bool
    free_milli: int


@dataclass(slots=True)
class KnownNode:
    """What is remembered of a node; None means unknown, which constrains nothing."""

    pk: int
    name: str
    labels: Mapping[str, str]
    schedulable: bool
    cpu_free_milli: int | None
    memory_free_mib: int | None
    node_pool: str | None


@dataclass(frozen=True, slots=True)
class News:
    """What changed since a view was last in step; there to be read when its trip is over."""

    view: "View"
    devices: Answer
    nodes: Answer


@dataclass(slots=True)
class View:
    """The fleet as placement sees it, at some revision; thrown away whole when in doubt."""

    cluster_name: str
    book: Book
    fleet: Fleet = field(default_factory=Fleet)
    mig: MigFleet = field(default_factory=MigFleet)
    devices: dict[int, Known] = field(default_factory=dict)
    nodes: dict[str, KnownNode] = field(default_factory=dict)
    node_names: dict[int, str] = field(default_factory=dict)
    seen_nodes: int = -1
    seen_devices: int = -1

    def refresh(self, session: Session) -> None:
        """Read what changed since the last time."""
        with one_trip(session):
            news = self._ask(session, _DEVICES, _NODES)
        self._learn(session, news)

    def ask(self, session: Session) -> "News":
        """Ask, in the open trip, what changed since the last time, as if that were little."""
        return self._ask(session, _FEW_DEVICES, _FEW_NODES)

    def learn(self, session: Session, news: "News") -> None:
        """Take in what was asked for, or everything that is new where that is more than a few."""
        if max(len(news.devices.rows), len(news.nodes.rows)) < _FEW:
            self._learn(session, news)
        else:
            self.refresh(session)

    def _ask(self, session: Session, devices: AnySelect, nodes: AnySelect) -> "News":
        # Devices first: where statements see different moments, no device lacks its node.
        changed = self._newer(session, devices, self.seen_devices)
        return News(self, changed, self._newer(session, nodes, self.seen_nodes))

    def _learn(self, session: Session, news: "News") -> None:
        # Others ask and learn meanwhile: what they took in already may be newer than this.
        self._learn_nodes([row for row in news.nodes.rows if row.revision > self.seen_nodes])
        newer = [row for row in news.devices.rows if row.revision > self.seen_devices]
        self._learn_devices(session, newer)

    def _newer(self, session: Session, query: AnySelect, seen: int) -> Answer:
        return send(session, query, {"cluster": self.cluster_name, "seen": seen})

    def _learn_nodes(self, changed: Sequence[Any]) -> None:
        for (
            pk,
            name,
            rank,
            labels,
            schedulable,
            cpu,
            cpu_held,
            memory,
            held,
            pool,
            revision,
        ) in changed:
            cpu_free = None if cpu is None else cpu - cpu_held
            memory_free = None if memory is None else memory - held
            self.node_names[pk] = name
            self.nodes[name] = KnownNode(pk, name, labels, schedulable, cpu_free, memory_free, pool)
            self.fleet.upsert_node(
                NodeRow(
                    key=name,
                    rank=rank,
                    cpu_milli_free=cpu_free,
                    memory_mib_free=memory_free,
                    cpu_milli_total=cpu,
                    memory_mib_total=memory,
                    labels=labels,
                    schedulable=schedulable,
                )
            )
            self.seen_nodes = max(self.seen_nodes, revision)

    def _learn_devices(self, session: Session, changed: Sequence[Any]) -> None:
        cut = []
        for row in changed:
            self.seen_devices = max(self.seen_devices, row.revision)
            if row.live_id is None:
                self._drop(row.id)
                continue
            self._learn_device(row)
            if row.mig_enabled and row.state is DeviceState.READY:
                cut.append(row.id)
        if cut:
            self._read_instances(session, cut)

    def _drop(self, pk: int) -> None:
        if self.devices.pop(pk, None) is not None:
            self.fleet.remove_device(pk)
            self.mig.remove(pk)

    def _learn_device(self, row: Any) -> None:
        node_name = self.node_names[row.node_id]
        usable = row.state is DeviceState.READY
        self.devices[row.id] = Known(
            row.id,
            row.device_id,
            row.version,
            row.model_id,
            row.memory_gb,
            row.mig_geometry,
            node_name,
            row.mig_enabled,
            usable,
            1000 - row.held_milli,
        )
        reason = "MIG" if usable and row.mig_enabled else row.state.value
        self.fleet.upsert_device(
            DeviceRow(
                key=row.id,
                node=node_name,
                index=row.device_index,
                model_id=row.model_id,
                memory_gb=row.memory_gb,
                free_milli=1000 - row.held_milli,
                usable=usable and not row.mig_enabled,
                unusable_reason="" if usable and not row.mig_enabled else reason,
                locality=None if row.numa_node is None else str(row.numa_node),
                price_micros=self._price(row.model_id, node_name),
            )
        )
        self.mig.remove(row.id)

    def _price(self, model_id: str, node_name: str) -> int | None:
        pool = self.nodes[node_name].node_pool
        periods = self.book.periods(Priced(model_id, None, None, 1000, self.cluster_name, pool))
        return periods[-1].rate_micros if periods else None

    def _read_instances(self, session: Session, device_pks: Sequence[int]) -> None:
        found: dict[int, list[Any]] = {pk: [] for pk in device_pks}
        for some in _chunks(device_pks, 500):
            query = (
                select(
                    MigInstance.id,
                    MigInstance.device_id,
                    MigInstance.profile_name,
                    MigInstance.placement_start,
                    MigInstance.held,
                )
                .where(MigInstance.device_id.in_(some), MigInstance.destroyed_at.is_(None))
                .order_by(MigInstance.placement_start)
            )
            for row in session.execute(query):
                found[row.device_id].append(row)
        for pk, rows in found.items():
            known = self.devices[pk]
            if known.geometry is None:
                continue
            self.mig.upsert(
                MigGpu(
                    key=pk,
                    geometry=known.geometry,
                    occupied=tuple(
                        Placement(r.profile_name, r.placement_start) for r in rows if r.held
                    ),
                    idle=tuple(
                        IdleInstance(r.id, r.profile_name, r.placement_start)
                        for r in rows
                        if not r.held
                    ),
                    price_micros=self._price(known.model_id, known.node_name),
                )
            )


def _chunks(keys: Sequence[int], size: int) -> Iterator[list[int]]:
    rest = iter(keys)
    while some := list(islice(rest, size)):
        yield some


def eligible_nodes(view: View, ask: Ask) -> list[tuple[str, int]]:
    """Return the nodes that could ever serve `ask`, with the milli free on their fit devices.

    What is held now does not count against a node; memory, labels, MIG mode and health do.
    """
    free: dict[str, list[int]] = {}
    for known in eligible_cards(view, ask):
        free.setdefault(known.node_name, []).append(known.free_milli)
    return [
        (node.name, sum(free[node.name]))
        for node in view.nodes.values()
        if len(free.get(node.name, ())) >= (1 if ask.use_mig else ask.count)
    ]


def eligible_cards(view: View, ask: Ask) -> list[Known]:
    """Return the devices that could ever serve `ask`, whoever holds them now."""
    needed = ask.node_selector
    nodes = {
        node.name
        for node in view.nodes.values()
        if node.schedulable and all(node.labels.get(name) == value for name, value in needed)
    }
    return [
        known
        for known in view.devices.values()
        if known.usable
        and known.mig_enabled is ask.use_mig
        and known.memory_gb >= ask.required_memory_gb
        and (not ask.model_ids or known.model_id in ask.model_ids)
        and known.node_name in nodes
    ]
