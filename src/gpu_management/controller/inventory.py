"""Make the inventory what the cluster says it is: nodes and cards that came, changed and went.

Every step may be repeated. Nobody is put out: a card that vanished under an allocation goes
offline, and its hold ends when the allocation does. States that a person set are left alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.cluster.inventory import FoundNode
from gpu_management.controller import cards
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger
from gpu_management.core.problems import Problem
from gpu_management.devices import bulk
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device, Node
from gpu_management.devices.pools import WELL_KNOWN_LABELS

log = get_logger(__name__)

_CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}

NODES_AT_ONCE = 100
"""Nodes of one transaction: others get their turn between two."""


@dataclass(slots=True)
class Known:
    """What was written already, so that only differences are looked at again."""

    nodes: dict[str, FoundNode] = field(default_factory=dict)
    cordons: dict[str, bool] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)
    """Nodes with something that has to wait, such as a card that is still held elsewhere."""
    pool_labels: Sequence[str] = WELL_KNOWN_LABELS
    """Labels that name a node's pool, the first one found."""


def reconcile(
    database: Database,
    cluster_name: str,
    found: Sequence[FoundNode],
    known: Known,
    *,
    now: datetime,
) -> int:
    """Write every difference between `found` and the inventory; return how many nodes had one."""
    news = [
        node
        for node in found
        if known.nodes.get(node.name) != node or node.name in known.unfinished
    ]
    written = _register_new(database, cluster_name, news, known, now=now)
    for start in range(0, len(news), NODES_AT_ONCE):
        batch = news[start : start + NODES_AT_ONCE]
        with database.write() as session:
            for node in batch:
                _apply(session, cluster_name, node, known, now=now)
        for node in batch:
            known.nodes[node.name] = node
    gone = _gone(database, cluster_name, {node.name for node in found}, known, now=now)
    return max(written, len(news)) + gone


def _register_new(
    database: Database,
    cluster_name: str,
    found: Sequence[FoundNode],
    known: Known,
    *,
    now: datetime,
) -> int:
    """Register nodes that nobody knows, in a few statements each hundred."""
    with database.read() as session:
        names = select(Node.node_name).where(Node.cluster_name == cluster_name)
        names_known = set(session.scalars(names))
        uuids = select(Device.live_uuid).where(Device.live_uuid.is_not(None))
        taken = {uuid for uuid in session.scalars(uuids) if uuid}
    new = [node for node in found if node.name not in names_known and _is_plain(node, taken)]
    for start in range(0, len(new), NODES_AT_ONCE):
        with database.write() as session:
            plans = [_plan(session, node) for node in new[start : start + NODES_AT_ONCE]]
            bulk.register_all(session, cluster_name, plans, now=now, pool_labels=known.pool_labels)
    return len(new)


def _is_plain(node: FoundNode, taken: set[str]) -> bool:
    """Say whether a node's cards are numbered from 0 and known nowhere else."""
    told = node.devices or ()
    numbers = [device.minor for device in told]
    return numbers == list(range(len(told))) and not any(device.uuid in taken for device in told)


def _plan(session: Session, node: FoundNode) -> bulk.NodePlan:
    facts = [cards.facts_of(session, device) for device in node.devices or ()]
    return bulk.NodePlan(node.name, _facts(node), facts)


def _facts(node: FoundNode) -> devices.NodeFacts:
    return devices.NodeFacts(
        cpu_total_milli=node.cpu_milli,
        memory_total_mib=node.memory_mib,
        ip=node.ip,
        driver_version=node.driver_version,
        cuda_version=node.cuda_version,
        kubelet_version=node.kubelet_version,
        labels=dict(node.labels),
        zone=node.zone,
    )


def _apply(
    session: Session, cluster_name: str, found: FoundNode, known: Known, *, now: datetime
) -> None:
    before = known.cordons.get(found.name)
    if before is None:  # a new process: what the one before saw is in the taints
        before = not _was_cordoned(session, cluster_name, found.name)
    row = _node_row(session, cluster_name, found, known.pool_labels, now=now)
    if found.is_schedulable not in {before, row.is_schedulable}:
        devices.set_schedulable(session, row, is_schedulable=found.is_schedulable)
    known.cordons[found.name] = found.is_schedulable
    try:
        with session.begin_nested():
            is_finished = cards.apply(session, row, found, now=now)
    except Problem as trouble:
        log.warning("GPU node %s is not in step with the cluster: %s", found.name, trouble)
        is_finished = False
    (known.unfinished.discard if is_finished else known.unfinished.add)(found.name)


def _was_cordoned(session: Session, cluster_name: str, node_name: str) -> bool:
    query = select(Node.taints).where(
        Node.cluster_name == cluster_name, Node.node_name == node_name
    )
    taints = session.scalars(query).one_or_none() or ()
    return any(taint.get("key") == _CORDON["key"] for taint in taints)


def _taints(found: FoundNode) -> list[dict[str, object]]:
    """Return a node's taints, with the one that Kubernetes gives to a cordoned node in a while."""
    told = [dict(taint) for taint in found.taints]
    if found.is_schedulable or any(taint.get("key") == _CORDON["key"] for taint in told):
        return told
    return [*told, dict(_CORDON)]


def _node_row(
    session: Session,
    cluster_name: str,
    found: FoundNode,
    pool_labels: Sequence[str],
    *,
    now: datetime,
) -> Node:
    facts = _facts(found)
    query = select(Node).where(Node.cluster_name == cluster_name, Node.node_name == found.name)
    row = session.scalars(query).one_or_none()
    if row is None:
        row = devices.ensure_node(
            session, cluster_name, found.name, facts=facts, now=now, pool_labels=pool_labels
        )
    elif _differs(row, facts):
        devices.change_node(session, row, facts=facts, now=now, pool_labels=pool_labels)
        row.last_seen_at = now
    told = _taints(found)
    if row.taints != told:
        row.taints = told
        session.flush()  # who locks the row next reads it anew
    return row


def _differs(row: Node, facts: devices.NodeFacts) -> bool:
    told: Mapping[str, object] = {
        name: getattr(facts, name) for name in facts.__slots__ if name != "rank"
    }
    return any(value is not None and getattr(row, name) != value for name, value in told.items())


def _gone(
    database: Database, cluster_name: str, present: set[str], known: Known, *, now: datetime
) -> int:
    """Take the cards of nodes that left offline; return how many nodes that were."""
    with database.read() as session:
        names = (
            select(Node.node_name)
            .join(Device, Device.node_id == Node.id)
            .where(Node.cluster_name == cluster_name, Device.live_id.is_not(None))
            .distinct()
        )
        left = sorted(set(session.scalars(names)) - present)
    news = [name for name in left if known.nodes.pop(name, None) or name not in known.cordons]
    if not news:
        return 0
    with database.write() as session:
        for name in news:
            known.cordons[name] = True
            node = devices.find_node(session, cluster_name, name)
            cards.take_offline(session, node, "the node left the cluster", now=now)
    return len(news)
