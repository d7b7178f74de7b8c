"""Who is asking: principals, what recognises them, and the security a process is set up with."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from gpu_management.auth.access import EVERY_ROLE, Role, visible_team
from gpu_management.auth.network import Network, TrustedNetwork
from gpu_management.auth.throttle import Throttle

MAX_REFUSALS = 1000
"""Refusals kept in memory until they are written; older ones give way."""


class PrincipalKind(StrEnum):
    """How we know who it is."""

    ANONYMOUS = "anonymous"
    API_KEY = "api-key"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, in what roles, for whom, from where and in which request."""

    name: str
    roles: frozenset[Role]
    kind: PrincipalKind
    user: str | None = None
    team: str | None = None
    key_id: str | None = None
    source_address: str | None = None
    request_id: str | None = None

    @property
    def sees_all(self) -> bool:
        """Return whether rows of every team are visible (SEC-12)."""
        return visible_team(self) is None


SYSTEM = Principal("controller", frozenset({Role.ADMIN}), PrincipalKind.SYSTEM)
"""What the loops act as."""

DEVELOPMENT = Principal("anonymous", EVERY_ROLE, PrincipalKind.ANONYMOUS)
"""Everybody, while authentication is disabled."""


class Authenticator(Protocol):
    """Recognises one kind of credential; further kinds come in behind this (SEC-05)."""

    def recall(self, credential: str, now: datetime) -> Principal | None:
        """Answer from memory, without waiting; None when that does not decide it."""

    def authenticate(self, credential: str, now: datetime) -> Principal | None:
        """Return whose credential it is, or None; may wait for a database or a network."""

    def holder(self, digest: str, now: datetime) -> Principal | None:
        """Return whose credential has this SHA-256 and is valid now: a session stands for it."""

    def forget(self, key_id: str) -> None:
        """Drop what memory holds of this key: it was changed or revoked."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Somebody was turned away; kept until a job writes it to the audit log."""

    principal: Principal
    action: str
    target: str
    at: datetime


class Mode(StrEnum):
    """Whether callers have to say who they are."""

    DISABLED = "disabled"
    ENFORCED = "enforced"


@dataclass(frozen=True, slots=True)
class Security:
    """How one serving process treats its callers; `app.state.security` holds it."""

    mode: Mode
    authenticators: tuple[Authenticator, ...] = ()
    anonymous_roles: frozenset[Role] = frozenset()
    trusted_networks: tuple[TrustedNetwork, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    devices_readable: bool = False
    throttle: Throttle = field(default_factory=Throttle)
    refusals: deque[Refusal] = field(default_factory=lambda: deque(maxlen=MAX_REFUSALS))
