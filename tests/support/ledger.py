"""What must be true of the ledger at every moment (DESIGN 2 and 3), checked in plain queries."""

from collections import Counter, defaultdict
from itertools import groupby, pairwise
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold, HoldKind, Phase
from gpu_management.allocations.placer import Placer
from gpu_management.devices.models import Device, DeviceStateInterval, Model, Node
from gpu_management.mig.geometry import Placement, load_geometries
from gpu_management.mig.layout import check_layout
from gpu_management.mig.models import MigInstance, MigLayout


def check_ledger(session: Session) -> None:
    """Assert every invariant of devices, slices, holds, hosts and timelines."""
    written = list(session.scalars(select(Hold)))
    replaced = {hold.corrects_id for hold in written}
    holds = [hold for hold in written if hold.id not in replaced]
    current = [hold for hold in holds if hold.ended_at is None]
    _check_owners(current)
    _check_past(holds)
    _check_devices(session, current)
    _check_slices(session, current)
    _check_hosts(session)
    _check_allocations(session, holds)
    _check_timelines(session)
    for hold in holds:
        assert hold.ended_at is None or hold.ended_at >= hold.started_at
        assert (hold.open_key is None) == (hold.ended_at is not None or hold.kind is HoldKind.SHARE)


def _check_owners(current: list[Hold]) -> None:
    """No device and no slice has two owners; whatever is exclusive is alone."""
    by_device: dict[int, list[Hold]] = defaultdict(list)
    for hold in current:
        by_device[hold.device_id].append(hold)
    for together in by_device.values():
        kinds = {hold.kind for hold in together}
        assert len(kinds) == 1, "a device is whole, cut or shared, never two of them"
        if kinds == {HoldKind.WHOLE}:
            assert len(together) == 1
        if kinds == {HoldKind.MIG}:
            slices = [hold.mig_instance_id for hold in together]
            assert None not in slices
            assert len(set(slices)) == len(slices)
        assert sum(hold.milli for hold in together) <= 1000


def _check_past(holds: list[Hold]) -> None:
    """At no moment was more than a whole device held, or a slice held twice."""
    changes: dict[tuple[str, int], list[tuple[Any, int]]] = defaultdict(list)
    for hold in holds:
        keys = [("device", hold.device_id, hold.milli)]
        if hold.mig_instance_id is not None:
            keys.append(("slice", hold.mig_instance_id, 1000))
        for kind, pk, milli in keys:
            changes[kind, pk].append((hold.started_at, milli))
            if hold.ended_at is not None:
                changes[kind, pk].append((hold.ended_at, -milli))
    for key, steps in changes.items():
        held = 0
        for _moment, together in groupby(sorted(steps), key=lambda step: step[0]):
            held += sum(milli for _at, milli in together)
            assert 0 <= held <= 1000, key


def _check_devices(session: Session, current: list[Hold]) -> None:
    held: Counter[int] = Counter()
    for hold in current:
        held[hold.device_id] += hold.milli
    for device in session.scalars(select(Device)):
        assert device.held_milli == held[device.id], device.device_id
        assert 0 <= device.held_milli <= 1000
        if device.live_id is None:
            assert held[device.id] == 0, "a device that left the fleet holds nothing"


def _check_slices(session: Session, current: list[Hold]) -> None:
    owned = {hold.mig_instance_id for hold in current if hold.mig_instance_id is not None}
    standing: dict[int, list[Placement]] = defaultdict(list)
    for instance in session.scalars(select(MigInstance)):
        assert instance.held == (instance.id in owned)
        if instance.destroyed_at is None:
            place = Placement(instance.profile_name, instance.placement_start)
            standing[instance.device_id].append(place)
        else:
            assert not instance.held
            assert instance.live_id is None
    for pk, places in standing.items():
        device = session.get_one(Device, pk)
        assert device.mig_enabled
        check_layout(load_geometries()[_geometry(session, device)], places)


def _geometry(session: Session, device: Device) -> str:
    found = session.get_one(Model, device.model_id).mig_geometry
    assert found is not None
    return found


