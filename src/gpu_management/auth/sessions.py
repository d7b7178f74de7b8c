"""Browser sessions: a cookie stands for a key, so that no key stays in a browser (SEC-08)."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.orm import Session

from gpu_management.auth import keys
from gpu_management.auth.authenticators import MAX_REMEMBERED, MEMORY
from gpu_management.auth.models import BrowserSession
from gpu_management.auth.principals import Authenticator, Principal
from gpu_management.core.database import Database
from gpu_management.core.problems import Forbidden

COOKIE: Final = "gpu_management_session"
CSRF_HEADER: Final = "X-CSRF-Token"
LIFETIME: Final = timedelta(hours=12)
"""How long a log-in lasts: a working day."""

_RANDOM_BYTES: Final = 32
_MAX_TOKEN: Final = 200
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OTHER_SITES: Final = frozenset({"cross-site", "same-site"})


def csrf_token(token: str) -> str:
    """Return what a page must send along with changes; only who reads our answers knows it."""
    return hashlib.sha256(b"csrf:" + token.encode()).hexdigest()


def check_origin(method: str, fetch_site: str | None) -> None:
    """Let a request without credentials of its own pass when it may come from a page of ours.

    Raises:
        Forbidden: it changes something, and a browser says that another site made it
            (`Sec-Fetch-Site`, W3C Fetch Metadata).
    """
    if method not in _SAFE_METHODS and fetch_site in _OTHER_SITES:
        raise Forbidden("a page of another site may not change anything here")


def check_token(method: str, token: str, told: str | None) -> None:
    """Let a request with the session `token` pass when it changes nothing or proves its page.

    Raises:
        Forbidden: the header is missing or is another session's.
    """
    if method in _SAFE_METHODS or hmac.compare_digest(csrf_token(token), told or ""):
        return
    raise Forbidden(f"changes in a session need the header {CSRF_HEADER}; ask /api/v1/session")


def open_session(session: Session, key: str, *, now: datetime) -> str:
    """Keep a session for the holder of `key` and drop expired ones; return its token."""
    session.execute(delete(BrowserSession).where(BrowserSession.expires_at <= now))
    token = secrets.token_urlsafe(_RANDOM_BYTES)
    row = BrowserSession(
        session_hash=keys.digest(token),
        key_hash=keys.digest(key),
        opened_at=now,
        expires_at=now + LIFETIME,
    )
    session.add(row)
    return token


def close_session(session: Session, token: str) -> None:
    """End the session; an unknown one is ended already."""
    gone = BrowserSession.session_hash == keys.digest(token)
    session.execute(delete(BrowserSession).where(gone))


class Sessions:
    """Recognises sessions; who they are for is asked anew of the key every few seconds.

    A key that is revoked, changed or expired ends its sessions with it.
    """

    def __init__(self, database: Database, authenticators: Sequence[Authenticator]) -> None:
        """Read sessions from `database` and holders from `authenticators`."""
        self._database = database
        self._authenticators = authenticators
        self._known: dict[str, tuple[Principal, datetime]] = {}

    def recall(self, token: str, now: datetime) -> Principal | None:
        """Answer what was found out within the last seconds."""
        known = self._known.get(keys.digest(token))
        return None if known is None or known[1] <= now else known[0]

    def authenticate(self, token: str, now: datetime) -> Principal | None:
        """Ask the database; None when the session or its key is no longer valid."""
        if len(token) > _MAX_TOKEN:
            return None
        digest = keys.digest(token)
        with self._database.read() as session:
            row = session.get(BrowserSession, digest)
        if row is None or row.expires_at <= now:
            return None
        found = (one.holder(row.key_hash, now) for one in self._authenticators)
        principal = next((one for one in found if one is not None), None)
        if principal is not None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[digest] = (principal, min(now + MEMORY, row.expires_at))
        return principal

    def forget(self, token: str) -> None:
        """Drop what memory holds of this session: it was ended."""
        self._known.pop(keys.digest(token), None)
