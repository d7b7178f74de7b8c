"""The cards of one node: which row is which card, and what has become of it."""

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.cluster.inventory import FoundDevice, FoundNode
from gpu_management.devices import catalog, library
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device, DeviceState, Model, Node
from gpu_management.mig import service as mig
from gpu_management.mig.geometry import Placement

BY_CLUSTER = "cluster: "
"""Begins the reason of every state that the cluster gave: only those are taken back by it."""
UNKNOWN_MODEL = "unknown-gpu"

_NO_SLUG = re.compile(r"[^a-z0-9.]+")
_MIB_PER_GB = 1024


def apply(session: Session, node: Node, found: FoundNode, *, now: datetime) -> bool:
    """Write what is known of a node's cards; return False where something has to wait."""
    rows = _rows(session, node)
    if found.devices is None:
        for known in rows:
            _set_state(session, known, _wanted(found, None), now=now)
        return True
    is_finished = True
    left = list(rows)
    for position, told in enumerate(found.devices):
        row: Device | None = _match(left, told, position)
        if row is not None:
            left.remove(row)
            _tell(session, row, told, now=now)
        else:
            row = _register(session, node, told, position, now=now)
        if row is None:
            is_finished = False
            continue
        _set_state(session, row, _wanted(found, told), now=now)
        _follow_cut(session, row, told, now=now)
    for lost in left:
        if lost.live_id is None:
            continue  # it made room for another card
        _set_state(session, lost, (DeviceState.OFFLINE, "its node no longer reports it"), now=now)
    return is_finished


def take_offline(session: Session, node: Node, reason: str, *, now: datetime) -> None:
    """Take every working card of a node offline."""
    for row in _rows(session, node):
        _set_state(session, row, (DeviceState.OFFLINE, reason), now=now)


def facts_of(session: Session, told: FoundDevice) -> devices.DeviceFacts:
    """Return what is told of a card, with its model; one the catalogue lacks is added to it."""
    return devices.DeviceFacts(
        model_id=_model(session, told).model_id,
        uuid=told.uuid,
        pci_bus_id=told.pci_bus_id,
        memory_total_mib=told.memory_mib,
        driver_version=told.driver_version,
    )


def _rows(session: Session, node: Node) -> list[Device]:
    query = select(Device).where(Device.node_id == node.id, Device.live_id.is_not(None))
    return list(session.scalars(query.order_by(Device.device_index)))


def _match(rows: Sequence[Device], told: FoundDevice, position: int) -> Device | None:
    """Return the row of a card: by uuid, else one that has none yet, or none is told, by place."""
    index = position if told.minor is None else told.minor
    for row in rows:
        if told.uuid is not None and row.uuid == told.uuid:
            return row
    for row in rows:
        if row.device_index == index and (told.uuid is None or row.uuid is None):
            return row
    return None


def _register(
    session: Session, node: Node, told: FoundDevice, position: int, *, now: datetime
) -> Device | None:
    """Register a card where it is now; None while an allocation holds its place or itself."""
    index = position if told.minor is None else told.minor
    of_slot = select(Device).where(Device.node_id == node.id, Device.device_index == index)
    of_card = select(Device).where(Device.live_uuid == told.uuid)
    for query in (of_slot, of_card) if told.uuid else (of_slot,):
        before = session.scalars(query.where(Device.live_id.is_not(None))).first()
        if before is None:
            continue
        if before.held_milli:
            reason = "its card was moved or replaced"
            _set_state(session, before, (DeviceState.OFFLINE, reason), now=now)
            return None
        mig.remove_device(session, before, now=now)
    return devices.register(session, node, index, facts=facts_of(session, told), now=now)


def _tell(session: Session, row: Device, told: FoundDevice, *, now: datetime) -> None:
    facts = devices.DeviceFacts(
        uuid=told.uuid,
        pci_bus_id=told.pci_bus_id,
        memory_total_mib=told.memory_mib,
        driver_version=told.driver_version,
    )
    values = {"uuid", "pci_bus_id", "memory_total_mib", "driver_version"}
    if any(getattr(facts, v) not in {None, getattr(row, v)} for v in values):
        devices.change(session, row, facts=facts, now=now)


def _wanted(found: FoundNode, told: FoundDevice | None) -> tuple[DeviceState, str]:
    if not found.is_ready:
        return DeviceState.OFFLINE, "the node is not ready"
    if told is not None and told.fault is not None:
        return DeviceState.FAILED, told.fault
    return DeviceState.READY, "reported by the cluster"


def _set_state(
    session: Session, row: Device, wanted: tuple[DeviceState, str], *, now: datetime
) -> None:
    """Move a card to a state, unless a person gave it the one it has."""
    state, reason = wanted
    why = f"{BY_CLUSTER}{reason}"
    is_told = row.state is state and (state is DeviceState.READY or row.state_reason == why)
    is_ours = (row.state_reason or "").startswith(BY_CLUSTER)
    if is_told or not (is_ours or row.state is DeviceState.READY):
        return
    devices.set_state(session, row, state, reason=why, now=now)


def _follow_cut(session: Session, row: Device, told: FoundDevice, *, now: datetime) -> None:
    """Follow what the cluster says of a card's slices, unless a plan is cutting it right now."""
    if row.state is not DeviceState.RECONFIGURING:
        cut(session, row, told, now=now)


def cut(session: Session, row: Device, told: FoundDevice, *, now: datetime) -> None:
    """Make a card's slices those that exist, where the cluster tells them all with their places."""
    if told.is_mig and told.instances and all(i.start is not None for i in told.instances):
        if not row.mig_enabled:
            mig.enable(session, row, now=now)
        wanted = [Placement(i.profile, i.start or 0) for i in told.instances]
        standing = {
            Placement(i.profile_name, i.placement_start) for i in mig.instances_of(session, row.id)
        }
        if standing != set(wanted):
            mig.apply_layout(session, row, wanted, now=now)
        _name_slices(session, row, told)
    elif row.mig_enabled and told.uuid and not told.is_mig and not told.is_dynamic:
        mig.disable(session, row, now=now)


def _name_slices(session: Session, row: Device, told: FoundDevice) -> None:
    uuids = {(i.profile, i.start): i.uuid for i in told.instances}
    for instance in mig.instances_of(session, row.id):
        uuid = uuids.get((instance.profile_name, instance.placement_start))
        if uuid is not None and instance.uuid != uuid:
            instance.uuid = uuid


def _model(session: Session, told: FoundDevice) -> Model:
    name = told.product_name
    known = catalog.match_model(name=name) if name else None
    if known is not None:
        return library.find_model(session, known.model_id)
    model_id = _slug(name)
    model = session.get(Model, model_id)
    if model is None:
        memory_gb = round((told.memory_mib or 0) / _MIB_PER_GB)
        facts = {
            "model_id": model_id,
            "model_name": name or "unknown GPU",
            "manufacturer": "NVIDIA",
            "architecture": None,
            "memory_gb": memory_gb,
            "memory_mib": told.memory_mib,
            "tdp_watts": None,
        }
        model = library.add_model(session, facts)
    return model


def _slug(name: str | None) -> str:
    return _NO_SLUG.sub("-", (name or "").casefold()).strip("-.")[:63] or UNKNOWN_MODEL
