"""A house with a cluster in memory beside it, and the controller's work on both, step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gpu_management.allocations.binding import Patience
from gpu_management.allocations.enforcement import EnforcementMode, Rules
from gpu_management.allocations.models import Allocation
from gpu_management.cluster.claims import claim_name, read_claim
from gpu_management.cluster.inventory import read_inventory
from gpu_management.cluster.memory import MemoryCluster
from gpu_management.cluster.mirror import Health
from gpu_management.cluster.pods import read_pod
from gpu_management.cluster.protocol import Cluster, Json, Kind, ObjectGone
from gpu_management.cluster.slices import read_pools
from gpu_management.cluster.usage import read_usage
from gpu_management.controller import observed
from gpu_management.controller.binding import Binder
from gpu_management.controller.enforcer import Enforcer
from gpu_management.controller.inventory import Known, reconcile
from gpu_management.controller.pinning import Pinner
from tests.support.house import CLUSTER, House
from tests.support.kube import gpu, gpu_slice, node

PROTECTION = "resource.kubernetes.io/delete-protection"


class Still:
    """A mirror without threads: what the cluster holds at the moment of the question."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self.cluster = cluster
        self.is_stale = False

    def objects(self, kind: Kind) -> Sequence[Json]:
        return [thing for key, thing in self.cluster._objects.items() if key[0] is kind]

    def find(self, kind: Kind, namespace: str, name: str) -> Json | None:
        return self.cluster._objects.get((kind, namespace, name))

    def edition(self, *_kinds: Kind) -> int:
        return self.cluster._version

    def is_known(self, kind: Kind) -> bool:
        return kind not in self.cluster.unknown_kinds

    def health(self) -> Health:
        return Health(is_synced=True, stale_since=None, message=None)


class Yard:
    """A house in DRA mode with a node of two A100 in its cluster."""

    def __init__(self, house: House, *, cards: int = 2, mode: str = "dra", **rules: Any) -> None:
        self.house = house
        self.cluster = MemoryCluster()
        self.mirror = Still(self.cluster)
        self.known = Known()
        self.cluster.put(Kind.NODE, node("n1"))
        told = [gpu(n, f"GPU-{n}") for n in range(cards)]
        self.cluster.put(Kind.SLICE, gpu_slice("n1", told))
        enforcement = Rules(EnforcementMode(mode), **rules)
        house.office = replace(house.office, enforcement=enforcement)
        self.restart()
        self.sync()

    def restart(self, cluster: Cluster | None = None) -> None:
        """Begin anew, as a controller does that was killed."""
        self.enforcer = Enforcer(
            self.house.database,
            cluster or self.cluster,
            self.mirror,  # type: ignore[arg-type]
            cluster_name=CLUSTER,
            deadline_seconds=120,
        )
        self.binder = Binder(
            self.house.database,
            self.mirror,  # type: ignore[arg-type]
            cluster_name=CLUSTER,
            patience=Patience(),
        )
        self.pinner = Pinner(
            self.house.database,
            cluster or self.cluster,
            self.mirror,  # type: ignore[arg-type]
            cluster_name=CLUSTER,
        )

    def sync(self) -> None:
        """Let the inventory follow the cluster."""
        found = read_inventory(self.mirror.objects(Kind.NODE), self.mirror.objects(Kind.SLICE))
        reconcile(self.house.database, CLUSTER, found, self.known, now=self.house.now)

    def enforce(self, *, after_seconds: float = 0) -> int:
        """Let the controller work, some time later."""
        self.house.clock.forward(seconds=after_seconds)
        return self.enforcer.run(self.house.now)

    def observe(self, payers: Mapping[str, str] = MappingProxyType({})) -> set[str]:
        """Let the ledger follow what pods use without us; `payers` pay for namespaces."""
        used = read_usage(
            [read_pod(thing) for thing in self.mirror.objects(Kind.POD)],
            [read_claim(thing) for thing in self.mirror.objects(Kind.CLAIM)],
            [d for pool in read_pools(self.mirror.objects(Kind.SLICE)) for d in pool.devices],
        )
        return observed.follow(
            self.house.database, CLUSTER, used, payers=payers, now=self.house.now
        )

    def bind(self, *, after_seconds: float = 0) -> int:
        """Let allocations follow their pods, some time later."""
        self.house.clock.forward(seconds=after_seconds)
        return self.binder.run(self.house.now)

    def pin(self, *, after_seconds: float = 0) -> int:
        """Let pods of the device plugin be pinned and looked after, some time later."""
        self.house.clock.forward(seconds=after_seconds)
        return self.pinner.run(self.house.now)

    def claim(self, allocation_id: str, namespace: str = "ml") -> Json | None:
        """Return the claim of an allocation, or None."""
        try:
            return self.cluster.get(Kind.CLAIM, claim_name(allocation_id), namespace=namespace)
        except ObjectGone:
            return None

    def use(self, allocation_id: str, *pods: str) -> None:
        """Let pods use a claim, as the scheduler and kubelet do; none: they ended."""
        claim = dict(self.claim(allocation_id) or {})
        metadata = dict(claim["metadata"], finalizers=[PROTECTION] if pods else [])
        users = [{"resource": "pods", "name": pod, "uid": f"uid-{pod}"} for pod in pods]
        self.cluster.put(
            Kind.CLAIM, {**claim, "metadata": metadata, "status": {"reservedFor": users}}
        )

    def conditions(self, allocation: Allocation) -> dict[str, tuple[str, str]]:
        """Return status and reason of each condition."""
        found = self.house.find(allocation.allocation_id).conditions
        return {c["type"]: (c["status"], c["reason"]) for c in found}
