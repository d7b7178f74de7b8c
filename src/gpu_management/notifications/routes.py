"""HTTP for notifications: channels, deliveries, and alerts of an Alertmanager."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from sqlalchemy.orm import Session

from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import (
    Now,
    Paging,
    ReadSession,
    WireRoute,
    WriteSession,
    note_unknown,
    page_of,
    problems,
)
from gpu_management.core.problems import PreconditionFailed
from gpu_management.notifications import alertmanager, deliveries, schemas, service
from gpu_management.notifications.errors import (
    ChannelExists,
    ChannelInvalid,
    ChannelNotFound,
    ChannelOfSettings,
    DeliveryNotDead,
    DeliveryNotFound,
)
from gpu_management.notifications.models import Channel, DeliveryState
from gpu_management.notifications.terms import Terms

router = APIRouter(
    prefix="/api/v1/gpu/notifications", tags=["notifications"], route_class=WireRoute
)


async def terms_of(request: Request) -> Terms:
    """Return how this process treats channels."""
    found: Terms = request.app.state.notification_terms
    return found


Reader = Annotated[Principal, Depends(requires(Permission.GENERAL_WRITE))]
Writer = Annotated[Principal, Depends(requires(Permission.ADMIN))]
Teller = Annotated[Principal, Depends(requires(Permission.GENERAL_WRITE))]
TermsDep = Annotated[Terms, Depends(terms_of)]
ChannelId = Annotated[int, Path(alias="channelId", ge=1, le=2**53)]
DeliveryId = Annotated[int, Path(alias="deliveryId", ge=1, le=2**53)]
IfMatch = Annotated[str | None, Header(description="`ETag` of the copy you changed.")]


@router.get(
    "/channels",
    response_model=list[schemas.Channel],
    operation_id="listNotificationChannels",
    summary="Who is told, and how that goes",
    responses=problems(),
)
def list_channels(
    _principal: Reader, session: ReadSession, page: Paging, request: Request, response: Response
) -> Any:
    """List every channel; secrets are never shown."""
    return page_of(request, response, service.list_channels(session, page=page))


@router.post(
    "/channels",
    status_code=201,
    response_model=schemas.Channel,
    operation_id="createNotificationChannel",
    summary="Add a channel",
    responses=problems(ChannelExists, ChannelInvalid),
)
def create(
    body: schemas.ChannelCreate,
    principal: Writer,
    session: WriteSession,
    terms: TermsDep,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Tell somebody from now on; what happened before is not told."""
    note_unknown(request, response, body)
    row = service.create(session, body, terms=terms, principal=principal, now=now)
    response.headers["Location"] = f"{request.url.path}/{row.id}"
    return _one(session, row, response)


@router.get(
    "/channels/{channelId}",
    response_model=schemas.Channel,
    operation_id="getNotificationChannel",
    summary="Show a channel",
    responses=problems(ChannelNotFound),
)
def get(channel_id: ChannelId, _principal: Reader, session: ReadSession, response: Response) -> Any:
    """Return one channel; its `ETag` guards a change."""
    return _one(session, service.find(session, channel_id), response)


