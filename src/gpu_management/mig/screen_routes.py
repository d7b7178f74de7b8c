"""HTTP for the MIG page of the dashboard: one answer for everything it shows at first."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from gpu_management.auth.access import Permission, visible_team
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import ClusterName, Now, ReadSession, WireRoute, problems
from gpu_management.mig import plan_service as service
from gpu_management.mig import screen as screens
from gpu_management.mig import screen_schemas as schemas
from gpu_management.mig.plan_routes import ClaimsOf, PastUse

router = APIRouter(prefix="/api/v1/gpu/mig", tags=["mig"], route_class=WireRoute)

Reader = Annotated[Principal, Depends(requires(Permission.MIG_READ))]
Days = Annotated[
    int, Query(alias="days", ge=1, le=90, description="How far back the peak of use is sought.")
]


@router.get(
    "/screen",
    response_model=schemas.MigScreen,
    operation_id="getMigScreen",
    summary="The MIG page in one answer",
    responses=problems(),
)
def screen(
    principal: Reader,
    session: ReadSession,
    cluster: ClusterName,
    claims_of: ClaimsOf,
    past_use: PastUse,
    now: Now,
    days: Days = 7,
) -> Any:
    """Return every GPU in MIG mode as it is cut, and each profile's demand beside what fits."""
    claims = claims_of(session, cluster)
    situation = service.situation_of(session, cluster, claims, rules=service.Rules(), demand=None)
    past = past_use(session, cluster, now - timedelta(days=days))
    team = visible_team(principal)
    found = screens.screen(
        session,
        cluster,
        situation,
        claims=claims,
        past=past,
        may_see=lambda holder: team is None or holder.team_id == team,
    )
    return found | {"history_days": days}
