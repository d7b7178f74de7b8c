"""The MIG page in one reading: every GPU that is cut, and what is asked for beside what fits."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.core.database import AnyRow
from gpu_management.devices.models import Device, Model, Node
from gpu_management.mig import plan_view as view
from gpu_management.mig.cluster_layout import Situation, compute_slices
from gpu_management.mig.fragmentation import fit_now, fit_repacked
from gpu_management.mig.geometry import Geometry, Placement, load_geometries
from gpu_management.mig.layout import free_starts
from gpu_management.mig.models import MigInstance
from gpu_management.mig.plan_service import Claims, Holder, boards_of

MaySee = Callable[[Holder], bool]

_DEVICES = (
    select(
        Device.id,
        Device.device_id,
        Device.model_id,
        Device.state,
        Node.node_name,
        Model.model_name,
        Model.mig_geometry,
    )
    .join(Node, Node.id == Device.node_id)
    .join(Model, Model.model_id == Device.model_id)
    .where(
        Device.live_id.is_not(None),
        Device.mig_enabled.is_(True),
        Model.mig_geometry.is_not(None),
    )
    .order_by(Node.node_name, Device.device_index, Device.id)
)
_SLICES = (
    select(
        MigInstance.id,
        MigInstance.mig_id,
        MigInstance.device_id,
        MigInstance.profile_name,
        MigInstance.placement_start,
        MigInstance.held,
    )
    .where(MigInstance.destroyed_at.is_(None))
    .order_by(MigInstance.device_id, MigInstance.placement_start)
)


@dataclass(frozen=True, slots=True)
class Room:
    """What a board offers beside the slices in use, in placement units."""

    free_units: int
    stranded_units: int
    largest_profile: str | None


@lru_cache(maxsize=4096)
def room_of(geometry: Geometry, in_use: tuple[Placement, ...]) -> Room:
    """Return how many units are free, and at how many of them no legal slice can lie."""
    taken = {unit for place in in_use for unit in _units(geometry, place)}
    ways = [
        Placement(profile.name, start)
        for profile in geometry.profiles
        for start in free_starts(geometry, in_use, profile.name)
    ]
    usable = {unit for way in ways for unit in _units(geometry, way)}
    plain = [kind for kind in map(geometry.profile, {way.profile for way in ways}) if kind.is_plain]
    largest = max(plain, key=lambda kind: (kind.size, kind.compute_slices), default=None)
    free = geometry.placement_units - len(taken)
    return Room(free, free - len(usable - taken), largest.name if largest else None)


def _units(geometry: Geometry, place: Placement) -> range:
    return range(place.start, place.start + geometry.profile(place.profile).size)


def screen(
    session: Session,
    cluster: str,
    situation: Situation,
    *,
    claims: Claims,
    past: Mapping[str, int],
    may_see: MaySee,
) -> dict[str, Any]:
    """Return the GPUs of a cluster in MIG mode; `past` counts what was in use beyond now."""
    slices: dict[int, list[AnyRow]] = {}
    for row in session.execute(_SLICES):
        slices.setdefault(row.device_id, []).append(row)
    rows = session.execute(_DEVICES.where(Device.cluster_name == cluster)).all()
    return {
        "waiting_requests": len(claims.waiting),
        "fragmentation": view.fragmentation(situation),
        "demand": _demand(situation, past),
        "geometries": [_geometry(key) for key in sorted({str(row.mig_geometry) for row in rows})],
        "devices": [_device(row, slices.get(row.id, ()), claims, may_see) for row in rows],
    }


def _geometry(key: str) -> dict[str, Any]:
    geometry = load_geometries()[key]
    return {
        "geometry": key,
        "placement_units": geometry.placement_units,
        "sizes": {profile.name: profile.size for profile in geometry.profiles},
    }


def _device(
    row: AnyRow, slices: Sequence[AnyRow], claims: Claims, may_see: MaySee
) -> dict[str, Any]:
    in_use = tuple(Placement(s.profile_name, s.placement_start) for s in slices if s.held)
    room = room_of(load_geometries()[row.mig_geometry], in_use)
    return {
        "device_id": row.device_id,
        "node_name": row.node_name,
        "model_id": row.model_id,
        "model_name": row.model_name,
        "geometry": row.mig_geometry,
        "state": row.state,
        "free_units": room.free_units,
        "stranded_units": room.stranded_units,
        "largest_profile": room.largest_profile,
        "slices": [_slice(one, claims.holders.get(one.id), may_see) for one in slices],
    }


def _slice(row: AnyRow, holder: Holder | None, may_see: MaySee) -> dict[str, Any]:
    return {
        "mig_id": row.mig_id,
        "profile": row.profile_name,
        "start": row.placement_start,
        "is_held": row.held,
        "holder": holder if holder is not None and may_see(holder) else None,
    }


def _demand(situation: Situation, past: Mapping[str, int]) -> list[dict[str, Any]]:
    held = Counter(i.profile for gpu in situation.gpus for i in gpu.items if i.running)
    idle = situation.standing()
    boards = dict.fromkeys(gpu.geometry for gpu in situation.gpus)
    plain = [kind.name for board in boards for kind in board.profiles if kind.is_plain]
    names = dict.fromkeys([*plain, *held, *idle, *situation.demand, *past])
    standing = boards_of(situation)
    return [
        {
            "profile": name,
            "compute_slices": compute_slices(name),
            "held": held[name],
            "idle": idle[name],
            "waiting": situation.demand.get(name, 0),
            "peak": held[name] + past.get(name, 0),
            "fits_now": fit_now(standing, name),
            "fits_repacked": fit_repacked(standing, name),
        }
        for name in sorted(names, key=lambda name: (compute_slices(name), name))
    ]
