"""What may refuse a request that would fit: the quota of its team."""

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from gpu_management.allocations.office import Admission
from gpu_management.allocations.queries import open_milli_of_team
from gpu_management.auth import quotas
from gpu_management.auth.models import Team

_LIMIT = select(Team.gpu_limit_milli).where(Team.team_id == bindparam("team"))


def admit_team(session: Session, admission: Admission) -> None:
    """Let a request pass that stays within its team's quota.

    Raises:
        QuotaExceeded: the team would hold more than it may.
    """
    team_id = admission.ask.team_id
    if team_id is None:
        return
    limit_milli = session.connection().execute(_LIMIT, {"team": team_id}).scalar()
    if limit_milli is None:
        return
    quotas.check_team(
        limit_milli,
        team=team_id,
        held_milli=open_milli_of_team(session, team_id),
        asked_milli=admission.milli,
    )
