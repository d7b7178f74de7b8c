"""Who asks: the dependencies every route declares; keys, teams and the audit log over HTTP."""

from collections.abc import Callable
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from gpu_management.auth import schemas, service, teams
from gpu_management.auth.access import Permission, permissions_of
from gpu_management.auth.authenticators import forget_after_commit
from gpu_management.auth.identify import (
    Caller,
    admit,
    authenticated,
    here,
    recalled,
    without_credential,
)
from gpu_management.auth.network import client_address
from gpu_management.auth.principals import Mode, Principal, Security
from gpu_management.auth.sessions import (
    COOKIE,
    CSRF_HEADER,
    Sessions,
    check_origin,
    check_token,
)
from gpu_management.core.http import (
    Now,
    Paging,
    ReadSession,
    WireRoute,
    WriteSession,
    page_of,
    problems,
    runtime,
)
from gpu_management.core.problems import Conflict, NotFound
from gpu_management.core.wire import Instant

_BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="An API key.")
_KEY_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="apiKey")


async def security_of(request: Request) -> Security:
    """Return how the application treats its callers."""
    found: Security = request.app.state.security
    return found


def caller_of(request: Request, security: Security) -> Caller:
    """Return what `request` itself says about who sent it."""
    address = client_address(
        request.client.host if request.client else None,
        request.headers.getlist("x-forwarded-for"),
        trusted_proxies=security.trusted_proxies,
    )
    return Caller(address, getattr(request.state, "request_id", None), runtime(request).clock())


async def principal_of(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    key: Annotated[str | None, Depends(_KEY_HEADER)],
) -> Principal:
    """Return who asks.

    Async, because the usual answer is in memory and a thread would cost more than it; in one
    piece, because every dependency costs every request 30 µs.
    """
    security = await security_of(request)
    caller = caller_of(request, security)
    credential = bearer.credentials if bearer else key
    if not credential:
        return await _of_browser(request, security, caller)
    if security.mode is Mode.DISABLED:
        return without_credential(security, caller)
    found = recalled(security, credential, caller)
    if found is not None:
        return found
    return await anyio.to_thread.run_sync(authenticated, security, credential, caller)


async def _of_browser(request: Request, security: Security, caller: Caller) -> Principal:
    """Return who a browser's session is of, else the anonymous principal.

    Browsers send cookies, and reach open servers, for any page that asks: what changes something
    must come from a page of ours.
    """
    check_origin(request.method, request.headers.get("sec-fetch-site"))
    token = request.cookies.get(COOKIE)
    if security.mode is Mode.DISABLED or token is None:
        return without_credential(security, caller)
    sessions: Sessions = request.app.state.sessions
    found = sessions.recall(token, caller.now)
    if found is None:
        found = await anyio.to_thread.run_sync(sessions.authenticate, token, caller.now)
    if found is None:
        return without_credential(security, caller)
    check_token(request.method, token, request.headers.get(CSRF_HEADER))
    return here(found, caller)


PrincipalDep = Annotated[Principal, Depends(principal_of)]


def requires(permission: Permission) -> Callable[..., object]:
    """Return the dependency that answers the principal when it holds `permission`.

    Declare it before a session: what is refused must not take the writer's turn.
    """

    async def admitted(request: Request, principal: PrincipalDep) -> Principal:
        security, now = await security_of(request), runtime(request).clock()
        admit(security, principal, permission, target=request.url.path, now=now)
        return principal

    return admitted


def _printable(limit: int, description: str, *, alias: str | None = None) -> Any:
    return Query(alias=alias, max_length=limit, pattern=schemas.PRINTABLE, description=description)


def _audit_filter(
    *,
    principal: Annotated[str | None, _printable(100, "Who did it.")] = None,
    action: Annotated[str | None, _printable(60, "What, such as `team.update`.")] = None,
    target_kind: Annotated[
        str | None, _printable(40, "To what kind of thing.", alias="targetKind")
    ] = None,
    target_id: Annotated[str | None, _printable(255, "To which one.", alias="targetId")] = None,
    since: Annotated[Instant | None, Query(description="Not before this moment.")] = None,
    until: Annotated[Instant | None, Query(description="Before this moment.")] = None,
) -> service.AuditFilter:
    return service.AuditFilter(principal, action, target_kind, target_id, since, until)


