"""Who asks: the dependencies every route declares."""

from collections.abc import Callable
from typing import Annotated

import anyio
from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from gpu_management.auth.access import Permission
from gpu_management.auth.identify import (
    Caller,
    admit,
    authenticated,
    recalled,
    without_credential,
)
from gpu_management.auth.network import client_address
from gpu_management.auth.principals import Mode, Principal, Security
from gpu_management.core.http import Now

_BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="An API key.")
_KEY_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="apiKey")


async def security_of(request: Request) -> Security:
    """Return how the application treats its callers."""
    found: Security = request.app.state.security
    return found


async def caller_of(
    request: Request, now: Now, security: Annotated[Security, Depends(security_of)]
) -> Caller:
    """Return what the request itself says about its sender."""
    address = client_address(
        request.client.host if request.client else None,
        request.headers.getlist("x-forwarded-for"),
        trusted_proxies=security.trusted_proxies,
    )
    return Caller(address, getattr(request.state, "request_id", None), now)


async def principal_of(
    *,
    security: Annotated[Security, Depends(security_of)],
    caller: Annotated[Caller, Depends(caller_of)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    key: Annotated[str | None, Depends(_KEY_HEADER)],
) -> Principal:
    """Return who asks.

    Async, because the usual answer is in memory and a thread would cost more than it.
    """
    credential = bearer.credentials if bearer else key
    if security.mode is Mode.DISABLED or not credential:
        return without_credential(security, caller)
    found = recalled(security, credential, caller)
    if found is not None:
        return found
    return await anyio.to_thread.run_sync(authenticated, security, credential, caller)


PrincipalDep = Annotated[Principal, Depends(principal_of)]


def requires(permission: Permission) -> Callable[..., object]:
    """Return the dependency that answers the principal when it holds `permission`.

    Declare it before a session: what is refused must not take the writer's turn.
    """

    async def admitted(
        *,
        request: Request,
        security: Annotated[Security, Depends(security_of)],
        caller: Annotated[Caller, Depends(caller_of)],
        principal: PrincipalDep,
    ) -> Principal:
        admit(security, principal, permission, target=request.url.path, now=caller.now)
        return principal

    return admitted
