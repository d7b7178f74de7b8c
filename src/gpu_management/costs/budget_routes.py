"""HTTP for budgets: /api/v1/gpu/budgets."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from sqlalchemy.orm import Session

from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import (
    Now,
    Paging,
    ReadSession,
    WireRoute,
    WriteSession,
    note_unknown,
    page_of,
    problems,
)
from gpu_management.core.paging import Listing
from gpu_management.core.problems import PreconditionFailed
from gpu_management.costs import budget_schemas as schemas
from gpu_management.costs import budgets
from gpu_management.costs.errors import BudgetExists, BudgetInvalid, BudgetNotFound
from gpu_management.costs.models import Budget, BudgetScope

router = APIRouter(prefix="/api/v1/gpu/budgets", tags=["cost"], route_class=WireRoute)


async def purse_of(request: Request) -> budgets.Purse:
    """Return what budgets know of the house."""
    found: budgets.Purse = request.app.state.purse
    return found


Reader = Annotated[Principal, Depends(requires(Permission.OWN_COST_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.BILLING_WRITE))]
PurseDep = Annotated[budgets.Purse, Depends(purse_of)]
BudgetId = Annotated[int, Path(alias="budgetId", ge=1, le=2**53)]
IfMatch = Annotated[str | None, Header(description="`ETag` of the copy you changed.")]


@router.get(
    "",
    response_model=list[schemas.Budget],
    operation_id="listBudgets",
    summary="Budgets, and how they stand",
    responses=problems(),
)
def list_all(
    principal: Reader,
    session: ReadSession,
    purse: PurseDep,
    now: Now,
    page: Paging,
    request: Request,
    response: Response,
    scope: Annotated[BudgetScope | None, Query(description="Only of this kind.")] = None,
    scope_name: Annotated[
        str | None, Query(alias="scopeName", max_length=253, description="Only of this name.")
    ] = None,
) -> Any:
    """List every budget; without a role that reads all costs, those of your team and your own."""
    asked = budgets.BudgetFilter(scope, scope_name)
    found = budgets.list_budgets(session, asked, principal=principal, page=page)
    rows = budgets.describe(session, purse, found.rows, now=now)
    return page_of(request, response, Listing(rows, found.total, found.next_cursor))


@router.post(
    "",
    status_code=201,
    response_model=schemas.Budget,
    operation_id="createBudget",
    summary="Set a budget",
    responses=problems(BudgetExists, BudgetInvalid),
)
def create(
    body: schemas.BudgetCreate,
    principal: Writer,
    session: WriteSession,
    purse: PurseDep,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Set how much a team, a namespace, a user or the cluster may spend in a period."""
    note_unknown(request, response, body)
    row = budgets.create(
        session,
        purse,
        whose=budgets.Whose(body.scope, body.scope_name, body.unit, body.period),
        terms=_changes(body),
        principal=principal,
        now=now,
    )
    response.headers["Location"] = f"{request.url.path}/{row.id}"
    return _one(session, purse, row, response, now)


@router.get(
    "/{budgetId}",
    response_model=schemas.Budget,
    operation_id="getBudget",
    summary="Show a budget, and how it stands",
    responses=problems(BudgetNotFound),
)
def get(
    budget_id: BudgetId,
    principal: Reader,
    session: ReadSession,
    purse: PurseDep,
    now: Now,
    response: Response,
) -> Any:
    """Return one budget; its `ETag` guards a change."""
    row = budgets.find(session, budget_id, principal=principal)
    return _one(session, purse, row, response, now)


@router.put(
    "/{budgetId}",
    response_model=schemas.Budget,
    operation_id="updateBudget",
    summary="Change a budget",
    responses=problems(BudgetNotFound, BudgetInvalid, PreconditionFailed),
)
def update(
    budget_id: BudgetId,
    body: schemas.BudgetUpdate,
    principal: Writer,
    session: WriteSession,
    purse: PurseDep,
    now: Now,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> Any:
    """Replace amount, action, thresholds and note; a new amount starts its warnings afresh."""
    note_unknown(request, response, body)
    row = budgets.lock(session, budget_id, principal=principal, if_match=if_match)
    budgets.change(session, row, purse=purse, changes=_changes(body), principal=principal, now=now)
    return _one(session, purse, row, response, now)


@router.delete(
    "/{budgetId}",
    response_model=schemas.Budget,
    operation_id="deleteBudget",
    summary="Remove a budget",
    responses=problems(BudgetNotFound, PreconditionFailed),
)
def delete(
    budget_id: BudgetId,
    principal: Writer,
    session: WriteSession,
    purse: PurseDep,
    now: Now,
    response: Response,
    if_match: IfMatch = None,
) -> Any:
    """Remove a budget with its warnings; the audit log keeps both."""
    row = budgets.lock(session, budget_id, principal=principal, if_match=if_match)
    last = _one(session, purse, row, response, now)
    budgets.remove(session, row, purse=purse, principal=principal, now=now)
    return last


@router.get(
    "/{budgetId}/notices",
    response_model=list[schemas.BudgetNotice],
    operation_id="listBudgetNotices",
    summary="Warnings given about a budget",
    responses=problems(BudgetNotFound),
)
def list_notices(budget_id: BudgetId, principal: Reader, session: ReadSession) -> Any:
    """Return the warnings, newest first; each is given once a period."""
    return budgets.notices(session, budget_id, principal=principal)


def _changes(body: schemas.BudgetUpdate) -> budgets.Changes:
    return budgets.Changes(body.amount, body.action, tuple(body.thresholds_pct), body.note)


def _one(
    session: Session, purse: budgets.Purse, row: Budget, response: Response, now: Now
) -> dict[str, Any]:
    response.headers["ETag"] = f'"{row.edition}"'
    (shown,) = budgets.describe(session, purse, [row], now=now)
    return shown
