"""Limits: how large a request may be, and how many one caller may send a minute."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gpu_management.api.errors import answer
from gpu_management.core.problems import TooLarge, TooManyRequests


class BodyLimit:
    """Answer 413 to bodies that are larger than anything we take, told beforehand or not."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        """Let bodies of at most `max_bytes` pass."""
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let pass, count on the way, or refuse."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "0")
        if told.isdecimal() and int(told) > self.max_bytes:
            problem = TooLarge(f"the body has {told} bytes; at most {self.max_bytes} are taken")
            await answer(Request(scope), problem)(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_bytes:
                raise HTTPException(413, f"the body has more than {self.max_bytes} bytes")
            return message

        await self.app(scope, counted, send)


class RateLimit:
    """Answer 429 with `Retry-After` to callers that pass the limit; health is never limited."""

    def __init__(self, app: ASGIApp, per_minute: int) -> None:
        """Let each credential, or else each address, send `per_minute` requests a minute."""
        self.app = app
        self.item = RateLimitItemPerMinute(per_minute)
        self.limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count and let pass, or refuse."""
        if scope["type"] != "http" or not scope["path"].startswith(
            ("/api/", scope.get("root_path", "") + "/api/")
        ):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        caller = request.headers.get("authorization") or request.headers.get("x-api-key")
        key = str(hash(caller)) if caller else request.client.host if request.client else "unknown"
        if self.limiter.hit(self.item, key):
            await self.app(scope, receive, send)
            return
        reset = self.limiter.get_window_stats(self.item, key).reset_time
        wait = max(1, math.ceil(reset - time.time()))
        problem = TooManyRequests(
            f"more than {self.item.amount} requests a minute; try again in {wait} s",
            headers={"Retry-After": str(wait)},
        )
        await answer(request, problem)(scope, receive, send)
