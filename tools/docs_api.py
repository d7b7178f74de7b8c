"""Makes docs/reference/api.md from the OpenAPI document and the access table."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gpu_management.auth.access import Permission, Role, roles_of
from tools.docs_product import MADE, REFERENCE, facts

PAGE = REFERENCE / "api.md"
_EVERYWHERE: Final = {"envelope", "format", "limit", "cursor", "sort"}
_MEANINGS: Final = {
    "idempotency-key": "The same key with the same request answers what was answered first.",
    "waitSeconds": "The longest `waitFor` waits.",
}
_USUAL: Final = {"400", "401", "403", "422", "429"}
_INTRO: Final = """\
A running server answers its OpenAPI 3.1 document at `/openapi.json` and shows it at `/docs`;
everything is also served below `/k8s-monitor`. How to use it, with examples:
[the guide](../guides/using-the-api.md). What errors look like: [problems](problems.md).

- Every operation under `/api/` may answer 400, 401, 403, 422 and 429; the tables list the others.
- Lists take `limit`, `cursor`, `sort`, `envelope` and `format=csv`; single objects take `envelope`.
- `Asks for` names the permission; the last table says which roles hold it."""


def page() -> str:
    """Return the text of the page."""
    lines = ["# API", "", MADE, "", _INTRO, ""]
    for tag, rows in _by_tag().items():
        lines += [f"## {tag}", "", "| Operation | Request | What it does | Asks for | Answers |"]
        lines += ["| --- | --- | --- | --- | --- |", *(_row(*row) for row in rows), ""]
        lines += _parameters(rows)
    return "\n".join([*lines, *_bodies(), *_access()]) + "\n"


Row = tuple[str, str, Mapping[str, Any]]


def _by_tag() -> dict[str, list[Row]]:
    tags: dict[str, list[Row]] = {}
    for path, methods in facts().openapi["paths"].items():
        for method, operation in methods.items():
            tags.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    tags["metrics"] = tags.pop("metrics")  # the first to be tried, not the first to be read
    return tags


def _row(method: str, path: str, operation: Mapping[str, Any]) -> str:
    name = operation["operationId"]
    permission = facts().permissions.get(name)
    asks = f"`{permission.value}`" if permission else _open(path)
    statuses = [s for s in operation["responses"] if s not in _USUAL or not path.startswith("/api")]
    summary = operation["summary"]
    return f"| `{name}` | {method} `{path}` | {summary} | {asks} | {', '.join(statuses)} |"


def _open(path: str) -> str:
    return "nothing" if path.startswith("/actuator") else "any caller"


def _parameters(rows: list[Row]) -> Iterator[str]:
    told = [(row[2]["operationId"], list(_own(row[2]))) for row in rows]
    told = [(name, parameters) for name, parameters in told if parameters]
    if not told:
        return
    yield from ("| Operation | Parameter | Meaning |", "| --- | --- | --- |")
    for name, parameters in told:
        for parameter in parameters:
            meaning = parameter.get("description") or _MEANINGS.get(parameter["name"])
            meaning = meaning or _choices(parameter["schema"])
            where = " (header)" if parameter["in"] == "header" else ""
            yield f"| `{name}` | `{parameter['name']}`{where} | {meaning} |".replace("  ", " ")
    yield ""


def _own(operation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] in {"query", "header"} and parameter["name"] not in _EVERYWHERE:
            yield parameter


def _choices(schema: Mapping[str, Any]) -> str:
    for one in (schema, *schema.get("anyOf", ())):
        known = facts().openapi["components"]["schemas"].get(str(one.get("$ref")).split("/")[-1])
        if known and "enum" in known:
            return " ".join(f"`{choice}`" for choice in known["enum"])
    return "Only these."


def _bodies() -> Iterator[str]:
    yield from ("## Request bodies", "")
    schemas = facts().openapi["components"]["schemas"]
    for name in sorted(_sent()):
        schema = schemas[name]
        yield from (f"### {name}", "", " ".join(schema.get("description", "").split()), "")
        yield from ("| Field | Type | Meaning |", "| --- | --- | --- |")
        needed = set(schema.get("required", ()))
        for field, facts_ in schema.get("properties", {}).items():
            yield _field(field, facts_, is_required=field in needed)
        yield ""


def _sent() -> set[str]:
    found = set()
    for methods in facts().openapi["paths"].values():
        for operation in methods.values():
            for body in operation.get("requestBody", {}).get("content", {}).values():
                found.add(str(body["schema"].get("$ref", "")).split("/")[-1])
    return found - {""}


def _field(name: str, schema: Mapping[str, Any], *, is_required: bool) -> str:
    kinds = [_kind(one) for one in _branches(schema)]
    kind = " or ".join(dict.fromkeys(k for k in kinds if k != "null"))
    told = [schema.get("description", "")]
    told += [_range(one) for one in _branches(schema)]
    told += [" ".join(f"`{c}`" for c in _enum(one)) for one in _branches(schema)]
    if is_required:
        told.append("Required.")
    elif schema.get("default") not in (None, [], {}, False):
        told.append(f"Default `{schema['default']}`.")
    meaning = " ".join(dict.fromkeys(t for t in told if t)).replace("|", "\\|")
    return f"| `{name}` | {kind} | {meaning} |".replace("  ", " ")


def _kind(schema: Mapping[str, Any]) -> str:
    named = str(schema.get("$ref", "")).split("/")[-1]
    known = facts().openapi["components"]["schemas"].get(named, {})
    kind = str(schema.get("type") or known.get("type") or "any")
    if kind == "array" and "items" in schema:
        return f"list of {_kind(schema['items'])}"
    return named if kind == "object" and named else kind


def _branches(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(schema.get("anyOf", (schema,)))


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None or high is None:
        return "" if low is None else f"{low:g} or more."
    return f"{low:,.0f} to {high:,.0f}."


def _enum(schema: Mapping[str, Any]) -> list[str]:
    known = facts().openapi["components"]["schemas"].get(str(schema.get("$ref")).split("/")[-1], {})
    inside = _enum(schema["items"]) if "items" in schema else []
    return list(schema.get("enum", known.get("enum", inside)))


def _access() -> Iterator[str]:
    yield from ("## Who may do what", "")
    yield f"| Permission | {' | '.join(Role)} |"
    yield "| --- |" + " --- |" * len(Role)
    for permission in Permission:
        marks = " | ".join("yes" if role in roles_of(permission) else "" for role in Role)
        yield f"| `{permission.value}` | {marks} |".replace("  ", " ")
    yield from ("", "`security.devices-readable: true` gives `devices.list` to USER and VIEWER as")
    yield "well. A USER sees and changes what belongs to its own team or user only."
