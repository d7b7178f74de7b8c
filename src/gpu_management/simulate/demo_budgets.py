"""The demonstration's budgets: late in a month one is passed, others nearly, some have room."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.costs.models import (
    Budget,
    BudgetAction,
    BudgetPeriod,
    BudgetScope,
    BudgetUnit,
)
from gpu_management.simulate import world

_TEAMS: Final = {
    "foundation-models": 60_000,
    "vision-lab": 36_000,
    "recommend": 28_000,
    "serving": 30_000,
    "data-science": 24_000,
}
_CLUSTER: Final = 260_000
_THRESHOLDS: Final = [80, 100]


def set_budgets(session: Session, cluster_name: str, *, now: datetime) -> None:
    """Give the cluster and some teams a budget of the month, unless there are any."""
    if session.scalar(select(func.count()).select_from(Budget)):
        return
    session.add(_budget(BudgetScope.CLUSTER, cluster_name, _CLUSTER, now=now))
    for team, amount in _TEAMS.items():
        session.add(_budget(BudgetScope.TEAM, team, amount, now=now))


def _budget(scope: BudgetScope, name: str, amount: int, *, now: datetime) -> Budget:
    return Budget(
        scope=scope,
        scope_name=name,
        unit=BudgetUnit.MONEY,
        period=BudgetPeriod.MONTH,
        amount=Decimal(amount),
        action=BudgetAction.WARN,
        thresholds_pct=list(_THRESHOLDS),
        note=None,
        created_at=now,
        created_by=world.SIMULATOR.name,
        edition=1,
    )
