"""What recognises keys: those we issued, and those of a mounted Secret (SEC-04)."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.orm import Session

from gpu_management.auth import keys, service
from gpu_management.auth.access import Role
from gpu_management.auth.principals import Authenticator, Principal, PrincipalKind
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger

MEMORY = timedelta(seconds=5)
"""How long an answer is kept, and so how long another replica may honour a revoked key."""

MAX_REMEMBERED = 10_000
MIN_FILE_KEY = 16
"""Characters in a key of a mounted Secret at least; a shorter one can be guessed."""

_FILE_SUFFIX = "-api-key"
_MONITORING = "monitoring"

log = get_logger(__name__)


class IssuedKeys:
    """Recognises the keys of the database; a request costs no query while memory answers."""

    def __init__(self, database: Database) -> None:
        """Read keys from `database`."""
        self._database = database
        self._known: dict[str, tuple[Principal, datetime]] = {}
        self._used: dict[str, datetime] = {}

    def recall(self, credential: str, now: datetime) -> Principal | None:
        """Answer what was found out within the last seconds."""
        known = self._known.get(keys.digest(credential))
        if known is None or known[1] <= now:
            return None
        return self._note(known[0], now)

    def authenticate(self, credential: str, now: datetime) -> Principal | None:
        """Ask the database."""
        with self._database.read() as session:
            holder = service.authenticate_key(session, credential, now)
        if holder is None:
            return None
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        until = now + MEMORY if holder.until is None else min(now + MEMORY, holder.until)
        self._known[keys.digest(credential)] = (holder.principal, until)
        return self._note(holder.principal, now)

    def holder(self, digest: str, now: datetime) -> Principal | None:
        """Ask the database whose key has this digest."""
        with self._database.read() as session:
            found = service.holder_of(session, digest, now)
        return None if found is None else self._note(found.principal, now)

    def forget(self, key_id: str) -> None:
        """Drop what memory holds of this key."""
        for digest, (principal, _) in list(self._known.items()):
            if principal.key_id == key_id:
                self._known.pop(digest, None)

    def take_used(self) -> dict[str, datetime]:
        """Return when each key was last used since the last call, by id."""
        used, self._used = self._used, {}
        return dict(used)  # a copy: another thread may be writing its last one

    def _note(self, principal: Principal, now: datetime) -> Principal:
        if principal.key_id is not None:
            self._used[principal.key_id] = now
        return principal


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """What a key of a mounted Secret may do, and for whom."""

    roles: frozenset[Role]
    team: str | None = None
    user: str | None = None


class MountedKeys:
    """Recognises the keys of a folder, such as a mounted Secret; one file is one key.

    A file named in `grants` has that grant. Otherwise its name says it: `<role>-api-key` has
    the role, `monitoring-api-key` is a VIEWER, `<team>-api-key` is a USER of the team; any other
    file is left alone.
    """

    def __init__(self, folder: Path, grants: Mapping[str, KeyGrant] | None = None) -> None:
        """Read the keys of `folder` now, and again whenever `reload` sees a change."""
        self._folder = folder
        self._grants = dict(grants or {})
        self._seen: Sequence[tuple[str, int, int]] | None = None
        self._known: dict[str, Principal] = {}
        self.reload()

    def recall(self, credential: str, now: datetime) -> Principal | None:
        """Answer from memory: everything is there; `now` changes nothing."""
        return self._known.get(keys.digest(credential))

    def authenticate(self, credential: str, now: datetime) -> Principal | None:
        """Answer the same as `recall`."""
        return self.recall(credential, now)

    def holder(self, digest: str, now: datetime) -> Principal | None:
        """Answer from memory; `now` changes nothing."""
        return self._known.get(digest)

    def forget(self, key_id: str) -> None:
        """Do nothing: these keys are revoked by removing their file."""

    def reload(self) -> bool:
        """Read the folder again if it changed; return whether it did."""
        files = self._files()
        seen = [(file.name, stat.st_mtime_ns, stat.st_ino) for file, stat in files]
        if seen == self._seen:
            return False
        known: dict[str, Principal] = {}
        for file, _ in files:
            self._read(file, known)
        self._known, self._seen = known, seen
        log.info("GPU API keys read", folder=str(self._folder), keys=len(known))
        return True

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        # A mounted Secret keeps its versions in folders named "..", linked to by each file.
        try:
            found = sorted(self._folder.iterdir())
            return [(file, file.stat()) for file in found if file.is_file()]
        except OSError as failed:
            log.warning("GPU API keys cannot be listed", folder=str(self._folder), why=str(failed))
            return []

    def _read(self, file: Path, known: dict[str, Principal]) -> None:
        grant = self._grants.get(file.name) or grant_of(file.name)
        if grant is None:
            log.warning("GPU API key left alone: its name says no role", file=file.name)
            return
        try:
            secret = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as failed:
            log.warning("GPU API key cannot be read", file=file.name, why=type(failed).__name__)
            return
        if len(secret) < MIN_FILE_KEY:
            log.warning("GPU API key refused: too short", file=file.name, least=MIN_FILE_KEY)
            return
        known[keys.digest(secret)] = Principal(
            file.name,
            grant.roles,
            PrincipalKind.API_KEY,
            user=grant.user,
            team=grant.team,
        )


def grant_of(file_name: str) -> KeyGrant | None:
    """Return what the name of a key file grants; None when it is not named like one."""
    if not file_name.endswith(_FILE_SUFFIX) or file_name == _FILE_SUFFIX:
        return None
    owner = file_name.removesuffix(_FILE_SUFFIX)
    if owner == _MONITORING:
        return KeyGrant(frozenset({Role.VIEWER}))
    if owner.upper() in Role.__members__:
        return KeyGrant(frozenset({Role[owner.upper()]}))
    return KeyGrant(frozenset({Role.USER}), team=owner)


def forget_after_commit(
    session: Session, authenticators: Sequence[Authenticator], key_id: str
) -> None:
    """Let every authenticator of this process forget the key once `session` has committed."""

    def _forget(_session: Session) -> None:
        for authenticator in authenticators:
            authenticator.forget(key_id)

    event.listen(session, "after_commit", _forget, once=True)
