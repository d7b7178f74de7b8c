"""The names of all settings: in files (any spelling), in the environment, as Spring calls them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gpu_management.core.settings import Settings

ENV_PREFIX = "GPU_MANAGEMENT_"
OWN_ROOT = ("gpu", "management")
_UNITS = ("_seconds", "_ms", "_mb")

CONVENTIONAL_NAMES: Mapping[str, str] = {
    "DB_USERNAME": "database.username",
    "DB_PASSWORD": "database.password",
    "LDAP_PASSWORD": "security.ldap.bind-password",
    "OAUTH2_CLIENT_SECRET": "security.oauth2.client-secret",
    "SLACK_WEBHOOK_URL": "alerts.notification.slack.webhook-url",
    "TEAMS_WEBHOOK_URL": "alerts.notification.teams.webhook-url",
    "CLUSTER_NAME": "cluster.name",
    "ENVIRONMENT": "cluster.environment",
}
"""Environment names that deployments already use, and the setting each one sets."""

OTHER_VARIABLES: Mapping[str, str] = {
    "GPU_MANAGEMENT_CONFIG": "Configuration files or folders, separated by commas (`--config`).",
    "GPU_MANAGEMENT_PROFILES": "Profiles, separated by commas (`--profile`).",
    "SPRING_PROFILES_ACTIVE": "The same, where GPU_MANAGEMENT_PROFILES is not set.",
    "GPU_MANAGEMENT_API": "Address of the API, for clients: the CLI, the SDKs, the scripts.",
    "GPU_MANAGEMENT_API_KEY": "API key that these clients send.",
    "MONITORING_WEBHOOK_URL": "Address of the `monitoring-system` endpoint in the example file.",
    "MONITORING_API_KEY": "Key in the headers of this endpoint.",
    "NODE_NAME": "Name of the node a pod runs on, set through the downward API.",
    "UPLOAD_TO_S3": "true: backup scripts also copy to S3_BUCKET.",
    "S3_BUCKET": "Bucket of the backups.",
}
"""Environment names that are read beside the settings, and what each is for."""

SPRING_KEYS: Mapping[str, str] = {
    "datasource.url": "database.url",
    "datasource.username": "database.username",
    "datasource.password": "database.password",
    "datasource.properties": "database.properties",
    "datasource.hikari.maximum-pool-size": "database.maximum-pool-size",
    "datasource.hikari.minimum-idle": "database.minimum-idle",
    "datasource.hikari.connection-timeout": "database.connect-timeout-seconds",
    "jpa.properties.hibernate.jdbc.batch_size": "database.batch-size",
    "ldap.urls": "security.ldap.urls",
    "ldap.base": "security.ldap.base",
    "ldap.username": "security.ldap.bind-dn",
    "ldap.password": "security.ldap.bind-password",
    "security.ldap.authentication.user-search-base": "security.ldap.user-search-base",
    "security.ldap.authentication.user-search-filter": "security.ldap.user-search-filter",
    "security.ldap.authentication.user-dn-pattern": "security.ldap.user-dn-pattern",
    "security.ldap.authentication.group-search-base": "security.ldap.group-search-base",
    "security.ldap.authentication.group-search-filter": "security.ldap.group-search-filter",
    "security.ldap.authentication.group-role-attribute": "security.ldap.group-role-attribute",
    "security.ldap.authentication.role-prefix": "security.ldap.role-prefix",
    "security.oauth2.resourceserver.jwt.issuer-uri": "security.oauth2.issuer-uri",
    "security.oauth2.resourceserver.jwt.jwk-set-uri": "security.oauth2.jwk-set-uri",
}
"""Keys below `spring.` and the setting each one sets."""


class Kind(StrEnum):
    """How the value of a setting is written."""

    SCALAR = "scalar"
    LIST = "list"
    MAP = "map"
    RECORDS = "records"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting: where it is in `Settings` and how its value is written."""

    path: tuple[str, ...]
    kind: Kind
    is_secret: bool
    is_optional: bool
    description: str
    default: object
    record: type[BaseModel] | None = None

    @property
    def key(self) -> str:
        """Name in files, as the documentation writes it."""
        return kebab(self.path)

    @property
    def env(self) -> str:
        """Name in the environment."""
        return ENV_PREFIX + "_".join(self.path).upper()


@dataclass(frozen=True, slots=True)
class Found:
    """A setting that a key names; `rest` is what the key says below a map, `convert` its unit."""

    leaf: Leaf
    rest: tuple[str, ...] = ()
    convert: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A key that names a group of settings, not one."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A key that names nothing: `segment` is the first wrong part, `siblings` what is there."""

    segment: str
    siblings: tuple[str, ...]
    is_spring: bool = False


@dataclass(slots=True)
class _Node:
    """Settings below one part of a key, by the relaxed spelling of the next part."""

    name: str
    children: dict[str, "_Node"] = field(default_factory=dict)
    found: Found | None = None

    def grow(self, names: Sequence[str]) -> "_Node":
        """Return the node that `names` lead to, made where it is missing."""
        node = self
        for name in names:
            node = node.children.setdefault(relaxed(name), _Node(name.replace("_", "-")))
        return node


