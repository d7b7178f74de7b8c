"""Health, information and metrics of the process: the actuator family (API-12)."""

import platform
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from gpu_management import __version__
from gpu_management.api import metrics
from gpu_management.auth.access import Permission
from gpu_management.auth.routes import requires
from gpu_management.cluster.models import ClusterLink
from gpu_management.core.clock import wire_time
from gpu_management.core.http import problems, runtime
from gpu_management.core.logs import get_logger

log = get_logger(__name__)

router = APIRouter(tags=["actuator"])
metrics_router = APIRouter(tags=["actuator"])

_HEALTH: dict[str, Any] = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"type": "string", "enum": ["UP", "DOWN"]},
        "components": {"type": "object"},
    },
}
_HEALTH_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "UP", "content": {"application/json": {"schema": _HEALTH}}},
    503: {"description": "DOWN", "content": {"application/json": {"schema": _HEALTH}}},
}


@router.get(
    "/actuator/health",
    operation_id="getHealth",
    summary="Health with its components",
    responses=_HEALTH_RESPONSES,
)
def health(request: Request, response: Response) -> dict[str, Any]:
    """Say `UP` when the database answers; never asks who wants to know."""
    database = _database(request)
    status = database["status"]
    response.status_code = 200 if status == "UP" else 503
    components = {"db": database, "ping": {"status": "UP"}}
    if status == "UP":
        components |= _clusters(request)
    return {"status": status, "components": components}


def _clusters(request: Request) -> dict[str, Any]:
    """Return how well clusters are seen; one that is away takes nobody out of service."""
    with runtime(request).database.read() as session:
        links = session.scalars(select(ClusterLink).order_by(ClusterLink.cluster_name)).all()
    if not links:
        return {}
    is_seen = all(link.synced_at is not None and link.stale_since is None for link in links)
    details = {
        link.cluster_name: {
            "enforcement": link.enforcement,
            "syncedAt": _moment(link.synced_at),
            "staleSince": _moment(link.stale_since),
        }
        for link in links
    }
    return {"cluster": {"status": "UP" if is_seen else "UNKNOWN", "details": details}}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else wire_time(moment)


def _database(request: Request) -> dict[str, Any]:
    serving = runtime(request)
    engine = serving.database.engine.dialect.name
    try:
        with serving.database.read() as session:
            session.execute(text("SELECT 1"))
    except SQLAlchemyError as failure:
        reason = str(failure).splitlines()[0]
        log.warning("GPU database does not answer: %s", reason)
        return {"status": "DOWN", "details": {"database": engine}}
    return {"status": "UP", "details": {"database": engine}}


@router.get("/actuator/health/liveness", operation_id="getLiveness", summary="Is it alive")
async def liveness() -> dict[str, str]:
    """Say `UP` as long as the process answers; a dead database is no reason to restart it."""
    return {"status": "UP"}


@router.get(
    "/actuator/health/readiness",
    operation_id="getReadiness",
    summary="May it get traffic",
    responses=_HEALTH_RESPONSES,
)
def readiness(request: Request, response: Response) -> dict[str, Any]:
    """Say `UP` when requests can be served."""
    database = _database(request)
    response.status_code = 200 if database["status"] == "UP" else 503
    return {"status": database["status"], "components": {"db": database}}


@router.get(
    "/actuator/info",
    operation_id="getInfo",
    summary="What runs here",
    dependencies=[Depends(requires(Permission.GENERAL_READ))],
    responses=problems(),
)
def info(request: Request) -> dict[str, Any]:
    """Return name, version and surroundings."""
    serving = runtime(request)
    return {
        "app": {"name": "k8s-gpu-management", "version": __version__},
        "python": platform.python_version(),
        "database": serving.database.engine.dialect.name,
        "cluster": serving.cluster_name,
        "security": request.app.state.security.mode.value,
    }


_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus text format", "content": {"text/plain": {}}}
}


@metrics_router.get(
    "/actuator/prometheus",
    operation_id="getMetrics",
    summary="Metrics",
    response_class=Response,
    responses=_TEXT,
)
@metrics_router.get("/metrics", include_in_schema=False, response_class=Response)
def prometheus(request: Request) -> Response:
    """Return the fleet's and the process's metrics; open unless `metrics.public` is off (D-09)."""
    serving = runtime(request)
    with serving.database.read() as session:
        fleet = metrics.fleet(session, request.app.state.desk, now=serving.clock())
    return Response(fleet + generate_latest(), media_type=CONTENT_TYPE_LATEST)


@metrics_router.get("/actuator/metrics", operation_id="listMetrics", summary="Names of the metrics")
def names(request: Request) -> dict[str, list[str]]:
    """Return the names of every metric that is exported."""
    exposition = bytes(prometheus(request).body).decode()
    found = {line.split()[2] for line in exposition.splitlines() if line.startswith("# TYPE")}
    return {"names": sorted(found)}
