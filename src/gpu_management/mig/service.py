"""The verbs of MIG on a device: switch the mode, create and destroy slices, apply a layout."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from gpu_management.core.problems import FieldError
from gpu_management.core.text import did_you_mean
from gpu_management.devices import service as devices
from gpu_management.devices.errors import DeviceInUse, StaleDecision
from gpu_management.devices.models import Device, Model
from gpu_management.events import service as events
from gpu_management.mig import history
from gpu_management.mig import layout as rules
from gpu_management.mig.errors import (
    MigInstanceInUse,
    MigInstanceNotFound,
    MigLayoutIllegal,
    MigNotEnabled,
    MigNotSupported,
)
from gpu_management.mig.geometry import Geometry, LayoutError, Placement, load_geometries
from gpu_management.mig.models import MigInstance, MigProfile


@dataclass(frozen=True, slots=True)
class LayoutChange:
    """What applying a layout does: instances kept, destroyed and created."""

    kept: Sequence[MigInstance]
    destroyed: Sequence[MigInstance]
    created: Sequence[Placement]


def seed_profiles(session: Session) -> int:
    """Write the packaged profiles that the database does not have yet; return how many."""
    known = {
        tuple(row) for row in session.execute(select(MigProfile.geometry, MigProfile.profile_name))
    }
    rows = [
        {
            "geometry": key,
            "profile_name": profile.name,
            "compute_slices": profile.compute_slices,
            "memory_slices": profile.memory_slices,
            "memory_gb": profile.memory_gb,
            "memory_mib": profile.memory_mib,
            "placement_size": profile.size,
            "placement_starts": list(profile.starts),
            "max_instances": profile.max_instances,
        }
        for key, geometry in load_geometries().items()
        for profile in geometry.profiles
        if (key, profile.name) not in known
    ]
    if rows:
        session.execute(insert(MigProfile), rows)
    return len(rows)


def geometry_of(session: Session, device: Device) -> Geometry:
    """Return how the device can be cut.

    Raises:
        MigNotSupported: its model has no MIG.
    """
    model = session.get_one(Model, device.model_id)
    if model.mig_geometry is None:
        raise MigNotSupported(
            f"{device.device_id} is a {model.model_name}, which has no MIG;"
            " GET /api/v1/gpu/mig/profiles lists the models that do"
        )
    return load_geometries()[model.mig_geometry]


def instances_of(session: Session, device_pk: int) -> list[MigInstance]:
    """Return the instances that exist on a device, by start."""
    query = (
        select(MigInstance)
        .where(MigInstance.device_id == device_pk, MigInstance.destroyed_at.is_(None))
        .order_by(MigInstance.placement_start)
    )
    return list(session.scalars(query))


def find_instance(session: Session, mig_id: str) -> MigInstance:
    """Return the live instance.

    Raises:
        MigInstanceNotFound: no such id.
    """
    query = select(MigInstance).where(MigInstance.live_id == mig_id)
    instance = session.scalars(query).one_or_none()
    if instance is None:
        raise MigInstanceNotFound(f"no MIG instance has the id {mig_id}")
    return instance


def enable(session: Session, device: Device, *, now: datetime) -> Device:
    """Switch MIG mode on; the device must be idle, because its mode change resets it.

    Raises:
        MigNotSupported: the model has no MIG.
        DeviceInUse: somebody holds the device.
    """
    geometry_of(session, device)
    return _switch(session, device, enabled=True, now=now)


def disable(session: Session, device: Device, *, now: datetime) -> Device:
    """Switch MIG mode off; idle instances are destroyed.

    Raises:
        DeviceInUse: somebody holds an instance.
    """
    return _switch(session, device, enabled=False, now=now)


def _switch(session: Session, device: Device, *, enabled: bool, now: datetime) -> Device:
    revision = devices.lock(session, device.cluster_name)
    session.refresh(device)
    if device.mig_enabled is enabled:
        return device
    if device.held_milli:
        raise DeviceInUse(
            f"{device.device_id} is held ({device.held_milli} of 1000 milli); changing MIG mode"
            " resets the GPU, so release its allocations first"
        )
    for instance in instances_of(session, device.id):
        _destroy(session, instance, now=now)
    device.mig_enabled = enabled
    _touch(session, device, revision=revision, now=now)
    return device


def create(
    session: Session, device: Device, profile: str, *, start: int | None, now: datetime
) -> MigInstance:
    """Carve one instance; without a start, the first legal one in the driver's order.

    Raises:
        MigNotEnabled: the device is whole.
        MigLayoutIllegal: unknown profile, or no legal place beside what exists.
    """
    revision = devices.lock(session, device.cluster_name)
    session.refresh(device)
    geometry = _cuttable(session, device)
    existing = _placements(instances_of(session, device.id))
    placement = Placement(profile, _start(geometry, existing, profile, start))
    _check(geometry, [*existing, placement])
    instance = carve(session, device, geometry, placement, now=now)
    _touch(session, device, revision=revision, now=now)
    return instance


def _cuttable(session: Session, device: Device) -> Geometry:
    geometry = geometry_of(session, device)
    if not device.mig_enabled:
        raise MigNotEnabled(
            f"MIG mode is off on {device.device_id};"
            f" switch it on with POST /api/v1/gpu/devices/{device.device_id}/mig"
        )
    return geometry


def _start(
    geometry: Geometry, existing: Sequence[Placement], profile: str, start: int | None
) -> int:
    if geometry.find(profile) is None:
        names = [known.name for known in geometry.profiles]
        message = (
            f"{geometry.key} has no profile {profile}{did_you_mean(profile, names)};"
            f" it has {', '.join(names)}"
        )
        raise MigLayoutIllegal(message, errors=[FieldError("profile", "known", message, profile)])
    if start is not None:
        return start
    free = rules.free_starts(geometry, existing, profile)
    if not free:
        standing = ", ".join(f"{p.profile} at {p.start}" for p in existing) or "nothing"
        raise MigLayoutIllegal(f"no place is left for {profile} beside {standing}")
    return free[0]


def destroy(session: Session, instance: MigInstance, *, now: datetime) -> None:
    """Remove an idle instance.

    Raises:
        MigInstanceInUse: somebody holds it.
        MigInstanceNotFound: somebody else removed it meanwhile.
    """
    device = session.get_one(Device, instance.device_id)
    revision = devices.lock(session, device.cluster_name)
    session.refresh(device)
    session.refresh(instance)
    if instance.destroyed_at is not None:
        raise MigInstanceNotFound(f"{instance.mig_id} is gone already")
    if instance.held:
        raise MigInstanceInUse(f"{instance.mig_id} is held by an allocation; release that first")
    _destroy(session, instance, now=now)
    _touch(session, device, revision=revision, now=now)


def preview(session: Session, device: Device, wanted: Sequence[Placement]) -> LayoutChange:
    """Say what applying `wanted` would do; held instances must be part of it.

    Raises:
        MigLayoutIllegal: the layout breaks a rule of the geometry.
        MigInstanceInUse: a held instance is not in the layout.
    """
    geometry = _cuttable(session, device)
    for placement in wanted:
        _start(geometry, (), placement.profile, placement.start)
    canonical = [Placement(geometry.profile(p.profile).name, p.start) for p in wanted]
    _check(geometry, canonical)
    existing = instances_of(session, device.id)
    kept = [i for i in existing if Placement(i.profile_name, i.placement_start) in canonical]
    destroyed = [i for i in existing if i not in kept]
    for instance in destroyed:
        if instance.held:
            raise MigInstanceInUse(
                f"{instance.mig_id} is held and not part of the layout: keep"
                f" {instance.profile_name} at {instance.placement_start},"
                " or release its allocation first"
            )
    standing = _placements(kept)
    created = [placement for placement in canonical if placement not in standing]
    return LayoutChange(kept, destroyed, created)


def apply_layout(
    session: Session, device: Device, wanted: Sequence[Placement], *, now: datetime
) -> list[MigInstance]:
    """Make the device's layout `wanted`; instances in both stay untouched.

    Raises:
        MigLayoutIllegal: the layout breaks a rule of the geometry.
        MigInstanceInUse: a held instance is not in the layout.
    """
    revision = devices.lock(session, device.cluster_name)
    session.refresh(device)
    step = preview(session, device, wanted)
    geometry = geometry_of(session, device)
    for instance in step.destroyed:
        _destroy(session, instance, now=now)
    for placement in step.created:
        carve(session, device, geometry, placement, now=now)
    _touch(session, device, revision=revision, now=now)
    return instances_of(session, device.id)


def name_of(device_id: str, profile: str, start: int) -> str:
    """Return the public id of a slice: where it is and what it is; `+` does not suit addresses."""
    return f"{device_id}-MIG-{profile.replace('+', '.')}-{start}"


def carve(
    session: Session, device: Device, geometry: Geometry, placement: Placement, *, now: datetime
) -> MigInstance:
    """Write a new idle instance; the caller has checked the place and holds the lock."""
    profile = geometry.profile(placement.profile)
    mig_id = name_of(device.device_id, profile.name, placement.start)
    instance = MigInstance(
        mig_id=mig_id,
        live_id=mig_id,
        live_slot=f"{device.id}:{placement.start}",
        device_id=device.id,
        uuid=f"MIG-{uuid4()}",
        profile_name=profile.name,
        placement_start=placement.start,
        placement_size=profile.size,
        milli=rules.held_milli(geometry, profile.name),
        held=False,
        created_at=now,
    )
    session.add(instance)
    session.flush()
    return instance


def retire(session: Session, instance_pk: int, *, now: datetime) -> None:
    """Destroy an idle instance to make room; the caller holds the lock.

    Raises:
        StaleDecision: somebody took it meanwhile.
    """
    gone = (
        update(MigInstance)
        .where(MigInstance.id == instance_pk, MigInstance.held.is_(False))
        .values(live_id=None, live_slot=None, destroyed_at=now)
        .execution_options(synchronize_session=False)
    )
    if session.connection().execute(gone).rowcount != 1:
        raise StaleDecision(f"MIG instance {instance_pk} is no longer idle")


def take(session: Session, instance_pk: int) -> None:
    """Hold an idle instance; its device is taken apart from that.

    Raises:
        StaleDecision: it is held or gone.
    """
    _set_held(session, instance_pk, held=True)


def give(session: Session, instance_pk: int) -> None:
    """Return a held instance; it stays carved.

    Raises:
        StaleDecision: it is not held.
    """
    _set_held(session, instance_pk, held=False)


def _set_held(session: Session, instance_pk: int, *, held: bool) -> None:
    swap = (
        update(MigInstance)
        .where(
            MigInstance.id == instance_pk,
            MigInstance.held.is_(not held),
            MigInstance.live_id.is_not(None),
        )
        .values(held=held)
        .execution_options(synchronize_session=False)
    )
    if session.connection().execute(swap).rowcount != 1:
        raise StaleDecision(f"MIG instance {instance_pk} is not {'idle' if held else 'held'}")


def remove_device(session: Session, device: Device, *, now: datetime) -> None:
    """Take a device out of the fleet with its idle instances; its history stays.

    Raises:
        DeviceInUse: somebody holds it.
    """
    devices.remove(session, device, now=now)
    for instance in instances_of(session, device.id):
        _destroy(session, instance, now=now)
    history.close(session, device, now=now)


def record_layout(session: Session, device: Device, *, now: datetime) -> None:
    """Write the present layout of a device into its history."""
    history.record(session, device, instances_of(session, device.id), now=now)


def _destroy(session: Session, instance: MigInstance, *, now: datetime) -> None:
    instance.live_id = instance.live_slot = None
    instance.destroyed_at = now
    session.flush()


def _touch(session: Session, device: Device, *, revision: int, now: datetime) -> None:
    device.revision = revision
    device.version += 1
    device.edition += 1
    session.flush()
    record_layout(session, device, now=now)
    events.record(
        session,
        "mig.changed",
        subject_kind="device",
        subject_id=device.device_id,
        data={"deviceId": device.device_id, "migEnabled": device.mig_enabled},
        now=now,
    )


def _placements(instances: Sequence[MigInstance]) -> list[Placement]:
    return [Placement(i.profile_name, i.placement_start) for i in instances]


def _check(geometry: Geometry, placements: Sequence[Placement]) -> None:
    try:
        rules.check_layout(geometry, placements)
    except LayoutError as broken:
        raise MigLayoutIllegal(
            str(broken), errors=[FieldError("layout", broken.rule.value, str(broken))]
        ) from broken
