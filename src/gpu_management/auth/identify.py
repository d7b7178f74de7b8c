"""From a credential, or none, to a principal or a refusal; knows no HTTP framework."""

from dataclasses import dataclass, replace
from datetime import datetime

from gpu_management.auth.access import Permission, check
from gpu_management.auth.network import granted
from gpu_management.auth.principals import (
    DEVELOPMENT,
    Mode,
    Principal,
    PrincipalKind,
    Refusal,
    Security,
)
from gpu_management.core.problems import Forbidden, TooManyRequests, Unauthenticated

REALM = "gpu-management"
MAX_CREDENTIAL = 8192
"""Characters in a credential at most; tokens with many groups stay below."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What the request itself says about who sent it."""

    address: str | None
    request_id: str | None
    now: datetime


def without_credential(security: Security, caller: Caller) -> Principal:
    """Return the anonymous principal that `caller` may be (D-07).

    Raises:
        Unauthenticated: neither the settings nor the network grant anonymous callers a role.
    """
    if security.mode is Mode.DISABLED:
        return here(DEVELOPMENT, caller)
    networks = granted(caller.address, security.trusted_networks)
    roles = security.anonymous_roles.union(*(network.roles for network in networks))
    if not roles:
        raise Unauthenticated(
            "credentials are needed: send an API key as 'Authorization: Bearer <key>' "
            "or 'X-API-Key: <key>'",
            headers=challenge(),
        )
    team = next((network.team for network in networks if network.team), None)
    return here(Principal("anonymous", roles, PrincipalKind.ANONYMOUS, team=team), caller)


def recalled(security: Security, credential: str, caller: Caller) -> Principal | None:
    """Return whose credential it is when memory alone decides that."""
    for authenticator in security.authenticators:
        found = authenticator.recall(credential, caller.now)
        if found is not None:
            return here(found, caller)
    return None


def authenticated(security: Security, credential: str, caller: Caller) -> Principal:
    """Return whose credential it is; may wait for a database or a network.

    Raises:
        Unauthenticated: nobody's; the answer does not tell which kind it looked like (SEC-05).
        TooManyRequests: and that too often from one address.
    """
    if len(credential) <= MAX_CREDENTIAL:
        for authenticator in security.authenticators:
            found = authenticator.authenticate(credential, caller.now)
            if found is not None:
                return here(found, caller)
    wait_seconds = security.throttle.failed(caller.address)
    if wait_seconds is not None:
        raise TooManyRequests(
            f"too many credentials from this address were not valid; wait {wait_seconds} s",
            headers={"Retry-After": str(wait_seconds)},
        )
    nobody = here(Principal("unknown", frozenset(), PrincipalKind.ANONYMOUS), caller)
    security.refusals.append(Refusal(nobody, "auth.refused", "credential", caller.now))
    raise Unauthenticated(
        "the credential is not valid, has expired or was revoked",
        headers=challenge('error="invalid_token"'),
    )


def admit(
    security: Security, principal: Principal, permission: Permission, *, target: str, now: datetime
) -> None:
    """Let `principal` use `permission` on `target`, or note the refusal.

    Raises:
        Unauthenticated: an anonymous caller whom credentials would help.
        Forbidden: its roles do not hold the permission.
    """
    try:
        check(principal, permission, devices_readable=security.devices_readable)
    except Forbidden as refused:
        if principal.kind is PrincipalKind.ANONYMOUS:
            raise Unauthenticated(refused.detail, headers=challenge()) from None
        security.refusals.append(Refusal(principal, permission.value, target, now))
        raise


def challenge(extra: str = "") -> dict[str, str]:
    """Return the header that a 401 carries (RFC 6750 section 3)."""
    tail = f", {extra}" if extra else ""
    return {"WWW-Authenticate": f'Bearer realm="{REALM}"{tail}'}


def here(principal: Principal, caller: Caller) -> Principal:
    """Return `principal` with where it asks from, for the audit log."""
    return replace(principal, source_address=caller.address, request_id=caller.request_id)
