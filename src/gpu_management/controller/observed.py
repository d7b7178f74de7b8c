"""Keep observed holds in step: they begin when a pod has a GPU without us, and end with it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations import ending, enforcement, observing
from gpu_management.allocations.models import Allocation, Hold, Phase
from gpu_management.allocations.observing import Seen, SeenPart
from gpu_management.cluster.labels import read_gpu_labels
from gpu_management.cluster.usage import Usage, UsedPart
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger
from gpu_management.devices import service as devices
from gpu_management.devices.errors import StaleDecision
from gpu_management.devices.models import Device, DeviceState, Node
from gpu_management.mig import service as mig
from gpu_management.mig.models import MigInstance

log = get_logger(__name__)

AT_ONCE = 25
"""Pods of one transaction: others get their turn between two."""
_Thing = TypeVar("_Thing")


def follow(
    database: Database,
    cluster_name: str,
    used: Sequence[Usage],
    *,
    payers: Mapping[str, str] = MappingProxyType({}),
    now: datetime,
) -> set[str]:
    """Write what began and what ended; return the uids that could not be entered.

    `payers` are users that pay for what a namespace has.
    """
    with database.read() as session:
        known = observing.open_uids(session, cluster_name)
        ours = _managed(session, cluster_name)
    wanted = {usage.uid: usage for usage in used if not _is_bound(usage, ours)}
    for gone in _parts(sorted(known - wanted.keys())):
        _end(database, cluster_name, gone, now=now)
    refused: set[str] = set()
    news = [
        (usage, _seen(usage, payers.get(usage.namespace)))
        for uid, usage in wanted.items()
        if uid not in known
    ]
    for some in _parts(news):
        refused |= _begin(database, cluster_name, some, now=now)
    return refused


def _parts(things: Sequence[_Thing]) -> Iterator[Sequence[_Thing]]:
    for start in range(0, len(things), AT_ONCE):
        yield things[start : start + AT_ONCE]


def _managed(session: Session, cluster_name: str) -> set[tuple[str, str, str | None]]:
    """Return who may use what was allocated without a claim: namespace, pod, node."""
    query = select(
        Allocation.allocation_id, Allocation.namespace, Allocation.pod_name, Allocation.node_name
    ).where(
        Allocation.cluster_name == cluster_name,
        Allocation.phase == Phase.ALLOCATED,
        Allocation.claim_name.is_(None),
        Allocation.requested_by != observing.OBSERVER,
    )
    rows = session.execute(query).all()
    return {
        (r.namespace, name, r.node_name)
        for r in rows
        for name in (f"pod/{r.pod_name}", r.allocation_id)
    }


def _is_bound(usage: Usage, ours: set[tuple[str, str, str | None]]) -> bool:
    """Say whether a pod without a claim is one that an allocation was made for, on its node."""
    told = usage.allocation_id or f"pod/{usage.pod_name}"
    return usage.is_guess and (usage.namespace, told, usage.node) in ours


def _end(database: Database, cluster_name: str, gone: Sequence[str], *, now: datetime) -> None:
    with database.write() as session:
        revision = devices.lock(session, cluster_name)
        for row in observing.open_ones(session, cluster_name, gone):
            ending.end(session, row, reason="pod ended", revision=revision, now=now)


def _begin(
    database: Database, cluster_name: str, news: Sequence[tuple[Usage, Seen]], *, now: datetime
) -> set[str]:
    """Enter what began; return the uids that could not be entered now."""
    refused = set()
    with database.write() as session:
        devices.lock(session, cluster_name)
        for usage, seen in news:
            try:
                with session.begin_nested():
                    is_entered = _enter(session, cluster_name, usage, seen, now=now)
            except StaleDecision as taken:
                log.warning("GPU use of %s/%s: %s", usage.namespace, usage.pod_name, taken)
                is_entered = False
            if not is_entered:
                refused.add(usage.uid)
    return refused


def _enter(session: Session, cluster_name: str, usage: Usage, seen: Seen, *, now: datetime) -> bool:
    query = select(Node).where(Node.cluster_name == cluster_name, Node.node_name == usage.node)
    node = session.scalars(query).one_or_none()
    parts = None if node is None else _parts_of(session, node, usage, now=now)
    if node is None or parts is None:
        return False
    observing.begin(session, node, seen, parts, now=now)
    return True


def _seen(usage: Usage, payer: str | None) -> Seen:
    owner = f" of {usage.owner_kind} {usage.owner_name}" if usage.owner_name else ""
    how = "which GPUs is assumed" if usage.is_guess else "by a claim of its own"
    message = f"pod {usage.pod_name}{owner} got it from the cluster, {how}"
    return Seen(
        usage.uid,
        usage.namespace,
        usage.pod_name,
        usage.team,
        usage.owner_kind,
        message,
        is_movable=usage.is_movable,
        user=payer,
    )


def _parts_of(
    session: Session, node: Node, usage: Usage, *, now: datetime
) -> list[SeenPart] | None:
    """Return the devices in use; None where one cannot be entered now."""
    query = select(Device).where(Device.node_id == node.id, Device.live_id.is_not(None))
    cards = list(session.scalars(query.order_by(Device.device_index)))
    told = read_gpu_labels(node.labels)
    milli = 1000 // (told.replicas if told else 1)
    found: list[SeenPart] = []
    for part in usage.parts:
        chosen = _choose(session, cards, part, found, milli)
        if chosen is None:
            _tell_holder(session, cards, part, usage, now=now)
            return None
        found.append(chosen)
    return found


def _choose(
    session: Session, cards: Sequence[Device], part: UsedPart, found: list[SeenPart], milli: int
) -> SeenPart | None:
    for card in cards:
        if part.uuid not in {None, card.uuid} or card.state is not DeviceState.READY:
            continue
        if part.profile is not None:
            instance = _instance(session, card, part, found)
            if instance is not None:
                return SeenPart(card, instance, instance.milli)
        elif not card.mig_enabled:
            size = milli if part.uuid is None else 1000
            taken = sum(p.milli for p in found if p.device is card)
            if card.held_milli + taken + size <= 1000:  # noqa: PLR2004 - thousandths of a card
                return SeenPart(card, None, size)
    return None


def _instance(
    session: Session, card: Device, part: UsedPart, found: list[SeenPart]
) -> MigInstance | None:
    taken = {p.instance.id for p in found if p.instance is not None}
    for instance in mig.instances_of(session, card.id):
        is_it = instance.profile_name == part.profile
        is_there = part.start in {None, instance.placement_start}
        if is_it and is_there and not instance.held and instance.id not in taken:
            return instance
    return None


def _tell_holder(
    session: Session, cards: Sequence[Device], part: UsedPart, usage: Usage, *, now: datetime
) -> None:
    """Mark the allocation whose card somebody else uses."""
    card = next((card for card in cards if part.uuid and card.uuid == part.uuid), None)
    if card is None:
        return
    query = (
        select(Allocation)
        .join(Hold, Hold.allocation_id == Allocation.allocation_id)
        .where(Hold.device_id == card.id, Hold.ended_at.is_(None))
    )
    message = f"{card.device_id} is used by pod {usage.pod_name} of namespace {usage.namespace}"
    for holder in session.scalars(query):
        if holder.claim_name is not None:  # without a claim nothing kept it from others anyway
            enforcement.hindered(holder, reason=enforcement.TAKEN, message=message, now=now)
