"""How the texts of a configuration become values: durations, database addresses, role names."""

import re
from typing import Annotated, Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict

_SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIMPLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+", re.IGNORECASE)
_SIMPLE_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.IGNORECASE)
_ISO = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE)
_ORACLE_SERVICE = re.compile(r"@(?://)?([\w.-]+)(?::(\d+))?/([\w.$#-]+)")
_ORACLE_SID = re.compile(r"@([\w.-]+):(\d+):([\w.$#-]+)")
_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "oracle": "oracle+oracledb",
    "oracle+oracledb": "oracle+oracledb",
}
_DATABASE_FORMS = (
    "sqlite:///FILE, postgresql://HOST/NAME, jdbc:postgresql://HOST/NAME, "
    "oracle://HOST/?service_name=NAME or jdbc:oracle:thin:@//HOST:1521/SERVICE"
)


class Section(BaseModel):
    """Frozen group of settings; every field has a default and a description."""

    # Numbers as texts are right where a password or a name is all digits.
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


def duration_seconds(value: object) -> object:
    """Return the seconds of `15s`, `500ms`, `1h30m` or `PT15S`; anything else unchanged."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if _SIMPLE.fullmatch(text):
        parts = _SIMPLE_PART.findall(text)
        return sum(float(number) * _SECONDS_PER_UNIT[unit.lower()] for number, unit in parts)
    iso = _ISO.fullmatch(text)
    if iso and any(iso.groups()):
        days, hours, minutes, seconds = (float(part or 0) for part in iso.groups())
        return days * 86400 + hours * 3600 + minutes * 60 + seconds
    return text


def duration_ms(value: object) -> object:
    """Return the milliseconds of a duration with a unit; a bare number already is milliseconds."""
    parsed = duration_seconds(value)
    return parsed if not isinstance(parsed, float) or parsed is value else round(parsed * 1000, 3)


def comma_list(value: object) -> object:
    """Return the parts of `a, b`; anything that is not a text unchanged."""
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


def role_name(value: object) -> object:
    """Return a role name as this product writes it: upper case, without `ROLE_`."""
    return value.strip().upper().removeprefix("ROLE_") if isinstance(value, str) else value


def upper(value: object) -> object:
    """Return a text in upper case; anything else unchanged."""
    return value.strip().upper() if isinstance(value, str) else value


def database_address(text: str) -> str:
    """Return a database address as SQLAlchemy reads it, from its own form or a JDBC one.

    Raises:
        ValueError: the address has none of the forms this product knows.
    """
    text = text.strip()
    if text.startswith("jdbc:oracle:thin:"):
        return _oracle_thin(text)
    scheme, separator, rest = text.removeprefix("jdbc:").partition(":")
    if not separator or scheme not in _DRIVERS:
        raise ValueError(f"is none of the known forms: {_DATABASE_FORMS}")
    if text.startswith("jdbc:sqlite:") and not rest.startswith("//"):
        rest = f"///{rest}"
    if text.startswith("jdbc:postgresql:"):
        rest = _libpq_query(rest)
    return f"{_DRIVERS[scheme]}:{rest}"


def split_credentials(address: str) -> tuple[str, str | None, str | None]:
    """Return a database address without its user and password, then these two."""
    if address.startswith(("sqlite", "jdbc:sqlite", "jdbc:oracle")):
        return address, None, None
    base, _, query = address.partition("?")
    scheme, separator, rest = base.partition("://")
    credentials, _, host = rest.rpartition("@")
    user, _, password = credentials.partition(":")
    options = dict(parse_qsl(query, keep_blank_values=True))
    user = unquote(user) or options.pop("user", "")
    password = unquote(password) or options.pop("password", "")
    bare = f"{scheme}{separator}{host}" + (f"?{urlencode(options)}" if options else "")
    return bare, user or None, password or None


def with_credentials(address: str, username: str | None, password: str | None) -> str:
    """Return a database address that carries the credentials; a file needs none."""
    if username is None or address.startswith("sqlite"):
        return address
    scheme, _, rest = address.partition("://")
    secret = "" if password is None else f":{quote(password, safe='')}"
    return f"{scheme}://{quote(username, safe='')}{secret}@{rest}"


def _oracle_thin(text: str) -> str:
    """Translate `jdbc:oracle:thin:@//host:port/service` and `@host:port:sid`."""
    target = text.removeprefix("jdbc:oracle:thin:")
    if service := _ORACLE_SERVICE.fullmatch(target):
        host, port, name = service.groups()
        return f"oracle+oracledb://{host}:{port or 1521}/?service_name={name}"
    if sid := _ORACLE_SID.fullmatch(target):
        host, port, name = sid.groups()
        return f"oracle+oracledb://{host}:{port}/{name}"
    raise ValueError(f"is none of the known forms: {_DATABASE_FORMS}")


def _libpq_query(rest: str) -> str:
    """Translate the JDBC option `ssl=true`, which libpq calls `sslmode=require`."""
    address, separator, query = rest.partition("?")
    options = dict(parse_qsl(query))
    if options.pop("ssl", "false") == "true":
        options.setdefault("sslmode", "require")
    return address + (f"?{urlencode(options)}" if separator and options else "")


def web_address(value: str) -> str:
    """Return an http(s) address without its last slash.

    Raises:
        ValueError: it has no scheme or host.
    """
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is no http:// or https:// address")
    return value.rstrip("/")


Seconds = Annotated[int, BeforeValidator(duration_seconds)]
FractionalSeconds = Annotated[float, BeforeValidator(duration_seconds)]
Milliseconds = Annotated[int, BeforeValidator(duration_ms)]
Texts = Annotated[tuple[str, ...], BeforeValidator(comma_list)]
LevelName = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(upper)
]
RoleName = Annotated[
    Literal["ADMIN", "OPERATOR", "USER", "VIEWER", "FINANCE"], BeforeValidator(role_name)
]
RoleNames = Annotated[tuple[RoleName, ...], BeforeValidator(comma_list)]
