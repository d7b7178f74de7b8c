"""What a collector would read of the simulated GPUs: each pod works in a manner of its own."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zlib import crc32

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold, HoldKind, WorkloadType
from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval, Model, Node
from gpu_management.metrics.readings import Reading, Target
from gpu_management.mig.models import MigInstance
from gpu_management.simulate.demo_fleet import WEAK_FANS

_DAY: Final = 86_400
_TURN: Final = 1200
"""Seconds that somebody at a notebook works, or does not."""
_SAVE_EVERY, _SAVING = 2400, 90
"""Seconds between two checkpoints of a training, and that one takes."""
_STUCK: Final = 0.2
"""Training pods that hold a GPU and do nothing with it: what an idle rule is for."""
_ROOM_CELSIUS, _HOTTER_CELSIUS = 31.0, 44.0
_IDLE_POWER, _BUSY_POWER = 0.14, 0.78
"""Shares of the board's power: at rest, and what full use adds."""
_WATTS: Final = 300
_REST_MHZ, _BUSY_MHZ = 210, 1410


def chance(*parts: object) -> float:
    """Return a number in [0, 1) that is always the same for the same parts."""
    return crc32("/".join(map(str, parts)).encode()) / 2**32


def use_of(seed: int, pod: str, workload: WorkloadType, at: float) -> float:
    """Return how busy a pod keeps what it holds at Unix second `at`, from 0 to 1."""
    level = chance(seed, pod, "level")
    ripple = 0.06 * (chance(pod, at // 15) - 0.5)
    if workload is WorkloadType.TRAINING:
        if chance(seed, pod, "stuck") < _STUCK:
            return 0.0
        is_saving = (at + 3600 * level) % _SAVE_EVERY < _SAVING
        return (0.15 if is_saving else 0.74 + 0.22 * level) + ripple
    if workload is WorkloadType.INFERENCE:
        wave = 0.5 + 0.5 * math.cos(2 * math.pi * (at % _DAY / _DAY - 0.62))
        return max(0.0, 0.05 + (0.2 + 0.4 * level) * wave + ripple)
    works = chance(seed, pod, at // _TURN) < 0.15 + 0.4 * level
    return 0.35 + 0.5 * level + ripple if works else 0.0


@dataclass(frozen=True, slots=True)
class Part:
    """A hold, with what is needed to say how its GPU behaves."""

    kind: HoldKind
    milli: int
    start: int | None
    """Where its MIG instance begins."""
    pod: str
    workload: WorkloadType
    since: float
    until: float | None

    def covers(self, at: float) -> bool:
        """Say whether it holds at a moment."""
        return self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU that can be measured, and the stretches in which it cannot."""

    device: int
    uuid: str
    node_name: str
    memory_mib: float
    watts: float
    slices: tuple[tuple[int, int, str], ...]
    """Start, thousandths of the card, and profile of the MIG instances there are now."""
    away: tuple[tuple[float, float | None], ...]
    hotter_celsius: float = 0.0
    """How much warmer it is than another would be: its fan is weak."""

    def answers(self, at: float) -> bool:
        """Say whether the driver would answer at a moment."""
        return not any(since <= at and (until is None or at < until) for since, until in self.away)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that can be measured within a window."""

    seed: int
    cards: Sequence[Card]
    parts: Mapping[int, Sequence[Part]]

    def load(self, card: Card, at: float) -> dict[int | None, float]:
        """Return how busy a GPU is, by the start of the instance; None is the whole GPU."""
        found: dict[int | None, float] = {None: 0.0}
        for part in self.parts.get(card.device, ()):
            if not part.covers(at):
                continue
            busy = min(1.0, max(0.0, use_of(self.seed, part.pod, part.workload, at)))
            found[None] = min(1.0, found[None] + busy * part.milli / 1000)
            if part.kind is HoldKind.MIG:
                found[part.start] = busy
        return found

    def readings(self, at: float) -> Iterator[Reading]:
        """Yield what one look at every GPU tells; a GPU that is away tells nothing."""
        for card in self.cards:
            if card.answers(at):
                yield from _look(card, self.load(card, at))


def _look(card: Card, load: Mapping[int | None, float]) -> Iterator[Reading]:
    busy = load[None]
    yield Reading(
        Target(card.uuid),
        node_name=card.node_name,
        gpu_util_pct=None if card.slices else float(math.ceil(100 * busy)),
        engine_active_ratio=round(busy, 3),
        dram_active_ratio=round(0.55 * busy, 3),
        tensor_active_ratio=round(0.4 * busy, 3),
        memory_used_mib=round(card.memory_mib * (0.72 * busy + (0.12 if busy else 0.005))),
        temperature_celsius=round(_ROOM_CELSIUS + card.hotter_celsius + _HOTTER_CELSIUS * busy),
        power_w=round(card.watts * (_IDLE_POWER + _BUSY_POWER * busy)),
        sm_clock_mhz=_REST_MHZ if not busy else round(_BUSY_MHZ * (0.7 + 0.3 * busy)),
        ecc_double_bit=0.0,
        last_xid=0,
    )
    for start, milli, profile in card.slices:
        share = load.get(start, 0.0)
        yield Reading(
            Target(card.uuid, start + 1),
            node_name=card.node_name,
            profile_name=profile,
            placement_start=start,
            engine_active_ratio=round(share, 3),
            memory_used_mib=round(card.memory_mib * milli / 1000 * (0.7 * share + 0.02)),
        )


def fleet_of(
    session: Session, cluster_name: str, seed: int, *, since: datetime, until: datetime
) -> Fleet:
    """Read what the simulated GPUs do within a window."""
    parts: dict[int, list[Part]] = {}
    for row in session.execute(_holds(cluster_name, since, until)):
        parts.setdefault(row.device_id, []).append(_part(row))
    return Fleet(seed, list(_cards(session, cluster_name, since, until)), parts)


def _holds(cluster_name: str, since: datetime, until: datetime) -> AnySelect:
    return (
        select(
            Hold.device_id,
            Hold.kind,
            Hold.milli,
            Hold.started_at,
            Hold.ended_at,
            MigInstance.placement_start,
            Allocation.pod_name,
            Allocation.workload_type,
        )
        .join(Device, Device.id == Hold.device_id)
        .join(Allocation, Allocation.allocation_id == Hold.allocation_id)
        .outerjoin(MigInstance, MigInstance.id == Hold.mig_instance_id)
        .where(
            Device.cluster_name == cluster_name,
            Hold.started_at < until,
            or_(Hold.ended_at.is_(None), Hold.ended_at > since),
        )
    )


def _part(row: AnyRow) -> Part:
    return Part(
        kind=row.kind,
        milli=row.milli,
        start=row.placement_start,
        pod=row.pod_name,
        workload=row.workload_type,
        since=row.started_at.timestamp(),
        until=None if row.ended_at is None else row.ended_at.timestamp(),
    )


def _cards(session: Session, cluster_name: str, since: datetime, until: datetime) -> Iterable[Card]:
    away, slices = _stretches_away(session, since, until), _slices(session)
    query = (
        select(Device, Model, Node.node_name)
        .join(Model, Model.model_id == Device.model_id)
        .join(Node, Node.id == Device.node_id)
        .where(Device.cluster_name == cluster_name, Device.live_uuid.is_not(None))
        .order_by(Device.id)
    )
    for device, model, node_name in session.execute(query):
        yield Card(
            device=device.id,
            uuid=str(device.live_uuid),
            node_name=node_name,
            memory_mib=float(model.memory_mib or model.memory_gb * 1024),
            watts=float(model.tdp_watts or _WATTS),
            slices=tuple(slices.get(device.id, ())),
            away=tuple(away.get(device.id, ())),
            hotter_celsius=WEAK_FANS.get(device.device_id, 0.0),
        )


def _stretches_away(
    session: Session, since: datetime, until: datetime
) -> dict[int, list[tuple[float, float | None]]]:
    found: dict[int, list[tuple[float, float | None]]] = {}
    unwell = select(DeviceStateInterval).where(
        DeviceStateInterval.state != DeviceState.READY,
        DeviceStateInterval.started_at < until,
        or_(DeviceStateInterval.ended_at.is_(None), DeviceStateInterval.ended_at > since),
    )
    for one in session.scalars(unwell):
        ended = None if one.ended_at is None else one.ended_at.timestamp()
        found.setdefault(one.device_id, []).append((one.started_at.timestamp(), ended))
    return found


def _slices(session: Session) -> dict[int, list[tuple[int, int, str]]]:
    found: dict[int, list[tuple[int, int, str]]] = {}
    for one in session.scalars(select(MigInstance).where(MigInstance.destroyed_at.is_(None))):
        told = (one.placement_start, one.milli, one.profile_name)
        found.setdefault(one.device_id, []).append(told)
    return found