def _check_hosts(session: Session) -> None:
    cpu: Counter[str] = Counter()
    memory: Counter[str] = Counter()
    for one in session.scalars(select(Allocation).where(Allocation.phase == Phase.ALLOCATED)):
        assert one.node_name is not None
        cpu[one.node_name] += one.cpu_milli
        memory[one.node_name] += one.memory_mib
    for node in session.scalars(select(Node)):
        assert node.cpu_held_milli == cpu[node.node_name]
        assert node.memory_held_mib == memory[node.node_name]
        assert node.cpu_total_milli is None or node.cpu_held_milli <= node.cpu_total_milli


def _check_allocations(session: Session, holds: list[Hold]) -> None:
    of: dict[str | None, list[Hold]] = defaultdict(list)
    for hold in holds:
        if hold.corrects_id is None or hold.started_at != hold.ended_at:  # not one that never was
            of[hold.allocation_id].append(hold)
    for one in session.scalars(select(Allocation)):
        mine = of[one.allocation_id]
        current = [hold for hold in mine if hold.ended_at is None]
        assert len(current) == (one.gpu_count if one.phase is Phase.ALLOCATED else 0)
        has_moved = any(hold.kind is HoldKind.MIG for hold in mine)  # a slice may, a card never
        assert len(mine) in {0, one.gpu_count} or (has_moved and len(mine) > one.gpu_count)
        assert (one.released_at is not None) == (one.phase in {Phase.RELEASED, Phase.FAILED})
        if one.phase is Phase.ALLOCATED:
            assert len(one.resources) == one.gpu_count
            assert one.reserved_node is None


def _check_timelines(session: Session) -> None:
    states: dict[int, list[DeviceStateInterval]] = defaultdict(list)
    for stretch in session.scalars(select(DeviceStateInterval).order_by(DeviceStateInterval.id)):
        states[stretch.device_id].append(stretch)
    layouts: dict[int, list[MigLayout]] = defaultdict(list)
    for layout in session.scalars(select(MigLayout).order_by(MigLayout.id)):
        layouts[layout.device_id].append(layout)
    for device in session.scalars(select(Device)):
        alive = device.live_id is not None
        _check_stretches(states[device.id], alive=alive)
        assert not alive or states[device.id][-1].state is device.state
        if layouts[device.id]:
            _check_stretches(layouts[device.id], alive=alive)
        if alive and layouts[device.id]:
            _check_layout_told(session, device, layouts[device.id][-1])


def _check_stretches(stretches: list[Any], *, alive: bool) -> None:
    """Stretches follow each other without gap or overlap; the last is open while alive."""
    for before, after in pairwise(stretches):
        assert before.ended_at == after.started_at
        assert before.open_device_id is None
    last = stretches[-1]
    assert (last.ended_at is None) == alive
    assert (last.open_device_id is not None) == alive


def _check_layout_told(session: Session, device: Device, told: MigLayout) -> None:
    query = select(MigInstance).where(
        MigInstance.device_id == device.id, MigInstance.destroyed_at.is_(None)
    )
    stands = {(i.profile_name, i.placement_start) for i in session.scalars(query)}
    assert {(place["profile"], place["start"]) for place in told.layout} == stands
    assert told.mig_enabled == device.mig_enabled


def view_of(placer: Placer) -> dict[str, Any]:
    """Return what a placer believes of the fleet, in values that can be compared."""
    view = placer._view
    return {
        "devices": {pk: _plain(known) for pk, known in view.devices.items()},
        "nodes": {name: _plain(node) for name, node in view.nodes.items()},
        "free": {pk: view.fleet.free_milli(pk) for pk in view.devices},
        "usable": {
            pk: bool(view.fleet.devices.usable[view.fleet.find_device(pk)]) for pk in view.devices
        },
        "node_free": {
            name: int(view.fleet.nodes.free_milli[view.fleet.find_node(name)])
            for name in view.nodes
        },
        "mig": dict(view.mig._gpus),
    }


def _plain(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}
