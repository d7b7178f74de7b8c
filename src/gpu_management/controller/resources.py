"""Follow the cluster's ordinary CPU and memory: requests from the copy, use from metrics.k8s.io."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from gpu_management.cluster.claims import read_claim
from gpu_management.cluster.inventory import read_inventory
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.needs import NodeRoom, PodNeeds, read_room, read_use
from gpu_management.cluster.protocol import (
    Cluster,
    ClusterAway,
    ClusterForbids,
    Json,
    Kind,
    KindUnknown,
)
from gpu_management.cluster.slices import DRIVER
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger
from gpu_management.resources.jobs import Measured, Recorder, Seen

log = get_logger(__name__)

MEASURE_EVERY = timedelta(seconds=30)
"""The metrics server itself looks every 15 s by default."""
LOOK_FOR_IT_EVERY = timedelta(minutes=1)
"""Where there is none, or we may not ask it."""


class ResourceFollower:
    """CPU and memory of one cluster; runs on the leader."""

    def __init__(
        self, database: Database, cluster: Cluster, mirror: Mirror, *, cluster_name: str
    ) -> None:
        """Prepare; `mirror` follows nodes, slices, claims, and notes the needs of pods."""
        self._cluster = cluster
        self._mirror = mirror
        self._recorder = Recorder(database, cluster_name)
        self._measured = Measured()
        self._due: datetime | None = None
        self._nodes: tuple[int, Sequence[NodeRoom], dict[str, int]] = (-1, (), {})

    def run(self, now: datetime) -> int:
        """Write what changed; return how many rows that were."""
        if self._due is None or now >= self._due:
            self._measured = self._measure(now)
            pause = MEASURE_EVERY if self._measured.note is None else LOOK_FOR_IT_EVERY
            self._due = now + pause
        rooms, gpus = self._rooms()
        pods = self._mirror.notes(Kind.POD, PodNeeds)
        seen = Seen(rooms, pods, gpus, _claimed(self._mirror.objects(Kind.CLAIM)))
        return self._recorder.record(seen, self._measured, now=now)

    def _rooms(self) -> tuple[Sequence[NodeRoom], dict[str, int]]:
        """Return nodes and their GPUs; read again only when one changed."""
        edition = self._mirror.edition(Kind.NODE, Kind.SLICE)
        if edition != self._nodes[0]:
            things = self._mirror.objects(Kind.NODE)
            found = read_inventory(things, self._mirror.objects(Kind.SLICE))
            gpus = {node.name: len(node.devices) for node in found if node.devices is not None}
            self._nodes = (edition, [read_room(thing) for thing in things], gpus)
        return self._nodes[1:]

    def _measure(self, now: datetime) -> Measured:
        try:
            nodes = self._cluster.list(Kind.NODE_USE).objects
            pods = self._cluster.list(Kind.POD_USE).objects
        except KindUnknown:
            return self._nothing("the cluster has no metrics.k8s.io: install its metrics server")
        except (ClusterForbids, ClusterAway) as trouble:
            return self._nothing(f"use cannot be read: {trouble}")
        return Measured(
            {thing["metadata"]["name"]: read_use(thing) for thing in nodes},
            {_name(thing): read_use(thing) for thing in pods},
            at=now,
        )

    def _nothing(self, note: str) -> Measured:
        if self._measured.note != note:
            log.info("GPU resources without use: %s", note)
        return Measured(note=note)


def _name(thing: Json) -> tuple[str, str]:
    return thing["metadata"].get("namespace", ""), thing["metadata"]["name"]


def _claimed(claims: Sequence[Json]) -> Counter[str]:
    """Return how many GPUs and slices each pod has by claims; to watch them is to have none."""
    found: Counter[str] = Counter()
    for thing in claims:
        claim = read_claim(thing)
        count = sum(1 for one in claim.devices if one.driver == DRIVER and not one.is_admin)
        for uid in claim.pod_uids:
            found[uid] += count
    return found
