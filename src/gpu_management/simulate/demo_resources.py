"""CPU and memory of the demonstration's nodes, through what follows those of a real cluster.

Every allocation is a pod with what it asked for; beside them each node runs what nodes run. Most
pods use a part of what they asked for, some much less, a few more: that is what the page is about.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Phase
from gpu_management.cluster.needs import NodeRoom, PodNeeds, Use
from gpu_management.core.database import AnyRow, AnySelect, Database
from gpu_management.devices.models import Device, Node
from gpu_management.resources.jobs import Measured, Recorder, Seen
from gpu_management.simulate.measuring import chance

SECONDS: Final = 30
"""Between two looks, as the metrics server is asked."""
_PODS: Final = 250
_KEPT_CPU_MILLI, _KEPT_MEMORY_MIB = 1000, 4096
"""What a node keeps for itself."""
_DAEMON_SET: Final = "DaemonSet"
_DAEMONS: Final = (
    ("kube-system", "kube-proxy", 100, 128),
    ("kube-system", "node-agent", 250, 256),
    ("gpu-operator", "nvidia-dcgm-exporter", 200, 512),
    ("monitoring", "node-exporter", 0, 0),
)
"""Namespace, name, and requests of what runs on every node."""
_DAEMON_USE: Final = Use(60, 140)
_JUDGED_AFTER: Final = timedelta(hours=2)
"""How long the pods of a new demonstration have been measured: a request needs an hour."""


@dataclass(slots=True)
class Resources:
    """Follows nodes and pods of the demonstration."""

    database: Database
    cluster_name: str
    seed: int
    _recorder: Recorder = field(init=False)
    _looked_at: datetime | None = None

    def __post_init__(self) -> None:
        """Prepare; what was written before is read with the first look."""
        self._recorder = Recorder(self.database, self.cluster_name)

    def begin(self, now: datetime) -> None:
        """Look as if from two hours ago on: people should not wait for what is judged by then."""
        for moment in (now - _JUDGED_AFTER, now):
            self._record(moment, until=now)

    def look(self, now: datetime) -> None:
        """Write what changed, if it is time for it."""
        if self._looked_at is None or now - self._looked_at >= timedelta(seconds=SECONDS):
            self._record(now, until=now)

    def _record(self, at: datetime, *, until: datetime) -> None:
        with self.database.read() as session:
            seen = _seen(session, self.cluster_name, before=at)
        self._recorder.record(seen, self._measured(seen, at), now=at)
        self._looked_at = until

    def _measured(self, seen: Seen, at: datetime) -> Measured:
        pods = {(pod.namespace, pod.name): self._use(pod, at) for pod in seen.pods if pod.node}
        sums = {room.name: (_KEPT_CPU_MILLI // 2, _KEPT_MEMORY_MIB // 2) for room in seen.nodes}
        for pod in seen.pods:
            if pod.node in sums:
                used = pods[pod.namespace, pod.name]
                cpu, memory = sums[pod.node]
                sums[pod.node] = (cpu + used.cpu_milli, memory + used.memory_mib)
        nodes = {name: Use(cpu, memory) for name, (cpu, memory) in sums.items()}
        return Measured(nodes, pods, at=at)

    def _use(self, pod: PodNeeds, at: datetime) -> Use:
        """Return what a pod uses: always the same for the same pod and minute."""
        if pod.owner_kind == _DAEMON_SET:
            return _DAEMON_USE
        level = chance(self.seed, pod.name, "cpu")
        ripple = 0.1 * chance(pod.name, int(at.timestamp()) // 60)
        memory = 0.2 + 0.85 * chance(self.seed, pod.name, "memory")
        return Use(
            round(pod.cpu_milli * (0.1 + 0.8 * level + ripple)), round(pod.memory_mib * memory)
        )


def _seen(session: Session, cluster_name: str, *, before: datetime) -> Seen:
    nodes = session.scalars(
        select(Node).where(Node.cluster_name == cluster_name).order_by(Node.rank)
    ).all()
    pods = [_pod(row) for row in session.execute(_pods(cluster_name, before))]
    gpus = (
        select(Node.node_name, func.count())
        .join(Device, Device.node_id == Node.id)
        .where(Node.cluster_name == cluster_name, Device.live_id.is_not(None))
        .group_by(Node.node_name)
    )
    return Seen(
        [_room(node) for node in nodes],
        [*pods, *_daemons(nodes)],
        {str(name): int(count) for name, count in session.execute(gpus)},
    )


def _pods(cluster_name: str, before: datetime) -> AnySelect:
    return select(
        Allocation.allocation_id,
        Allocation.namespace,
        Allocation.pod_name,
        Allocation.node_name,
        Allocation.phase,
        Allocation.cpu_milli,
        Allocation.memory_mib,
        Allocation.gpu_count,
    ).where(
        Allocation.cluster_name == cluster_name,
        Allocation.phase.in_((Phase.ALLOCATED, Phase.PENDING)),
        Allocation.requested_at <= before,
    )


def _pod(row: AnyRow) -> PodNeeds:
    is_placed = row.phase is Phase.ALLOCATED
    return PodNeeds(
        namespace=row.namespace,
        name=row.pod_name,
        uid=row.allocation_id,
        node=row.node_name if is_placed else None,
        phase="Running" if is_placed else "Pending",
        owner_kind="Job",
        owner_name=row.pod_name.rpartition("-")[0] or row.pod_name,
        cpu_milli=row.cpu_milli,
        memory_mib=row.memory_mib,
        cpu_limit_milli=None,
        memory_limit_mib=row.memory_mib or None,
        gpus=row.gpu_count,
    )


def _daemons(nodes: Sequence[Node]) -> Iterator[PodNeeds]:
    for node in nodes:
        for namespace, name, cpu_milli, memory_mib in _DAEMONS:
            yield PodNeeds(
                namespace=namespace,
                name=f"{name}-{node.node_name}",
                uid=f"{name}/{node.node_name}",
                node=node.node_name,
                phase="Running",
                owner_kind=_DAEMON_SET,
                owner_name=name,
                cpu_milli=cpu_milli,
                memory_mib=memory_mib,
                cpu_limit_milli=None,
                memory_limit_mib=None,
                gpus=0,
            )


def _room(node: Node) -> NodeRoom:
    cpu_milli, memory_mib = node.cpu_total_milli or 0, node.memory_total_mib or 0
    return NodeRoom(
        name=node.node_name,
        is_ready=True,
        is_schedulable=node.is_schedulable,
        cpu_capacity_milli=cpu_milli + _KEPT_CPU_MILLI,
        cpu_milli=cpu_milli,
        memory_capacity_mib=memory_mib + _KEPT_MEMORY_MIB,
        memory_mib=memory_mib,
        pods=_PODS,
    )
