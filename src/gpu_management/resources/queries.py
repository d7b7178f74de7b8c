"""Read CPU and memory: by node, by pod, by namespace, and in one answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, case, func, select
from sqlalchemy.orm import Session

from gpu_management.auth.access import visible_team
from gpu_management.auth.models import Team
from gpu_management.auth.principals import Principal
from gpu_management.core.database import AnySelect, table_of
from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.resources.analysis import Amounts, Heat, Load, Verdict, pack, pct
from gpu_management.resources.models import ResourceNode, ResourcePod, ResourceSnapshot

MOST_NODES = 10
"""Hot and cold nodes of one answer."""

_NODE, _POD = table_of(ResourceNode).c, table_of(ResourcePod).c
_AT = ResourceSnapshot.collected_at
_NODES: AnySelect = select(*table_of(ResourceNode).columns, _AT).join(
    ResourceSnapshot, ResourceSnapshot.cluster_name == _NODE.cluster_name
)
_PODS: AnySelect = select(*table_of(ResourcePod).columns, _AT).join(
    ResourceSnapshot, ResourceSnapshot.cluster_name == _POD.cluster_name
)


def _unknown_last(column: ColumnElement[int | None]) -> ColumnElement[int]:
    return func.coalesce(column, -1)


_NODE_SORTS = {
    "nodeName": _NODE.node_name,
    "podCount": _NODE.pod_count,
    "cpuRequestedMilli": _NODE.cpu_requested_milli,
    "cpuUsedMilli": _unknown_last(_NODE.cpu_used_milli),
    "memoryRequestedMib": _NODE.memory_requested_mib,
    "memoryUsedMib": _unknown_last(_NODE.memory_used_mib),
    "gpuRequested": _NODE.gpu_requested,
}
_POD_SORTS = {
    "podName": _POD.pod_name,
    "namespace": _POD.namespace,
    "cpuRequestedMilli": _POD.cpu_requested_milli,
    "cpuUsedMilli": _unknown_last(_POD.cpu_used_milli),
    "cpuWasteMilli": _unknown_last(_POD.cpu_waste_milli),
    "memoryRequestedMib": _POD.memory_requested_mib,
    "memoryUsedMib": _unknown_last(_POD.memory_used_mib),
    "memoryWasteMib": _unknown_last(_POD.memory_waste_mib),
    "gpuRequested": _POD.gpu_requested,
}


@dataclass(frozen=True, slots=True)
class PodFilter:
    """Which pods are asked for."""

    cluster_name: str
    namespace: str | None = None
    node_name: str | None = None
    verdict: Verdict | None = None


def list_nodes(session: Session, cluster_name: str, heat: Heat | None, *, page: Page) -> Listing:
    """Return nodes with their shares in use."""
    query = _NODES.where(_NODE.cluster_name == cluster_name)
    if heat is not None:
        query = query.where(_NODE.heat == heat)
    listing = list_rows(session, query, sorts=_NODE_SORTS, key=_NODE.id, page=page)
    rows = [_node(row._mapping) for row in listing.rows]
    return Listing(rows, listing.total, listing.next_cursor)


def _node(row: Mapping[str, Any]) -> dict[str, Any]:
    cpu, memory = row["cpu_allocatable_milli"], row["memory_allocatable_mib"]
    return {
        **row,
        "ready": row["is_ready"],
        "schedulable": row["is_schedulable"],
        "cpu_requested_pct": pct(row["cpu_requested_milli"], cpu),
        "cpu_used_pct": pct(row["cpu_used_milli"], cpu),
        "memory_requested_pct": pct(row["memory_requested_mib"], memory),
        "memory_used_pct": pct(row["memory_used_mib"], memory),
    }


def list_pods(session: Session, asked: PodFilter, *, principal: Principal, page: Page) -> Listing:
    """Return pods; a caller with a team sees those of its namespaces."""
    query = _PODS.where(_POD.cluster_name == asked.cluster_name, *_visible(session, principal))
    if asked.namespace is not None:
        query = query.where(_POD.namespace == asked.namespace)
    if asked.node_name is not None:
        query = query.where(_POD.node_name == asked.node_name)
    if asked.verdict is not None:
        query = query.where(_POD.verdict == asked.verdict)
    return list_rows(session, query, sorts=_POD_SORTS, key=_POD.id, page=page)


def _visible(session: Session, principal: Principal) -> list[ColumnElement[bool]]:
    team = visible_team(principal)
    if team is None:
        return []
    found = session.get(Team, team)
    return [_POD.namespace.in_([] if found is None else found.namespaces)]


def _count(verdict: Verdict) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((_POD.verdict == verdict, 1), else_=0)), 0)


_SUMS = (
    func.count().label("pod_count"),
    func.sum(_POD.cpu_requested_milli).label("cpu_requested_milli"),
    func.sum(_POD.cpu_used_milli).label("cpu_used_milli"),
    func.sum(_POD.memory_requested_mib).label("memory_requested_mib"),
    func.sum(_POD.memory_used_mib).label("memory_used_mib"),
    func.sum(_POD.gpu_requested).label("gpu_requested"),
    _count(Verdict.OVER_REQUESTED).label("over_requested_pods"),
    _count(Verdict.UNDER_REQUESTED).label("under_requested_pods"),
    _count(Verdict.NO_REQUEST).label("pods_without_requests"),
    func.sum(_POD.cpu_waste_milli).label("cpu_waste_milli"),
    func.sum(_POD.memory_waste_mib).label("memory_waste_mib"),
)


def namespaces(
    session: Session, cluster_name: str, *, principal: Principal
) -> list[dict[str, Any]]:
    """Return the pods of each namespace together, by name."""
    query = (
        select(_POD.namespace, _POD.cluster_name, func.max(_AT).label("collected_at"), *_SUMS)
        .join(ResourceSnapshot, ResourceSnapshot.cluster_name == _POD.cluster_name)
        .where(_POD.cluster_name == cluster_name, *_visible(session, principal))
        .group_by(_POD.namespace, _POD.cluster_name)
        .order_by(_POD.namespace)
    )
    return [_whole(dict(row)) for row in session.connection().execute(query).mappings()]


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return sums as whole numbers: PostgreSQL answers decimals."""
    names = {column.name for column in _SUMS}
    return {n: int(v) if n in names and v is not None else v for n, v in row.items()}


