"""Issue, rotate, revoke and recognise keys; write down who did what."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import eq, ge, lt
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, or_, select
from sqlalchemy.orm import Session

from gpu_management.auth import keys, schemas
from gpu_management.auth.access import Role
from gpu_management.auth.models import ApiKey, AuditEntry, Outcome
from gpu_management.auth.principals import Principal, PrincipalKind
from gpu_management.core.database import table_of
from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.core.problems import Conflict, FieldError, NotFound, ValidationFailed
from gpu_management.core.trips import send

DEFAULT_PAGE = 100
"""Rows of the audit log when no limit is asked for: it only grows."""

_STAFF = frozenset({Role.ADMIN, Role.OPERATOR})


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key's row, and the secret that is shown once."""

    row: ApiKey
    secret: str


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whom a secret speaks for, and until when it may; None means no end is set."""

    principal: Principal
    until: datetime | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which audit entries are asked for; None asks for any."""

    principal: str | None = None
    action: str | None = None
    target_kind: str | None = None
    target_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


_WRITE = insert(table_of(AuditEntry)).inline()  # built once: every change of anything writes one


def record(  # noqa: PLR0913 - one flat line at every call site says who did what to what
    session: Session,
    principal: Principal,
    *,
    action: str,
    target_kind: str,
    target_id: str,
    now: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    outcome: Outcome = Outcome.DONE,
) -> None:
    """Write an audit entry in the transaction of the deed; `before` and `after` must be JSON."""
    row = {
        "at": now,
        "principal": principal.name[:100],
        "principal_kind": principal.kind.value,
        "key_id": principal.key_id,
        "source_address": principal.source_address,
        "action": action,
        "target_kind": target_kind,
        "target_id": target_id[:255],
        "outcome": outcome,
        "before_json": before,
        "after_json": after,
        "request_id": principal.request_id,
    }
    send(session, _WRITE, row)


def list_audit(session: Session, asked: AuditFilter, *, page: Page) -> Listing:
    """Return audit entries, newest first unless asked otherwise."""
    wanted = (
        (AuditEntry.principal, eq, asked.principal),
        (AuditEntry.action, eq, asked.action),
        (AuditEntry.target_kind, eq, asked.target_kind),
        (AuditEntry.target_id, eq, asked.target_id),
        (AuditEntry.at, ge, asked.since),
        (AuditEntry.at, lt, asked.until),
    )
    query = select(AuditEntry).where(
        *(compare(column, value) for column, compare, value in wanted if value is not None)
    )
    page = replace(page, sort=page.sort or "-id", limit=page.limit or DEFAULT_PAGE)
    sorts = {"id": AuditEntry.id, "at": AuditEntry.at}
    return _entities(list_rows(session, query, sorts=sorts, key=AuditEntry.id, page=page))


def create_key(
    session: Session, asked: schemas.ApiKeyCreate, *, by: Principal, now: datetime
) -> IssuedKey:
    """Issue a key.

    Raises:
        ValidationFailed: it would be expired at once, or is a USER of nobody's.
    """
    if asked.expires_at is not None and asked.expires_at <= now:
        raise _refused("expiresAt", "future", f"{asked.expires_at.isoformat()} has passed already")
    if Role.USER in asked.roles and not (asked.team or asked.user or _STAFF & set(asked.roles)):
        raise _refused("team", "required", "a USER key needs a team or a user: it sees their rows")
    secret = keys.new_key()
    row = ApiKey(
        key_id=str(uuid4()),
        name=asked.name,
        prefix=keys.shown_prefix(secret),
        key_hash=keys.digest(secret),
        roles=[role.value for role in Role if role in asked.roles],
        team=asked.team,
        user=asked.user,
        created_at=now,
        created_by=by.name,
        expires_at=asked.expires_at,
    )
    session.add(row)
    _record_key(session, by, "apikey.create", row=row, before=None, now=now)
    return IssuedKey(row, secret)


def rotate_key(
    session: Session, key_id: str, *, grace_seconds: int, by: Principal, now: datetime
) -> IssuedKey:
    """Give the key a new secret; the old one works for `grace_seconds` more.

    Raises:
        NotFound: no such key.
        Conflict: it was revoked.
    """
    row = _key(session, key_id)
    if row.revoked_at is not None:
        raise Conflict(f"key {row.name} was revoked; issue a new one instead")
    before = _shown_key(row)
    secret = keys.new_key()
    row.previous_hash = row.key_hash if grace_seconds else None
    row.previous_until = now + timedelta(seconds=grace_seconds) if grace_seconds else None
    row.key_hash, row.prefix = keys.digest(secret), keys.shown_prefix(secret)
    row.rotated_at = now
    _record_key(session, by, "apikey.rotate", row=row, before=before, now=now)
    return IssuedKey(row, secret)


def revoke_key(session: Session, key_id: str, *, by: Principal, now: datetime) -> ApiKey:
    """End the key; a second time changes nothing.

    Raises:
        NotFound: no such key.
    """
    row = _key(session, key_id)
    if row.revoked_at is None:
        before = _shown_key(row)
        row.revoked_at = now
        row.previous_hash = row.previous_until = None
        _record_key(session, by, "apikey.revoke", row=row, before=before, now=now)
    return row


def list_keys(session: Session, page: Page) -> Listing:
    """Return every key that was ever issued."""
    sorts = {"name": ApiKey.name, "createdAt": ApiKey.created_at}
    return _entities(list_rows(session, select(ApiKey), sorts=sorts, key=ApiKey.key_id, page=page))


def authenticate_key(session: Session, secret: str, now: datetime) -> KeyHolder | None:
    """Return whom `secret` speaks for; None when it is unknown, expired or revoked."""
    return holder_of(session, keys.digest(secret), now)


def holder_of(session: Session, wanted: str, now: datetime) -> KeyHolder | None:
    """Return whom the key with the digest `wanted` speaks for; None as `authenticate_key`."""
    query = select(ApiKey).where(or_(ApiKey.key_hash == wanted, ApiKey.previous_hash == wanted))
    row = session.scalars(query).first()
    if row is None or row.revoked_at is not None:
        return None
    ends = [row.expires_at]
    if not keys.same(wanted, row.key_hash):
        ends.append(row.previous_until)
    until = min((end for end in ends if end is not None), default=None)
    if until is not None and until <= now:
        return None
    return KeyHolder(_principal(row), until)


def _key(session: Session, key_id: str) -> ApiKey:
    row = session.get(ApiKey, key_id, with_for_update=True)
    if row is None:
        raise NotFound(f"there is no API key {key_id}")
    return row


def _principal(row: ApiKey) -> Principal:
    return Principal(
        name=row.name,
        roles=frozenset(Role(role) for role in row.roles),
        kind=PrincipalKind.API_KEY,
        user=row.user,
        team=row.team,
        key_id=row.key_id,
    )


def _shown_key(row: ApiKey) -> dict[str, Any]:
    return schemas.ApiKey.model_validate(row).model_dump(mode="json", by_alias=True)


def _record_key(
    session: Session,
    by: Principal,
    action: str,
    *,
    row: ApiKey,
    before: dict[str, Any] | None,
    now: datetime,
) -> None:
    record(
        session,
        by,
        action=action,
        target_kind="apikey",
        target_id=row.key_id,
        before=before,
        after=_shown_key(row),
        now=now,
    )


def _refused(field: str, rule: str, message: str) -> ValidationFailed:
    return ValidationFailed(message, errors=[FieldError(field, rule, message)])


def _entities(listing: Listing) -> Listing:
    """Take each entity out of its row."""
    return replace(listing, rows=[row[0] for row in listing.rows])
