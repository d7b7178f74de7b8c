"""Reading allocations: lists, holds, and what they have cost so far."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from gpu_management.allocations.models import Allocation, Hold, Phase
from gpu_management.auth.access import Permission, visible_team
from gpu_management.auth.principals import Principal
from gpu_management.core.clock import whole_second
from gpu_management.core.database import MICROS, AnyRow, AnySelect, in_parts
from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.devices.models import Device, Model
from gpu_management.mig.models import MigInstance
from gpu_management.rates.book import Book, Priced

SORTS = {
    "requestedAt": Allocation.requested_at,
    "phase": Allocation.phase,
    "priority": Allocation.priority,
    "namespace": Allocation.namespace,
    "podName": Allocation.pod_name,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which allocations are asked for; None, and no phase, ask for all."""

    phases: Sequence[Phase] = ()
    namespace: str | None = None
    pod_name: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    node_name: str | None = None
    device_id: str | None = None
    text: str | None = None


_EQUAL = ("namespace", "pod_name", "team_id", "user_id", "node_name")
_SEARCHED = (*_EQUAL, "allocation_id")


def list_allocations(
    session: Session, asked: Filter, *, principal: Principal, page: Page
) -> Listing:
    """Return the allocations the caller may see; newest first unless asked otherwise."""
    query = scoped(select(Allocation), principal)
    for name in _EQUAL:
        value = getattr(asked, name)
        if value is not None:
            query = query.where(getattr(Allocation, name) == value)
    if asked.phases:
        query = query.where(Allocation.phase.in_(asked.phases))
    if asked.text:
        found = (getattr(Allocation, name) for name in _SEARCHED)
        query = query.where(
            or_(*(column.icontains(asked.text, autoescape=True) for column in found))
        )
    if asked.device_id is not None:
        query = query.where(Allocation.allocation_id.in_(_on_device(asked.device_id)))
    wanted = Page(page.limit, page.cursor, page.sort or "-requestedAt")
    listing = list_rows(session, query, sorts=SORTS, key=Allocation.allocation_id, page=wanted)
    return Listing([row[0] for row in listing.rows], listing.total, listing.next_cursor)


def scoped(
    query: AnySelect,
    principal: Principal,
    permission: Permission = Permission.ALLOCATIONS_READ,
) -> AnySelect:
    """Limit a query over allocations to the rows of the caller's team, or its own (SEC-12)."""
    team = visible_team(principal, permission)
    if team is None:
        return query
    return query.where(
        or_(Allocation.team_id == team, Allocation.user_id == (principal.user or ""))
    )


def _on_device(device_id: str) -> Select[str | None]:
    return (
        select(Hold.allocation_id)
        .join(Device, Device.id == Hold.device_id)
        .where(Device.live_id == device_id)
    )


def holds_of(session: Session, allocation_ids: Sequence[str]) -> dict[str, list[AnyRow]]:
    """Return the holds of each allocation, with device, slice and model, oldest first."""
    found: dict[str, list[AnyRow]] = defaultdict(list)
    for some in in_parts(allocation_ids):
        for row in session.execute(hold_rows().where(Hold.allocation_id.in_(some))):
            found[row.allocation_id].append(row)
    return found


_Correction = aliased(Hold)


def effective() -> ColumnElement[bool]:
    """Say that a hold counts: no other row corrects it. Every reader of the ledger asks so."""
    return ~exists().where(_Correction.corrects_id == Hold.id)


def hold_facts() -> AnySelect:
    """Return the query of holds that count, with what prices them and who pays."""
    return _facts().where(effective())


def hold_facts_of_any() -> AnySelect:
    """Return the same query of all holds; `is_effective` tells those that count."""
    return _facts().add_columns(effective().label("is_effective"))


