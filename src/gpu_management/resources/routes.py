"""HTTP for the cluster's ordinary CPU and memory: /api/v1/resources."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import (
    ClusterName,
    Paging,
    ReadSession,
    WireRoute,
    page_of,
    problems,
)
from gpu_management.core.paging import page_of_rows
from gpu_management.resources import queries, schemas
from gpu_management.resources.analysis import Heat, Verdict

router = APIRouter(prefix="/api/v1/resources", tags=["resources"], route_class=WireRoute)

Reader = Annotated[Principal, Depends(requires(Permission.GENERAL_READ))]


@router.get(
    "/nodes",
    response_model=list[schemas.NodeResources],
    operation_id="listNodeResources",
    summary="CPU and memory by node",
    responses=problems(),
)
def list_nodes(
    _principal: Reader,
    session: ReadSession,
    cluster: ClusterName,
    page: Paging,
    request: Request,
    response: Response,
    heat: Annotated[Heat | None, Query(description="Only nodes in use like this.")] = None,
) -> Any:
    """List the nodes of the cluster: what they have, what pods ask for, what is used."""
    return page_of(request, response, queries.list_nodes(session, cluster, heat, page=page))


@router.get(
    "/pods",
    response_model=list[schemas.PodResources],
    operation_id="listPodResources",
    summary="CPU and memory by pod",
    responses=problems(),
)
def list_pods(
    principal: Reader,
    session: ReadSession,
    cluster: ClusterName,
    page: Paging,
    request: Request,
    response: Response,
    namespace: Annotated[str | None, Query(max_length=63)] = None,
    node_name: Annotated[str | None, Query(alias="nodeName", max_length=253)] = None,
    verdict: Annotated[Verdict | None, Query(description="Only pods that are like this.")] = None,
) -> Any:
    """List pods that wait or run; those of your team's namespaces, unless you see every team."""
    asked = queries.PodFilter(cluster, namespace, node_name, verdict)
    listing = queries.list_pods(session, asked, principal=principal, page=page)
    return page_of(request, response, listing)


@router.get(
    "/namespaces",
    response_model=list[schemas.NamespaceResources],
    operation_id="listNamespaceResources",
    summary="CPU and memory by namespace",
    responses=problems(),
)
def list_namespaces(
    principal: Reader,
    session: ReadSession,
    cluster: ClusterName,
    page: Paging,
    request: Request,
    response: Response,
) -> Any:
    """List namespaces by name: what their pods ask for, use and waste."""
    rows = queries.namespaces(session, cluster, principal=principal)
    return page_of(request, response, page_of_rows(rows, page))


@router.get(
    "/summary",
    response_model=schemas.ResourceUsage,
    operation_id="getResourceSummary",
    summary="CPU and memory in one answer",
    responses=problems(),
)
def summary(principal: Reader, session: ReadSession, cluster: ClusterName) -> Any:
    """Return totals, shares in use, namespaces, and what could be better."""
    return queries.summary(session, cluster, principal=principal)
