from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.auth import schemas, service
from gpu_management.auth.access import Role
from gpu_management.auth.models import ApiKey, AuditEntry
from gpu_management.auth.principals import PrincipalKind
from gpu_management.core.database import Database
from gpu_management.core.problems import Conflict, NotFound, ValidationFailed
from tests.support.apps import NOON
from tests.support.principals import ADMIN


def _ask(**changes: object) -> schemas.ApiKeyCreate:
    asked = {"name": "pipeline", "roles": ["USER"], "team": "ml-team"} | changes
    return schemas.ApiKeyCreate.model_validate(asked)


def _issue(session: Session, **changes: object) -> service.IssuedKey:
    issued = service.create_key(session, _ask(**changes), by=ADMIN, now=NOON)
    session.flush()
    return issued


def test_an_issued_key_speaks_for_its_roles_and_team(database: Database) -> None:
    with database.write() as session:
        issued = _issue(session, user="kim")
        holder = service.authenticate_key(session, issued.secret, NOON)
    assert holder is not None
    caller = holder.principal
    assert (caller.name, caller.roles, caller.team, caller.user, caller.kind, caller.key_id) == (
        "pipeline",
        {Role.USER},
        "ml-team",
        "kim",
        PrincipalKind.API_KEY,
        issued.row.key_id,
    )


def test_of_a_key_only_its_hash_and_its_first_characters_are_kept(database: Database) -> None:
    with database.write() as session:
        issued = _issue(session)
    with database.read() as session:
        kept = session.execute(select(*ApiKey.__table__.columns)).one()
        audit = session.scalars(select(AuditEntry)).one()
    assert issued.secret not in str(kept)
    assert issued.secret not in str(audit.after)
    assert issued.secret.startswith(kept.prefix)
    assert len(issued.secret) >= 43


def test_an_unknown_key_speaks_for_nobody(database: Database) -> None:
    with database.write() as session:
        issued = _issue(session)
        assert service.authenticate_key(session, issued.secret + "x", NOON) is None
        assert service.authenticate_key(session, "", NOON) is None


def test_a_key_ends_when_it_expires(database: Database) -> None:
    end = NOON + timedelta(hours=1)
    with database.write() as session:
        secret = _issue(session, expiresAt=end).secret
        assert service.authenticate_key(session, secret, end - timedelta(seconds=1))
        assert service.authenticate_key(session, secret, end) is None


def test_a_revoked_key_speaks_for_nobody(database: Database) -> None:
    with database.write() as session:
        issued = _issue(session)
        service.revoke_key(session, issued.row.key_id, by=ADMIN, now=NOON)
        session.flush()
        assert service.authenticate_key(session, issued.secret, NOON) is None
        with pytest.raises(Conflict):
            service.rotate_key(session, issued.row.key_id, grace_seconds=0, by=ADMIN, now=NOON)


def test_after_a_rotation_the_old_secret_works_until_the_grace_ends(database: Database) -> None:
    with database.write() as session:
        old = _issue(session)
        first = old.secret
        new = service.rotate_key(session, old.row.key_id, grace_seconds=60, by=ADMIN, now=NOON)
        session.flush()
        for secret, seconds, works in (
            (first, 59, True),
            (first, 60, False),
            (new.secret, 60, True),
        ):
            at = NOON + timedelta(seconds=seconds)
            assert (service.authenticate_key(session, secret, at) is not None) is works


def test_a_rotation_without_grace_ends_the_old_secret_at_once(database: Database) -> None:
    with database.write() as session:
        old = _issue(session)
        service.rotate_key(session, old.row.key_id, grace_seconds=0, by=ADMIN, now=NOON)
        session.flush()
        assert service.authenticate_key(session, old.secret, NOON) is None


def test_a_user_key_needs_a_team_or_a_user(database: Database) -> None:
    with database.write() as session:
        with pytest.raises(ValidationFailed, match="needs a team or a user"):
            _issue(session, team=None)
        _issue(session, team=None, user="kim")
        _issue(session, team=None, roles=["ROLE_operator", "user"])


def test_a_key_that_would_be_expired_at_once_is_refused(database: Database) -> None:
    with database.write() as session, pytest.raises(ValidationFailed, match="passed already"):
        _issue(session, expiresAt=NOON)


def test_an_unknown_key_id_is_not_found(database: Database) -> None:
    with database.write() as session, pytest.raises(NotFound):
        service.revoke_key(session, "nothing", by=ADMIN, now=NOON)


def test_every_write_to_a_key_is_in_the_audit_log(database: Database) -> None:
    with database.write() as session:
        key_id = _issue(session).row.key_id
        service.rotate_key(session, key_id, grace_seconds=0, by=ADMIN, now=NOON)
        service.revoke_key(session, key_id, by=ADMIN, now=NOON)
        service.revoke_key(session, key_id, by=ADMIN, now=NOON)
    with database.read() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [entry.action for entry in entries] == [
        "apikey.create",
        "apikey.rotate",
        "apikey.revoke",
    ]
    assert {entry.target_id for entry in entries} == {key_id}
    assert entries[2].before["revokedAt"] is None
    assert entries[2].after["revokedAt"] == "2026-03-02T12:00:00.000Z"
    assert entries[0].principal == "tester"
