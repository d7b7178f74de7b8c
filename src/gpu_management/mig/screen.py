"""The MIG page: how every GPU is cut, and what is asked for beside what fits."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.core.cache import Cache
from gpu_management.core.database import AnyRow
from gpu_management.core.paging import Listing, Page, page_of_rows, sort_rows
from gpu_management.devices.models import Cluster, Device, DeviceState, Model, Node
from gpu_management.mig import plan_view as view
from gpu_management.mig.cluster_layout import Gpu, Item, Situation, compute_slices
from gpu_management.mig.fragmentation import fit_now, fit_repacked
from gpu_management.mig.geometry import Geometry, Placement, load_geometries
from gpu_management.mig.layout import free_starts
from gpu_management.mig.models import MigInstance
from gpu_management.mig.plan_service import Holder, Waiting, boards_of, waiting_demand

MaySee = Callable[[str | None], bool]
"""Says whether the caller may see what a team holds."""

_REVISION = select(func.count(), func.sum(Cluster.revision))
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


@dataclass(frozen=True, slots=True)
class Cut:
    """A GPU in MIG mode with its slices."""

    row: AnyRow
    geometry: Geometry
    slices: Sequence[AnyRow]
    room: Room


@dataclass(frozen=True, slots=True)
class Sheet:
    """Reads the GPUs of a cluster that are cut; what it read is kept until something changes."""

    cluster: str
    cache: Cache

    def version(self, session: Session) -> Hashable:
        """Return what changes with every device, slice and allocation."""
        return tuple(session.connection().execute(_REVISION).one())

    def cuts(self, session: Session, *, now: datetime) -> Sequence[Cut]:
        """Return every GPU in MIG mode, by node and index."""
        return self.cache.get(
            ("mig", "cuts", self.cluster),
            self.version(session),
            lambda: _read(session, self.cluster),
            now=now,
        )


def _read(session: Session, cluster: str) -> Sequence[Cut]:
    connection = session.connection()
    slices: dict[int, list[AnyRow]] = defaultdict(list)
    for row in connection.execute(_SLICES):
        slices[row.device_id].append(row)
    rows = connection.execute(_DEVICES.where(Device.cluster_name == cluster))
    return [_cut(row, slices.get(row.id, ())) for row in rows]


def _cut(row: AnyRow, slices: Sequence[AnyRow]) -> Cut:
    geometry = load_geometries()[row.mig_geometry]
    in_use = tuple(Placement(s.profile_name, s.placement_start) for s in slices if s.held)
    return Cut(row, geometry, slices, room_of(geometry, in_use))


def summary(
    cuts: Sequence[Cut], waiting: Sequence[Waiting], past: Mapping[str, int]
) -> dict[str, Any]:
    """Return the fleet in figures; `past` counts what was in use beyond now."""
    situation = _situation(cuts, waiting)
    slices = [each for cut in cuts for each in cut.slices]
    return {
        "devices": len(cuts),
        "slices": len(slices),
        "held_slices": sum(each.held for each in slices),
        "stranded_units": sum(cut.room.stranded_units for cut in cuts),
        "waiting_requests": len(waiting),
        "fragmentation": view.fragmentation(situation),
        "demand": _demand(situation, past),
        "geometries": [_geometry(board) for board in dict.fromkeys(cut.geometry for cut in cuts)],
        "models": sorted({cut.row.model_id for cut in cuts}),
        "nodes": list(dict.fromkeys(cut.row.node_name for cut in cuts)),
    }


def _situation(cuts: Sequence[Cut], waiting: Sequence[Waiting]) -> Situation:
    gpus = [
        Gpu(cut.row.device_id, cut.row.node_name, cut.geometry, tuple(map(_item, cut.slices)))
        for cut in cuts
        if cut.row.state is DeviceState.READY
    ]
    return Situation(gpus, waiting_demand(gpus, waiting))


def _item(row: AnyRow) -> Item:
    return Item(row.mig_id, row.profile_name, row.placement_start, running=row.held)


def _geometry(geometry: Geometry) -> dict[str, Any]:
    return {
        "geometry": geometry.key,
        "placement_units": geometry.placement_units,
        "sizes": {profile.name: profile.size for profile in geometry.profiles},
    }


_SORTS: Final[Mapping[str, Callable[[Cut], Any]]] = {
    "deviceId": lambda cut: cut.row.device_id,
    "nodeName": lambda cut: cut.row.node_name,
    "modelId": lambda cut: cut.row.model_id,
    "state": lambda cut: cut.row.state.value,
    "freeUnits": lambda cut: cut.room.free_units,
    "strandedUnits": lambda cut: cut.room.stranded_units,
}


@dataclass(frozen=True, slots=True)
class CutFilter:
    """Which GPUs are asked for; what is empty or None asks for all."""

    device_ids: frozenset[str] = frozenset()
    model_id: str | None = None
    node_name: str | None = None
    state: DeviceState | None = None
    largest_profile: str | None = None
    search: str = ""

    def wants(self, cut: Cut) -> bool:
        """Say whether a GPU is among them; `search` is a part of its name, node or model."""
        row = cut.row
        return (
            (not self.device_ids or row.device_id in self.device_ids)
            and self.model_id in {None, row.model_id}
            and self.node_name in {None, row.node_name}
            and self.state in {None, row.state}
            and self.largest_profile in {None, cut.room.largest_profile}
            and self.search.lower() in f"{row.device_id} {row.node_name} {row.model_name}".lower()
        )


def page_of_cuts(cuts: Sequence[Cut], asked: CutFilter, page: Page) -> Listing:
    """Return one page of the GPUs that are asked for.

    Raises:
        ValidationFailed: an unknown sort field, or a cursor that is not ours.
    """
    wanted = [cut for cut in cuts if asked.wants(cut)]
    return page_of_rows(sort_rows(wanted, page.sort, _SORTS) if page.sort else wanted, page)


def shown(cut: Cut, holders: Mapping[int, Holder], may_see: MaySee) -> dict[str, Any]:
    """Return a GPU as the wire shows it, with the holders whom the caller may see."""
    row = cut.row
    return {
        "device_id": row.device_id,
        "node_name": row.node_name,
        "model_id": row.model_id,
        "model_name": row.model_name,
        "geometry": cut.geometry.key,
        "state": row.state,
        "free_units": cut.room.free_units,
        "stranded_units": cut.room.stranded_units,
        "largest_profile": cut.room.largest_profile,
        "slices": [_slice(one, holders.get(one.id), may_see) for one in cut.slices],
    }


def _slice(row: AnyRow, holder: Holder | None, may_see: MaySee) -> dict[str, Any]:
    return {
        "mig_id": row.mig_id,
        "profile": row.profile_name,
        "start": row.placement_start,
        "is_held": row.held,
        "holder": holder if holder is not None and may_see(holder.team_id) else None,
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
