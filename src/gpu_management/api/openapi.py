"""The OpenAPI document: what FastAPI derives, plus the styles of D-01 and the problem shape."""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.alias_generators import to_camel

from gpu_management.core.http import CURSOR_HEADER, ENVELOPE_HEADER, TOTAL_HEADER

_TEXT = {"type": "string"}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem. `data` is always empty, so that naive clients fail loudly.",
    "required": ["type", "title", "status", "detail", "instance", "code", "message", "timestamp"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "instance": _TEXT,
        "code": _TEXT,
        "message": _TEXT,
        "timestamp": {"type": "string", "format": "date-time"},
        "path": _TEXT,
        "requestId": _TEXT,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": _TEXT,
                    "rule": _TEXT,
                    "message": _TEXT,
                    "rejectedValue": {},
                    "params": {"type": "object", "additionalProperties": True},
                },
            },
        },
        "data": {"type": "array", "maxItems": 0, "items": {}},
    },
}
_META = {
    "type": "object",
    "properties": {
        "apiVersion": _TEXT,
        "total": {"type": "integer"},
        "nextCursor": {"type": ["string", "null"]},
    },
}
_ENVELOPE_PARAMETER = {
    "name": "envelope",
    "in": "query",
    "required": False,
    "schema": {"type": "boolean"},
    "description": (
        "`true`: `{data, meta}`; `false`: bare. Without it lists are bare and objects are hybrid."
        f" The header `{ENVELOPE_HEADER}` does the same."
    ),
}
_FORMAT_PARAMETER = {
    "name": "format",
    "in": "query",
    "required": False,
    "schema": {"type": "string", "enum": ["json", "csv"]},
    "description": "`csv` exports the list as RFC 4180 text.",
}
_JSON = "application/json"
_PARAMETER = re.compile(r"(?<=\{)\w+(?=\})")


def install(app: FastAPI) -> None:
    """Replace the document maker of `app`; the document is made once, when first asked for."""

    def make() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = make  # type: ignore[method-assign]  # the way FastAPI documents


def _document(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {"Problem": _PROBLEM, "Meta": _META}
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    found["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    found["security"] = [{}, {"bearer": []}, {"apiKey": []}]
    for path, methods in found["paths"].items():
        for operation in methods.values():
            if path.startswith("/api/"):
                _dress(operation)
    found["paths"] = {_camel(path): methods for path, methods in found["paths"].items()}
    return found


def _camel(path: str) -> str:
    """Write the parameters of a path as clients know the fields: `{allocationId}`."""
    return _PARAMETER.sub(lambda name: to_camel(name[0]), path)


def _dress(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            parameter["name"] = to_camel(parameter["name"])
    for status, response in operation["responses"].items():
        schema = response.get("content", {}).get(_JSON, {}).get("schema")
        if not status.startswith("2") or not schema:
            continue
        parameters = operation.setdefault("parameters", [])
        parameters.append(_ENVELOPE_PARAMETER)
        if schema.get("type") == "array":
            parameters.append(_FORMAT_PARAMETER)
            response["content"][_JSON]["schema"] = _list_styles(schema)
            response["content"]["text/csv"] = {"schema": _TEXT}
            response["headers"] = {
                TOTAL_HEADER: {"schema": {"type": "integer"}},
                CURSOR_HEADER: {"schema": _TEXT},
            }
        else:
            response["content"][_JSON]["schema"] = _object_styles(schema)
    operation["responses"].pop("422", None) if _is_default_422(operation) else None


def _is_default_422(operation: dict[str, Any]) -> bool:
    schema = operation["responses"].get("422", {}).get("content", {}).get(_JSON, {}).get("schema")
    return bool(schema) and "HTTPValidationError" in str(schema)


def _list_styles(schema: dict[str, Any]) -> dict[str, Any]:
    envelope = {
        "type": "object",
        "required": ["data", "meta"],
        "properties": {"data": schema, "meta": {"$ref": "#/components/schemas/Meta"}},
    }
    return {"title": schema.get("title", "List"), "oneOf": [schema, envelope]}


def _object_styles(schema: dict[str, Any]) -> dict[str, Any]:
    envelope = {
        "type": "object",
        "properties": {"data": schema, "meta": {"$ref": "#/components/schemas/Meta"}},
    }
    return {
        "anyOf": [
            {"allOf": [schema, envelope]},
            {**envelope, "required": ["data", "meta"]},
        ]
    }
