"""The access table: which role may do what (SEC-01, D-08), and whose rows it sees (SEC-12)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from gpu_management.core.problems import Forbidden
from gpu_management.core.text import did_you_mean

if TYPE_CHECKING:  # a principal holds roles, so its module imports this one
    from gpu_management.auth.principals import Principal


class Role(StrEnum):
    """What a caller is here for."""

    ADMIN = "ADMIN"
    OPERATOR = "OPERATOR"
    USER = "USER"
    VIEWER = "VIEWER"
    FINANCE = "FINANCE"


class Permission(StrEnum):
    """What a route or service asks for before it acts."""

    DEVICES_LIST = "devices.list"
    DEVICES_READ = "devices.read"
    DEVICES_WRITE = "devices.write"
    MIG_READ = "mig.read"
    MIG_WRITE = "mig.write"
    MIG_CUT = "mig.cut"
    ALLOCATIONS_READ = "allocations.read"
    ALLOCATIONS_WRITE = "allocations.write"
    COST_READ = "cost.read"
    OWN_COST_READ = "cost.own"
    RATES_WRITE = "rates.write"
    BILLING_WRITE = "billing.write"
    OVERVIEW_READ = "overview.read"
    GENERAL_READ = "general.read"
    GENERAL_WRITE = "general.write"
    ADMIN = "admin"


EVERY_ROLE = frozenset(Role)
_STAFF = frozenset({Role.ADMIN, Role.OPERATOR})
_HOLDERS = _STAFF | {Role.USER}
_ACCOUNTANTS = frozenset({Role.ADMIN, Role.VIEWER, Role.FINANCE})

ACCESS: Mapping[Permission, frozenset[Role]] = {
    Permission.DEVICES_LIST: _STAFF,
    Permission.DEVICES_READ: _STAFF,
    Permission.DEVICES_WRITE: _STAFF,
    Permission.MIG_READ: EVERY_ROLE,
    Permission.MIG_WRITE: _STAFF,
    Permission.MIG_CUT: _STAFF,
    Permission.ALLOCATIONS_READ: _HOLDERS,
    Permission.ALLOCATIONS_WRITE: _HOLDERS,
    Permission.COST_READ: _ACCOUNTANTS,
    Permission.OWN_COST_READ: EVERY_ROLE,
    Permission.RATES_WRITE: frozenset({Role.ADMIN}),
    Permission.BILLING_WRITE: frozenset({Role.ADMIN, Role.FINANCE}),
    Permission.OVERVIEW_READ: EVERY_ROLE,
    Permission.GENERAL_READ: EVERY_ROLE,
    Permission.GENERAL_WRITE: _STAFF,
    Permission.ADMIN: frozenset({Role.ADMIN}),
}
"""SEC-01 as refined by D-08: unlisted reads need any role, unlisted writes ADMIN or OPERATOR."""

_LIST_READERS = frozenset({Role.USER, Role.VIEWER})

NO_TEAM = ""
"""What `visible_team` answers for a caller without a team: no row has it."""


def parse_role(text: str) -> Role:
    """Read a role in any case, with or without `ROLE_` (D-26).

    Raises:
        ValueError: no such role; the sentence names the nearest one.
    """
    name = text.strip().upper().removeprefix("ROLE_")
    if name in Role.__members__:
        return Role[name]
    hint = did_you_mean(name, Role.__members__)
    raise ValueError(f"there is no role {text[:40]!r}; there are {', '.join(Role)}{hint}")


def roles_of(permission: Permission, *, devices_readable: bool = False) -> frozenset[Role]:
    """Return the roles that hold `permission`; `devices_readable` is the D-08 setting."""
    if permission is Permission.DEVICES_LIST and devices_readable:
        return ACCESS[permission] | _LIST_READERS
    return ACCESS[permission]


def permissions_of(
    roles: frozenset[Role], *, devices_readable: bool = False
) -> frozenset[Permission]:
    """Return everything that `roles` together may do."""
    return frozenset(
        permission
        for permission in Permission
        if roles & roles_of(permission, devices_readable=devices_readable)
    )


def check(
    principal: "Principal", permission: Permission, *, devices_readable: bool = False
) -> None:
    """Let `principal` pass.

    Raises:
        Forbidden: none of its roles holds `permission`; the sentence names those that do.
    """
    allowed = roles_of(permission, devices_readable=devices_readable)
    if principal.roles & allowed:
        return
    held = ", ".join(_in_order(principal.roles)) or "no role"
    raise Forbidden(
        f"{permission.value} needs one of {', '.join(_in_order(allowed))}; "
        f"{principal.name} has {held}",
        requiredRoles=_in_order(allowed),
    )


def visible_team(
    principal: "Principal", permission: Permission = Permission.ALLOCATIONS_READ
) -> str | None:
    """Return the one team whose rows `principal` sees under `permission`; None means every team.

    Costs are read whole by those who may read costs; everything else of a team is seen whole by
    ADMIN and OPERATOR only. A caller without a team gets `NO_TEAM`.
    """
    whole = _ACCOUNTANTS if permission is Permission.COST_READ else _STAFF
    if principal.roles & whole:
        return None
    return principal.team or NO_TEAM


def may_see(
    principal: "Principal",
    *,
    team: str | None,
    user: str | None = None,
    permission: Permission = Permission.ALLOCATIONS_READ,
) -> bool:
    """Return whether a row of `team` and `user` is the caller's to see: own team or own user."""
    visible = visible_team(principal, permission)
    if visible is None:
        return True
    return (bool(team) and team == visible) or (user is not None and user == principal.user)


def check_acts_for(principal: "Principal", *, team: str | None, user: str | None = None) -> None:
    """Let `principal` write a row of `team` and `user`.

    Raises:
        Forbidden: a USER may act for its own team or for itself only.
    """
    if may_see(principal, team=team, user=user):
        return
    own = f"team {principal.team}" if principal.team else f"user {principal.user or '(none)'}"
    raise Forbidden(f"{principal.name} acts for {own}; asked for team {team or '(none)'}")


def _in_order(roles: frozenset[Role]) -> list[str]:
    return [role.value for role in Role if role in roles]
