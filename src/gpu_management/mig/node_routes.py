"""HTTP for the collectors of nodes that may cut GPUs: they report, and are told what to do."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import (
    ClusterName,
    Now,
    WireRoute,
    WriteSession,
    note_unknown,
    problems,
)
from gpu_management.core.problems import Forbidden
from gpu_management.mig import node_orders as orders
from gpu_management.mig import node_schemas as schemas
from gpu_management.mig.errors import MigPlanNotExecutable

router = APIRouter(prefix="/api/v1/gpu/mig/nodes", tags=["mig"], route_class=WireRoute)

Cutter = Annotated[Principal, Depends(requires(Permission.MIG_CUT))]
NodeName = Annotated[str, Path(max_length=253)]
_NODE_MARK = "node:"


async def _is_allowed(request: Request) -> bool:
    found: bool = request.app.state.mig_by_collectors
    return found


@router.post(
    "/{node_name}/report",
    response_model=schemas.NodeOrder,
    operation_id="reportMigNode",
    summary="What a node's collector sees, and what it is to cut",
    responses=problems(MigPlanNotExecutable, Forbidden),
)
def report(
    node_name: NodeName,
    body: schemas.NodeReport,
    principal: Cutter,
    is_allowed: Annotated[bool, Depends(_is_allowed)],
    session: WriteSession,
    cluster: ClusterName,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Keep what the collector of a node sees, and answer what it is to cut.

    A key whose user is `node:NAME` speaks for that node alone.
    """
    note_unknown(request, response, body)
    check_speaks_for(principal, node_name)
    if not is_allowed:
        raise MigPlanNotExecutable(
            "collectors may not cut GPUs here: cluster.mig-by-collectors is off"
        )
    order = orders.take_report(session, cluster, node_name, body.report(), now=now)
    if order is None:
        return {"order_id": None, "devices": []}
    return {"order_id": order.order_id, "devices": order.boards}


def check_speaks_for(principal: Principal, node_name: str) -> None:
    """Let a collector speak for its own node only.

    Raises:
        Forbidden: its key is another node's.
    """
    user = principal.user or ""
    if user.startswith(_NODE_MARK) and user != f"{_NODE_MARK}{node_name}":
        raise Forbidden(f"the key of {user.removeprefix(_NODE_MARK)} cannot speak for {node_name}")
