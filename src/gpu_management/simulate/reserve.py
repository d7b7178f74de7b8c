"""What the demonstration leaves free for whoever tries it, and how it gives way."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold
from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.devices.models import Device, DeviceState, Model, Node
from gpu_management.simulate import world
from gpu_management.simulate.demo_fleet import POOL_LABEL, QUEUED_POOL

LARGE_GB: Final = 40
"""Memory from which a whole GPU counts as kept for people."""
KEPT_LARGE: Final = 6
"""Whole large GPUs left to people; two more than is promised."""
KEPT_SLICEABLE: Final = 1
"""Idle MIG devices left to people; each has room for a slice of 10 GB and more."""
KEPT_SHAREABLE: Final = 1
"""Idle T4s left to people for shares."""
_SHARED_MODEL: Final = "t4"


@dataclass(frozen=True, slots=True)
class Spare:
    """Keys of the idle devices of each sort that people like to try."""

    large: frozenset[int]
    sliceable: frozenset[int]
    shareable: frozenset[int]

    def allows(self, device_pks: Collection[int]) -> bool:
        """Say whether using these devices leaves enough of each sort that they are of."""
        return all(
            not sort.intersection(device_pks) or len(sort.difference(device_pks)) >= kept
            for sort, kept in self._sorts()
        )

    @property
    def is_enough(self) -> bool:
        """Say whether people find what they are promised."""
        return all(len(sort) >= kept for sort, kept in self._sorts())

    def _sorts(self) -> Sequence[tuple[frozenset[int], int]]:
        return (
            (self.large, KEPT_LARGE),
            (self.sliceable, KEPT_SLICEABLE),
            (self.shareable, KEPT_SHAREABLE),
        )


def spare(session: Session, cluster_name: str) -> Spare:
    """Return what is idle; the pool with a queue is left out, because nodes of it are kept."""
    return _sorted(session.execute(_usable(cluster_name).where(Device.held_milli == 0)).all())


def _usable(cluster_name: str) -> AnySelect:
    return (
        select(Device.id, Device.model_id, Device.mig_enabled, Model.memory_gb, Node.labels)
        .join(Model, Model.model_id == Device.model_id)
        .join(Node, Node.id == Device.node_id)
        .where(
            Device.cluster_name == cluster_name,
            Device.live_id.is_not(None),
            Device.state == DeviceState.READY,
            Node.is_schedulable.is_(True),
        )
    )


def _sorted(rows: Sequence[AnyRow]) -> Spare:
    rows = [row for row in rows if row.labels.get(POOL_LABEL) != QUEUED_POOL]
    cards = [row for row in rows if not row.mig_enabled]
    return Spare(
        large=frozenset(row.id for row in cards if row.memory_gb >= LARGE_GB),
        sliceable=frozenset(row.id for row in rows if row.mig_enabled),
        shareable=frozenset(row.id for row in cards if row.model_id == _SHARED_MODEL),
    )


def make_room(session: Session, cluster_name: str, *, now: datetime) -> bool:
    """End simulated work on one device of a sort that is short; return whether there was any."""
    idle = spare(session, cluster_name)
    if idle.is_enough:
        return False
    all_of = _sorted(session.execute(_usable(cluster_name)).all())
    counts = _simulated_holds(session)
    for (free, kept), (every, _kept) in zip(idle._sorts(), all_of._sorts(), strict=True):
        ours = [pk for pk in every if pk in counts]
        if len(free) < kept and ours:
            easiest = min(ours, key=lambda pk: (counts[pk], pk))
            for allocation_id in world.running_on(session, easiest):
                world.end(session, allocation_id, reason="preempted", now=now)
            return True
    return False


def _simulated_holds(session: Session) -> dict[int, int]:
    """Return how many holds there are on each device where all are the simulator's."""
    query = (
        select(Hold.device_id, Allocation.requested_by)
        .join(Allocation, Allocation.allocation_id == Hold.allocation_id, isouter=True)
        .where(Hold.ended_at.is_(None))
    )
    counts: dict[int, int] = {}
    others = set()
    for device_pk, asked_by in session.execute(query):
        counts[device_pk] = counts.get(device_pk, 0) + 1
        if asked_by != world.SIMULATOR.name:
            others.add(device_pk)
    return {pk: count for pk, count in counts.items() if pk not in others}