def summary(session: Session, cluster_name: str, *, principal: Principal) -> dict[str, Any]:
    """Return the cluster in one answer (DTO-03)."""
    snapshot = session.get(ResourceSnapshot, cluster_name)
    nodes = session.connection().execute(_NODES.where(_NODE.cluster_name == cluster_name)).all()
    pods = _pods(session, cluster_name)
    totals = _totals(nodes, pods)
    return {
        "cluster_name": cluster_name,
        "totals": totals,
        "usage": _shares(totals),
        "items": namespaces(session, cluster_name, principal=principal),
        "analysis": _analysis(nodes, pods),
        "collected_at": None if snapshot is None else snapshot.collected_at,
        "measured_at": None if snapshot is None else snapshot.measured_at,
        "note": None if snapshot is None else snapshot.note,
    }


def _pods(session: Session, cluster_name: str) -> dict[str, Any]:
    pending = func.sum(case((_POD.node_name.is_(None), 1), else_=0)).label("pending_pods")
    query = select(*_SUMS, pending).where(_POD.cluster_name == cluster_name)
    row = session.connection().execute(query).mappings().one()
    return {**_whole(dict(row)), "pending_pods": int(row["pending_pods"] or 0)}


def _totals(nodes: Sequence[Row[Any]], pods: Mapping[str, Any]) -> dict[str, Any]:
    def total(name: str) -> int:
        return sum(getattr(node, name) or 0 for node in nodes)

    def measured(name: str) -> int | None:
        known = [value for value in (getattr(node, name) for node in nodes) if value is not None]
        return sum(known) if known else None

    return {
        "nodes": len(nodes),
        "pods": pods["pod_count"],
        "pending_pods": pods["pending_pods"],
        "cpu_capacity_milli": total("cpu_capacity_milli"),
        "cpu_allocatable_milli": total("cpu_allocatable_milli"),
        "cpu_requested_milli": pods["cpu_requested_milli"] or 0,
        "cpu_used_milli": measured("cpu_used_milli"),
        "memory_capacity_mib": total("memory_capacity_mib"),
        "memory_allocatable_mib": total("memory_allocatable_mib"),
        "memory_requested_mib": pods["memory_requested_mib"] or 0,
        "memory_used_mib": measured("memory_used_mib"),
        "gpu_capacity": total("gpu_capacity"),
        "gpu_requested": pods["gpu_requested"] or 0,
    }


def _shares(totals: Mapping[str, Any]) -> dict[str, float | None]:
    cpu, memory = totals["cpu_allocatable_milli"], totals["memory_allocatable_mib"]
    return {
        "cpu_requested_pct": pct(totals["cpu_requested_milli"], cpu),
        "cpu_used_pct": pct(totals["cpu_used_milli"], cpu),
        "memory_requested_pct": pct(totals["memory_requested_mib"], memory),
        "memory_used_pct": pct(totals["memory_used_mib"], memory),
        "gpu_requested_pct": pct(totals["gpu_requested"], totals["gpu_capacity"]),
    }


def _analysis(nodes: Sequence[Row[Any]], pods: Mapping[str, Any]) -> dict[str, Any]:
    packing = pack([_load(node) for node in nodes])
    fullest = sorted(nodes, key=_fullness, reverse=True)
    told = ("over_requested_pods", "under_requested_pods", "pods_without_requests")
    wasted = ("cpu_waste_milli", "memory_waste_mib")
    return {
        **{name: pods[name] for name in (*told, *wasted)},
        "hot_nodes": [n.node_name for n in fullest if n.heat is Heat.HOT][:MOST_NODES],
        "cold_nodes": [n.node_name for n in reversed(fullest) if n.heat is Heat.COLD][:MOST_NODES],
        "nodes_in_use": packing.nodes_in_use,
        "nodes_needed_at_least": packing.nodes_needed,
        "stranded_cpu_milli": packing.stranded.cpu_milli,
        "stranded_memory_mib": packing.stranded.memory_mib,
        "stranded_gpus": packing.stranded_gpus,
    }


def _load(node: Row[Any]) -> Load:
    return Load(
        room=Amounts(node.cpu_allocatable_milli, node.memory_allocatable_mib),
        requested=Amounts(node.cpu_requested_milli, node.memory_requested_mib),
        gpus=node.gpu_capacity or 0,
        gpus_requested=node.gpu_requested,
        is_open=node.is_ready and node.is_schedulable,
    )


def _fullness(node: Row[Any]) -> float:
    cpu = pct(node.cpu_used_milli, node.cpu_allocatable_milli) or 0.0
    memory = pct(node.memory_used_mib, node.memory_allocatable_mib) or 0.0
    return max(cpu, memory)
