"""What wraps every request: context path, request id, timing, security headers."""

import logging
import re
import time
from collections.abc import Sequence
from uuid import uuid4

from prometheus_client import Histogram
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gpu_management.api.errors import unexpected
from gpu_management.core.logs import request_id as current_request

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"^[A-Za-z0-9._:-]{1,128}$")
_SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    (
        "Content-Security-Policy",
        "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    ),
)

REQUEST_SECONDS = Histogram(
    "gpu_management_http_request_seconds",
    "Time to answer an HTTP request, by route.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)


class ContextPath:
    """Serve the same application under a prefix (D-06); links are built from the one used."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        """Answer under `prefix` as well; an empty one changes nothing."""
        self.app = app
        self.prefix = prefix.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Move the prefix from the path into `root_path`."""
        path = scope.get("path", "")
        prefix = self.prefix
        if scope["type"] == "http" and prefix and (path == prefix or path.startswith(prefix + "/")):
            scope = dict(scope)
            scope["root_path"] = scope.get("root_path", "") + prefix
            if path == prefix:
                scope["path"] = prefix + "/"
        await self.app(scope, receive, send)


class Head:
    """Answer HEAD like GET, without the body (RFC 9110 section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask as GET and keep the body back."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"}, receive, without_body)


class Observe:
    """Give every request an id, time it, and log the slow ones."""

    def __init__(self, app: ASGIApp, slow_seconds: float) -> None:
        """Log requests that take longer than `slow_seconds`."""
        self.app = app
        self.slow_seconds = slow_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _told_id(scope["headers"]) or uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        token = current_request.set(request_id)
        started = time.perf_counter()
        status = 500
        answered = False

        async def send_with_headers(message: Message) -> None:
            nonlocal answered, status
            if message["type"] == "http.response.start":
                answered = True
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in _SECURITY_HEADERS:
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception as error:
            if answered:
                raise
            await unexpected(Request(scope), error)(scope, receive, send_with_headers)
        finally:
            self._measure(scope, status, time.perf_counter() - started)
            current_request.reset(token)

    def _measure(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        REQUEST_SECONDS.labels(scope["method"], route, str(status)).observe(seconds)
        if seconds > self.slow_seconds and not route.endswith("/events"):
            log.warning("slow GPU request: %s %s took %.3f s", scope["method"], route, seconds)


def _told_id(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"x-request-id":
            told = value.decode("latin-1")
            return told if _REQUEST_ID.match(told) else None
    return None
