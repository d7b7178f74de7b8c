"""What the caller has: the own requests, what runs, what ends soon, what it costs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from gpu_management.allocations.models import Allocation, Phase
from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.core.cache import Cache
from gpu_management.core.clock import whole_second
from gpu_management.costs import shaping
from gpu_management.costs.days import day_start
from gpu_management.costs.grouping import Dimension, Question, added_up
from gpu_management.costs.reader import Reader
from gpu_management.costs.service import Desk
from gpu_management.optimization.models import Status, Suggestion, SuggestionType

SHOWN: Final = 6
"""Allocations on the first screen; the page behind it has all."""

_SOON: Final = timedelta(hours=24)
_KEPT_SECONDS: Final = 60
_LIVE: Final = (Phase.PENDING, Phase.ALLOCATED)


@dataclass(frozen=True, slots=True)
class _Scope:
    """Whose allocations are the caller's own: a person's, else a team's."""

    whose: str
    name: str
    column: InstrumentedAttribute[str | None]
    dimension: Dimension


def own(
    session: Session, desk: Desk, cache: Cache, principal: Principal, *, now: datetime
) -> dict[str, Any] | None:
    """Return what the caller has, first what needs a look; None for who is nobody in particular."""
    scope = _scope(principal)
    if scope is None:
        return None
    reader = Reader(principal, Permission.OWN_COST_READ)
    mine = (scope.column == scope.name) & Allocation.phase.in_(_LIVE)
    return {
        "whose": scope.whose,
        "name": scope.name,
        **_counts(session, mine, now),
        "month": _month(session, desk, cache, scope=scope, reader=reader, now=now),
        "first": _first(session, mine),
    }


def _scope(principal: Principal) -> _Scope | None:
    if principal.user is not None:
        return _Scope("user", principal.user, Allocation.user_id, Dimension.USER)
    if principal.team is not None:
        return _Scope("team", principal.team, Allocation.team_id, Dimension.TEAM)
    return None


def _counts(session: Session, mine: ColumnElement[bool], now: datetime) -> dict[str, Any]:
    runs = Allocation.phase == Phase.ALLOCATED
    ends = runs & (Allocation.expires_at <= now + _SOON)
    found = session.execute(
        select(
            func.count(case((runs, 1))),
            func.count(case((Allocation.phase == Phase.PENDING, 1))),
            func.count(case((ends, 1))),
        ).where(mine)
    ).one()
    rates = session.scalars(select(Allocation.cost_per_hour).where(mine, runs))
    hourly = sum((rate or Decimal(0) for rate in rates), Decimal(0))
    return {"running": found[0], "waiting": found[1], "ends_soon": found[2], "hourly": hourly}


def _month(
    session: Session, desk: Desk, cache: Cache, *, scope: _Scope, reader: Reader, now: datetime
) -> Decimal:
    first = now.astimezone(desk.zone).date().replace(day=1)
    since, until = day_start(first, desk.zone), whole_second(now)

    def made() -> Decimal:
        question = Question(since, until, (), {scope.dimension: scope.name}, reader)
        found = added_up(session, desk.terms(session), question)
        return shaping.money(sum(sums.micros for sums in found.values()))

    version = (int(now.timestamp()) // _KEPT_SECONDS, desk.keeper.book(session))
    return cache.get(("own", reader.principal.key_id, scope.name, first), version, made, now=now)


def _first(session: Session, mine: ColumnElement[bool]) -> list[dict[str, Any]]:
    """Return who waits, then what ends soonest, then the rest, the newest first."""
    rows = session.scalars(
        select(Allocation)
        .where(mine)
        .order_by(
            case((Allocation.phase == Phase.PENDING, 0), else_=1),
            Allocation.expires_at.asc().nulls_last(),
            Allocation.requested_at.desc(),
        )
        .limit(SHOWN)
    ).all()
    idle = set(
        session.scalars(
            select(Suggestion.allocation_id).where(
                Suggestion.allocation_id.in_([row.allocation_id for row in rows]),
                Suggestion.type == SuggestionType.IDLE_RELEASE,
                Suggestion.status.in_([Status.OPEN, Status.NOTICED]),
            )
        )
    )
    return [_row(row, is_idle=row.allocation_id in idle) for row in rows]


def _row(row: Allocation, *, is_idle: bool) -> dict[str, Any]:
    return {
        "allocation_id": row.allocation_id,
        "namespace": row.namespace,
        "pod_name": row.pod_name,
        "phase": row.phase,
        "allocated_resource": row.allocated_resource,
        "cost_per_hour": row.cost_per_hour,
        "requested_at": row.requested_at,
        "expires_at": row.expires_at,
        "message": row.message if row.phase is Phase.PENDING else None,
        "is_idle": is_idle,
    }