def _facts() -> AnySelect:
    return (
        select(
            Hold.id,
            Hold.device_id.label("device_pk"),
            Hold.milli,
            Hold.profile_name,
            Hold.node_pool,
            Hold.started_at,
            Hold.ended_at,
            Device.cluster_name,
            Device.node_id,
            Device.model_id,
            Model.mig_geometry,
            Hold.allocation_id,
            Allocation.team_id,
            Allocation.user_id,
            Allocation.namespace,
            Allocation.workload_type,
        )
        .join(Device, Device.id == Hold.device_id)
        .join(Model, Model.model_id == Device.model_id)
        .outerjoin(Allocation, Allocation.allocation_id == Hold.allocation_id)
    )


def hold_rows() -> AnySelect:
    """Return the query of holds with everything that prices and names them."""
    return (
        select(
            Hold.id,
            Hold.allocation_id,
            Hold.kind,
            Hold.source,
            Hold.milli,
            Hold.profile_name,
            Hold.node_pool,
            Hold.started_at,
            Hold.ended_at,
            Device.cluster_name,
            Device.device_id,
            Device.model_id,
            Model.mig_geometry,
            MigInstance.mig_id,
        )
        .join(Device, Device.id == Hold.device_id)
        .join(Model, Model.model_id == Device.model_id)
        .outerjoin(MigInstance, MigInstance.id == Hold.mig_instance_id)
        .where(effective())
        .order_by(Hold.started_at, Hold.id)
    )


def priced(hold: AnyRow) -> Priced:
    """Return what a hold is charged for, and in which node pool it was given."""
    return Priced(
        hold.model_id,
        hold.mig_geometry,
        hold.profile_name,
        hold.milli,
        hold.cluster_name,
        hold.node_pool,
    )


def cost_so_far(holds: Iterable[AnyRow], book: Book, *, now: datetime) -> Decimal | None:
    """Return what `holds` have cost up to now; None where one of them has no price."""
    total = 0
    for hold in holds:
        until = hold.ended_at or max(whole_second(now), hold.started_at)
        cost = book.cost_micros(priced(hold), started_at=hold.started_at, until=until)
        if cost is None:
            return None
        total += cost
    return Decimal(total) / MICROS


def describe(
    session: Session, allocations: Sequence[Allocation], book: Book, *, now: datetime
) -> list[dict[str, Any]]:
    """Return allocations as the wire shows them, with cost so far."""
    holds = holds_of(session, [a.allocation_id for a in allocations])
    return [
        wire_fields(a, total_cost=cost_so_far(holds.get(a.allocation_id, ()), book, now=now))
        for a in allocations
    ]


def describe_one(
    session: Session, allocation: Allocation, book: Book, *, now: datetime
) -> dict[str, Any]:
    """Return one allocation as the wire shows it, with its holds."""
    holds = holds_of(session, [allocation.allocation_id]).get(allocation.allocation_id, [])
    shown = wire_fields(allocation, total_cost=cost_so_far(holds, book, now=now))
    return shown | {"holds": [dict(hold._mapping) for hold in holds]}


_SAME = tuple(
    column.key for column in Allocation.__table__.columns if column.key not in {"edition"}
)


def wire_fields(allocation: Allocation, *, total_cost: Decimal | None) -> dict[str, Any]:
    """Return the fields of the wire shape."""
    shown = {name: getattr(allocation, name) for name in _SAME}
    single = allocation.resources[0] if len(allocation.resources) == 1 else None
    is_slice = allocation.use_mig
    shown["device_id"] = _device_of(single) if single else None
    shown["mig_id"] = single if is_slice else None
    shown["total_cost"] = total_cost
    shown["dry_run"] = False
    return shown


def _device_of(resource: str) -> str:
    return resource.split("-MIG-", maxsplit=1)[0]


def open_milli_of_team(session: Session, team_id: str) -> int:
    """Return the thousandths of GPUs a team holds now."""
    query = (
        select(func.coalesce(func.sum(Hold.milli), 0))
        .join(Allocation, Allocation.allocation_id == Hold.allocation_id)
        .where(Allocation.team_id == team_id, Hold.ended_at.is_(None))
    )
    return int(session.scalars(query).one())
