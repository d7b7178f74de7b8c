"""HTTP for the dashboard: its first screen in one answer, and the search over everything."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from gpu_management.auth.access import Permission, roles_of
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import Now, ReadSession, WireRoute, page_of, problems
from gpu_management.core.paging import Listing
from gpu_management.overview import dashboard_schemas as schemas
from gpu_management.overview.first_screen import Screen, draw
from gpu_management.overview.search import search

router = APIRouter(prefix="/api/v1/gpu", tags=["overview"], route_class=WireRoute)

Viewer = Annotated[Principal, Depends(requires(Permission.OVERVIEW_READ))]
General = Annotated[Principal, Depends(requires(Permission.GENERAL_READ))]


@router.get(
    "/search",
    operation_id="searchEverything",
    response_model=list[schemas.SearchHit],
    responses=problems(),
    summary="Find by a part of the name",
)
def search_everything(
    principal: General,
    session: ReadSession,
    request: Request,
    response: Response,
    q: Annotated[str, Query(min_length=1, max_length=100, description="A part of a name.")],
    limit: Annotated[int, Query(ge=1, le=100, description="Hits of each kind at most.")] = 10,
) -> Any:
    """Return nodes, GPUs, teams and allocations whose name has the text, nearest names first."""
    readable = request.app.state.security.devices_readable
    listers = roles_of(Permission.DEVICES_LIST, devices_readable=readable)
    sees_devices = bool(principal.roles & listers)
    hits = search(session, q, principal=principal, sees_devices=sees_devices, limit=limit)
    return page_of(request, response, Listing(hits, len(hits), None))


async def screen_of(request: Request) -> Screen:
    """Return what this process draws first screens with."""
    return Screen(request.app.state.board, request.app.state.purse)


@router.get(
    "/overview/screen",
    operation_id="getFirstScreen",
    response_model=schemas.FirstScreen,
    responses=problems(),
    summary="The dashboard's first screen in one answer",
)
def first_screen(
    principal: Viewer,
    session: ReadSession,
    screen: Annotated[Screen, Depends(screen_of)],
    now: Now,
    *,
    days: Annotated[int, Query(ge=1, le=90, description="Days of the series up to now.")] = 14,
) -> Any:
    """Return every GPU, what is waited for, idle and open, and what it costs.

    Requests, idle holders, alerts and budgets are those the caller may see.
    """
    return draw(session, screen, principal, days=days, now=now)
