"""HTTP for alerts: /api/v1/gpu/alerts."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from gpu_management.alerts import schemas, service, silencing
from gpu_management.alerts.errors import (
    AlertNotFound,
    AlertOver,
    SilenceInvalid,
    SilenceNotFound,
)
from gpu_management.alerts.kinds import Severity
from gpu_management.alerts.models import Silence as SilenceRow
from gpu_management.alerts.rules import RULES, Rule
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
from gpu_management.core.wire import Instant

router = APIRouter(prefix="/api/v1/gpu/alerts", tags=["alerts"], route_class=WireRoute)

Reader = Annotated[Principal, Depends(requires(Permission.GENERAL_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.GENERAL_WRITE))]
AlertId = Annotated[str, Path(alias="alertId", max_length=40)]
SilenceId = Annotated[str, Path(alias="silenceId", max_length=40)]
IfMatch = Annotated[str | None, Header(description="`ETag` of the copy you changed.")]


async def rules_in_force(request: Request) -> Sequence[Rule]:
    """Return the rules as this installation has set them."""
    found: Sequence[Rule] = request.app.state.alert_rules
    return found


async def _filter(
    status: Annotated[
        str | None,
        Query(
            max_length=60,
            description="firing, acknowledged, silenced, resolved, with commas between;"
            " without it, those that are open.",
            examples=["firing,silenced"],
        ),
    ] = None,
    severity: Annotated[Severity | None, Query()] = None,
    alert_type: Annotated[str | None, Query(alias="alertType", max_length=80)] = None,
    device_id: Annotated[str | None, Query(alias="deviceId", max_length=270)] = None,
    node_name: Annotated[str | None, Query(alias="nodeName", max_length=253)] = None,
    since: Annotated[Instant | None, Query(description="Fired at this moment or later.")] = None,
) -> service.AlertFilter:
    return service.AlertFilter(
        schemas.read_statuses(status), severity, alert_type, device_id, node_name, since
    )


@router.get(
    "",
    response_model=list[schemas.Alert],
    operation_id="listAlerts",
    summary="List alerts",
    responses=problems(),
)
def list_alerts(
    principal: Reader,
    session: ReadSession,
    asked: Annotated[service.AlertFilter, Depends(_filter)],
    page: Paging,
    request: Request,
    response: Response,
) -> Any:
    """List alerts, newest first: those that are open, or of the statuses that are asked for."""
    found = service.list_alerts(session, asked, principal=principal, page=page)
    return page_of(request, response, found)


@router.get(
    "/rules",
    response_model=list[schemas.AlertRule],
    operation_id="listAlertRules",
    summary="The rules, and how they stand",
    responses=problems(),
)
def list_rules(
    _principal: Reader,
    session: ReadSession,
    rules: Annotated[Sequence[Rule], Depends(rules_in_force)],
    request: Request,
    response: Response,
) -> Any:
    """Return every rule with its threshold, and how many alerts it has."""
    rows = service.list_rules(session, rules, RULES)
    return page_of(request, response, Listing(rows, len(rows), None))


@router.get(
    "/silences",
    response_model=list[schemas.Silence],
    operation_id="listSilences",
    summary="List silences",
    responses=problems(),
)
def list_silences(
    _principal: Reader,
    session: ReadSession,
    now: Now,
    page: Paging,
    request: Request,
    response: Response,
    *,
    over: Annotated[
        bool | None, Query(description="Those that are over, or not; null: all.")
    ] = False,
) -> Any:
    """List silences that are not over yet, or those that are."""
    found = silencing.list_silences(session, is_over=over, page=page, now=now)
    return page_of(request, response, found)


@router.post(
    "/silences",
    status_code=201,
    response_model=schemas.Silence,
    operation_id="createSilence",
    summary="Silence alerts for a time",
    responses=problems(SilenceInvalid),
)
def create_silence(
    principal: Writer,
    body: schemas.SilenceCreate,
    session: WriteSession,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Tell nobody of alerts that match, from the next look on; they are still listed."""
    note_unknown(request, response, body)
    row = silencing.silence(session, body.wish(), principal=principal, now=now)
    response.headers["Location"] = f"{request.url.path}/{row.silence_id}"
    return _one(row, response)


@router.get(
    "/silences/{silenceId}",
    response_model=schemas.Silence,
    operation_id="getSilence",
    summary="Show a silence",
    responses=problems(SilenceNotFound),
)
def get_silence(
    silence_id: SilenceId, _principal: Reader, session: ReadSession, response: Response
) -> Any:
    """Return one silence; its `ETag` guards a change."""
    return _one(silencing.find_silence(session, silence_id), response)


@router.put(
    "/silences/{silenceId}",
    response_model=schemas.Silence,
    operation_id="updateSilence",
    summary="Change a silence",
    responses=problems(SilenceNotFound, SilenceInvalid, PreconditionFailed),
)
def update_silence(
    silence_id: SilenceId,
    principal: Writer,
    body: schemas.SilenceCreate,
    session: WriteSession,
    now: Now,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> Any:
    """Write matchers, end and comment anew."""
    note_unknown(request, response, body)
    row = silencing.find_silence(session, silence_id)
    silencing.change_silence(
        session, row, body.wish(), if_match=if_match, principal=principal, now=now
    )
    return _one(row, response)


@router.delete(
    "/silences/{silenceId}",
    response_model=schemas.Silence,
    operation_id="endSilence",
    summary="End a silence",
    responses=problems(SilenceNotFound),
)
def end_silence(
    silence_id: SilenceId, principal: Writer, session: WriteSession, now: Now, response: Response
) -> Any:
    """End a silence now; alerts that still fire are told of again."""
    row = silencing.find_silence(session, silence_id)
    silencing.end_silence(session, row, principal=principal, now=now)
    return _one(row, response)


@router.get(
    "/{alertId}",
    response_model=schemas.Alert,
    operation_id="getAlert",
    summary="Show an alert",
    responses=problems(AlertNotFound),
)
def get_alert(alert_id: AlertId, principal: Reader, session: ReadSession) -> Any:
    """Return one alert, open or over."""
    row = service.find(session, alert_id, principal=principal)
    (shown,) = service.describe(session, [row])
    return shown


@router.post(
    "/{alertId}/acknowledge",
    response_model=schemas.Alert,
    operation_id="acknowledgeAlert",
    summary="Take an alert on",
    responses=problems(AlertNotFound, AlertOver),
)
def acknowledge(
    alert_id: AlertId,
    principal: Writer,
    body: schemas.Acknowledgement,
    session: WriteSession,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Say that somebody looks after it: it is not told of again, until it ends."""
    note_unknown(request, response, body)
    row = service.acknowledge(session, alert_id, comment=body.comment, principal=principal, now=now)
    (shown,) = service.describe(session, [row])
    return shown


def _one(row: SilenceRow, response: Response) -> SilenceRow:
    response.headers["ETag"] = f'"{row.edition}"'
    return row
