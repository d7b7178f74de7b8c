"""Find any node, GPU, allocation, pod or team by a part of its name: the command palette."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation
from gpu_management.auth.access import visible_team
from gpu_management.auth.models import Team
from gpu_management.auth.principals import Principal
from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.devices.models import Device, Node

_ESCAPE: Final = "\\"


def search(
    session: Session, text: str, *, principal: Principal, sees_devices: bool, limit: int
) -> list[dict[str, Any]]:
    """Return what `text` is a part of, the nearest names first, at most `limit` of each kind.

    Allocations and teams are those the caller sees; GPUs need the right to list devices.
    """
    like = f"%{_escaped(text.lower())}%"
    found = [*_nodes(session, like, limit)]
    if sees_devices:
        found += _devices(session, like, limit)
    found += _teams(session, like, principal, limit=limit)
    found += _allocations(session, like, principal, limit=limit)
    wanted = text.lower()
    return sorted(found, key=lambda hit: not hit["title"].lower().startswith(wanted))


def _escaped(text: str) -> str:
    for special in (_ESCAPE, "%", "_"):
        text = text.replace(special, _ESCAPE + special)
    return text


def _has(column: Any, like: str) -> Any:
    return func.lower(column).like(like, escape=_ESCAPE)


def _rows(session: Session, query: AnySelect, limit: int) -> list[AnyRow]:
    return list(session.execute(query.limit(limit)).all())


def _hit(kind: str, name: str, title: str, note: str | None) -> dict[str, Any]:
    return {"kind": kind, "id": name, "title": title, "note": note}


def _nodes(session: Session, like: str, limit: int) -> Iterator[dict[str, Any]]:
    query = select(Node.node_name, Node.zone).where(_has(Node.node_name, like))
    for row in _rows(session, query.order_by(Node.node_name), limit):
        yield _hit("node", row.node_name, row.node_name, row.zone)


def _devices(session: Session, like: str, limit: int) -> Iterator[dict[str, Any]]:
    matches = or_(_has(Device.live_id, like), _has(Device.uuid, like))
    query = select(Device.live_id, Device.model_id).where(Device.live_id.is_not(None), matches)
    for row in _rows(session, query.order_by(Device.live_id), limit):
        yield _hit("device", row.live_id, row.live_id, row.model_id)


def _teams(
    session: Session, like: str, principal: Principal, *, limit: int
) -> Iterator[dict[str, Any]]:
    query = select(Team.team_id, Team.name).where(
        or_(_has(Team.team_id, like), _has(Team.name, like))
    )
    visible = visible_team(principal)
    if visible is not None:
        query = query.where(Team.team_id == visible)
    for row in _rows(session, query.order_by(Team.team_id), limit):
        yield _hit("team", row.team_id, row.name, row.team_id)


def _allocations(
    session: Session, like: str, principal: Principal, *, limit: int
) -> Iterator[dict[str, Any]]:
    query = select(
        Allocation.allocation_id, Allocation.namespace, Allocation.pod_name, Allocation.phase
    ).where(
        or_(
            _has(Allocation.allocation_id, like),
            _has(Allocation.pod_name, like),
            _has(Allocation.user_id, like),
        )
    )
    visible = visible_team(principal)
    if visible is not None:
        query = query.where(Allocation.team_id == visible)
    # The newest first: people look for what runs.
    newest = query.order_by(Allocation.requested_at.desc(), Allocation.allocation_id)
    for row in _rows(session, newest, limit):
        title = f"{row.namespace}/{row.pod_name}"
        yield _hit("allocation", row.allocation_id, title, row.phase.value)
