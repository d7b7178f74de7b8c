"""The verbs of the inventory: register, change, remove, take and give devices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import bindparam, exists, func, select, update
from sqlalchemy.orm import Session

from gpu_management.core.database import table_of
from gpu_management.core.problems import Conflict, FieldError, PreconditionFailed
from gpu_management.core.trips import Answer, send
from gpu_management.devices import library, pools, states
from gpu_management.devices.errors import (
    DeviceExists,
    DeviceInUse,
    DeviceInvalid,
    DeviceNotFound,
    NodeNotFound,
)
from gpu_management.devices.models import (
    Cluster,
    Device,
    DeviceState,
    Model,
    Node,
)
from gpu_management.devices.status import device_id

# Statements of every allocation, built once: building one costs more than running it.
_TURN = (
    update(table_of(Cluster))
    .where(Cluster.name == bindparam("cluster"))
    .values(revision=Cluster.revision + 1)
    .returning(Cluster.revision)
)

MAX_INDEX = 127
"""Highest device index a node may have."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What is told about a node; `None` means not told."""

    cpu_total_milli: int | None = None
    memory_total_mib: int | None = None
    ip: str | None = None
    driver_version: str | None = None
    cuda_version: str | None = None
    kubelet_version: str | None = None
    labels: Mapping[str, str] | None = None
    zone: str | None = None
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What is told about a device; `None` means not told."""

    model_id: str | None = None
    model_name: str | None = None
    pci_id: str | None = None
    uuid: str | None = None
    pci_bus_id: str | None = None
    serial_number: str | None = None
    memory_total_mib: int | None = None
    driver_version: str | None = None
    vbios: str | None = None
    power_limit_w: int | None = None
    numa_node: int | None = None
    nvlink_peers: Sequence[str] | None = None
    installed_at: datetime | None = None
    warranty_until: datetime | None = None
    mig_enabled: bool | None = None


def ensure_cluster(session: Session, name: str, *, now: datetime) -> None:
    """Make sure the cluster's row exists: it numbers changes and is the lock of placement."""
    if session.get(Cluster, name) is None:
        session.add(Cluster(name=name, revision=0, created_at=now))
        session.flush()


def lock(session: Session, cluster_name: str) -> int:
    """Take the cluster's turn and return the revision that this transaction's changes carry.

    The row stays locked until commit, on every engine, so revisions appear in commit order and
    every replica decides on what the one before committed.
    """
    return revision_of(ask_turn(session, cluster_name))


def ask_turn(session: Session, cluster_name: str) -> Answer:
    """Do what `lock` does in the open trip; `revision_of` the answer, when it is over."""
    return send(session, _TURN, {"cluster": cluster_name})


def revision_of(turn: Answer) -> int:
    """Return the revision that a turn brought."""
    ((revision,),) = turn.rows
    return int(revision)


def set_schedulable(session: Session, node: Node, *, is_schedulable: bool) -> None:
    """Cordon a node or let it be placed on again."""
    node.revision = lock_row(session, node)
    node.is_schedulable = is_schedulable
    node.edition += 1


def find_node(session: Session, cluster_name: str, node_name: str) -> Node:
    """Return the node.

    Raises:
        NodeNotFound: no such name in the cluster.
    """
    query = select(Node).where(Node.cluster_name == cluster_name, Node.node_name == node_name)
    node = session.scalars(query).one_or_none()
    if node is None:
        raise NodeNotFound(f"no node {node_name} in cluster {cluster_name}")
    return node


def find_device(session: Session, public_id: str) -> Device:
    """Return the live device.

    Raises:
        DeviceNotFound: no such id in the fleet.
    """
    device = session.scalars(select(Device).where(Device.live_id == public_id)).one_or_none()
    if device is None:
        raise DeviceNotFound(f"no GPU device has the id {public_id}")
    return device


def ensure_node(
    session: Session,
    cluster_name: str,
    node_name: str,
    *,
    facts: NodeFacts,
    now: datetime,
    pool_labels: Sequence[str] = pools.WELL_KNOWN_LABELS,
) -> Node:
    """Return the node, created if need be; told facts are written, labels tell its pool."""
    revision = lock(session, cluster_name)
    query = select(Node).where(Node.cluster_name == cluster_name, Node.node_name == node_name)
    node = session.scalars(query).one_or_none()
    if node is None:
        node = _new_node(session, cluster_name, node_name, facts=facts, now=now)
    _write_told(node, facts, skip=("rank",))
    node.last_seen_at = now
    node.revision = revision
    session.add(node)
    session.flush()
    if facts.labels is not None:
        pools.move(session, node, pools.pool_of(facts.labels, pool_labels), now=now)
    return node


def _new_node(
    session: Session, cluster_name: str, node_name: str, *, facts: NodeFacts, now: datetime
) -> Node:
    count = select(func.count()).select_from(Node).where(Node.cluster_name == cluster_name)
    rank = facts.rank if facts.rank is not None else session.scalar(count) or 0
    return Node(
        cluster_name=cluster_name,
        node_name=node_name,
        rank=rank,
        is_schedulable=True,
        labels={},
        taints=[],
        cpu_held_milli=0,
        memory_held_mib=0,
        registered_at=now,
        edition=1,
    )


def _write_told(
    row: Node | Device, facts: NodeFacts | DeviceFacts, *, skip: tuple[str, ...] = ()
) -> None:
    for told in fields(facts):
        value = getattr(facts, told.name)
        if value is not None and told.name not in skip:
            setattr(row, told.name, value)