def relaxed(name: str) -> str:
    """Return the spelling in which kebab-case, camelCase and snake_case are equal."""
    return name.replace("-", "").replace("_", "").casefold()


def kebab(path: Sequence[str]) -> str:
    """Return a dotted key in kebab-case."""
    return ".".join(part.replace("_", "-") for part in path)


@cache
def leaves() -> tuple[Leaf, ...]:
    """Return every setting, in the order of the model."""
    return tuple(_walk(Settings, ()))


@cache
def leaf_by_key() -> Mapping[str, Leaf]:
    """Return every setting by its key."""
    return {leaf.key: leaf for leaf in leaves()}


@cache
def leaf_by_env() -> Mapping[str, Leaf]:
    """Return every setting by its relaxed environment names without the prefix."""
    return {relaxed("".join(path)): leaf for leaf in leaves() for path in _spellings(leaf)}


@cache
def env_aliases() -> Mapping[str, tuple[str, ...]]:
    """Return the other environment names of each setting that has some, by its key."""
    names: dict[str, tuple[str, ...]] = {}
    for name, key in CONVENTIONAL_NAMES.items():
        names[key] = (*names.get(key, ()), name)
    return names


def locate(segments: Sequence[str]) -> Found | Group | Unknown:
    """Return what a key of a file names, in any spelling, with or without `gpu.management`."""
    node = _tree()
    for position, segment in enumerate(segments):
        if node.found is not None:
            return _below(node.found, tuple(segments[position:]))
        child = node.children.get(relaxed(segment))
        if child is None:
            siblings = tuple(other.name for other in node.children.values())
            return Unknown(segment, siblings, is_spring=relaxed(segments[0]) == "spring")
        node = child
    return node.found or Group()


def record_fields(record: type[BaseModel]) -> Mapping[str, str]:
    """Return the fields of one entry of a list, by their relaxed spelling."""
    return {relaxed(name): name for name in record.model_fields}


def _below(found: Found, rest: tuple[str, ...]) -> Found | Unknown:
    """Return one entry of a map; nothing else has parts."""
    if found.leaf.kind is Kind.MAP:
        return Found(found.leaf, rest)
    return Unknown(rest[0], ())


@cache
def _tree() -> _Node:
    """Build the names once: ours bare and below `gpu.management`, then Spring's."""
    root = _Node("")
    own = root.grow(OWN_ROOT)
    for leaf in leaves():
        for path in _spellings(leaf):
            for start in (root, own):
                start.grow(path).found = Found(leaf)
    for key, target in SPRING_KEYS.items():
        convert = _milliseconds if key.endswith("connection-timeout") else None
        found = Found(leaf_by_key()[target], convert=convert)
        root.grow(("spring", *key.split("."))).found = found
    root.grow(("server", "servlet", "context-path")).found = Found(
        leaf_by_key()["server.context-path"]
    )
    return root


def _spellings(leaf: Leaf) -> Iterator[tuple[str, ...]]:
    """Yield the paths of a setting: with its unit and, since values may say it, without."""
    yield leaf.path
    *above, name = leaf.path
    for unit in _UNITS:
        if name.endswith(unit):
            yield (*above, name.removesuffix(unit))


def _milliseconds(text: str) -> str:
    """Read a bare number as milliseconds, as Spring's connection pool does."""
    return f"{text.strip()}ms" if re.fullmatch(r"\d+", text.strip()) else text


def _walk(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[Leaf]:
    """Yield the settings of a section and of those in it; `profiles` is chosen, not set."""
    for name, info in model.model_fields.items():
        path = (*above, name)
        if path == ("profiles",):
            continue
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _walk(annotation, path)
        else:
            yield _leaf(path, info)


def _leaf(path: tuple[str, ...], info: FieldInfo) -> Leaf:
    """Describe one field of a section."""
    plain = _plain_types(info.annotation)
    record = next(
        (t for t in plain if isinstance(t, type) and issubclass(t, BaseModel)),
        None,
    )
    default = info.get_default(call_default_factory=True, validated_data={})
    return Leaf(
        path=path,
        kind=_kind(info.annotation, record),
        is_secret=SecretStr in plain or (record is not None and _holds_secrets(record)),
        is_optional=NoneType in plain,
        description=info.description or "",
        default=None if default is PydanticUndefined else default,
        record=record,
    )


def _kind(annotation: object, record: type[BaseModel] | None) -> Kind:
    """Tell how the value of such a field is written."""
    if record is not None:
        return Kind.RECORDS
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    origin = get_origin(annotation)
    if origin is dict:
        return Kind.MAP
    return Kind.LIST if origin is tuple else Kind.SCALAR


def _holds_secrets(record: type[BaseModel]) -> bool:
    """Tell whether an entry of a list has a secret field."""
    return any(SecretStr in _plain_types(i.annotation) for i in record.model_fields.values())


def _plain_types(annotation: Any) -> set[object]:
    """Return the types an annotation is made of, unwrapped."""
    if get_origin(annotation) in {Union, UnionType, Annotated, tuple, dict}:
        return set().union(*(_plain_types(part) for part in get_args(annotation)))
    return {annotation} if annotation is not None else {NoneType}
