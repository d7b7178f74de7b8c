"""What people wait for, hold idle, and are warned of: as far as the caller may see it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.alerts import service as alerts
from gpu_management.allocations.models import Allocation, Phase
from gpu_management.auth.access import visible_team
from gpu_management.auth.principals import Principal
from gpu_management.core.database import AnySelect
from gpu_management.core.paging import Page
from gpu_management.costs import budgets as costs_budgets
from gpu_management.costs.budgets import BudgetFilter, Purse
from gpu_management.optimization.models import Status, Suggestion, SuggestionType

SHOWN: Final = 5
"""Rows of each list on the first screen; the page behind it has all."""

_DAY: Final = timedelta(days=1)
_MOST_WAITS: Final = 20_000
_GRAVITY: Final = {"critical": 0, "error": 1, "warning": 2, "info": 3}


def _of_team(query: AnySelect, column: Any, principal: Principal) -> AnySelect:
    team = visible_team(principal)
    return query if team is None else query.where(column == team)


def waiting(session: Session, principal: Principal, *, now: datetime) -> dict[str, Any]:
    """Return who waits, and how long those placed in the last day have waited."""
    pending = _of_team(
        select(Allocation).where(Allocation.phase == Phase.PENDING), Allocation.team_id, principal
    )
    rows = session.scalars(pending.order_by(Allocation.requested_at).limit(SHOWN)).all()
    count = session.scalar(select(func.count()).select_from(pending.subquery())) or 0
    since = now - _DAY
    placed = _of_team(
        select(Allocation.requested_at, Allocation.allocated_at).where(
            Allocation.requested_at >= since, Allocation.allocated_at.is_not(None)
        ),
        Allocation.team_id,
        principal,
    )
    waits = sorted(
        (taken - asked).total_seconds()
        for asked, taken in session.connection().execute(placed.limit(_MOST_WAITS))
    )
    return {
        "count": count,
        "p50_seconds": quantile(waits, 50),
        "p95_seconds": quantile(waits, 95),
        "placed": len(waits),
        "longest": rows,
    }


def quantile(ordered: Sequence[float], pct: int) -> float | None:
    """Return the smallest value that `pct` of 100 values do not exceed; None of none."""
    return ordered[-(-len(ordered) * pct // 100) - 1] if ordered else None


def idle(session: Session, principal: Principal) -> dict[str, Any]:
    """Return what is held and idle now: what the savings page has open."""
    query = _of_team(
        select(Suggestion, Allocation.pod_name)
        .join(Allocation, Allocation.allocation_id == Suggestion.allocation_id)
        .where(
            Suggestion.type == SuggestionType.IDLE_RELEASE,
            Suggestion.status.in_([Status.OPEN, Status.NOTICED]),
        ),
        Suggestion.team_id,
        principal,
    )
    found = session.execute(query).all()
    cost = sum((row.current_cost or Decimal(0) for row, _ in found), Decimal(0))
    dearest = sorted(found, key=lambda pair: -(pair[0].current_cost or 0))[:SHOWN]
    return {
        "count": len(found),
        "cost_per_hour": cost,
        "dearest": [_idle(row, pod_name) for row, pod_name in dearest],
    }


def _idle(row: Suggestion, pod_name: str) -> dict[str, Any]:
    means = [one["last_hour_pct"] for one in row.evidence]
    return {
        "allocation_id": row.allocation_id,
        "namespace": row.namespace,
        "pod_name": pod_name,
        "team_id": row.team_id,
        "cost_per_hour": row.current_cost,
        "mean_pct": round(sum(means) / len(means), 1) if means else None,
        "since": row.created_at,
    }


def open_alerts(session: Session, principal: Principal) -> dict[str, Any]:
    """Return how many alerts are open, and the gravest."""
    listing = alerts.list_alerts(
        session, alerts.AlertFilter(), principal=principal, page=Page(limit=200)
    )
    loud = [row for row in listing.rows if row["silence_id"] is None]
    loud.sort(key=lambda row: _GRAVITY.get(row["severity"].value, len(_GRAVITY)))
    return {
        "by_severity": alerts.open_counts(session),
        "newest": [
            row | {"severity": row["severity"].value, "target": _target(row)}
            for row in loud[:SHOWN]
        ],
    }


def _target(row: dict[str, Any]) -> str | None:
    found: str | None = row["device_id"] or row["node_name"] or row["team"]
    return found


def budgets(
    session: Session, purse: Purse, principal: Principal, *, now: datetime
) -> list[dict[str, Any]]:
    """Return the budgets the caller may see, the fullest first."""
    page = Page(limit=50)
    rows = costs_budgets.list_budgets(session, BudgetFilter(), principal=principal, page=page).rows
    described = costs_budgets.describe(session, purse, rows, now=now) if rows else []
    return sorted(described, key=lambda one: -one["status"]["pct"])[: SHOWN + 1]
