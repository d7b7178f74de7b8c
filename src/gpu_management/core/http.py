"""What every `routes.py` needs from HTTP: sessions, the moment, paging, and the route class."""

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Annotated, Any

import anyio
from fastapi import Depends, Query, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session

from gpu_management.core import wire
from gpu_management.core.clock import Clock
from gpu_management.core.database import Database
from gpu_management.core.paging import Listing, Page
from gpu_management.core.problems import (
    BadRequest,
    FieldError,
    Forbidden,
    Problem,
    TooManyRequests,
    Unauthenticated,
    ValidationFailed,
)
from gpu_management.core.text import one_line

MAX_PAGE = 1000
"""Rows in one page at most."""

_GATE = "write_gate"

ENVELOPE_HEADER = "X-GPU-Envelope"
TOTAL_HEADER = "X-Total-Count"
CURSOR_HEADER = "X-Next-Cursor"


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a serving process hands its routes."""

    database: Database
    clock: Clock
    write_gate: anyio.Semaphore
    cluster_name: str
    envelope_agents: tuple[str, ...]
    strict_fields: bool = False


def runtime(request: Request) -> Runtime:
    """Return the runtime of the application that answers `request`."""
    found: Runtime = request.app.state.runtime
    return found


async def read_session(request: Request) -> AsyncIterator[Session]:
    """Yield a session for reading."""
    session = runtime(request).database.reader()
    try:
        yield session
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(session.close)


async def write_session(request: Request) -> Session:
    """Return a session for writing; the route that asks for it commits it (`in_its_turn`)."""
    serving = runtime(request)
    session = serving.database.writer()
    session.info[_GATE] = serving.write_gate
    return session


async def now_of(request: Request) -> datetime:
    """Return the present moment by the application's clock."""
    return runtime(request).clock()


async def cluster_of(request: Request) -> str:
    """Return the name of the cluster this control plane manages."""
    return runtime(request).cluster_name


ReadSession = Annotated[Session, Depends(read_session, scope="function")]
WriteSession = Annotated[Session, Depends(write_session)]
Now = Annotated[datetime, Depends(now_of)]
ClusterName = Annotated[str, Depends(cluster_of)]


async def _page(
    limit: Annotated[
        int | None,
        Query(ge=1, le=MAX_PAGE, description="Rows in one page; without it, the whole list."),
    ] = None,
    cursor: Annotated[
        str | None, Query(max_length=500, description="`X-Next-Cursor` of the page before.")
    ] = None,
    sort: Annotated[
        str | None, Query(max_length=60, description="Field to sort by; `-` in front reverses.")
    ] = None,
) -> Page:
    return Page(limit=limit, cursor=cursor, sort=sort)


Paging = Annotated[Page, Depends(_page)]


def page_of(request: Request, response: Response, listing: Listing) -> Any:
    """Return the rows of `listing` and write its total and its next page into the headers."""
    response.headers[TOTAL_HEADER] = str(listing.total)
    if listing.next_cursor:
        response.headers[CURSOR_HEADER] = listing.next_cursor
        following = request.url.include_query_params(cursor=listing.next_cursor)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return listing.rows


WARNING_HEADER = "X-GPU-Warning"


def note_unknown(request: Request, response: Response, body: wire.WireRequest) -> None:
    """Tell about fields of `body` that we do not know.

    Raises:
        ValidationFailed: strict mode refuses them (`api.strict_fields`).
    """
    unknown = body.unknown_fields()
    if not unknown:
        return
    if runtime(request).strict_fields:
        errors = [FieldError(path, "unknown", text) for path, text in unknown.items()]
        raise ValidationFailed("; ".join(unknown.values()), errors=errors)
    # Names are the caller's: a control character in a header would lose the whole answer.
    text = one_line("; ".join(unknown.values()))
    response.headers[WARNING_HEADER] = text.encode("ascii", "replace").decode()[:1000]


