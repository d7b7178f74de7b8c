"""HTTP for cost: /api/v1/gpu/cost."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from gpu_management.allocations.errors import AllocationNotFound
from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import Now, Paging, ReadSession, WireRoute, page_of, problems
from gpu_management.core.wire import Instant
from gpu_management.costs import answers, ledger_schemas, schemas, service, timeline
from gpu_management.costs.asking import Asked, groups_of, only_of, page_of_rows, window_of
from gpu_management.costs.budget_routes import PurseDep
from gpu_management.costs.grouping import Dimension

router = APIRouter(prefix="/api/v1/gpu", tags=["cost"], route_class=WireRoute)

_Days = Annotated[int | None, Query(ge=1, le=365, description="Days up to today; else 30.")]
_Start = Annotated[Instant | None, Query(description="Start of the window, instead of `days`.")]
_End = Annotated[Instant | None, Query(description="End of the window; else now.")]
_Window = Annotated[
    str | None,
    Query(
        max_length=100,
        description="Instead: today, yesterday, week, lastweek, month, lastmonth, 7d, or a pair of"
        " times, as OpenCost reads them; up to now.",
    ),
]


def _text(description: str) -> Any:
    return Query(max_length=253, description=f"{description} Empty: those without.")


async def desk_of(request: Request) -> service.Desk:
    """Return what costing knows of the house."""
    found: service.Desk = request.app.state.desk
    return found


async def _asked(
    days: _Days = None, start: _Start = None, end: _End = None, window: _Window = None
) -> Asked:
    return Asked(days, start, end, window)


async def _only(
    *,
    team: Annotated[str | None, _text("Only of this team.")] = None,
    user: Annotated[str | None, _text("Only of this user.")] = None,
    namespace: Annotated[str | None, _text("Only of this namespace.")] = None,
    model: Annotated[str | None, _text("Only of this GPU model.")] = None,
    workload_type: Annotated[
        str | None, Query(alias="workloadType", max_length=24, description="Only of this kind.")
    ] = None,
    cluster: Annotated[str | None, _text("Only in this cluster.")] = None,
    node: Annotated[str | None, _text("Only on this node.")] = None,
    allocation: Annotated[str | None, _text("Only of this allocation.")] = None,
) -> dict[Dimension, str]:
    return only_of(
        {
            Dimension.TEAM: team,
            Dimension.USER: user,
            Dimension.NAMESPACE: namespace,
            Dimension.MODEL: model,
            Dimension.WORKLOAD_TYPE: workload_type,
            Dimension.CLUSTER: cluster,
            Dimension.NODE: node,
            Dimension.ALLOCATION: allocation,
        }
    )


DeskDep = Annotated[service.Desk, Depends(desk_of)]
AskedDep = Annotated[Asked, Depends(_asked)]
OnlyDep = Annotated[dict[Dimension, str], Depends(_only)]
CostReader = Annotated[Principal, Depends(requires(Permission.COST_READ))]
OwnReader = Annotated[Principal, Depends(requires(Permission.OWN_COST_READ))]
Group = Annotated[
    str,
    Query(
        max_length=200,
        description="Dimensions, parted by commas: " + ", ".join(Dimension) + ".",
        examples=["team,day"],
    ),
]


@router.get(
    "/cost/analysis",
    response_model=schemas.Analysis,
    operation_id="getCostAnalysis",
    summary="Spending of the last days",
    responses=problems(),
)
def analysis(
    principal: CostReader,
    session: ReadSession,
    desk: DeskDep,
    purse: PurseDep,
    now: Now,
    asked: AskedDep,
) -> Any:
    """Return what was spent, by everything that pays, and where the fleet's time went."""
    window = window_of(desk, asked, now=now)
    reader = service.Reader(principal)
    return answers.analysis(session, desk, purse, window=window, reader=reader, now=now)


@router.get(
    "/me/cost",
    response_model=schemas.Analysis,
    operation_id="getOwnCost",
    summary="Spending of your own team",
    responses=problems(),
)
def own(
    principal: OwnReader,
    session: ReadSession,
    desk: DeskDep,
    purse: PurseDep,
    now: Now,
    asked: AskedDep,
) -> Any:
    """Return what the caller's team spent (D-08)."""
    window = window_of(desk, asked, now=now)
    reader = service.Reader(principal, Permission.OWN_COST_READ)
    return answers.analysis(session, desk, purse, window=window, reader=reader, now=now)


@router.get(
    "/cost/by",
    response_model=list[schemas.CostRow],
    operation_id="getCostBy",
    summary="Spending by any dimensions",
    responses=problems(),
)
def cost_by(
    principal: CostReader,
    session: ReadSession,
    desk: DeskDep,
    now: Now,
    asked: AskedDep,
    only: OnlyDep,
    page: Paging,
    request: Request,
    response: Response,
    group: Group = "team",
) -> Any:
    """Return what each group cost; rows sum to the total to the millionth. Also as CSV."""
    window, groups = window_of(desk, asked, now=now), groups_of(group, tuple(Dimension))
    reader = service.Reader(principal)
    rows = answers.cost_by(session, desk, window, groups=groups, only=only, reader=reader)
    ordered = answers.in_order(rows, groups, page.sort)
    return page_of(request, response, page_of_rows(ordered, page))


@router.get(
    "/me/cost/by",
    response_model=list[schemas.CostRow],
    operation_id="getOwnCostBy",
    summary="Spending of your own team by any dimensions",
    responses=problems(),
)
def own_by(
    principal: OwnReader,
    session: ReadSession,
    desk: DeskDep,
    now: Now,
    asked: AskedDep,
    only: OnlyDep,
    page: Paging,
    request: Request,
    response: Response,
    group: Group = "user",
) -> Any:
    """Return what each group of the caller's team cost (D-08)."""
    window, groups = window_of(desk, asked, now=now), groups_of(group, tuple(Dimension))
    reader = service.Reader(principal, Permission.OWN_COST_READ)
    rows = answers.cost_by(session, desk, window, groups=groups, only=only, reader=reader)
    ordered = answers.in_order(rows, groups, page.sort)
    return page_of(request, response, page_of_rows(ordered, page))


@router.get(
    "/allocations/{allocation_id}/cost",
    response_model=ledger_schemas.AllocationCost,
    operation_id="getAllocationCost",
    summary="Cost of an allocation so far, and to its end",
    responses=problems(AllocationNotFound),
)
def allocation_cost(
    allocation_id: Annotated[str, Path(max_length=60, description="The allocation's id.")],
    principal: OwnReader,
    session: ReadSession,
    desk: DeskDep,
    now: Now,
) -> Any:
    """Return what an allocation cost hold by hold, and what it will cost at prices known now."""
    return timeline.allocation_cost(session, desk, allocation_id, principal=principal, now=now)