async def _unstored(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


AuditQuery = Annotated[service.AuditFilter, Depends(_audit_filter)]
SecurityDep = Annotated[Security, Depends(security_of)]
AdminDep = Annotated[Principal, Depends(requires(Permission.ADMIN))]
KeyId = Annotated[str, Path(alias="keyId", max_length=36, pattern=schemas.PRINTABLE)]
TeamId = Annotated[str, Path(alias="teamId", pattern=schemas.TEAM_ID, examples=["ml-team"])]

_ADMIN_ONLY = [Depends(requires(Permission.ADMIN))]

router = APIRouter(prefix="/api/v1", route_class=WireRoute)


@router.get(
    "/auth/me",
    operation_id="getMe",
    tags=["auth"],
    response_model=schemas.Me,
    responses=problems(),
    summary="Who I am and what I may do",
)
async def me(principal: PrincipalDep, security: SecurityDep) -> schemas.Me:
    """Return who the server takes the caller for, and every permission of its roles."""
    held = permissions_of(principal.roles, devices_readable=security.devices_readable)
    return schemas.Me(
        name=principal.name,
        kind=principal.kind,
        roles=sorted(principal.roles),
        permissions=sorted(held),
        user=principal.user,
        team=principal.team,
        sees_all_teams=principal.sees_all,
    )


@router.get(
    "/admin/api-keys",
    operation_id="listApiKeys",
    dependencies=_ADMIN_ONLY,
    tags=["admin"],
    response_model=list[schemas.ApiKey],
    responses=problems(),
    summary="List API keys",
)
def list_keys(request: Request, response: Response, *, session: ReadSession, page: Paging) -> Any:
    """Return every key that was issued, without its secret."""
    return page_of(request, response, service.list_keys(session, page))


@router.post(
    "/admin/api-keys",
    operation_id="createApiKey",
    dependencies=[Depends(_unstored)],
    tags=["admin"],
    status_code=201,
    response_model=schemas.IssuedApiKey,
    responses=problems(),
    summary="Issue an API key",
)
def create_key(
    body: schemas.ApiKeyCreate, *, by: AdminDep, session: WriteSession, now: Now
) -> schemas.IssuedApiKey:
    """Issue a key and show its secret, this once."""
    return _issued(service.create_key(session, body, by=by, now=now))


@router.post(
    "/admin/api-keys/{keyId}/rotate",
    operation_id="rotateApiKey",
    dependencies=[Depends(_unstored)],
    tags=["admin"],
    response_model=schemas.IssuedApiKey,
    responses=problems(NotFound, Conflict),
    summary="Give an API key a new secret",
)
def rotate_key(
    key_id: KeyId,
    body: schemas.ApiKeyRotate,
    *,
    by: AdminDep,
    security: SecurityDep,
    session: WriteSession,
    now: Now,
) -> schemas.IssuedApiKey:
    """Show a new secret, this once; the old one works for `graceSeconds` more."""
    forget_after_commit(session, security.authenticators, key_id)
    issued = service.rotate_key(session, key_id, grace_seconds=body.grace_seconds, by=by, now=now)
    return _issued(issued)


@router.delete(
    "/admin/api-keys/{keyId}",
    operation_id="revokeApiKey",
    tags=["admin"],
    response_model=schemas.ApiKey,
    responses=problems(NotFound),
    summary="Revoke an API key",
)
def revoke_key(
    key_id: KeyId, *, by: AdminDep, security: SecurityDep, session: WriteSession, now: Now
) -> Any:
    """End the key: here at once, on other replicas within five seconds."""
    forget_after_commit(session, security.authenticators, key_id)
    return service.revoke_key(session, key_id, by=by, now=now)


@router.get(
    "/admin/audit",
    operation_id="listAudit",
    dependencies=_ADMIN_ONLY,
    tags=["admin"],
    response_model=list[schemas.AuditEntry],
    responses=problems(),
    summary="List who did what",
)
def list_audit(
    request: Request,
    response: Response,
    *,
    asked: AuditQuery,
    session: ReadSession,
    page: Paging,
) -> Any:
    """Return audit entries, newest first; a page of 100 when no limit is given."""
    return page_of(request, response, service.list_audit(session, asked, page=page))


@router.get(
    "/admin/teams",
    operation_id="listTeams",
    dependencies=_ADMIN_ONLY,
    tags=["admin"],
    response_model=list[schemas.Team],
    responses=problems(),
    summary="List teams",
)
def list_teams(request: Request, response: Response, *, session: ReadSession, page: Paging) -> Any:
    """Return the teams with their quotas and namespaces."""
    return page_of(request, response, teams.list_teams(session, page))


@router.post(
    "/admin/teams",
    operation_id="createTeam",
    tags=["admin"],
    status_code=201,
    response_model=schemas.Team,
    responses=problems(Conflict),
    summary="Add a team",
)
def create_team(body: schemas.TeamCreate, *, by: AdminDep, session: WriteSession, now: Now) -> Any:
    """Add a team."""
    return teams.create_team(session, body, by=by, now=now)


@router.get(
    "/admin/teams/{teamId}",
    operation_id="getTeam",
    dependencies=_ADMIN_ONLY,
    tags=["admin"],
    response_model=schemas.Team,
    responses=problems(NotFound),
    summary="Show a team",
)
def get_team(team_id: TeamId, *, session: ReadSession) -> Any:
    """Return one team."""
    return teams.get_team(session, team_id)


@router.put(
    "/admin/teams/{teamId}",
    operation_id="updateTeam",
    tags=["admin"],
    response_model=schemas.Team,
    responses=problems(NotFound, Conflict),
    summary="Change a team",
)
def update_team(
    team_id: TeamId, body: schemas.TeamUpdate, *, by: AdminDep, session: WriteSession, now: Now
) -> Any:
    """Replace name, quota and namespaces."""
    return teams.update_team(session, team_id, asked=body, by=by, now=now)


@router.delete(
    "/admin/teams/{teamId}",
    operation_id="deleteTeam",
    tags=["admin"],
    status_code=204,
    responses=problems(NotFound),
    summary="Remove a team",
)
def delete_team(team_id: TeamId, *, by: AdminDep, session: WriteSession, now: Now) -> None:
    """Remove the team; what it held and cost keeps its name."""
    teams.delete_team(session, team_id, by=by, now=now)


def _issued(issued: service.IssuedKey) -> schemas.IssuedApiKey:
    shown = schemas.ApiKey.model_validate(issued.row)
    return schemas.IssuedApiKey(**shown.model_dump(), key=issued.secret)
