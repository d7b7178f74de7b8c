"""Register a whole cluster at once: the same rows as one by one, in a few statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from gpu_management.core.clock import whole_second
from gpu_management.devices import library, pools, service
from gpu_management.devices.errors import DeviceExists
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval, Model, Node
from gpu_management.devices.service import DeviceFacts, NodeFacts
from gpu_management.devices.status import device_id
from gpu_management.events.models import Event

_NAMED_AT_MOST = 3
_NOT_COLUMNS = ("model_id", "model_name", "pci_id", "mig_enabled")


@dataclass(frozen=True, slots=True)
class NodePlan:
    """A node to register with its devices; their indices are their positions."""

    name: str
    facts: NodeFacts
    devices: Sequence[DeviceFacts]


def register_all(
    session: Session,
    cluster_name: str,
    plans: Sequence[NodePlan],
    *,
    now: datetime,
    pool_labels: Sequence[str] = pools.WELL_KNOWN_LABELS,
) -> int:
    """Put new nodes with whole devices into the fleet; return how many devices there are.

    Every device names its `model_id`; MIG is switched on afterwards, as on any device.

    Raises:
        DeviceExists: a node, or the uuid of a device, is known already or planned twice.
        ModelNotFound: a model is not in the catalogue.
    """
    revision = service.lock(session, cluster_name)
    _check_new(session, cluster_name, plans)
    wanted = {facts.model_id or "" for plan in plans for facts in plan.devices}
    models = {name: library.find_model(session, name) for name in sorted(wanted)}
    common = {"cluster_name": cluster_name, "registered_at": now, "last_seen_at": now}
    common |= {"edition": 1, "revision": revision}
    homes = [pools.pool_of(plan.facts.labels or {}, pool_labels) for plan in plans]
    node_pks = _insert_nodes(session, plans, homes, common)
    rows = [
        _device_row(plan.name, index, facts, models[facts.model_id or ""])
        | {"node_id": pk}
        | common
        for plan, pk in zip(plans, node_pks, strict=True)
        for index, facts in enumerate(plan.devices)
    ]
    if rows:
        made = insert(Device).returning(Device.id, sort_by_parameter_order=True)
        device_pks = list(session.scalars(made, rows))
        _open_states(session, rows, device_pks, dict(zip(node_pks, homes, strict=True)), now=now)
        _say(session, rows, now=now)
    return len(rows)


def settle_pools(
    session: Session, cluster_name: str, pool_labels: Sequence[str], *, now: datetime
) -> int:
    """Put every node into the pool that its labels name; return how many moved.

    For the start of a process: which labels count is a setting.
    """
    revision = service.lock(session, cluster_name)
    moved = 0
    for node in session.scalars(select(Node).where(Node.cluster_name == cluster_name)).all():
        pool = pools.pool_of(node.labels, pool_labels)
        if pool != node.node_pool:
            node.revision = revision
            moved += pools.move(session, node, pool, now=now)
    return moved


def _check_new(session: Session, cluster_name: str, plans: Sequence[NodePlan]) -> None:
    known_nodes = set(
        session.scalars(select(Node.node_name).where(Node.cluster_name == cluster_name))
    )
    _check_unique("node", [plan.name for plan in plans], known_nodes)
    uuids = [facts.uuid for plan in plans for facts in plan.devices if facts.uuid is not None]
    live = select(Device.live_uuid).where(Device.live_uuid.is_not(None))
    _check_unique("uuid", uuids, {str(uuid) for uuid in session.scalars(live)} if uuids else set())


def _check_unique(what: str, names: Sequence[str], known: set[str]) -> None:
    seen = set(known)
    again = [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    if again:
        shown = ", ".join(again[:_NAMED_AT_MOST])
        raise DeviceExists(f"{len(again)} {what}(s) are registered already, such as {shown}")


def _insert_nodes(
    session: Session,
    plans: Sequence[NodePlan],
    homes: Sequence[str | None],
    common: Mapping[str, Any],
) -> Sequence[int]:
    first = session.scalar(select(func.coalesce(func.max(Node.rank) + 1, 0))) or 0
    blank = {"labels": {}, "taints": [], "cpu_held_milli": 0, "memory_held_mib": 0}
    rows = []
    for position, plan in enumerate(plans):
        told = {part.name: getattr(plan.facts, part.name) for part in fields(plan.facts)}
        told["labels"] = dict(plan.facts.labels or {})
        told["rank"] = first + position if plan.facts.rank is None else plan.facts.rank
        named = {"node_name": plan.name, "node_pool": homes[position], "is_schedulable": True}
        rows.append(named | blank | told | dict(common))
    if not rows:
        return []
    made = insert(Node).returning(Node.id, sort_by_parameter_order=True)
    return list(session.scalars(made, rows))


def _device_row(node_name: str, index: int, facts: DeviceFacts, model: Model) -> dict[str, Any]:
    name = device_id(node_name, index)
    told = {part.name: getattr(facts, part.name) for part in fields(facts)}
    for foreign in _NOT_COLUMNS:
        told.pop(foreign)
    return told | {
        "device_id": name,
        "live_id": name,
        "live_uuid": facts.uuid,
        "model_id": model.model_id,
        "device_index": index,
        "state": DeviceState.READY,
        "mig_enabled": False,
        "held_milli": 0,
        "memory_total_mib": facts.memory_total_mib or model.memory_mib,
        "nvlink_peers": list(facts.nvlink_peers or ()),
        "version": 1,
    }


def _open_states(
    session: Session,
    rows: Sequence[Mapping[str, Any]],
    pks: Sequence[int],
    homes: Mapping[int, str | None],
    *,
    now: datetime,
) -> None:
    """Open the timeline of every device, in the pool of its node."""
    opened = {"state": DeviceState.READY, "reason": "registered", "started_at": whole_second(now)}
    states = [
        {"device_id": pk, "open_device_id": pk, "node_pool": homes[row["node_id"]], **opened}
        for pk, row in zip(pks, rows, strict=True)
    ]
    session.execute(insert(DeviceStateInterval), states)


def _say(session: Session, rows: Sequence[Mapping[str, Any]], *, now: datetime) -> None:
    """Write the event of every device."""
    told = [
        {
            "type": "device.registered",
            "subject_kind": "device",
            "subject_id": row["device_id"],
            "data": {
                "deviceId": row["device_id"],
                "state": DeviceState.READY.value,
                "reason": None,
                "modelId": row["model_id"],
            },
            "created_at": now,
        }
        for row in rows
    ]
    session.execute(insert(Event), told)
