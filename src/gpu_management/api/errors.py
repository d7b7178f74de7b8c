"""Turn every failure into a problem document: the one place that does (D-04)."""

import json
import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from sqlalchemy.exc import DataError, OperationalError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from gpu_management.api.error_page import error_page, wants_page
from gpu_management.core.clock import utc_now
from gpu_management.core.messages import language_of, title_of
from gpu_management.core.problems import (
    MEDIA_TYPE,
    BadRequest,
    FieldError,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    Problem,
    ServiceUnavailable,
    TooLarge,
    Unauthenticated,
    ValidationFailed,
    document,
)

log = logging.getLogger(__name__)

_BY_STATUS: dict[int, type[Problem]] = {
    400: BadRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    413: TooLarge,
    415: BadRequest,
}
_LONGEST_ECHO = 200
_HUGE = 2**63
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


def install(app: FastAPI) -> None:
    """Register the handlers on `app`."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OperationalError, _database)
    app.add_exception_handler(DataError, _unstorable)
    app.add_exception_handler(ResponseValidationError, _unexpected)


def answer(request: Request, problem: Problem) -> Response:
    """Write `problem` as the response to `request`: a document, or a page for a browser."""
    request_id = request.scope.get("state", {}).get("request_id", "")
    body = document(problem, path=request.url.path, request_id=request_id, now=utc_now())
    language = language_of(request.headers.get("accept-language", ""))
    body["title"] = title_of(problem.code, problem.title, language)
    headers = {"Content-Language": language, "Vary": "Accept, Accept-Language", **problem.headers}
    if wants_page(request):
        page = error_page(request, body, language)
        page.headers.update(headers)
        return page
    return Response(
        _written(body), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers
    )


def _written(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body, default=str)
    except TypeError:  # half a surrogate pair in what is echoed: JSON has it, UTF-8 does not
        return json.dumps(body, default=str).encode()


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this type only
    return answer(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    found = error.errors()
    unreadable = [entry for entry in found if entry["type"] == "json_invalid"]
    if unreadable:
        reason = unreadable[0].get("ctx", {}).get("error", "not JSON")
        return answer(request, BadRequest(f"the body is not valid JSON: {reason}"))
    fields = [_field_error(entry) for entry in found]
    named = "; ".join(f"{field.field}: {field.message}" for field in fields[:5])
    return answer(request, ValidationFailed(named, errors=fields))


def _field_error(entry: dict[str, Any]) -> FieldError:
    where = [str(part) for part in entry["loc"] if part not in {"body", "query", "path"}]
    rejected = entry.get("input")
    if entry["type"] == "missing" or isinstance(rejected, dict | list | bytes):
        rejected = None
    elif isinstance(rejected, str):
        rejected = rejected[:_LONGEST_ECHO]
    elif not isinstance(rejected, int | float | bool | None) or _is_huge(rejected):
        rejected = str(rejected)[:_LONGEST_ECHO]
    message = str(entry["msg"]).removeprefix("Value error, ").replace('"', "'").replace("\\", "/")
    return FieldError(
        ".".join(where) or "body", entry["type"], message, rejected, _numbers(entry.get("ctx", {}))
    )


def _numbers(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the bounds a rule names, such as `le`, where JSON can write them."""
    return {
        name: float(value) if isinstance(value, Decimal) else value
        for name, value in context.items()
        if isinstance(value, int | float | Decimal) and not _is_huge(value)
    }


def _is_huge(rejected: object) -> bool:
    """Tell whether a number is an integer that our JSON writer does not take."""
    return isinstance(rejected, int) and abs(rejected) >= _HUGE


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
    kind = _BY_STATUS.get(error.status_code, Problem)
    detail = f"{request.method} {request.url.path}: {error.detail}"
    if error.status_code == 404:  # noqa: PLR2004 - the status says it
        detail = f"nothing answers at {request.url.path}; /openapi.json lists every path"
    headers = dict(error.headers or {})
    if error.status_code == 405:  # noqa: PLR2004 - the status says it
        headers["Allow"] = ", ".join(_methods(request))
    return answer(request, kind(detail, headers=headers))


def _methods(request: Request) -> list[str]:
    """Return what may be done with this path: the router names one route's methods only."""
    found = {method for method in _METHODS if _is_offered(request, method)}
    return sorted(found | {"HEAD"} if "GET" in found else found)


def _is_offered(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


async def _database(request: Request, error: Exception) -> Response:
    log.error("GPU database failed: %s", str(error).splitlines()[0])
    problem = ServiceUnavailable(
        "the database did not answer; nothing was changed, try again in a few seconds",
        headers={"Retry-After": "5"},
    )
    return answer(request, problem)


async def _unstorable(request: Request, error: Exception) -> Response:
    log.info("GPU database refused a value: %s", str(error).splitlines()[0])
    detail = "a value has characters or a size that the database cannot compare or store"
    return answer(request, ValidationFailed(detail))


async def _unexpected(request: Request, error: Exception) -> Response:
    return unexpected(request, error)


def unexpected(request: Request, error: Exception) -> Response:
    """Log what nobody expected, once, and answer without its details (ERR-01)."""
    log.error("GPU request failed: %s %s", request.method, request.url.path, exc_info=error)
    request_id = request.scope.get("state", {}).get("request_id", "")
    return answer(request, Problem(f"our fault; quote request {request_id} when you report it"))
