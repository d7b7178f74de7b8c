"""What clients see: camelCase models, and the shapes of D-01 joined from serialised bytes."""

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

from gpu_management.core.clock import wire_time

Moment = Annotated[
    datetime,
    PlainSerializer(wire_time, return_type=str, when_used="json-unless-none"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-02T03:04:05.678Z"]}),
]
"""A UTC moment on the wire: milliseconds and `Z`."""

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
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> str | int | float:
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
