"""Holds that nobody asked us for: a pod got a GPU from the cluster, and the ledger says so."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations import journal
from gpu_management.allocations.models import (
    Allocation,
    Hold,
    HoldKind,
    HoldSource,
    Phase,
    WorkloadType,
)
from gpu_management.auth import teams
from gpu_management.core.clock import whole_second
from gpu_management.devices import grips
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device, Node
from gpu_management.mig import service as mig
from gpu_management.mig.models import MigInstance

OBSERVER = "cluster"
"""Who asked for an observed allocation."""

_KINDS = {
    "Job": WorkloadType.TRAINING,
    "CronJob": WorkloadType.TRAINING,
    "Deployment": WorkloadType.INFERENCE,
    "ReplicaSet": WorkloadType.INFERENCE,
    "StatefulSet": WorkloadType.INFERENCE,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A pod or claim that has devices, and whose it is."""

    uid: str
    namespace: str
    pod_name: str
    team: str | None
    owner_kind: str | None
    message: str
    is_movable: bool | None = None
    user: str | None = None
    """Who pays for it, where that is known."""


@dataclass(frozen=True, slots=True)
class SeenPart:
    """A device, or a slice of one, that it has."""

    device: Device
    instance: MigInstance | None
    milli: int


def open_uids(session: Session, cluster_name: str) -> set[str]:
    """Return whose observed allocations go on: uids of pods and claims."""
    query = select(Allocation.pod_uid).where(*_open(cluster_name))
    return {uid for uid in session.scalars(query) if uid is not None}


def open_ones(session: Session, cluster_name: str, uids: Collection[str]) -> Sequence[Allocation]:
    """Return the observed allocations of these pods and claims that go on."""
    query = select(Allocation).where(*_open(cluster_name), Allocation.pod_uid.in_(uids))
    return session.scalars(query).all()


def _open(cluster_name: str) -> tuple[ColumnElement[bool], ...]:
    return (
        Allocation.cluster_name == cluster_name,
        Allocation.phase == Phase.ALLOCATED,
        Allocation.requested_by == OBSERVER,
    )


def begin(
    session: Session, node: Node, seen: Seen, parts: Sequence[SeenPart], *, now: datetime
) -> Allocation:
    """Enter what was seen into the ledger; the caller holds the cluster's turn.

    Raises:
        StaleDecision: somebody holds a device already, or it does not work.
    """
    revision = devices.lock(session, node.cluster_name)
    allocation = _allocation(session, node, seen, parts, now=now)
    session.add(allocation)
    session.flush()
    for part in parts:
        grip = grips.Grip(part.device.id, part.device.version, part.milli)
        grips.take(session, grip, revision=revision)
        session.refresh(part.device)
        if part.instance is not None:
            mig.take(session, part.instance.id)
        session.add(_hold(session, allocation, part, node, now=now))
    session.flush()
    journal.say(session, "allocation.observed", allocation, now=now)
    return allocation


def _allocation(
    session: Session, node: Node, seen: Seen, parts: Sequence[SeenPart], *, now: datetime
) -> Allocation:
    names = [p.device.device_id if p.instance is None else p.instance.mig_id for p in parts]
    mark = marks.entry("Observed", "True", reason="Unasked", message=seen.message, now=now)
    return Allocation(
        allocation_id=str(uuid4()),
        cluster_name=node.cluster_name,
        namespace=seen.namespace,
        pod_name=seen.pod_name,
        pod_uid=seen.uid,
        workload_type=_KINDS.get(seen.owner_kind or "", WorkloadType.DEVELOPMENT),
        required_memory_gb=1,
        use_mig=any(part.instance is not None for part in parts),
        gpu_count=len(parts),
        cpu_milli=0,
        memory_mib=0,
        user_id=seen.user,
        team_id=seen.team or teams.team_of_namespace(session, seen.namespace),
        model_preference=[],
        model_ids=[],
        node_selector={},
        priority=0,
        movable=seen.is_movable,
        node_name=node.node_name,
        resources=names,
        allocated_resource=",".join(names),
        phase=Phase.ALLOCATED,
        conditions=[mark],
        message=seen.message,
        requested_at=now,
        allocated_at=now,
        requested_by=OBSERVER,
        edition=1,
    )


def _hold(
    session: Session, allocation: Allocation, part: SeenPart, node: Node, *, now: datetime
) -> Hold:
    latest = select(func.max(Hold.ended_at)).where(Hold.device_id == part.device.id)
    before = session.scalar(latest)
    moment = whole_second(now)
    kind, key = HoldKind.SHARE, None
    if part.instance is not None:
        kind, key = HoldKind.MIG, f"mig:{part.instance.id}"
    elif part.milli == 1000:  # noqa: PLR2004 - the whole card
        kind, key = HoldKind.WHOLE, f"gpu:{part.device.id}"
    return Hold(
        allocation_id=allocation.allocation_id,
        device_id=part.device.id,
        mig_instance_id=None if part.instance is None else part.instance.id,
        open_key=key,
        kind=kind,
        source=HoldSource.OBSERVED,
        milli=part.milli,
        profile_name=None if part.instance is None else part.instance.profile_name,
        node_pool=node.node_pool,
        started_at=max(moment, before) if before else moment,
    )
