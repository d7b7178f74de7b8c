"""Wire shapes of auth: who I am, API keys, teams, the audit log."""

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from gpu_management.auth.access import Permission, Role, parse_role
from gpu_management.auth.models import Outcome
from gpu_management.auth.principals import PrincipalKind
from gpu_management.core.wire import Instant, Moment, WireModel

MAX_GRACE_SECONDS = 7 * 86_400
MAX_LIMIT_MILLI = 1_000_000_000

PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
TEAM_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
NAMESPACE = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
"""A Kubernetes namespace: DNS label, RFC 1123."""


def _role(value: object) -> object:
    return parse_role(value) if isinstance(value, str) else value


AnyRole = Annotated[Role, BeforeValidator(_role)]
TeamId = Annotated[str, Field(pattern=TEAM_ID, examples=["ml-team"])]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=PRINTABLE)]


class Me(WireModel):
    """Who the server takes you for, and what you may do."""

    name: str
    kind: PrincipalKind
    roles: list[Role]
    permissions: list[Permission]
    user: str | None
    team: str | None
    sees_all_teams: bool


class ApiKeyCreate(WireModel):
    """A key to issue."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "ml-team pipeline", "roles": ["USER"], "team": "ml-team"}]
        }
    )

    name: Name = Field(description="What it is for; shown in lists and in the audit log.")
    roles: list[AnyRole] = Field(min_length=1, max_length=len(Role))
    team: TeamId | None = Field(None, description="Whose rows a USER key sees and writes.")
    user: Name | None = Field(None, description="The person it acts for.")
    expires_at: Instant | None = Field(None, description="Without it, valid until revoked.")


class ApiKeyRotate(WireModel):
    """How a key changes its secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"graceSeconds": 3600}]})

    grace_seconds: int = Field(
        3600, ge=0, le=MAX_GRACE_SECONDS, description="How long the old secret still works."
    )


class ApiKey(WireModel):
    """A key as lists show it: never the secret."""

    key_id: str
    name: str
    prefix: str
    roles: list[Role]
    team: str | None
    user: str | None
    created_at: Moment
    created_by: str
    expires_at: Moment | None
    rotated_at: Moment | None
    previous_until: Moment | None
    revoked_at: Moment | None
    last_used_at: Moment | None


class IssuedApiKey(ApiKey):
    """A key with its secret, shown this once."""

    key: str = Field(description="Send it as `Authorization: Bearer`; it cannot be read again.")


class TeamUpdate(WireModel):
    """What a team may be changed to; the whole of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "ML team", "gpuLimitMilli": 16000, "namespaces": ["ml"]}]
        }
    )

    name: Name
    gpu_limit_milli: int | None = Field(
        None, ge=0, le=MAX_LIMIT_MILLI, description="Thousandths of a GPU held at once at most."
    )
    namespaces: list[Annotated[str, Field(pattern=NAMESPACE)]] = Field(
        default_factory=list, max_length=1000, description="Namespaces whose pods are this team's."
    )


class TeamCreate(TeamUpdate):
    """A team to add."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "teamId": "ml-team",
                    "name": "ML team",
                    "gpuLimitMilli": 16000,
                    "namespaces": ["ml"],
                }
            ]
        }
    )

    team_id: TeamId


class Team(WireModel):
    """A team, its quota and its namespaces."""

    team_id: str
    name: str
    gpu_limit_milli: int | None
    namespaces: list[str]
    version: int
    created_at: Moment
    updated_at: Moment


class AuditEntry(WireModel):
    """Who did what to what, when and from where; `before` and `after` as JSON."""

    id: int
    at: Moment
    principal: str
    principal_kind: str
    key_id: str | None
    source_address: str | None
    action: str
    target_kind: str
    target_id: str
    outcome: Outcome
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None
