"""Reading MIG: instances with their place and holder, profiles with what is free."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.devices.models import Device, DeviceState, Model, Node
from gpu_management.mig.geometry import Geometry, Placement, load_geometries
from gpu_management.mig.layout import free_starts
from gpu_management.mig.models import MigInstance


def instance_rows() -> AnySelect:
    """Return the query of live instances with device and node."""
    return (
        select(
            MigInstance.id,
            MigInstance.mig_id,
            MigInstance.uuid,
            MigInstance.profile_name,
            MigInstance.gpu_instance_id,
            MigInstance.compute_instance_id,
            MigInstance.placement_start,
            MigInstance.placement_size,
            MigInstance.milli,
            MigInstance.held,
            MigInstance.created_at,
            MigInstance.device_id.label("device_pk"),
            Device.device_id,
            Node.node_name,
        )
        .join(Device, Device.id == MigInstance.device_id)
        .join(Node, Node.id == Device.node_id)
        .where(MigInstance.destroyed_at.is_(None), Device.live_id.is_not(None))
    )


def shown(row: AnyRow, allocation_id: str | None) -> dict[str, Any]:
    """Return an instance as the wire shows it."""
    fields = dict(row._mapping)
    fields["status"] = "ALLOCATED" if fields["held"] else "AVAILABLE"
    fields["allocation_id"] = allocation_id
    return fields


def free_placements(geometry: Geometry, existing: Sequence[Placement]) -> dict[str, list[int]]:
    """Return the legal starts that are left, by profile."""
    return {
        profile.name: list(free_starts(geometry, existing, profile.name))
        for profile in geometry.profiles
    }


def how_many_fit(geometry: Geometry, existing: Sequence[Placement], profile: str) -> int:
    """Return how many more instances of one profile fit beside what exists."""
    standing = list(existing)
    while starts := free_starts(geometry, standing, profile):
        standing.append(Placement(profile, starts[0]))
    return len(standing) - len(existing)


def list_profiles(session: Session, model_id: str | None) -> list[dict[str, Any]]:
    """Return the profiles of every MIG model, with what is free in the fleet now."""
    models = select(Model.model_id, Model.mig_geometry).where(Model.mig_geometry.is_not(None))
    if model_id is not None:
        models = models.where(Model.model_id == model_id)
    layouts = _layouts(session)
    found: list[dict[str, Any]] = []
    for model, key in session.execute(models.order_by(Model.model_id)):
        geometry = load_geometries()[key or ""]
        mine = [pair for pair in layouts if pair[0] == model]
        found.extend(_profile(model, geometry, profile.name, mine) for profile in geometry.profiles)
    return found


_Layout = tuple[str, tuple[Placement, ...], tuple[str, ...], int]
"""Model, what stands, the profiles of idle instances, and how many devices are like that."""


def _layouts(session: Session) -> list[_Layout]:
    ready = select(Device.id, Device.model_id).where(
        Device.mig_enabled.is_(True),
        Device.state == DeviceState.READY,
        Device.live_id.is_not(None),
    )
    standing: dict[int, tuple[str, list[Placement], list[str]]] = {
        pk: (model, [], []) for pk, model in session.execute(ready)
    }
    query = select(
        MigInstance.device_id,
        MigInstance.profile_name,
        MigInstance.placement_start,
        MigInstance.held,
    ).where(MigInstance.destroyed_at.is_(None))
    for pk, profile, start, held in session.execute(query.order_by(MigInstance.placement_start)):
        if pk in standing:
            standing[pk][1].append(Placement(profile, start))
            if not held:
                standing[pk][2].append(profile)
    alike = Counter((m, tuple(p), tuple(sorted(idle))) for m, p, idle in standing.values())
    return [(model, places, idle, count) for (model, places, idle), count in alike.items()]


def _profile(
    model: str, geometry: Geometry, name: str, layouts: Sequence[_Layout]
) -> dict[str, Any]:
    profile = geometry.profile(name)
    return {
        "profile_name": name,
        "model_id": model,
        "geometry": geometry.key,
        "resource_name": profile.resource,
        "compute_slices": profile.compute_slices,
        "memory_slices": profile.memory_slices,
        "memory_gb": profile.memory_gb,
        "memory_mib": profile.memory_mib,
        "max_instances": profile.max_instances,
        "placement_units": geometry.placement_units,
        "placements": [{"start": start, "size": profile.size} for start in profile.starts],
        "free_instances": sum(count * idle.count(name) for _, _, idle, count in layouts),
        "carvable": sum(
            count * how_many_fit(geometry, places, name) for _, places, _, count in layouts
        ),
    }
