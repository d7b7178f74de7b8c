"""HTTP for the MIG page of the dashboard: the fleet in figures, and page by page as it is cut."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from gpu_management.auth.access import Permission, visible_team
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import (
    ClusterName,
    Now,
    Paging,
    ReadSession,
    WireRoute,
    page_of,
    problems,
)
from gpu_management.core.paging import Listing
from gpu_management.devices.models import DeviceState
from gpu_management.mig import screen as screens
from gpu_management.mig import screen_schemas as schemas
from gpu_management.mig.plan_routes import ClaimsOf, PastUse

router = APIRouter(prefix="/api/v1/gpu/mig", tags=["mig"], route_class=WireRoute)

Reader = Annotated[Principal, Depends(requires(Permission.MIG_READ))]
Days = Annotated[
    int, Query(alias="days", ge=1, le=90, description="How far back the peak of use is sought.")
]


async def _sheet(request: Request, cluster: ClusterName) -> screens.Sheet:
    return screens.Sheet(cluster, request.app.state.answers)


SheetDep = Annotated[screens.Sheet, Depends(_sheet)]


@router.get(
    "/screen",
    response_model=schemas.MigScreen,
    operation_id="getMigScreen",
    summary="MIG in figures",
    responses=problems(),
)
def screen(
    _principal: Reader,
    session: ReadSession,
    sheet: SheetDep,
    claims_of: ClaimsOf,
    past_use: PastUse,
    now: Now,
    days: Days = 7,
) -> Any:
    """Return how many GPUs are cut and what that strands, and each profile's demand."""
    waiting = claims_of(session, sheet.cluster, among=()).waiting

    def summary() -> dict[str, Any]:
        past = past_use(session, sheet.cluster, now - timedelta(days=days))
        return screens.summary(sheet.cuts(session, now=now), waiting, past)

    version = (sheet.version(session), tuple(waiting))
    found = sheet.cache.get(("mig", "screen", sheet.cluster, days), version, summary, now=now)
    return found | {"history_days": days}


def _asked(
    device_ids: Annotated[
        list[str], Query(alias="deviceId", max_length=500, description="Only these; may repeat.")
    ] = [],  # noqa: B006 - FastAPI copies it
    model_id: Annotated[str | None, Query(alias="modelId", max_length=63)] = None,
    node_name: Annotated[str | None, Query(alias="nodeName", max_length=253)] = None,
    state: Annotated[DeviceState | None, Query()] = None,
    largest: Annotated[
        str | None,
        Query(alias="largestProfile", max_length=24, description="The largest that still fits."),
    ] = None,
    search: Annotated[
        str, Query(max_length=100, description="A part of the name of GPU, node or model.")
    ] = "",
) -> screens.CutFilter:
    return screens.CutFilter(frozenset(device_ids), model_id, node_name, state, largest, search)


@router.get(
    "/devices",
    response_model=list[schemas.ScreenDevice],
    operation_id="listMigDevices",
    summary="GPUs in MIG mode",
    responses=problems(),
)
def list_devices(
    principal: Reader,
    session: ReadSession,
    sheet: SheetDep,
    claims_of: ClaimsOf,
    now: Now,
    page: Paging,
    request: Request,
    response: Response,
    asked: Annotated[screens.CutFilter, Depends(_asked)],
) -> Any:
    """List the GPUs that are cut, with slices and holders; a team sees its own holders only."""
    listing = screens.page_of_cuts(sheet.cuts(session, now=now), asked, page)
    slices = [one.id for cut in listing.rows for one in cut.slices if one.held]
    holders = claims_of(session, sheet.cluster, among=slices).holders
    team = visible_team(principal)

    def may_see(other: str | None) -> bool:
        return team is None or other == team

    rows = [screens.shown(cut, holders, may_see) for cut in listing.rows]
    return page_of(request, response, Listing(rows, listing.total, listing.next_cursor))
