"""What a repartition plan does in a Kubernetes cluster: the MIG manager cuts, pods are evicted."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations import rehoming
from gpu_management.allocations.rehoming import Tenancy
from gpu_management.cluster import mig_manager as manager
from gpu_management.cluster.claims import read_claim
from gpu_management.cluster.inventory import FoundNode, Source, read_inventory
from gpu_management.cluster.mig_manager import CONFIG_KEY, Board
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.protocol import (
    Cluster,
    EvictionDelayed,
    Json,
    Kind,
    ObjectGone,
)
from gpu_management.controller import cards
from gpu_management.controller.repartition import Work
from gpu_management.controller.repartition_collector import CollectorHands
from gpu_management.core.database import AnySelect, Database
from gpu_management.core.problems import Conflict
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device, Node
from gpu_management.mig import execution as rules
from gpu_management.mig import service as mig
from gpu_management.mig.execution import (
    ASKED,
    BEGUN,
    PATIENCE,
    WRITTEN,
    Method,
    News,
    Outcome,
    Patience,
    Seen,
)
from gpu_management.mig.geometry import Placement, load_geometries
from gpu_management.mig.models import MigInstance
from gpu_management.mig.plan_tasks import Cut, Move

_PARKED_SECONDS: Final = 60.0
"""How long a claim is left alone at a time; every look at a drain says so again."""


@dataclass(frozen=True, slots=True)
class ManagerPlace:
    """Where the MIG manager reads its layouts; a node's own file wins where there is one."""

    namespace: str = "gpu-operator"
    config_map: str = "default-mig-parted-config"


