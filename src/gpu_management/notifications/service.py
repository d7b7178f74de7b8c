"""The verbs of channels: add, change, remove, read; and those that the settings bring."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gpu_management.auth import service as auth
from gpu_management.auth.principals import Principal
from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.core.problems import PreconditionFailed
from gpu_management.notifications import schemas
from gpu_management.notifications.errors import (
    ChannelExists,
    ChannelNotFound,
    ChannelOfSettings,
)
from gpu_management.notifications.fitness import check_channel
from gpu_management.notifications.models import (
    Channel,
    Delivery,
    DeliveryState,
    Origin,
)
from gpu_management.notifications.terms import FROM_FILE, Configured, Terms

SORTS = {"name": Channel.name, "createdAt": Channel.created_at}
_SECRETS = ("url", "routing_key", "signing_secret")
_BY_SETTINGS = "settings"


def create(
    session: Session,
    asked: schemas.ChannelCreate,
    *,
    terms: Terms,
    principal: Principal,
    now: datetime,
) -> Channel:
    """Add a channel.

    Raises:
        ChannelInvalid: it lacks what its kind needs, or names an address that is refused.
        ChannelExists: the name is taken.
    """
    secrets = _secrets(asked, {})
    check_channel(asked.kind, asked, secrets=secrets, terms=terms)
    row = Channel(
        name=asked.name,
        kind=asked.kind,
        origin=Origin.API,
        enabled=asked.enabled,
        route=_route(asked),
        options=_options(asked),
        secrets=secrets,
        edition=1,
        created_at=now,
        created_by=principal.name[:120],
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as taken:
        raise ChannelExists(f"the name {asked.name} is taken; change that channel") from taken
    _record(session, principal, "notification-channel.create", row=row, before=None, now=now)
    return row


def find(session: Session, channel_id: int) -> Channel:
    """Return a channel.

    Raises:
        ChannelNotFound: there is none.
    """
    row = session.get(Channel, channel_id)
    if row is None:
        raise ChannelNotFound(f"no channel has the number {channel_id}")
    return row


def lock(session: Session, channel_id: int, *, if_match: str | None = None) -> Channel:
    """Return a channel of the API that nobody else changes before this transaction ends.

    Raises:
        ChannelNotFound: there is none.
        ChannelOfSettings: it is changed in the settings.
        PreconditionFailed: `if_match` names another edition.
    """
    row = session.get(Channel, channel_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise ChannelNotFound(f"no channel has the number {channel_id}")
    if row.origin is Origin.SETTINGS:
        raise ChannelOfSettings(f"{row.name} comes from the settings of the server")
    if if_match not in {None, "*", f'"{row.edition}"'}:
        raise PreconditionFailed(
            f"your copy is edition {if_match}, the present one is {row.edition}; read it again"
        )
    return row


def change(
    session: Session,
    row: Channel,
    asked: schemas.ChannelUpdate,
    *,
    terms: Terms,
    principal: Principal,
    now: datetime,
) -> Channel:
    """Replace what a channel wants; secrets that are not told stay.

    Raises:
        ChannelInvalid: it lacks what its kind needs, or names an address that is refused.
    """
    before = shown(row)
    secrets = _secrets(asked, row.secrets)
    check_channel(row.kind, asked, secrets=secrets, terms=terms)
    row.enabled, row.route, row.options = asked.enabled, _route(asked), _options(asked)
    row.secrets = secrets
    row.edition += 1
    session.flush()
    _record(session, principal, "notification-channel.update", row=row, before=before, now=now)
    return row


def remove(session: Session, row: Channel, *, principal: Principal, now: datetime) -> None:
    """Remove a channel with its deliveries; the audit log keeps what it was."""
    before = shown(row)
    session.execute(delete(Delivery).where(Delivery.channel_id == row.id))
    session.delete(row)
    session.flush()
    _record(session, principal, "notification-channel.delete", row=row, before=before, now=now)


def list_channels(session: Session, *, page: Page) -> Listing:
    """Return every channel."""
    found = list_rows(session, select(Channel), sorts=SORTS, key=Channel.id, page=page)
    return replace(found, rows=describe(session, [row[0] for row in found.rows]))


def describe(session: Session, rows: Sequence[Channel]) -> list[dict[str, Any]]:
    """Return channels as the wire shows them, with what waits and what was given up."""
    states = (DeliveryState.WAITING, DeliveryState.DEAD)
    query = (
        select(Delivery.channel_id, Delivery.state, func.count())
        .where(Delivery.channel_id.in_([row.id for row in rows]), Delivery.state.in_(states))
        .group_by(Delivery.channel_id, Delivery.state)
    )
    counts = {(channel, state): count for channel, state, count in session.execute(query)}
    return [
        shown(row)
        | {
            "waiting": counts.get((row.id, DeliveryState.WAITING), 0),
            "dead": counts.get((row.id, DeliveryState.DEAD), 0),
            "failing_since": row.failing_since,
            "last_sent_at": row.last_sent_at,
            "created_at": row.created_at,
        }
        for row in rows
    ]


def shown(row: Channel) -> dict[str, Any]:
    """Return the fields of a channel that may be shown, as JSON has them."""
    headers = row.secrets.get("headers", {})
    named = [name for name in _SECRETS if row.secrets.get(name)]
    url = str(row.secrets.get("url") or "")
    told = url and not url.startswith(FROM_FILE)
    return {
        "id": row.id,
        "name": row.name,
        "kind": row.kind.value,
        "origin": row.origin.value,
        "enabled": row.enabled,
        "events": row.route.get("events", []),
        "min_severity": row.route.get("min_severity", "info"),
        "teams": row.route.get("teams", []),
        "labels": row.route.get("labels", {}),
        "host": urlsplit(url).hostname if told else row.options.get("host"),
        "secrets": [*map(_camel, named), *(f"headers.{name}" for name in sorted(headers))]
        or row.options.get("secret_names", []),
        "recipients": row.options.get("recipients", []),
        "format": row.options.get("format", "auto"),
        "quiet_hours": row.options.get("quiet_hours"),
        "max_per_minute": row.options.get("max_per_minute"),
        "note": row.options.get("note"),
        "created_by": row.created_by,
    }


def settle(session: Session, configured: Iterable[Configured], *, now: datetime) -> None:
    """Let the channels of the settings be as they say; one that is gone is switched off.

    A channel of the API that has the name of one in the settings keeps it; the other is called
    `NAME (settings)`.
    """
    known = {row.name: row for row in session.scalars(select(Channel))}
    told = set()
    for one in configured:
        taken = known.get(one.name)
        name = one.name
        if taken is not None and taken.origin is Origin.API:
            name = f"{one.name[:80]} (settings)"
        told.add(name)
        _settle_one(session, known.get(name), replace(one, name=name), now=now)
    for name, row in known.items():
        if row.origin is Origin.SETTINGS and name not in told:
            row.enabled = False


def _settle_one(session: Session, row: Channel | None, one: Configured, *, now: datetime) -> None:
    if row is None:
        row = Channel(name=one.name, created_at=now, created_by=_BY_SETTINGS, edition=0, secrets={})
        session.add(row)
    options = dict(one.options) | {
        "host": urlsplit(str(one.secrets.get("url") or "")).hostname,
        "secret_names": [_camel(name) for name in _SECRETS if one.secrets.get(name)],
    }
    if (row.kind, row.route, row.options, row.enabled) == (
        one.kind,
        dict(one.route),
        options,
        one.enabled,
    ):
        return
    row.kind, row.origin, row.enabled = one.kind, Origin.SETTINGS, one.enabled
    row.route, row.options = dict(one.route), options
    row.edition += 1
    session.flush()


def _route(asked: schemas.ChannelUpdate) -> dict[str, Any]:
    return {
        "events": list(asked.events),
        "min_severity": asked.min_severity.value,
        "teams": list(asked.teams),
        "labels": dict(asked.labels),
    }


def _options(asked: schemas.ChannelUpdate) -> dict[str, Any]:
    quiet = asked.quiet_hours
    return {
        "format": asked.format,
        "recipients": list(asked.recipients),
        "quiet_hours": quiet.model_dump(mode="json", by_alias=True) if quiet else None,
        "max_per_minute": asked.max_per_minute,
        "note": asked.note,
    }


def _secrets(asked: schemas.ChannelUpdate, kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return the secrets that are kept, with those that are told in their place.

    Another address gets none of the old ones: nobody may read them by having them sent.
    """
    told = asked.url.get_secret_value() if asked.url else None
    moved = told is not None and told != kept.get("url")
    found: dict[str, Any] = {} if moved else dict(kept)
    for name in _SECRETS:
        value = getattr(asked, name)
        if value is not None:
            found[name] = value.get_secret_value()
    if asked.headers is not None:
        found["headers"] = {name: value.get_secret_value() for name, value in asked.headers.items()}
    return {name: value for name, value in found.items() if value}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _record(
    session: Session,
    principal: Principal,
    action: str,
    *,
    row: Channel,
    before: dict[str, Any] | None,
    now: datetime,
) -> None:
    auth.record(
        session,
        principal,
        action=action,
        target_kind="notification-channel",
        target_id=str(row.id),
        before=before,
        after=None if action.endswith(".delete") else shown(row),
        now=now,
    )
