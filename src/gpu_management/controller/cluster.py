"""One cluster's work: follow it, write what it says, and make it obey. Runs on the leader."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from prometheus_client import Gauge
from sqlalchemy.orm import Session

from gpu_management.allocations.binding import Patience
from gpu_management.allocations.enforcement import EnforcementMode
from gpu_management.allocations.office import Office
from gpu_management.cluster.claims import read_claim
from gpu_management.cluster.crd import trim_object
from gpu_management.cluster.inventory import FoundNode, read_inventory
from gpu_management.cluster.mirror import Health, Mirror
from gpu_management.cluster.models import ClusterLink
from gpu_management.cluster.needs import read_needs
from gpu_management.cluster.pods import read_pod
from gpu_management.cluster.protocol import Cluster, Kind
from gpu_management.cluster.slices import SliceDevice, read_pools
from gpu_management.cluster.trim import TRIMS
from gpu_management.cluster.usage import read_usage
from gpu_management.controller import inventory, observed
from gpu_management.controller.binding import Binder
from gpu_management.controller.enforcer import Enforcer
from gpu_management.controller.exempting import Exempter
from gpu_management.controller.loops import Job
from gpu_management.controller.operator import Operator
from gpu_management.controller.pinning import Pinner
from gpu_management.controller.profiles import Profiles
from gpu_management.controller.repartition import Repartitioner
from gpu_management.controller.repartition_hands import ClusterHands
from gpu_management.controller.resources import ResourceFollower
from gpu_management.controller.ungating import Ungater
from gpu_management.controller.waiting import Waiters
from gpu_management.core.clock import Clock
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger
from gpu_management.devices.pools import WELL_KNOWN_LABELS
from gpu_management.events import service as events

log = get_logger(__name__)

CONNECTED = Gauge(
    "gpu_management_cluster_connected", "1 while the cluster can be read.", ["cluster"]
)
SYNCED_AT = Gauge(
    "gpu_management_cluster_synced_timestamp_seconds",
    "When what is shown of the cluster was last true.",
    ["cluster"],
)
_TOLD_EVERY = timedelta(seconds=15)
_PODS_SECONDS = 0.25
_KINDS = (Kind.NODE, Kind.SLICE, Kind.CLAIM, Kind.POD)


@dataclass(frozen=True, slots=True)
class Terms:
    """How a cluster is followed."""

    cluster_name: str
    mode: EnforcementMode
    sync_seconds: float = 1.0
    resource_seconds: float = 15.0
    enforce_seconds: float = 0.3
    deadline_seconds: float = 120.0
    patience: Patience = field(default_factory=Patience)
    pool_labels: Sequence[str] = WELL_KNOWN_LABELS


class ClusterDesk:
    """Everything the controller does for one cluster."""

    def __init__(
        self, database: Database, cluster: Cluster, terms: Terms, *, clock: Clock, office: Office
    ) -> None:
        """Prepare; the cluster is first asked when a job runs."""
        self._database = database
        self._terms = terms
        self._mirror = Mirror(cluster, _KINDS, clock=clock, trim=TRIMS, note={Kind.POD: read_needs})
        self._enforcer = Enforcer(
            database,
            cluster,
            self._mirror,
            cluster_name=terms.cluster_name,
            deadline_seconds=terms.deadline_seconds,
        )
        self._binder = Binder(
            database, self._mirror, cluster_name=terms.cluster_name, patience=terms.patience
        )
        self._exempter = Exempter(database, self._mirror)
        self._pinner = Pinner(database, cluster, self._mirror, cluster_name=terms.cluster_name)
        self._ungater = Ungater(cluster, self._mirror, office.enforcement)
        self._resources = ResourceFollower(
            database, cluster, self._mirror, cluster_name=terms.cluster_name
        )
        # A copy of its own: where there is no such kind, or no right to it, the rest goes on.
        self._objects = Mirror(
            cluster, [Kind.ALLOCATION], clock=clock, trim={Kind.ALLOCATION: trim_object}
        )
        hands = ClusterHands(database, cluster, self._mirror, cluster_name=terms.cluster_name)
        self._plans = Repartitioner(
            database,
            terms.cluster_name,
            hands=hands,
            keeper=office.placer.keeper,
            on_end=self._look_again,
        )
        self._wishes = Mirror(cluster, [Kind.PROFILE], clock=clock)
        self._profiles = Profiles(database, self._wishes)
        self._waiters = Waiters(database, cluster, self._mirror, office=office)
        self._operator = Operator(database, cluster, self._objects, office=office)
        self._known = inventory.Known(pool_labels=terms.pool_labels)
        self._turn = Lock()
        self._is_started = False
        self._seen = -1
        self._observed = -1
        self._refused: set[str] = set()
        self._announced: tuple[int, Sequence[SliceDevice]] = (-1, ())
        self._told: tuple[datetime, Health] | None = None

    def jobs(self) -> list[Job]:
        """Return what runs on timers."""
        return [
            Job("cluster-sync", self._terms.sync_seconds, self.sync),
            Job("cluster-pods", min(_PODS_SECONDS, self._terms.sync_seconds), self.follow_pods),
            Job("cluster-enforce", self._terms.enforce_seconds, self.enforce),
            Job("cluster-operator", self._terms.sync_seconds, self.operate),
            Job("mig-plans", self._terms.sync_seconds, self.repartition),
            Job("cluster-resources", self._terms.resource_seconds, self.measure),
        ]

    def stop(self) -> None:
        """Stop following."""
        self._mirror.stop()
        self._objects.stop()
        self._wishes.stop()

    def sync(self, now: datetime) -> None:
        """Write what changed in the cluster, and how well it is seen."""
        self._start()
        with self._turn:
            self._sync(now)

    def follow_pods(self, now: datetime) -> None:
        """Write who has GPUs since the last look, sooner than the rest: with it bills begin."""
        if self._seen < 0 or self._mirror.edition(*_KINDS) == self._observed:
            return
        if self._turn.acquire(blocking=False):
            try:
                if self._mirror.health().stale_since is None:
                    self._observe(now)
            finally:
                self._turn.release()

    def _sync(self, now: datetime) -> None:
        health = self._mirror.health()
        if health.is_synced and health.stale_since is None:
            self._follow(now)
            self._binder.run(now)
            self._exempter.run(now)
            self._waiters.run(self._profiles.known, now)
            self._pinner.run(now)
            self._ungater.run(self._pinner.known)
            self._observe(now)
        self._tell(health, now)

    def enforce(self, now: datetime) -> None:
        """Make and remove claims."""
        self._start()
        self._enforcer.run(now)

    def operate(self, now: datetime) -> None:
        """Serve GpuAllocation objects; not before the fleet is known, or nothing would fit."""
        self._start()
        self._profiles.run(now)
        if self._seen >= 0:
            self._operator.run(now)

    def repartition(self, now: datetime) -> None:
        """Carry out repartition plans, while what is seen of the cluster is true."""
        self._start()
        health = self._mirror.health()
        if health.is_synced and health.stale_since is None:
            self._plans.run(now)

    def measure(self, now: datetime) -> None:
        """Write the CPU and memory of nodes and pods, while what is seen of them is true."""
        self._start()
        health = self._mirror.health()
        if self._seen >= 0 and health.is_synced and health.stale_since is None:
            self._resources.run(now)

    def _look_again(self, node_names: Sequence[str]) -> None:
        """Have nodes compared with the inventory again: a plan kept that off them."""
        self._known.unfinished.update(node_names)

    def _start(self) -> None:
        if not self._is_started:
            self._is_started = True
            self._mirror.start()
            self._objects.start()
            self._wishes.start()

    def _follow(self, now: datetime) -> None:
        edition = self._mirror.edition(Kind.NODE, Kind.SLICE)
        if edition == self._seen and not self._known.unfinished:
            return
        found = read_inventory(self._mirror.objects(Kind.NODE), self._mirror.objects(Kind.SLICE))
        name = self._terms.cluster_name
        count = inventory.reconcile(self._database, name, found, self._known, now=now)
        self._seen = edition
        if count:
            log.info("GPU inventory follows the cluster: %d nodes changed", count)
            self._note(found)

    def _observe(self, now: datetime) -> None:
        edition = self._mirror.edition(*_KINDS)
        if edition == self._observed and not self._refused:
            return
        used = read_usage(
            [read_pod(thing) for thing in self._mirror.objects(Kind.POD)],
            [read_claim(thing) for thing in self._mirror.objects(Kind.CLAIM)],
            self._slice_devices(),
        )
        refused = observed.follow(
            self._database,
            self._terms.cluster_name,
            used,
            payers=self._profiles.payers(),
            now=now,
        )
        if self._refused - refused:
            self._enforcer.check_all(now)
        self._observed, self._refused = edition, refused

    def _slice_devices(self) -> Sequence[SliceDevice]:
        """Return what slices announce; read again only when one changed."""
        edition = self._mirror.edition(Kind.SLICE)
        if edition != self._announced[0]:
            pools = read_pools(self._mirror.objects(Kind.SLICE))
            self._announced = (edition, [device for pool in pools for device in pool.devices])
        return self._announced[1]

    def _note(self, found: Sequence[FoundNode]) -> None:
        notes = {node.name: node.note for node in found if node.note}
        with self._database.write() as session:
            self._link(session).notes = notes

    def _tell(self, health: Health, now: datetime) -> None:
        """Say whether what is shown is true; at once when that changes, else now and then."""
        name = self._terms.cluster_name
        is_true = health.is_synced and health.stale_since is None
        CONNECTED.labels(name).set(is_true)
        if is_true:
            SYNCED_AT.labels(name).set(now.timestamp())
        if self._told and self._told[1] == health and now - self._told[0] < _TOLD_EVERY:
            return
        with self._database.write() as session:
            link = self._link(session)
            was_stale = link.stale_since is not None
            link.enforcement = self._terms.mode.value
            link.synced_at = now if is_true else link.synced_at
            link.stale_since = health.stale_since
            link.message = None if health.message is None else health.message[:400]
            if was_stale != (health.stale_since is not None):
                self._say(session, health, now)
        self._told = (now, health)

    def _link(self, session: Session) -> ClusterLink:
        name = self._terms.cluster_name
        link = session.get(ClusterLink, name)
        if link is None:
            link = ClusterLink(cluster_name=name, enforcement=self._terms.mode.value, notes={})
            session.add(link)
        return link

    def _say(self, session: Session, health: Health, now: datetime) -> None:
        since = health.stale_since
        events.record(
            session,
            "cluster.back" if since is None else "cluster.away",
            subject_kind="cluster",
            subject_id=self._terms.cluster_name,
            data={
                "cluster": self._terms.cluster_name,
                "since": None if since is None else since.isoformat(),
                "message": health.message,
            },
            now=now,
        )
