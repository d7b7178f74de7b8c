"""What each team cost this month and what of it was used, for those who may read costs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy.orm import Session

from gpu_management.auth.access import Permission, permissions_of
from gpu_management.auth.principals import Principal
from gpu_management.core.cache import Cache
from gpu_management.core.clock import whole_second
from gpu_management.costs.answers import cost_by
from gpu_management.costs.days import day_start
from gpu_management.costs.grouping import Dimension
from gpu_management.costs.reader import Reader
from gpu_management.costs.service import Desk, Window

SHOWN: Final = 8
"""Teams on the first screen; the cost page has all."""

_KEPT_SECONDS: Final = 60
_PARTS: Final = ("cost", "used_cost", "idle_cost", "unattributed_cost")


def teams(
    session: Session, desk: Desk, cache: Cache, principal: Principal, *, now: datetime
) -> dict[str, Any] | None:
    """Return the dearest teams of the month so far, and the others as one; None for who may not."""
    if Permission.COST_READ not in permissions_of(principal.roles):
        return None
    first = now.astimezone(desk.zone).date().replace(day=1)
    window = Window(day_start(first, desk.zone), whole_second(now))

    def made() -> list[dict[str, Any]]:
        reader = Reader(principal)
        rows = cost_by(session, desk, window, groups=[Dimension.TEAM], only={}, reader=reader)
        return sorted(rows, key=lambda row: -row["cost"])

    version = (int(now.timestamp()) // _KEPT_SECONDS, desk.keeper.book(session))
    rows = cache.get(("teams", first), version, made, now=now)
    rest = rows[SHOWN:]
    return {
        "month": f"{first:%Y-%m}",
        "first": [_row(row) for row in rows[:SHOWN]],
        "others": {"count": len(rest), **_summed(rest)} if rest else None,
    }


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"team_id": row["team"], **{name: row[name] for name in _PARTS}}


def _summed(rows: Sequence[Mapping[str, Any]]) -> dict[str, Decimal]:
    return {name: sum((row[name] for row in rows), Decimal(0)) for name in _PARTS}
