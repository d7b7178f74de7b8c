"""Events over HTTP: the live stream, and what was."""

from collections.abc import AsyncIterable
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from gpu_management.auth.access import Permission, visible_team
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import Paging, ReadSession, WireRoute, page_of, problems
from gpu_management.core.wire import Instant
from gpu_management.events import schemas, service
from gpu_management.events.filters import Interest, parse_types
from gpu_management.events.stream import Broadcaster

RECONNECT_MILLISECONDS = 3000

_TEXT = r"^[^\x00-\x1f\x7f]+$"
_LONGEST_ID = 18
"""Digits of an event number at most: more do not fit its column."""

Listener = Annotated[Principal, Depends(requires(Permission.GENERAL_READ))]
Types = Annotated[
    str | None,
    Query(
        max_length=500,
        description="Types to get, with commas between: `allocation.created,device.*`.",
        examples=["allocation.created,device.*"],
    ),
]


async def _interest(principal: Listener, types: Types = None) -> Interest:
    return Interest(parse_types(types), visible_team(principal))


InterestDep = Annotated[Interest, Depends(_interest)]


def _history_filter(
    *,
    interest: InterestDep,
    subject_kind: Annotated[
        str | None, Query(alias="subjectKind", max_length=40, pattern=_TEXT)
    ] = None,
    subject_id: Annotated[
        str | None, Query(alias="subjectId", max_length=255, pattern=_TEXT)
    ] = None,
    since: Annotated[Instant | None, Query(description="Not before this moment.")] = None,
    until: Annotated[Instant | None, Query(description="Before this moment.")] = None,
) -> service.HistoryFilter:
    return service.HistoryFilter(interest, subject_kind, subject_id, since, until)


async def broadcaster_of(request: Request) -> Broadcaster:
    """Return what follows the outbox for this application."""
    found: Broadcaster = request.app.state.event_stream
    return found


router = APIRouter(prefix="/api/v1/gpu/events", tags=["events"], route_class=WireRoute)


@router.get(
    "",
    operation_id="streamEvents",
    response_class=EventSourceResponse,
    responses=problems(),
    summary="Follow events as they happen",
)
async def stream_events(
    interest: InterestDep,
    broadcaster: Annotated[Broadcaster, Depends(broadcaster_of)],
    last_event_id: Annotated[
        str | None, Header(description="Number of the last event seen: none after it is missed.")
    ] = None,
) -> AsyncIterable[ServerSentEvent]:
    """Stream events (server-sent events) without end; a USER gets its own team's and the fleet's.

    A listener that falls far behind is cut off and resumes with `Last-Event-ID`, as browsers do.
    """
    yield ServerSentEvent(comment="connected", retry=RECONNECT_MILLISECONDS)
    async with aclosing(broadcaster.listen(interest, after=_number(last_event_id))) as found:
        async for event in found:
            yield ServerSentEvent(raw_data=event.payload, event=event.type, id=str(event.id))


@router.get(
    "/history",
    operation_id="listEvents",
    response_model=list[schemas.Event],
    responses=problems(),
    summary="List past events",
)
def list_events(
    request: Request,
    response: Response,
    *,
    asked: Annotated[service.HistoryFilter, Depends(_history_filter)],
    session: ReadSession,
    page: Paging,
) -> Any:
    """Return events, newest first; a page of 100 when no limit is given."""
    return page_of(request, response, service.list_history(session, asked, page=page))


def _number(text: str | None) -> int | None:
    """Read an event number; whatever else a client kept starts it at the present."""
    known = text is not None and text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID
    return int(text) if text is not None and known else None
