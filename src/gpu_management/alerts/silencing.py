"""The verbs of silences: list them, begin one, change one, end one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.alerts.errors import SilenceInvalid, SilenceNotFound
from gpu_management.alerts.models import Silence
from gpu_management.alerts.service import record
from gpu_management.alerts.silences import MOST_STARS, Matcher
from gpu_management.auth.principals import Principal
from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.core.problems import FieldError, PreconditionFailed

LONGEST_SILENCE: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Wish:
    """A silence as somebody asks for it."""

    matchers: tuple[Matcher, ...]
    starts_at: datetime | None
    ends_at: datetime
    comment: str


def list_silences(session: Session, *, is_over: bool | None, page: Page, now: datetime) -> Listing:
    """Return silences, those that end last first; `is_over` None: all of them."""
    query = select(Silence)
    if is_over is not None:
        query = query.where(Silence.ends_at <= now if is_over else Silence.ends_at > now)
    wanted = Page(page.limit, page.cursor, page.sort or "-endsAt")
    sorts = {"endsAt": Silence.ends_at, "createdAt": Silence.created_at}
    found = list_rows(session, query, sorts=sorts, key=Silence.silence_id, page=wanted)
    return Listing([row[0] for row in found.rows], found.total, found.next_cursor)


def find_silence(session: Session, silence_id: str) -> Silence:
    """Return a silence.

    Raises:
        SilenceNotFound: there is none of that id.
    """
    row = session.get(Silence, silence_id)
    if row is None:
        raise SilenceNotFound(f"no silence has the id {silence_id}")
    return row


def silence(session: Session, wish: Wish, *, principal: Principal, now: datetime) -> Silence:
    """Tell nobody of the alerts that match, for a time.

    Raises:
        SilenceInvalid: it covers every alert, is over before it begins, or is too long.
    """
    _check(wish, now)
    row = Silence(
        silence_id=str(uuid4()),
        matchers=_kept(wish),
        starts_at=wish.starts_at or now,
        ends_at=wish.ends_at,
        comment=wish.comment,
        created_at=now,
        created_by=principal.name[:120],
        edition=1,
    )
    session.add(row)
    session.flush()
    _note(session, principal, "silence.create", row=row, now=now)
    return row


def change_silence(
    session: Session,
    row: Silence,
    wish: Wish,
    *,
    if_match: str | None,
    principal: Principal,
    now: datetime,
) -> Silence:
    """Write a silence anew; one that is over can begin again.

    Raises:
        PreconditionFailed: it was changed since it was read.
        SilenceInvalid: as for a new one.
    """
    session.refresh(row, with_for_update=True)
    if if_match not in {None, "*", f'"{row.edition}"'}:
        raise PreconditionFailed(
            f"your copy is edition {if_match}, the present one is {row.edition}; read it again"
        )
    _check(wish, now)
    row.matchers, row.comment, row.ends_at = _kept(wish), wish.comment, wish.ends_at
    row.starts_at = wish.starts_at or row.starts_at
    row.edition += 1
    _note(session, principal, "silence.update", row=row, now=now)
    return row


def end_silence(session: Session, row: Silence, *, principal: Principal, now: datetime) -> Silence:
    """End a silence now; one that has not begun never will, and one that is over stays."""
    session.refresh(row, with_for_update=True)
    if row.ends_at > now:
        row.ends_at, row.starts_at = now, min(row.starts_at, now)
        row.edition += 1
        _note(session, principal, "silence.end", row=row, now=now)
    return row


def _check(wish: Wish, now: datetime) -> None:
    starts = wish.starts_at or now
    if wish.ends_at <= max(starts, now):
        raise _refused("endsAt", f"a silence ends after it begins, and later than {now:%H:%M} UTC")
    if wish.ends_at - starts > LONGEST_SILENCE:
        raise _refused("endsAt", f"a silence lasts {LONGEST_SILENCE.days} days at most")
    if not any(_narrows(matcher) for matcher in wish.matchers):
        raise _refused("matchers", "a silence must name something, or it covers every alert")
    if any(matcher.value.count("*") > MOST_STARS for matcher in wish.matchers):
        raise _refused("matchers", f"a pattern has {MOST_STARS} stars at most")


def _narrows(matcher: Matcher) -> bool:
    return not matcher.covers({}) and bool(matcher.value.strip("*"))


def _refused(field: str, message: str) -> SilenceInvalid:
    return SilenceInvalid(message, errors=[FieldError(field, "silence", message)])


def _kept(wish: Wish) -> list[dict[str, str]]:
    return [
        {"name": one.name, "operator": one.operator.value, "value": one.value}
        for one in wish.matchers
    ]


def _shown(row: Silence) -> dict[str, Any]:
    return {
        "matchers": row.matchers,
        "startsAt": row.starts_at.isoformat(),
        "endsAt": row.ends_at.isoformat(),
        "comment": row.comment,
    }


def _note(
    session: Session, principal: Principal, action: str, *, row: Silence, now: datetime
) -> None:
    record(session, principal, action, target_id=row.silence_id, after=_shown(row), now=now)
