"""Principals for tests."""

from gpu_management.auth.access import Role
from gpu_management.auth.principals import Principal, PrincipalKind


def principal(*roles: Role, team: str | None = None, user: str | None = None) -> Principal:
    """Return a caller with a key and these roles."""
    return Principal(
        "tester", frozenset(roles), PrincipalKind.API_KEY, user=user, team=team, key_id="key-1"
    )


ADMIN = principal(Role.ADMIN)