def register(
    session: Session, node: Node, index: int, *, facts: DeviceFacts, now: datetime
) -> Device:
    """Put a device into the fleet.

    Raises:
        DeviceInvalid: no known model, an index out of range, MIG on a model without it.
        DeviceExists: the slot or the uuid is taken.
    """
    if not 0 <= index <= MAX_INDEX:
        message = f"deviceIndex {index} is out of range 0 to {MAX_INDEX}"
        raise DeviceInvalid(message, errors=[FieldError("deviceIndex", "range", message, index)])
    model = library.match_model(session, facts.model_id, pci_id=facts.pci_id, name=facts.model_name)
    _check_mig(model, facts)
    name = device_id(node.node_name, index)
    _check_free(session, name, facts.uuid)
    device = Device(
        cluster_name=node.cluster_name,
        device_id=name,
        live_id=name,
        uuid=facts.uuid,
        live_uuid=facts.uuid,
        node_id=node.id,
        model_id=model.model_id,
        device_index=index,
        state=DeviceState.READY,
        mig_enabled=False,
        held_milli=0,
        memory_total_mib=model.memory_mib,
        nvlink_peers=[],
        registered_at=now,
        last_seen_at=now,
        version=1,
        edition=1,
        revision=lock(session, node.cluster_name),
    )
    _write_told(device, facts, skip=("model_id", "model_name", "pci_id"))
    session.add(device)
    session.flush()
    states.open_state(session, device, DeviceState.READY, reason="registered", now=now)
    states.say(session, "device.registered", device, now=now)
    return device


def _check_mig(model: Model, facts: DeviceFacts) -> None:
    if facts.mig_enabled and model.mig_geometry is None:
        message = f"{model.model_name} has no MIG"
        raise DeviceInvalid(
            message, errors=[FieldError("migEnabled", "mig", message, rejected=True)]
        )


def _check_free(session: Session, name: str, uuid: str | None) -> None:
    if session.scalar(select(exists().where(Device.live_id == name))):
        raise DeviceExists(f"{name} is already registered; update it, or remove it first")
    taken = select(Device.live_id).where(Device.live_uuid == uuid)
    holder = session.scalar(taken) if uuid is not None else None
    if holder is not None:
        raise DeviceExists(f"the uuid {uuid} belongs to {holder}; remove that device first")


def lock_row(session: Session, row: Node | Device) -> int:
    """Take the cluster's turn, read `row` as it is now, and return the revision of changes."""
    revision = lock(session, row.cluster_name)
    session.refresh(row)
    return revision


def check_edition(session: Session, row: Node | Device, if_match: str | None) -> None:
    """Refuse a change made on an older copy; nobody else changes it before commit.

    Raises:
        PreconditionFailed: `if_match` names another edition.
    """
    lock_row(session, row)
    if if_match not in {None, "*", f'"{row.edition}"'}:
        raise PreconditionFailed(
            f"your copy is edition {if_match}, the present one is {row.edition}; read it again"
        )


def change(session: Session, device: Device, *, facts: DeviceFacts, now: datetime) -> Device:
    """Write the told facts; the model and MIG mode have verbs of their own.

    Raises:
        DeviceExists: the new uuid belongs to another device.
    """
    device.revision = lock_row(session, device)
    if facts.uuid is not None and facts.uuid != device.uuid:
        _check_free(session, "", facts.uuid)
        device.live_uuid = facts.uuid
    _write_told(device, facts, skip=("model_id", "model_name", "pci_id", "mig_enabled"))
    device.edition += 1
    states.say(session, "device.updated", device, now=now)
    return device


def change_node(
    session: Session,
    node: Node,
    *,
    facts: NodeFacts,
    now: datetime,
    pool_labels: Sequence[str] = pools.WELL_KNOWN_LABELS,
) -> Node:
    """Write the told facts of a node; told labels tell its pool."""
    node.revision = lock_row(session, node)
    _write_told(node, facts)
    node.edition += 1
    if facts.labels is not None:
        pools.move(session, node, pools.pool_of(facts.labels, pool_labels), now=now)
    return node


def remove(session: Session, device: Device, *, now: datetime) -> None:
    """Take a device out of the fleet; its history stays.

    Raises:
        DeviceInUse: somebody holds it.
    """
    revision = lock_row(session, device)
    if device.held_milli:
        raise DeviceInUse(
            f"{device.device_id} is held ({device.held_milli} of 1000 milli);"
            " release its allocations first"
        )
    states.close_state(session, device, now=now)
    device.live_id = device.live_uuid = None
    device.removed_at = now
    device.edition += 1
    device.revision = revision
    states.say(session, "device.removed", device, now=now)


def set_state(
    session: Session,
    device: Device,
    state: DeviceState,
    *,
    reason: str,
    now: datetime,
    actor: str | None = None,
) -> bool:
    """Move a device to `state`; return whether anything changed. Holds go on: nobody is put out."""
    revision = lock_row(session, device)
    kept_reason = None if state is DeviceState.READY else reason
    if device.state is state and device.state_reason == kept_reason:
        return False
    began = states.close_state(session, device, now=now)
    states.open_state(session, device, state, reason=reason, now=began, actor=actor)
    device.state = state
    device.state_reason = kept_reason
    device.edition += 1
    device.revision = revision
    kind = "device.failure" if state is DeviceState.FAILED else "device.state"
    states.say(session, kind, device, now=now)
    return True


def end_maintenance(session: Session, device: Device, *, actor: str, now: datetime) -> None:
    """Let a device in maintenance work again; where there was none, nothing changes.

    Raises:
        Conflict: the device is broken or away, which the end of a maintenance does not mend.
    """
    lock_row(session, device)
    if device.state not in {DeviceState.MAINTENANCE, DeviceState.READY}:
        raise Conflict(
            f"{device.device_id} is {device.state.value}, not in maintenance;"
            " report the state READY when it works again"
        )
    reason = "maintenance ended"
    set_state(session, device, DeviceState.READY, reason=reason, actor=actor, now=now)
