"""What answers about use need to know of the fleet: names, sizes of instances, and who held."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold, HoldKind
from gpu_management.allocations.queries import effective
from gpu_management.core.database import AnyRow
from gpu_management.devices.models import Device, Node
from gpu_management.metrics.combine import WHOLE, Part, Shares
from gpu_management.metrics.questions import Group, Point
from gpu_management.mig.models import MigInstance

FEW: Final = 20
"""So many GPUs are asked for by their key."""
_DEVICES: Final = select(
    Device.id, Device.device_id, Device.model_id, Device.cluster_name, Node.node_name
).join(Node, Node.id == Device.node_id)
_INSTANCES: Final = select(
    MigInstance.device_id,
    MigInstance.gpu_instance_id,
    MigInstance.milli,
    MigInstance.created_at,
    MigInstance.destroyed_at,
)


@dataclass(frozen=True, slots=True)
class Only:
    """Which part of the fleet, or whose holds, are asked about; None asks for all."""

    device_id: str | None = None
    node_name: str | None = None
    model_id: str | None = None
    namespace: str | None = None
    team_id: str | None = None
    allocation_id: str | None = None

    @property
    def of_holds(self) -> bool:
        """Return whether it asks for somebody's holds."""
        return any((self.namespace, self.team_id is not None, self.allocation_id))


def names(session: Session, devices: Collection[int] | None = None) -> dict[int, AnyRow]:
    """Return every GPU there ever was, or some, with its names, by its key."""
    query = _DEVICES
    if devices is not None and len(devices) <= FEW:
        query = query.where(Device.id.in_(devices))
    return {row.id: row for row in session.connection().execute(query).all()}


def devices_of(known: Mapping[int, AnyRow], only: Only) -> frozenset[int] | None:
    """Return the keys of the GPUs that are asked about; None: all."""
    wanted = {
        name: getattr(only, name)
        for name in ("device_id", "node_name", "model_id")
        if getattr(only, name) is not None
    }
    if not wanted:
        return None
    return frozenset(
        key
        for key, row in known.items()
        if all(getattr(row, name) == value for name, value in wanted.items())
    )


def static_key(group: Group, row: AnyRow) -> str:
    """Return the name of a GPU's group, by what it is and where."""
    named: dict[Group, str] = {
        Group.DEVICE: row.device_id,
        Group.NODE: row.node_name,
        Group.MODEL: row.model_id,
    }
    return named.get(group, "")


def shares(session: Session, devices: Collection[int] | None = None) -> Shares:
    """Return how much of its GPU each MIG instance is, and was; of all GPUs, or of some."""
    numbered: dict[tuple[int, int], list[Part]] = defaultdict(list)
    living: dict[int, set[int]] = defaultdict(set)
    query = _INSTANCES
    if devices is not None and len(devices) <= FEW:
        query = query.where(MigInstance.device_id.in_(devices))
    for row in session.connection().execute(query):
        if row.destroyed_at is None:
            living[row.device_id].add(row.milli)
        if row.gpu_instance_id is not None:
            ended = None if row.destroyed_at is None else _second(row.destroyed_at)
            part = Part(row.milli, _second(row.created_at), ended)
            numbered[row.device_id, row.gpu_instance_id].append(part)
    alike = {device: next(iter(sizes)) for device, sizes in living.items() if len(sizes) == 1}
    return Shares(numbered, alike)


@dataclass(frozen=True, slots=True)
class Stretch:
    """That `key` held a GPU or instance in [`since`, `until`)."""

    instance: int
    since: int
    until: int
    key: str


def holders(
    session: Session, group: Group, only: Only, *, since: int, until: int
) -> dict[int, list[Stretch]]:
    """Return who held whole GPUs and instances in a window, by GPU.

    Holds of shares are left out: what a shared GPU does is nobody's alone.
    """
    named: dict[Group, Any] = {
        Group.NAMESPACE: Allocation.namespace,
        Group.TEAM: Allocation.team_id,
        Group.ALLOCATION: Allocation.allocation_id,
    }
    query = (
        select(
            Hold.device_id,
            Hold.kind,
            MigInstance.gpu_instance_id,
            Hold.started_at,
            Hold.ended_at,
            named.get(group, Allocation.allocation_id).label("key"),
        )
        .outerjoin(Allocation, Allocation.allocation_id == Hold.allocation_id)
        .outerjoin(MigInstance, MigInstance.id == Hold.mig_instance_id)
        .where(
            effective(),
            Hold.kind != HoldKind.SHARE,
            Hold.started_at < datetime.fromtimestamp(until, UTC),
            or_(Hold.ended_at.is_(None), Hold.ended_at > datetime.fromtimestamp(since, UTC)),
        )
    )
    for name in ("namespace", "team_id", "allocation_id"):
        value = getattr(only, name)
        if value is not None:
            query = query.where(getattr(Allocation, name) == value)
    return _stretches(session.connection().execute(query), until)


def _stretches(rows: Iterable[AnyRow], until: int) -> dict[int, list[Stretch]]:
    found: dict[int, list[Stretch]] = defaultdict(list)
    for row in rows:
        instance = WHOLE if row.kind is HoldKind.WHOLE else row.gpu_instance_id
        if instance is not None:
            ended = until if row.ended_at is None else _second(row.ended_at)
            stretch = Stretch(instance, _second(row.started_at), ended, row.key or "")
            found[row.device_id].append(stretch)
    return found


def held_parts(
    stretches: Iterable[Stretch], point: Point, step: int
) -> Iterable[tuple[str, float]]:
    """Yield who held a point's target in its bucket, and for which part of the time."""
    for one in stretches:
        if one.instance == point.instance:
            seconds = min(one.until, point.at + step) - max(one.since, point.at)
            if seconds > 0:
                yield one.key, seconds / step


def _second(moment: datetime) -> int:
    return int(moment.timestamp())
