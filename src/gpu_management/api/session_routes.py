"""The dashboard's session over HTTP: who looks, log in, log out."""

from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field
from sqlalchemy import event

from gpu_management import __version__
from gpu_management.auth import service as auth
from gpu_management.auth.access import Permission, Role, permissions_of
from gpu_management.auth.identify import MAX_CREDENTIAL, authenticated, here, recalled
from gpu_management.auth.network import is_trusted
from gpu_management.auth.principals import Mode, Principal, PrincipalKind, Security
from gpu_management.auth.routes import caller_of, principal_of, security_of
from gpu_management.auth.sessions import (
    COOKIE,
    CSRF_HEADER,
    LIFETIME,
    Sessions,
    check_origin,
    check_token,
    close_session,
    csrf_token,
    open_session,
)
from gpu_management.core.http import Now, WireRoute, WriteSession, problems, runtime
from gpu_management.core.problems import Conflict, Unauthenticated
from gpu_management.core.wire import WireModel

router = APIRouter(prefix="/api/v1", tags=["session"], route_class=WireRoute)


class LogIn(WireModel):
    """What opens a session."""

    key: str = Field(min_length=1, max_length=MAX_CREDENTIAL, description="An API key.")


class Session(WireModel):
    """Who looks at the dashboard, and what it needs to know about the server."""

    authenticated: bool = Field(description="Whether anything may be read without logging in.")
    login_needed: bool = Field(description="False while authentication is off.")
    anonymous: bool = Field(description="Whether nobody said who they are: a key may open more.")
    csrf_token: str | None = Field(description="To be sent as `X-CSRF-Token` with changes.")
    name: str
    roles: list[Role]
    permissions: list[Permission]
    user: str | None
    team: str | None
    cluster_name: str
    currency: str
    time_zone: str = Field(description="Billing time zone: days and months follow it.")
    version: str


async def _unstored(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


async def _entering(request: Request, body: LogIn) -> Principal:
    """Return whose key it is."""
    check_origin(request.method, request.headers.get("sec-fetch-site"))
    security = await security_of(request)
    if security.mode is Mode.DISABLED:
        raise Conflict("authentication is off: nobody logs in")
    caller = caller_of(request, security)
    found = recalled(security, body.key, caller)
    if found is not None:
        return found
    return await anyio.to_thread.run_sync(authenticated, security, body.key, caller)


def sessions_of(request: Request) -> Sessions:
    """Return what recognises the sessions of this application."""
    found: Sessions = request.app.state.sessions
    return found


@router.get(
    "/session",
    operation_id="getSession",
    dependencies=[Depends(_unstored)],
    response_model=Session,
    responses=problems(),
    summary="Who looks at the dashboard",
)
async def get_session(request: Request) -> Session:
    """Return the session of the cookie; without one, what a caller without credentials is."""
    try:
        principal = await principal_of(request, None, None)
    except Unauthenticated:
        principal = None
    return _shown(request, principal, request.cookies.get(COOKIE))


@router.post(
    "/session",
    operation_id="logIn",
    dependencies=[Depends(_unstored)],
    response_model=Session,
    responses=problems(Conflict),
    summary="Log in to the dashboard",
)
def log_in(
    request: Request,
    response: Response,
    principal: Annotated[Principal, Depends(_entering)],
    body: LogIn,
    session: WriteSession,
    now: Now,
) -> Session:
    """Open a session for the key's holder; the cookie that names it cannot be read by pages."""
    token = open_session(session, body.key, now=now)
    _record(session, principal, "session.open", now=now)
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=_is_https(request, request.app.state.security),
    )
    return _shown(request, principal, token)


@router.delete(
    "/session",
    operation_id="logOut",
    dependencies=[Depends(_unstored)],
    status_code=204,
    responses=problems(),
    summary="Log out of the dashboard",
)
def log_out(request: Request, response: Response, session: WriteSession, now: Now) -> None:
    """End the session of the cookie; without one there is nothing to end."""
    token = request.cookies.get(COOKIE)
    if token is None:
        return
    sessions = sessions_of(request)
    principal = sessions.authenticate(token, now)
    if principal is not None:
        check_token(request.method, token, request.headers.get(CSRF_HEADER))
        security: Security = request.app.state.security
        _record(session, here(principal, caller_of(request, security)), "session.close", now=now)
    close_session(session, token)
    event.listen(session, "after_commit", lambda _: sessions.forget(token), once=True)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")


def _record(session: Any, principal: Principal, action: str, *, now: Now) -> None:
    auth.record(
        session, principal, action=action, target_kind="session", target_id=principal.name, now=now
    )


def _shown(request: Request, principal: Principal | None, token: str | None) -> Session:
    state = request.app.state
    security: Security = state.security
    roles = principal.roles if principal else frozenset()
    held = permissions_of(roles, devices_readable=security.devices_readable)
    return Session(
        authenticated=principal is not None,
        login_needed=security.mode is not Mode.DISABLED,
        anonymous=principal is None or principal.kind is PrincipalKind.ANONYMOUS,
        csrf_token=csrf_token(token) if principal and token else None,
        name=principal.name if principal else "",
        roles=sorted(roles),
        permissions=sorted(held),
        user=principal.user if principal else None,
        team=principal.team if principal else None,
        cluster_name=runtime(request).cluster_name,
        currency=state.currency,
        time_zone=state.desk.zone.key,
        version=__version__,
    )


def _is_https(request: Request, security: Security) -> bool:
    """Tell whether the browser's side is encrypted: here, or at a proxy that we trust."""
    if request.url.scheme == "https":
        return True
    peer = request.client.host if request.client else None
    return request.headers.get("x-forwarded-proto") == "https" and is_trusted(
        peer, security.trusted_proxies
    )
