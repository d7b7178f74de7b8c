"""What each kind of work asked for, how long it ran, and what would have held it (DTO-17)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, WorkloadType
from gpu_management.auth.access import visible_team
from gpu_management.auth.principals import Principal
from gpu_management.costs.service import Desk
from gpu_management.devices.models import Device, Model
from gpu_management.mig.geometry import load_geometries
from gpu_management.mig.layout import held_milli
from gpu_management.rates.book import Priced

FEWEST = 10
"""Allocations below which nothing is called typical."""
_NEWEST = 20_000
"""Allocations looked at, at most: the newest say most."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Something of the fleet that may be asked for: a model, or a slice of it."""

    model_id: str
    profile_name: str | None
    memory_gb: int
    cost_per_hour: Decimal | None


def quantile(values: Sequence[int], share: float) -> int | None:
    """Return the smallest value that `share` (0 to 1) of the values do not pass; None of none."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


def cheapest(offers: Sequence[Offer], memory_gb: int) -> Offer | None:
    """Return the cheapest offer that holds `memory_gb`; ties go to the smaller, then the name."""
    fitting = [o for o in offers if o.memory_gb >= memory_gb and o.cost_per_hour is not None]
    return min(
        fitting,
        key=lambda o: (o.cost_per_hour, o.memory_gb, o.model_id, o.profile_name or ""),
        default=None,
    )


def profiles(
    session: Session, desk: Desk, *, days: int, principal: Principal, now: datetime
) -> list[dict[str, Any]]:
    """Return one profile for each kind of work, from what was placed in the last `days` days."""
    asked: dict[WorkloadType, list[int]] = defaultdict(list)
    ran: dict[WorkloadType, list[int]] = defaultdict(list)
    for kind, memory_gb, began, ended in _placed(session, days, principal, now):
        asked[kind].append(memory_gb)
        if ended is not None:
            ran[kind].append(int((ended - began).total_seconds()))
    offers = _offers(session, desk, now=now)
    return [_profile(kind, asked[kind], ran[kind], offers, days=days) for kind in WorkloadType]


def _placed(session: Session, days: int, principal: Principal, now: datetime) -> Any:
    query = select(
        Allocation.workload_type,
        Allocation.required_memory_gb,
        Allocation.allocated_at,
        Allocation.released_at,
    ).where(
        Allocation.requested_at >= now - timedelta(days=days),
        Allocation.allocated_at.is_not(None),
    )
    team = visible_team(principal)
    if team is not None:
        query = query.where(Allocation.team_id == team)
    query = query.order_by(Allocation.requested_at.desc()).limit(_NEWEST)
    return session.connection().execute(query)


def _offers(session: Session, desk: Desk, *, now: datetime) -> list[Offer]:
    book = desk.keeper.book(session)
    query = (
        select(Model.model_id, Model.memory_gb, Model.mig_geometry, Device.mig_enabled)
        .join(Device, Device.model_id == Model.model_id)
        .where(Device.live_id.is_not(None))
        .distinct()
    )
    offers = []
    for model_id, memory_gb, key, is_cut in session.execute(query):
        geometry = load_geometries().get(key or "")
        if not is_cut or geometry is None:
            card = Priced(model_id, key, None, 1000)
            offers.append(Offer(model_id, None, memory_gb, book.per_hour(card, now)))
            continue
        for profile in geometry.profiles:
            if "+" not in profile.name:  # those are for media work
                milli = held_milli(geometry, profile.name)
                price = book.per_hour(Priced(model_id, key, profile.name, milli), now)
                offers.append(Offer(model_id, profile.name, profile.memory_gb, price))
    return offers


def _profile(
    kind: WorkloadType,
    memory_gb: Sequence[int],
    seconds: Sequence[int],
    offers: Sequence[Offer],
    *,
    days: int,
) -> dict[str, Any]:
    is_known = len(memory_gb) >= FEWEST
    most_gb = quantile(memory_gb, 0.9) if is_known else None
    offer = cheapest(offers, most_gb) if most_gb is not None else None
    lengths = seconds if len(seconds) >= FEWEST else ()
    return {
        "workload_type": kind,
        "days": days,
        "sample_size": len(memory_gb),
        "typical_memory_gb": quantile(memory_gb, 0.5) if is_known else None,
        "large_memory_gb": most_gb,
        "typical_utilization": None,
        "finished": len(seconds),
        "typical_duration_seconds": quantile(lengths, 0.5),
        "long_duration_seconds": quantile(lengths, 0.9),
        "recommended_model_id": offer and offer.model_id,
        "recommended_profile": offer and offer.profile_name,
        "recommended_cost_per_hour": offer and offer.cost_per_hour,
    }