class ClusterHands:
    """Acts in one cluster; every deed may be repeated."""

    def __init__(
        self,
        database: Database,
        cluster: Cluster,
        mirror: Mirror,
        *,
        cluster_name: str,
        place: ManagerPlace = ManagerPlace(),
        patience: Patience = PATIENCE,
    ) -> None:
        """Prepare; nothing is asked of the cluster yet."""
        self._database = database
        self._cluster = cluster
        self._mirror = mirror
        self._cluster_name = cluster_name
        self._place = place
        self._patience = patience
        self._collector = CollectorHands(database, cluster_name, patience=patience)

    def cut(self, work: Work, task: Cut, *, now: datetime) -> Outcome:
        """Have a node's GPUs cut, by its collector or the MIG manager, and judge the answer."""
        if work.method is not Method.COLLECTOR:
            return self._cut_by_manager(work, task, now=now)
        outcome = self._collector.cut(work, task, now=now)
        if outcome.news is not News.DONE:
            return outcome
        node = self._cluster.get(Kind.NODE, task.node_name)
        found = self._found(node)
        is_told = found is not None and found.source in {Source.SLICES, Source.LABELS}
        wrong = self._wrong(node, found, task) if is_told else None
        seen = Seen(None, "success", wrong, f"the collector of {task.node_name}")
        return rules.judge_cut(seen, None, work.progress, now=now, patience=self._patience)

    def _cut_by_manager(self, work: Work, task: Cut, *, now: datetime) -> Outcome:
        """Ask the MIG manager for the layout of a node, and judge its answer."""
        progress = work.progress
        name = manager.layout_name(
            task.node_name, f"{work.plan_id}/{progress.position}/{progress.is_undoing}"
        )
        node = self._cluster.get(Kind.NODE, task.node_name)
        told, state = manager.asked(node)
        if progress.stage == BEGUN and told != name:
            return self._write_layout(task, name, node)
        if progress.stage == WRITTEN and told != name:
            if progress.since is not None and now - progress.since < self._patience.settle:
                return Outcome(News.WAIT, "waiting until the MIG manager can read it", WRITTEN)
            self._cluster.merge(Kind.NODE, task.node_name, manager.ask_patch(name))
            return Outcome(News.WAIT, "the MIG manager was asked", ASKED)
        wrong = None
        if state == "success":
            wrong = self._wrong(node, self._found(node), task)
        seen = Seen(told, state, wrong)
        return rules.judge_cut(seen, name, progress, now=now, patience=self._patience)

    def _write_layout(self, task: Cut, name: str, node: Json) -> Outcome:
        used = self._used(task)
        if used:
            return Outcome(News.PAUSE, f"still in use: {used}")
        file = self._file(task.node_name)
        metadata = file["metadata"]
        boards = self._boards(task)
        text = (file.get("data") or {}).get(CONFIG_KEY, "")
        written = manager.with_layout(text, node, name, boards)
        patch = {
            "metadata": {"resourceVersion": metadata["resourceVersion"]},
            "data": {CONFIG_KEY: written},
        }
        self._cluster.merge(
            Kind.CONFIG_MAP, metadata["name"], patch, namespace=metadata["namespace"]
        )
        return Outcome(News.WAIT, "the layout is written for the MIG manager", WRITTEN)

    def _file(self, node_name: str) -> Json:
        """Return the MIG manager's file: since GPU operator 26 a node may have its own."""
        with suppress(ObjectGone):
            return self._cluster.get(
                Kind.CONFIG_MAP, f"{node_name}-mig-config", namespace=self._place.namespace
            )
        return self._cluster.get(
            Kind.CONFIG_MAP, self._place.config_map, namespace=self._place.namespace
        )

    def _used(self, task: Cut) -> str:
        """Return the slices in use on the devices that are about to be cut."""
        query = (
            select(MigInstance.mig_id)
            .join(Device, Device.id == MigInstance.device_id)
            .where(
                Device.live_id.in_(sorted(task.after)),
                MigInstance.live_id.is_not(None),
                MigInstance.held.is_(True),
            )
        )
        with self._database.read() as session:
            return ", ".join(sorted(session.scalars(query)))

    def _boards(self, task: Cut) -> list[Board]:
        """Return the whole node as it shall be: after a reboot the manager reads it again."""
        with self._database.read() as session:
            rows = session.execute(_node_devices(self._cluster_name, task.node_name)).all()
            standing = [
                Counter(
                    session.scalars(
                        select(MigInstance.profile_name).where(
                            MigInstance.device_id == row.id, MigInstance.destroyed_at.is_(None)
                        )
                    )
                )
                for row in rows
            ]
        return [
            Board(row.device_index, _profiles(task, row.device_id, counts, is_cut=row.mig_enabled))
            for row, counts in zip(rows, standing, strict=True)
        ]

    def _wanted(self, task: Cut) -> dict[int, dict[str, int]]:
        return {
            board.index: dict(board.profiles)
            for board in self._boards(task)
            if board.profiles is not None
        }

    def _wrong(self, node: Json, found: FoundNode | None, task: Cut) -> str | None:
        return manager.wrong_slices(node, found, self._wanted(task), names=_our_names())

    def _found(self, node: Json) -> FoundNode | None:
        found = read_inventory([node], self._mirror.objects(Kind.SLICE))
        return found[0] if found else None

    def settle(self, session: Session, work: Work, task: Cut, *, now: datetime) -> None:
        """Write the slices of a node as it announces them: the driver chose where they begin.

        Labels count slices and do not say where they are: there the plan's places are taken.
        """
        if work.method is Method.COLLECTOR:
            self._collector.settle(session, work, task, now=now)
            return
        node = self._mirror.find(Kind.NODE, "", task.node_name)
        found = self._found(node) if node is not None else None
        if found is not None and found.source is Source.LABELS:
            for device_id, places in task.after.items():
                device = devices.find_device(session, device_id)
                mig.apply_layout(session, device, [Placement(*p) for p in places], now=now)
            return
        announced = found.devices if found is not None else None
        told = {device.minor: device for device in announced or ()}
        for device_id in task.after:
            device = devices.find_device(session, device_id)
            seen = told.get(device.device_index)
            if seen is None or not seen.instances:
                if task.after[device_id]:
                    raise Conflict(f"the slices of {device_id} are no longer announced")
                continue
            cards.cut(session, device, seen, now=now)

    def drain(self, work: Work, task: Move, *, now: datetime) -> Outcome:
        """Ask the pods of an allocation to end, and let its claim go with them."""
        with self._database.write() as session:
            held = rehoming.tenancy(
                session, task.allocation_id, task.from_device, task.profile, task.from_start
            )
            if held is None:
                return Outcome(News.DONE)
            is_parked = held.claim_name is None or rehoming.park_claim(
                session, task.allocation_id, now=now, seconds=_PARKED_SECONDS
            )
        if not is_parked:
            return self._judge(work, ["its release"], None, now=now)
        if held.claim_name is not None:
            return self._end_claim(work, task, held.claim_name, now=now)
        return self._end_pod(work, task, held, now=now)

    def _end_claim(self, work: Work, task: Move, name: str, *, now: datetime) -> Outcome:
        """Delete the claim, so that no new pod can use it, and evict those that do."""
        try:
            self._cluster.delete(Kind.CLAIM, name, namespace=task.namespace)
            there = read_claim(self._cluster.get(Kind.CLAIM, name, namespace=task.namespace))
        except ObjectGone:
            return Outcome(News.DONE)
        delayed = [self._evict(pod, task.namespace) for pod in there.pod_names]
        why = "; ".join(text for text in delayed if text) or None
        return self._judge(work, there.pod_names or ["the claim's finalizer"], why, now=now)

    def _end_pod(self, work: Work, task: Move, held: Tenancy, *, now: datetime) -> Outcome:
        """Evict the pod that was there when the move began; one that comes after is another."""
        try:
            pod = self._cluster.get(Kind.POD, task.pod_name, namespace=task.namespace)
        except ObjectGone:
            pod = None
        stage = "pod-" + str(pod["metadata"]["uid"]) if pod else work.progress.stage
        is_other = work.progress.stage.startswith("pod-") and stage != work.progress.stage
        if pod is None or is_other:
            if held.is_ours:
                return Outcome(News.DONE)
            return self._judge(work, ["its hold"], None, now=now)
        delayed = self._evict(task.pod_name, task.namespace)
        outcome = self._judge(work, [task.pod_name], delayed, now=now)
        return Outcome(outcome.news, outcome.message, stage[:40])

    def _evict(self, pod_name: str, namespace: str) -> str | None:
        """Ask a pod to end; return why it may not for now."""
        try:
            with suppress(ObjectGone):
                self._cluster.evict(pod_name, namespace=namespace)
        except EvictionDelayed as later:
            return str(later)
        return None

    def _judge(
        self, work: Work, users: list[str] | tuple[str, ...], delayed: str | None, *, now: datetime
    ) -> Outcome:
        return rules.judge_drain(users, delayed, work.progress, now=now, patience=self._patience)


@cache
def _our_names() -> dict[str, str]:
    """Return our names of profiles that drivers call otherwise, in both spellings."""
    boards = load_geometries().values()
    told = {other: real for board in boards for other, real in board.profile_aliases.items()}
    return told | {name.replace("+", "."): real for name, real in told.items()}


def _profiles(
    task: Cut, device_id: str, standing: Counter[str], *, is_cut: bool
) -> dict[str, int] | None:
    """Return what a device shall have: what the task says, else what it has."""
    after = task.after.get(device_id)
    if after is not None:
        return dict(Counter(profile for profile, _ in after))
    return dict(standing) if is_cut else None


def _node_devices(cluster_name: str, node_name: str) -> AnySelect:
    return (
        select(Device.id, Device.device_id, Device.device_index, Device.mig_enabled)
        .join(Node, Node.id == Device.node_id)
        .where(
            Node.cluster_name == cluster_name,
            Node.node_name == node_name,
            Device.live_id.is_not(None),
        )
        .order_by(Device.device_index)
    )