@router.put(
    "/channels/{channelId}",
    response_model=schemas.Channel,
    operation_id="updateNotificationChannel",
    summary="Change a channel",
    responses=problems(ChannelNotFound, ChannelInvalid, ChannelOfSettings, PreconditionFailed),
)
def update(
    channel_id: ChannelId,
    body: schemas.ChannelUpdate,
    principal: Writer,
    session: WriteSession,
    terms: TermsDep,
    now: Now,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> Any:
    """Replace what it wants; secrets that are not told stay, unless its address changes."""
    note_unknown(request, response, body)
    row = service.lock(session, channel_id, if_match=if_match)
    service.change(session, row, body, terms=terms, principal=principal, now=now)
    return _one(session, row, response)


@router.delete(
    "/channels/{channelId}",
    response_model=schemas.Channel,
    operation_id="deleteNotificationChannel",
    summary="Remove a channel",
    responses=problems(ChannelNotFound, ChannelOfSettings, PreconditionFailed),
)
def delete(
    channel_id: ChannelId,
    principal: Writer,
    session: WriteSession,
    now: Now,
    response: Response,
    if_match: IfMatch = None,
) -> Any:
    """Remove a channel with its deliveries, sent or not."""
    row = service.lock(session, channel_id, if_match=if_match)
    last = _one(session, row, response)
    service.remove(session, row, principal=principal, now=now)
    return last


@router.post(
    "/channels/{channelId}/test",
    status_code=202,
    response_model=schemas.Delivery,
    operation_id="testNotificationChannel",
    summary="Send a test message",
    responses=problems(ChannelNotFound),
)
def test(channel_id: ChannelId, principal: Writer, session: WriteSession, now: Now) -> Any:
    """Put a test message before a channel; its delivery tells how that went."""
    channel = service.find(session, channel_id)
    return deliveries.shown(deliveries.test(session, channel, principal=principal, now=now))


@router.post(
    "/channels/{channelId}/replay",
    status_code=202,
    response_model=schemas.Replayed,
    operation_id="replayNotificationChannel",
    summary="Send again all that was given up",
    responses=problems(ChannelNotFound),
)
def replay_all(channel_id: ChannelId, principal: Writer, session: WriteSession, now: Now) -> Any:
    """Send every dead delivery of a channel again; many are told together in one message."""
    channel = service.find(session, channel_id)
    return {"replayed": deliveries.replay_all(session, channel, principal=principal, now=now)}


@router.get(
    "/deliveries",
    response_model=list[schemas.Delivery],
    operation_id="listNotificationDeliveries",
    summary="What was sent, and what was not",
    responses=problems(),
)
def list_deliveries(
    _principal: Reader,
    session: ReadSession,
    page: Paging,
    request: Request,
    response: Response,
    channel_id: Annotated[
        int | None, Query(alias="channelId", ge=1, le=2**53, description="Only to this channel.")
    ] = None,
    state: Annotated[DeliveryState | None, Query(description="Only in this state.")] = None,
    kind: Annotated[
        str | None, Query(max_length=60, pattern="^[a-z0-9._-]+$", description="Only of this kind.")
    ] = None,
) -> Any:
    """Return deliveries, newest first; a page of 100 when no limit is given."""
    asked = deliveries.DeliveryFilter(channel_id, state, kind)
    return page_of(request, response, deliveries.list_deliveries(session, asked, page=page))


@router.get(
    "/deliveries/{deliveryId}",
    response_model=schemas.Delivery,
    operation_id="getNotificationDelivery",
    summary="Show a delivery",
    responses=problems(DeliveryNotFound),
)
def get_delivery(delivery_id: DeliveryId, _principal: Reader, session: ReadSession) -> Any:
    """Return one delivery, and what became of it."""
    return deliveries.shown(deliveries.find(session, delivery_id))


@router.post(
    "/deliveries/{deliveryId}/replay",
    status_code=202,
    response_model=schemas.Delivery,
    operation_id="replayNotificationDelivery",
    summary="Send again what was given up",
    responses=problems(DeliveryNotFound, DeliveryNotDead),
)
def replay(delivery_id: DeliveryId, principal: Writer, session: WriteSession, now: Now) -> Any:
    """Send a dead delivery again, under the same id."""
    row = deliveries.find(session, delivery_id)
    return deliveries.shown(deliveries.replay(session, row, principal=principal, now=now))


@router.post(
    "/alertmanager",
    response_model=schemas.Taken,
    operation_id="receiveAlertmanager",
    summary="Take alerts of an Alertmanager",
    responses=problems(),
)
def receive(
    body: schemas.AlertmanagerMessage, _principal: Teller, session: WriteSession, now: Now
) -> Any:
    """Make an event of each alert that changed; an Alertmanager repeats itself, the events do not.

    For `webhook_configs` of an Alertmanager, with an API key in `http_config`.
    """
    return alertmanager.receive(session, body.alerts, now=now)


def _one(session: Session, row: Channel, response: Response) -> dict[str, Any]:
    response.headers["ETag"] = f'"{row.edition}"'
    (shown,) = service.describe(session, [row])
    return shown
