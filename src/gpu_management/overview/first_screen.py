"""The dashboard's first screen in one answer; what is heavy is kept for a while."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.auth.access import Permission, permissions_of
from gpu_management.auth.principals import Principal
from gpu_management.core.cache import Cache
from gpu_management.core.clock import whole_second
from gpu_management.costs.answers import buckets_rows
from gpu_management.costs.budgeting import later_month
from gpu_management.costs.budgets import Purse
from gpu_management.costs.days import day_start, next_day
from gpu_management.costs.grouping import Dimension
from gpu_management.costs.service import Desk, Window
from gpu_management.devices.models import Device
from gpu_management.events.models import Event
from gpu_management.metrics.latest import Latest
from gpu_management.overview import fleet_now, own_now, people_now, service, teams_now
from gpu_management.overview.board import Board

_BUCKETS: Final = ("used", "idle", "unattributed", "free", "unavailable")
_FRESH: Final = timedelta(minutes=2)
_KEPT_SECONDS: Final = 15


@dataclass(frozen=True, slots=True)
class Screen:
    """What one process needs to draw first screens."""

    board: Board
    purse: Purse

    @property
    def desk(self) -> Desk:
        """What costing needs to know."""
        return self.board.desk

    @property
    def latest(self) -> Latest:
        """What GPUs do now."""
        return self.board.latest

    @property
    def cache(self) -> Cache:
        """What is kept."""
        return self.board.cache


def draw(
    session: Session, screen: Screen, principal: Principal, *, days: int, now: datetime
) -> dict[str, Any]:
    """Return everything the first screen shows to `principal`."""
    facts = service.overview(
        session, screen.board.cluster_name, screen.desk, with_nodes=False, now=now
    )
    rows = fleet_now.devices(session)
    figures = screen.latest.gpus(session, now=now)
    buckets = _days(session, screen, days=days, now=now)
    return {
        "cluster_name": screen.board.cluster_name,
        "generated_at": now,
        "total_nodes": facts["total_nodes"],
        "total_devices": facts["total_devices"],
        "devices_by_status": _by_status(facts),
        "active_allocations": facts["active_allocations"],
        "funnel": fleet_now.funnel(rows, figures),
        "own": own_now.own(session, screen.desk, screen.cache, principal, now=now),
        "money": _money(screen, facts, buckets, principal=principal, now=now),
        "teams": teams_now.teams(session, screen.desk, screen.cache, principal, now=now),
        "days": [_hours(row, screen.desk.zone, now) for row in buckets[-days:]],
        "nodes": fleet_now.nodes(rows, figures),
        "slices": fleet_now.slices(session),
        "waiting": people_now.waiting(session, principal, now=now),
        "idle": people_now.idle(session, principal),
        "alerts": people_now.open_alerts(session, principal),
        "budgets": people_now.budgets(session, screen.purse, principal, now=now),
        "sources": _sources(session, facts, figures, now=now),
    }


def _by_status(facts: Mapping[str, Any]) -> dict[str, int]:
    names = ("available", "allocated", "mig", "maintenance", "failed", "offline")
    return {name.upper(): facts[f"{name}_devices"] for name in names}


def _days(session: Session, screen: Screen, *, days: int, now: datetime) -> list[dict[str, Any]]:
    """Return the buckets of each day, from the first of the month or `days` ago: the earlier."""
    zone = screen.desk.zone
    today = now.astimezone(zone).date()
    first = min(today.replace(day=1), today - timedelta(days=days - 1))
    window = Window(day_start(first, zone), whole_second(now))

    def made() -> list[dict[str, Any]]:
        return buckets_rows(session, screen.desk, window, groups=[Dimension.DAY], only={})

    moment = int(now.timestamp()) // _KEPT_SECONDS
    version = (moment, screen.desk.keeper.book(session))
    return screen.cache.get(("days", first), version, made, now=now)


def _hours(row: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    day = row["day"]
    lasted = min(next_day(day, zone), now) - day_start(day, zone)
    hours = round(lasted.total_seconds() / 3600, 3)
    return {"day": day, "hours": hours} | {name: row[name]["gpu_hours"] for name in _BUCKETS}


def _money(
    screen: Screen,
    facts: Mapping[str, Any],
    buckets: list[dict[str, Any]],
    *,
    principal: Principal,
    now: datetime,
) -> dict[str, Any]:
    first = now.astimezone(screen.desk.zone).date().replace(day=1)
    month = [row for row in buckets if row["day"] >= first]
    used, idle, free = (_sum(month, name) for name in ("used", "idle", "free"))
    reads = Permission.COST_READ in permissions_of(principal.roles)
    measured = used + idle
    ends = day_start(later_month(first), screen.desk.zone)
    left = Decimal((ends - now).total_seconds()) / 3600
    return {
        "currency": screen.desk.currency,
        "hourly": facts["hourly_cost"],
        "today": facts["daily_cost"],
        "month": facts["monthly_cost"],
        "month_forecast": round(facts["monthly_cost"] + facts["hourly_cost"] * left, 6),
        "idle_month": idle if measured and reads else None,
        "free_month": free if reads else None,
        "waste_pct": round(float(100 * idle / measured), 1) if measured else None,
    }


def _sum(rows: list[dict[str, Any]], name: str) -> Decimal:
    return sum((row[name]["cost"] for row in rows), Decimal(0))


def _sources(
    session: Session, facts: Mapping[str, Any], figures: fleet_now.Figures, *, now: datetime
) -> list[dict[str, Any]]:
    seen = facts["cluster_seen_at"]
    cluster = "none" if seen is None else "stale" if facts["cluster_stale_since"] else "fresh"
    measured_at = fleet_now.newest(figures)
    if measured_at is None:
        measured_at = session.scalar(_LAST_SEEN)
    event_at = session.scalar(select(Event.created_at).order_by(Event.id.desc()).limit(1))
    return [
        _source("cluster", cluster, seen),
        _source("metrics", _age(measured_at, now), measured_at)
        | {"known": len(figures), "of": facts["total_devices"]},
        _source("events", "none" if event_at is None else "fresh", event_at),
    ]


_LAST_SEEN = select(Device.last_seen_at).order_by(Device.last_seen_at.desc().nulls_last()).limit(1)


def _age(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "none"
    return "fresh" if now - at <= _FRESH else "stale"


def _source(name: str, state: str, at: datetime | None) -> dict[str, Any]:
    return {"name": name, "state": state, "at": at, "known": None, "of": None}
