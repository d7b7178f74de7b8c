"""HTTP for what a server is set to: /api/v1/admin/settings, to be read only."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from gpu_management.auth.routes import AdminDep
from gpu_management.core.http import Paging, WireRoute, page_of, problems
from gpu_management.core.settings_report import Row
from gpu_management.core.wire import WireModel
from gpu_management.costs.asking import page_of_rows

router = APIRouter(prefix="/api/v1/admin", tags=["admin"], route_class=WireRoute)


class Setting(WireModel):
    """A setting of the server that answers."""

    key: str
    value: str = Field(description="As it is in force; a secret is masked.")
    origin: str = Field(
        description="`default`, or the file, profile, variable or flag that set it."
    )
    env: str = Field(description="Environment variables that set it.")
    description: str


async def settings_shown(request: Request) -> Sequence[Row]:
    """Return what this process was started with, as it may be shown."""
    found: Sequence[Row] = request.app.state.settings_shown
    return found


@router.get(
    "/settings",
    response_model=list[Setting],
    operation_id="listSettings",
    summary="What the server is set to, and why",
    responses=problems(),
)
def list_settings(
    _principal: AdminDep,
    shown: Annotated[Sequence[Row], Depends(settings_shown)],
    page: Paging,
    request: Request,
    response: Response,
) -> Any:
    """List every setting with the source that set it; secrets are never told."""
    return page_of(request, response, page_of_rows(shown, page))
