"""What clients see: camelCase models, and the shapes of D-01 joined from serialised bytes."""

import csv
import io
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from gpu_management.core.clock import as_utc, wire_time
from gpu_management.core.text import did_you_mean

Moment = Annotated[
    datetime,
    PlainSerializer(wire_time, return_type=str, when_used="json-unless-none"),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-01-02T03:04:05.678Z"]}
    ),
]
"""A UTC moment on the wire: milliseconds and `Z`."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return as_utc(moment)
    except OverflowError as beyond:  # 0001-01-01T00:00:00+01:00 is before the first moment in UTC
        raise ValueError("lies outside the years 1 to 9999 in UTC") from beyond


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment that a caller names, with its zone; UTC inside."""

Amount = Annotated[
    Decimal,
    PlainSerializer(float, return_type=float, when_used="json-unless-none"),
    WithJsonSchema({"type": "number", "examples": [1.7552]}),
]
"""Money on the wire: a JSON number in the billing currency."""

API_VERSION = "v1"


class WireModel(BaseModel):
    """Parent of every wire shape: camelCase outside, snake_case inside."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        from_attributes=True,
        extra="ignore",
        json_schema_serialization_defaults_required=True,
    )


def _whole(value: Any) -> Any:
    """Let 40.0 pass for 40, as JSON does; refuse text, truth values and fractions."""
    if isinstance(value, bool | str):
        raise ValueError("must be a JSON integer")  # noqa: TRY004 - pydantic turns ValueError into a field error
    return value


WireInt = Annotated[int, BeforeValidator(_whole)]
"""A JSON integer."""


_SPECIAL = re.compile(r'["\\\x00-\x1f\x7f\ud800-\udfff]')


def _plain(text: str) -> str:
    if _SPECIAL.search(text):
        raise ValueError("must be text without control characters, backslashes and double quotes")
    return text


def _tidied(text: str) -> str:
    return _SPECIAL.sub(lambda found: {'"': "'", "\\": "/"}.get(found.group(), " "), text)


Plain = Annotated[
    str,
    AfterValidator(_plain),
    Field(json_schema_extra={"pattern": r'^[^"\\\x00-\x1f\x7f]*$'}),
]
"""Text that stands in JSON as it is: shells that echo an answer would undo any escape (D-05)."""

Sentence = Annotated[str, AfterValidator(_tidied)]
"""What somebody says; made to stand in JSON as it is, rather than refused."""


class WireRequest(WireModel):
    """Parent of request bodies: unknown fields are kept apart, to be told about."""

    model_config = ConfigDict(extra="allow")

    def unknown_fields(self) -> dict[str, str]:
        """Return a sentence about each field we do not know, with the nearest name, by its path.

        Bodies inside lists of the body are asked as well: `requests.0.useId`.
        """
        known = [field.alias or name for name, field in type(self).model_fields.items()]
        found = {
            name[:60]: f"unknown field {name[:60]}{did_you_mean(name, known)}"
            for name in sorted(self.model_extra or {})
        }
        for name, field in type(self).model_fields.items():
            inner = getattr(self, name)
            for number, part in enumerate(inner if isinstance(inner, list) else ()):
                if isinstance(part, WireRequest):
                    place = f"{field.alias or name}.{number}"
                    for path, sentence in part.unknown_fields().items():
                        found[f"{place}.{path}"] = f"{place}: {sentence}"
        return found


class Style(StrEnum):
    """How a body is dressed (D-01)."""

    BARE = "bare"
    ENVELOPE = "envelope"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True)
class ListFacts:
    """What a list knows beside its rows."""

    total: int | None = None
    next_cursor: str | None = None


def asked_envelope(
    query: str | None, header: str | None, user_agent: str, *, envelope_agents: tuple[str, ...]
) -> bool | None:
    """Return whether the caller asked for the envelope, or None when nothing says so.

    Precedence: query > header > user agent > default (D-01).
    """
    for value in (query, header):
        if value is not None and value.lower() in {"true", "1", "yes"}:
            return True
        if value is not None and value.lower() in {"false", "0", "no"}:
            return False
    return True if user_agent.startswith(envelope_agents) else None


def dress(body: bytes, envelope: bool | None, facts: ListFacts) -> tuple[bytes, Style]:  # noqa: FBT001 - three answers, not a switch
    """Return the body in the style its caller understands.

    Lists are bare unless the envelope was asked for; objects carry their fields at the top
    and again under `data`, unless one style was asked for.
    """
    if body.startswith(b"["):
        if not envelope:
            return body, Style.BARE
        return b'{"data":' + body + b',"meta":' + _meta(facts) + b"}", Style.ENVELOPE
    if envelope is False:
        return body, Style.BARE
    tail = b'"data":' + body + b',"meta":' + _meta(ListFacts()) + b"}"
    if envelope:
        return b"{" + tail, Style.ENVELOPE
    comma = b"" if body == b"{}" else b","
    return body[:-1] + comma + tail, Style.HYBRID


def to_csv(body: bytes) -> str:
    """Write a JSON list as CSV (RFC 4180): nested values as JSON, formulas disarmed."""
    rows: list[dict[str, Any]] = orjson.loads(body)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([csv_cell(row.get(name)) for name in columns] for row in rows)
    return out.getvalue()


def csv_cell(value: Any) -> str | int | float:
    """Return a value as a CSV cell: nothing for None, nested values as JSON, formulas disarmed."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    # A spreadsheet runs a cell that starts like a formula: OWASP, CSV injection.
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _meta(facts: ListFacts) -> bytes:
    meta: dict[str, Any] = {"apiVersion": API_VERSION}
    if facts.total is not None:
        meta["total"] = facts.total
        meta["nextCursor"] = facts.next_cursor
    return orjson.dumps(meta)
