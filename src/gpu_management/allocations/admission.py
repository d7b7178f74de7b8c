"""What may refuse a request that would fit: the quota of its team."""

from sqlalchemy import bindparam, case, func, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold
from gpu_management.allocations.office import Admission
from gpu_management.allocations.request import Ask
from gpu_management.auth import quotas
from gpu_management.auth.models import Team
from gpu_management.core.database import AnySelect
from gpu_management.core.trips import Answer, send

_HELD = (
    select(func.coalesce(func.sum(Hold.milli), 0))
    .join(Allocation, Allocation.allocation_id == Hold.allocation_id)
    .where(Allocation.team_id == bindparam("team"), Hold.ended_at.is_(None))
    .scalar_subquery()
)
_QUOTA: AnySelect = select(
    Team.gpu_limit_milli,
    case((Team.gpu_limit_milli.is_not(None), _HELD), else_=0),  # few teams have a limit
).where(Team.team_id == bindparam("team"))


def ask_quota(session: Session, ask: Ask) -> Answer:
    """Ask, in the open trip, how many thousandths of GPUs the team may hold, and holds now."""
    if ask.team_id is None:
        return Answer()
    return send(session, _QUOTA, {"team": ask.team_id})


def admit_team(session: Session, admission: Admission) -> None:
    """Let a request pass that stays within its team's quota.

    Raises:
        QuotaExceeded: the team would hold more than it may.
    """
    quota = admission.quota or ask_quota(session, admission.ask)
    for limit_milli, held_milli in quota.rows:
        quotas.check_team(
            limit_milli,
            team=admission.ask.team_id or "",
            held_milli=int(held_milli),
            asked_milli=admission.milli,
        )
