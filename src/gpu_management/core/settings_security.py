"""Settings of who may ask (directory, identity provider, keys) and of what is told outside."""

from pathlib import Path
from typing import Literal

from pydantic import Field, IPvAnyNetwork, SecretStr

from gpu_management.core.settings_notifications import Notification
from gpu_management.core.settings_values import RoleName, RoleNames, Seconds, Section, Texts


class TrustedNetwork(Section):
    """Roles that anonymous callers of one network have."""

    cidr: IPvAnyNetwork = Field(description="Network, for example 10.0.0.0/8.")
    roles: RoleNames = Field(description="Roles granted to callers from there.")
    team: str | None = Field(None, description="Team they act for; a USER without one sees none.")


class Ldap(Section):
    """Directory login (LDAP, Active Directory)."""

    enabled: bool = Field(
        default=False, description="Let people log in with their directory account."
    )
    urls: Texts = Field((), description="Servers, ldap:// or ldaps://; the first that answers.")
    base: str = Field("", description="Distinguished name below which everything is searched.")
    bind_dn: str | None = Field(None, description="Account that searches; none: anonymous.")
    bind_password: SecretStr | None = Field(None, description="Password of the bind account.")
    user_search_base: str = Field("ou=people", description="Where users are, below the base.")
    user_search_filter: str = Field("(uid={0})", description="Finds a user; {0} is the login.")
    user_dn_pattern: str | None = Field(
        None, description="Name of a user below the base, such as uid={0},ou=people: no search."
    )
    group_search_base: str = Field("ou=groups", description="Where groups are, below the base.")
    group_search_filter: str = Field(
        "(member={0})", description="Finds the groups of a user; {0} is the user's full name."
    )
    group_role_attribute: str = Field("cn", description="Attribute that names a group.")
    role_prefix: str = Field("ROLE_", description="Prefix taken off role names.")
    group_mappings: dict[str, RoleName] = Field(
        default_factory=dict, description="Role of the members of each group."
    )


class OAuth2(Section):
    """Tokens and dashboard login of an OpenID Connect provider."""

    enabled: bool = Field(default=False, description="Accept tokens of the provider.")
    issuer_uri: str | None = Field(None, description="Issuer, exactly as its tokens name it.")
    jwk_set_uri: str | None = Field(
        None, description="Where the signing keys are; none: as the provider's discovery says."
    )
    client_id: str = Field("gpu-management", description="Our client at the provider.")
    client_secret: SecretStr | None = Field(None, description="Secret of this client.")
    scopes: Texts = Field(("openid", "profile", "email"), description="Scopes a login asks for.")
    role_claim: str = Field("realm_access.roles", description="Path of the roles in a token.")


class Security(Section):
    """Who may do what."""

    mode: Literal["auto", "disabled", "enforced"] = Field(
        "auto",
        description="auto: disabled in the development and test profiles and without any profile "
        "on a loopback address, enforced elsewhere.",
    )
    anonymous_roles: RoleNames = Field((), description="Roles of callers without credentials.")
    trusted_networks: tuple[TrustedNetwork, ...] = Field(
        (), description="Roles of callers without credentials, by network: [{cidr, roles, team}]."
    )
    devices_readable: bool = Field(
        default=False, description="Let USER and VIEWER read the list of devices."
    )
    api_keys_dir: Path | None = Field(
        None, description="Folder of API keys, such as a mounted Secret; a file's name names it."
    )
    ldap: Ldap = Field(default_factory=Ldap, description="Directory login.")
    oauth2: OAuth2 = Field(default_factory=OAuth2, description="Tokens of a provider.")


class Alerts(Section):
    """What people are told, and when."""

    enabled: bool = Field(default=True, description="Hold the rules against what is measured.")
    evaluation_seconds: Seconds = Field(15, ge=1, description="Between two looks.")
    escalation_seconds: Seconds = Field(
        3600, ge=0, description="An alert that nobody takes on is told again, thrice; 0: never."
    )
    thresholds: dict[str, float] = Field(
        default_factory=dict, description="Thresholds that differ, by the rule's name."
    )
    disabled: Texts = Field((), description="Rules that are not looked at, by name.")
    notification: Notification = Field(default_factory=Notification, description="Channels.")
