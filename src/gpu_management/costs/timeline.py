"""What one GPU did over a window, and what one allocation cost and will cost."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations.errors import AllocationNotFound
from gpu_management.allocations.models import Allocation, Hold
from gpu_management.allocations.queries import hold_rows, priced
from gpu_management.auth.access import Permission, may_see
from gpu_management.auth.principals import Principal
from gpu_management.core.clock import whole_second
from gpu_management.core.database import MICROS, AnyRow, in_parts
from gpu_management.costs import limits, queries, shaping
from gpu_management.costs.days import day_start, next_day
from gpu_management.costs.ledger import Buckets, Life, buckets, stretches
from gpu_management.costs.service import Desk, Window
from gpu_management.costs.using import of_devices, split
from gpu_management.devices.errors import DeviceNotFound
from gpu_management.devices.models import Device, Node
from gpu_management.rates.book import Book

_FAR = timedelta(days=366)
"""How far ahead a cost limit is looked for where an allocation has no end."""


def device_ledger(
    session: Session, desk: Desk, device_id: str, *, window: Window
) -> dict[str, Any]:
    """Return the timeline of a GPU, whether in the fleet or removed, and where its time went.

    Raises:
        DeviceNotFound: no GPU ever had the id.
    """
    device = _newest(session, device_id)
    same = list(session.scalars(select(Device.id).where(Device.device_id == device_id)))
    # At the very start of a day its window is empty, and still belongs to that day.
    until = max(window.until, window.since + timedelta(seconds=1))
    days = queries.days_between(window.since, until, desk.zone)
    around = day_start(days[0], desk.zone), next_day(days[-1], desk.zone)
    found_holds = queries.holds_within(session, *around, devices=same)
    holds = sorted(found_holds, key=lambda hold: (hold.started_at, hold.id))
    states = queries.states_within(session, *around, devices=same)
    pricer = queries.Pricer(desk.keeper.book(session))
    found = queries.lives(session, pricer, holds, window=around, devices=same)
    span = (queries.second(window.since), queries.second(window.until))
    bounds = queries.bounds_of(days, desk.zone)
    whole = sum((buckets(life, bounds, span) for _, life in found), Buckets())
    terms = desk.terms(session)
    measured = of_devices(session, terms, (window.since, window.until), same)
    timeline = [
        row
        for one, life in found
        for row in _timeline(
            life,
            [hold for hold in holds if hold.device_pk == one.pk],
            [state for state in states if state.device_id == one.pk],
            span=span,
        )
    ]
    return {
        "device_id": device_id,
        "model": device.model_id,
        "cluster": device.cluster_name,
        "node": session.scalar(select(Node.node_name).where(Node.id == device.node_id)),
        "period": shaping.period(desk.zone, window.since, window.until, days=len(days)),
        "currency": desk.currency,
        "buckets": shaping.buckets(split(whole, measured)),
        "timeline": timeline,
        "holders": _holders(session, {name for row in timeline for name in row["allocations"]}),
    }


def _holders(session: Session, names: Collection[str]) -> list[dict[str, Any]]:
    columns = (
        Allocation.allocation_id,
        Allocation.namespace,
        Allocation.pod_name,
        Allocation.team_id,
    )
    wanted = sorted(names)
    found: list[dict[str, Any]] = []
    for some in in_parts(wanted):
        rows = session.execute(select(*columns).where(Allocation.allocation_id.in_(some)))
        found += [dict(row._mapping) for row in rows]
    return sorted(found, key=lambda row: str(row["allocation_id"]))


def _newest(session: Session, device_id: str) -> Device:
    query = select(Device).where(Device.device_id == device_id).order_by(Device.id.desc())
    device = session.scalars(query).first()
    if device is None:
        raise DeviceNotFound(f"no GPU device ever had the id {device_id}")
    return device


def _timeline(
    life: Life, holds: Sequence[AnyRow], states: Sequence[AnyRow], *, span: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    for part in stretches(life, span):
        if part.since == part.until:
            continue
        since = queries.moment_of(part.since)
        state = next((one for one in reversed(states) if one.started_at <= since), None)
        rate = part.rate_micros
        yield {
            "start": since,
            "end": queries.moment_of(part.until),
            "state": "UNKNOWN" if state is None else state.state.value,
            "reason": None if state is None else state.reason,
            "held_milli": part.held_milli,
            "allocations": [one.allocation_id for one in holds if _covers(one, since)],
            "rate_per_hour": None if rate is None else shaping.money(rate),
        }


def _covers(hold: AnyRow, moment: datetime) -> bool:
    has_begun = hold.allocation_id is not None and hold.started_at <= moment
    return bool(has_begun and (hold.ended_at is None or moment < hold.ended_at))


def allocation_cost(
    session: Session, desk: Desk, allocation_id: str, *, principal: Principal, now: datetime
) -> dict[str, Any]:
    """Return what an allocation cost up to now, hold by hold, and what it will cost.

    Raises:
        AllocationNotFound: no such allocation, or not one of the caller's.
    """
    found = _visible(session, allocation_id, principal)
    book = desk.keeper.book(session)
    query = hold_rows().add_columns(Hold.corrects_id).where(Hold.allocation_id == allocation_id)
    holds = session.execute(query).all()
    moment = whole_second(now)
    lines = [_hold_cost(hold, book, now=moment) for hold in holds]
    costs = [line["cost"] for line in lines]
    runs = any(hold.ended_at is None for hold in holds)
    return {
        "allocation_id": allocation_id,
        "currency": desk.currency,
        "as_of": moment,
        "cost_so_far": None if None in costs else sum(costs, Decimal(0)),
        "gpu_hours": round(sum(line["gpu_hours"] for line in lines), 6),
        "cost_per_hour": found.cost_per_hour if runs else None,
        "expires_at": found.expires_at,
        "cost_limit": found.cost_limit,
        "holds": lines,
        **_ahead(found, holds, book, now=moment, runs=runs and None not in costs),
    }


def _visible(session: Session, allocation_id: str, principal: Principal) -> Allocation:
    found = session.get(Allocation, allocation_id)
    ways = (Permission.COST_READ, Permission.ALLOCATIONS_READ)
    if found is None or not any(
        may_see(principal, team=found.team_id, user=found.user_id, permission=way) for way in ways
    ):
        raise AllocationNotFound(f"no allocation {allocation_id}, or it is not one of yours")
    return found


def _hold_cost(hold: AnyRow, book: Book, *, now: datetime) -> dict[str, Any]:
    until = hold.ended_at or max(now, hold.started_at)
    micros = book.cost_micros(priced(hold), started_at=hold.started_at, until=until)
    seconds = queries.second(until) - queries.second(hold.started_at)
    return {
        "hold_id": hold.id,
        "device_id": hold.device_id,
        "profile_name": hold.profile_name,
        "gpu_milli": hold.milli,
        "start": hold.started_at,
        "end": hold.ended_at,
        "corrects_hold_id": hold.corrects_id,
        "gpu_hours": shaping.hours(seconds * hold.milli),
        "cost": None if micros is None else shaping.money(micros),
    }


def _ahead(
    found: Allocation, holds: Sequence[AnyRow], book: Book, *, now: datetime, runs: bool
) -> dict[str, Any]:
    """Return the cost at the end and when the limit will be passed, at prices known now."""
    ends = None if found.expires_at is None else max(now, whole_second(found.expires_at))
    projected = reached = None
    if runs and ends is not None:
        projected = shaping.money(limits.cost_micros(holds, book, ends))
    if runs and found.cost_limit is not None:
        limit = int(found.cost_limit * MICROS)
        until = ends or now + _FAR
        reached = limits.last_second(holds, book, limit, since=now, until=until)
    return {"projected_cost": projected, "limit_reached_at": reached}