def in_its_turn(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Return `endpoint` with its transaction around it, if it asks for a `WriteSession`.

    Taking the writer's turn, serving, committing and giving the turn back are one trip to a worker
    thread: what comes after, such as writing JSON, must not keep other writers waiting. The answer
    is sent when the commit is done, never before.
    """
    asked = [
        name
        for name, parameter in inspect.signature(endpoint).parameters.items()
        if parameter.annotation == WriteSession
    ]
    if not asked or inspect.iscoroutinefunction(endpoint):
        return endpoint
    (session_name,) = asked

    @wraps(endpoint)
    async def take_turn(**arguments: Any) -> Any:
        session: Session = arguments[session_name]
        async with session.info[_GATE]:
            return await anyio.to_thread.run_sync(_serve, endpoint, session, arguments)

    return take_turn


def _serve(endpoint: Callable[..., Any], session: Session, arguments: dict[str, Any]) -> Any:
    with session:  # closing it rolls back what was not committed
        answer = endpoint(**arguments)
        session.commit()
    return answer


class WireRoute(APIRoute):
    """A route whose JSON answers wear the style the caller understands (D-01).

    Lists also answer as CSV, by `?format=csv` or `Accept: text/csv`. A route that writes is one
    transaction, committed before the answer is sent.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Put the transaction around `endpoint`."""
        super().__init__(path, in_its_turn(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the plain handler; the serialised bytes are joined, never parsed again."""
        plain = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return _dressed(request, await plain(request))

        return handle


def _dressed(request: Request, response: Response) -> Response:
    body = getattr(response, "body", None)
    if response.media_type != "application/json" or not isinstance(body, bytes) or not body:
        return response
    if body.startswith(b"[") and _wants_csv(request):
        return _as(response, wire.to_csv(body).encode(), "text/csv")
    agents = runtime(request).envelope_agents if body.startswith(b"[") else ()
    envelope = wire.asked_envelope(
        request.query_params.get("envelope"),
        request.headers.get(ENVELOPE_HEADER),
        request.headers.get("user-agent", ""),
        envelope_agents=agents,
    )
    total = response.headers.get(TOTAL_HEADER)
    facts = wire.ListFacts(int(total) if total else None, response.headers.get(CURSOR_HEADER))
    dressed, style = wire.dress(body, envelope, facts)
    answer = _as(response, dressed, "application/json")
    answer.headers["X-Response-Style"] = style.value
    answer.headers["Vary"] = f"User-Agent, {ENVELOPE_HEADER}"
    return answer


def _wants_csv(request: Request) -> bool:
    asked = request.query_params.get("format")
    if asked not in {None, "csv", "json"}:
        message = f"format {asked[:40]} is not offered; allowed: json, csv"
        raise ValidationFailed(message, errors=[FieldError("format", "allowed", message, asked)])
    return asked == "csv" or (
        asked is None and request.headers.get("accept", "").startswith("text/csv")
    )


def _as(response: Response, body: bytes, media_type: str) -> Response:
    answer = Response(body, status_code=response.status_code, media_type=media_type)
    for name, value in response.raw_headers:
        if name not in {b"content-length", b"content-type"}:
            answer.raw_headers.append((name, value))
    answer.background = response.background
    return answer


ALWAYS: tuple[type[Problem], ...] = (
    BadRequest,
    Unauthenticated,
    Forbidden,
    ValidationFailed,
    TooManyRequests,
)
"""Problems that any route of ours may answer."""


def problems(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` entry that declares these problems beside the usual ones."""
    by_status: dict[int, list[type[Problem]]] = {}
    for kind in (*ALWAYS, *kinds):
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _declared(found) for status, found in sorted(by_status.items())}


def _declared(kinds: list[type[Problem]]) -> dict[str, Any]:
    return {
        "description": "; ".join(dict.fromkeys(f"{kind.title} (`{kind.code}`)" for kind in kinds)),
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
