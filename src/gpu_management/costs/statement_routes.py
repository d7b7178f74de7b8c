"""HTTP for statements and month close: /api/v1/gpu/statements, /api/v1/gpu/billing."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import Now, ReadSession, WireRoute, WriteSession, problems
from gpu_management.core.problems import FieldError, ValidationFailed
from gpu_management.costs import statement_pages as pages
from gpu_management.costs import statement_schemas as schemas
from gpu_management.costs import statement_views as views
from gpu_management.costs import statements
from gpu_management.costs.errors import MonthNotClosable, StatementNotFound
from gpu_management.costs.routes import DeskDep, OwnReader
from gpu_management.costs.statements import Bill

router = APIRouter(prefix="/api/v1/gpu", tags=["cost"], route_class=WireRoute)

_FORMATS = {"text/csv": "csv", "text/html": "html", "application/json": "json"}
_ALSO: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}, "text/html": {}}}}

Accountant = Annotated[Principal, Depends(requires(Permission.COST_READ))]
Month = Annotated[str, Path(max_length=20, examples=["2026-03"], description="Such as 2026-03.")]


class _Wish:
    """In which form a statement is wanted, and in which language a page."""

    def __init__(
        self,
        request: Request,
        format: Annotated[  # noqa: A002 - the published name of the parameter
            str | None, Query(max_length=20, description="json, csv or html; else by Accept.")
        ] = None,
        lang: Annotated[
            str | None, Query(max_length=20, description="en or ko, for html; else by header.")
        ] = None,
    ) -> None:
        accepted = request.headers.get("accept", "").split(",")[0].split(";")[0].strip()
        self.form = format or _FORMATS.get(accepted, "json")
        self.language = pages.language_of(lang, request.headers.get("accept-language", ""))
        if self.form not in _FORMATS.values():
            message = f"format {self.form} is not offered; allowed: json, csv, html"
            raise ValidationFailed(
                message, errors=[FieldError("format", "allowed", message, self.form)]
            )


Wish = Annotated[_Wish, Depends()]


@router.get(
    "/statements",
    response_model=list[schemas.MonthSummary],
    operation_id="listStatements",
    summary="The months that were used, closed or open",
    responses=problems(),
)
def list_all(_principal: Accountant, session: ReadSession, desk: DeskDep, now: Now) -> Any:
    """List every month from the first use to the present one, newest first."""
    closed = statements.closed_months(session)
    calendar = statements.calendar(session, desk, now=now)
    return [views.summary(frame, closed.get(frame.month)) for frame in calendar]


@router.get(
    "/me/statements",
    response_model=list[schemas.MonthSummary],
    operation_id="listOwnStatements",
    summary="The months of your own team",
    responses=problems(),
)
def list_own(principal: OwnReader, session: ReadSession, desk: DeskDep, now: Now) -> Any:
    """List every month with what the caller's team was billed; empty for a caller without a team.

    The statement of a month is `/statements/{month}/{teamId}`.
    """
    if not principal.team:
        return []
    closed = statements.closed_months(session)
    billed = statements.billed_to(session, principal.team)
    calendar = statements.calendar(session, desk, now=now)
    return [
        views.own_summary(frame, closed.get(frame.month), billed.get(frame.month, (0, 0)))
        for frame in calendar
    ]


@router.get(
    "/statements/{month}",
    response_model=schemas.MonthStatement,
    operation_id="getMonthStatement",
    summary="A month by team",
    responses=problems(StatementNotFound) | _ALSO,
)
def month_statement(
    month: Month, _principal: Accountant, session: ReadSession, desk: DeskDep, now: Now, wish: Wish
) -> Any:
    """Return what each team pays: as JSON, as CSV with every line, or as a page to print.

    A closed month is answered as it was closed, byte for byte.
    """
    bill = statements.bill(session, desk, month, now=now)
    if wish.form == "csv":
        return _csv(bill, views.as_csv(bill, bill.lines))
    shown = views.month_shown(bill)
    return _html("month", shown, wish.language) if wish.form == "html" else shown


@router.get(
    "/statements/{month}/{teamId:path}",
    response_model=schemas.TeamStatement,
    operation_id="getTeamStatement",
    summary="The statement of a team",
    responses=problems(StatementNotFound) | _ALSO,
)
def team_statement(
    month: Month,
    team_id: Annotated[str, Path(alias="teamId", min_length=1, max_length=120)],
    principal: OwnReader,
    session: ReadSession,
    desk: DeskDep,
    now: Now,
    wish: Wish,
) -> Any:
    """Return what a team pays: by namespace, user, model, profile and workload, and line by line.

    `unassigned` is what belongs to no team. Without a role that reads all costs, only your own.
    """
    statements.check_sees(principal, team_id)
    bill = statements.bill(session, desk, month, now=now)
    statements.check_known(session, bill, team_id, principal=principal)
    lines = bill.of_team(team_id)
    if wish.form == "csv":
        return _csv(bill, views.as_csv(bill, lines))
    shown = views.team_shown(bill, team_id)
    return _html("team", shown, wish.language) if wish.form == "html" else shown


@router.post(
    "/billing/months/{month}/close",
    response_model=schemas.MonthSummary,
    operation_id="closeMonth",
    summary="Close a month for ever",
    responses=problems(MonthNotClosable),
)
def close_month(
    month: Month,
    principal: Annotated[Principal, Depends(requires(Permission.BILLING_WRITE))],
    session: WriteSession,
    desk: DeskDep,
    now: Now,
) -> Any:
    """Freeze the statements of a month that is over; it cannot be opened again.

    Months are closed in order. What changes later appears as adjustments in the next month.
    Closing a closed month answers the same.
    """
    row = statements.close(session, desk, month, principal=principal, now=now)
    return views.summary(statements.frame_of(session, row.month), row)


def _csv(bill: Bill, text: str) -> Response:
    name = f'attachment; filename="statement-{bill.frame.month}.csv"'
    return Response(
        text, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name}
    )


def _html(name: str, statement: Mapping[str, Any], language: str) -> Response:
    return Response(
        pages.page(name, statement, language),
        media_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": pages.POLICY, "Content-Language": language},
    )
