"""The pages of the server itself: start page, API reference, problem kinds."""

from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.staticfiles import StaticFiles

from gpu_management import __version__
from gpu_management.auth.principals import Mode
from gpu_management.core.http import runtime
from gpu_management.core.problems import every_kind, type_uri
from gpu_management.overview.service import overview

if TYPE_CHECKING:
    from gpu_management.api.dashboard import Dashboard

router = APIRouter(include_in_schema=False)
_templates = Environment(
    loader=PackageLoader("gpu_management.api"), autoescape=select_autoescape(), trim_blocks=True
)


def mount_assets(app: FastAPI) -> None:
    """Serve the API reference's files from the installation: no request leaves the origin."""
    swagger = StaticFiles(packages=[("fastapi_offline", "static")])
    app.mount("/assets/swagger", swagger, name="swagger")
    app.mount("/assets", StaticFiles(packages=[("gpu_management.api", "static")]), name="assets")


def _page(request: Request, name: str, **facts: Any) -> HTMLResponse:
    root = request.scope.get("root_path", "")
    html = _templates.get_template(name).render(root=root, version=__version__, **facts)
    return HTMLResponse(html)


@router.get("/")
def first(request: Request) -> Response:
    """Show the dashboard; where it was not built, the start page, which says how to build it."""
    dashboard: Dashboard | None = request.app.state.dashboard
    if dashboard is None:
        return start(request)
    return dashboard.page(request.scope.get("root_path", ""))


@router.get("/start")
def start(request: Request) -> Response:
    """Show version, what to try, and the fleet in figures where everybody may see it."""
    is_open = request.app.state.security.mode is Mode.DISABLED
    address = str(request.base_url).rstrip("/")
    return _page(
        request,
        "start.html",
        fleet=_figures(request) if is_open else None,
        address=address,
        note=request.app.state.insecure_note,
        is_built=request.app.state.dashboard is not None,
        security=request.app.state.security.mode.value,
    )


def _figures(request: Request) -> dict[str, Any]:
    serving = runtime(request)
    with serving.database.read() as session:
        return overview(
            session,
            serving.cluster_name,
            request.app.state.desk,
            with_nodes=False,
            now=serving.clock(),
        )


@router.get("/docs")
def reference(request: Request) -> Response:
    """Show the API reference."""
    return _page(request, "docs.html")


@router.get("/problems")
def problem_kinds(request: Request) -> Response:
    """Show every kind of problem an answer may carry."""
    return _page(request, "problems.html", kinds=[(k, type_uri(k)) for k in every_kind()])


@router.get("/problems/{slug}")
def problem_kind(request: Request, slug: str) -> Response:
    """Show one kind of problem: `type` in a problem document points here."""
    kinds = [(k, type_uri(k)) for k in every_kind() if type_uri(k).endswith(f"/{slug}")]
    return _page(request, "problems.html", kinds=kinds)


@router.get("/openapi.json")
def openapi_document(request: Request) -> Response:
    """Return the OpenAPI document."""
    document = dict(request.app.openapi())
    root = request.scope.get("root_path", "")
    if root:
        document["servers"] = [{"url": root}]
    return Response(orjson.dumps(document), media_type="application/json")
