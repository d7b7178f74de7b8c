"""Errors that callers see: RFC 9457 problem documents with the fields our clients read (D-04)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from gpu_management.core.clock import wire_time

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field of a request."""

    field: str
    rule: str
    message: str
    rejected: Any = None
    params: Mapping[str, Any] | None = None
    """The numbers of the rule, such as `le`: what a translated message is made of."""


class Problem(Exception):
    """A refusal that the caller can act on; subclasses fix status, code and title."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL_ERROR"
    title: ClassVar[str] = "Something broke on our side"

    def __init__(
        self,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldError] = (),
        **facts: Any,
    ) -> None:
        """Say in one sentence what was asked, what there is and what would help."""
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = tuple(errors)
        self.facts = facts


class BadRequest(Problem):
    """The request cannot be read."""

    status, code, title = 400, "BAD_REQUEST", "The request cannot be read"


class Unauthenticated(Problem):
    """Nobody we know."""

    status, code, title = 401, "UNAUTHENTICATED", "Credentials are missing or not valid"


class Forbidden(Problem):
    """Known, but not allowed."""

    status, code, title = 403, "FORBIDDEN", "This principal may not do that"


class NotFound(Problem):
    """There is no such thing."""

    status, code, title = 404, "RESOURCE_NOT_FOUND", "There is no such resource"


class MethodNotAllowed(Problem):
    """The path exists, the verb does not."""

    status, code, title = 405, "METHOD_NOT_ALLOWED", "This method is not offered here"


class Conflict(Problem):
    """The moment is wrong, or somebody was faster."""

    status, code, title = 409, "CONFLICT", "The present state does not allow that"


class PreconditionFailed(Problem):
    """Somebody changed it since it was read."""

    status, code, title = 412, "PRECONDITION_FAILED", "It changed since you read it"


class TooLarge(Problem):
    """The body is larger than anything we take."""

    status, code, title = 413, "CONTENT_TOO_LARGE", "The request is too large"


class ValidationFailed(Problem):
    """Readable, but not acceptable."""

    status, code, title = 422, "VALIDATION_FAILED", "Some fields cannot be accepted"


class TooManyRequests(Problem):
    """Slow down."""

    status, code, title = 429, "TOO_MANY_REQUESTS", "Too many requests"


class ServiceUnavailable(Problem):
    """Not now; a retry may succeed."""

    status, code, title = 503, "SERVICE_UNAVAILABLE", "Not ready to answer"


def document(problem: Problem, *, path: str, request_id: str, now: datetime) -> dict[str, Any]:
    """Return the problem document; `data: []` makes naive clients fail loudly (D-04)."""
    return {
        "type": type_uri(type(problem)),
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": path,
        "code": problem.code,
        "message": problem.detail,
        "timestamp": wire_time(now),
        "path": path,
        "requestId": request_id,
        "errors": [_error(error) for error in problem.errors],
        **problem.facts,
        "data": [],
    }


def type_uri(kind: type[Problem]) -> str:
    """Return the address that names this kind of problem."""
    return "/problems/" + kind.code.lower().replace("_", "-")


def every_kind() -> list[type[Problem]]:
    """Return every code the imported packages answer, each with its most general kind."""
    found: dict[str, type[Problem]] = {}
    waiting = [Problem]
    while waiting:
        kind = waiting.pop(0)
        found.setdefault(kind.code, kind)
        waiting.extend(kind.__subclasses__())
    return [found[code] for code in sorted(found)]


def _error(error: FieldError) -> dict[str, Any]:
    return {
        "field": error.field,
        "rule": error.rule,
        "message": error.message,
        "rejectedValue": error.rejected,
        "params": dict(error.params or {}),
    }
