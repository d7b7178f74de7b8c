from pathlib import Path

from sqlalchemy import select

from gpu_management.auth import jobs, schemas, service
from gpu_management.auth.access import Role
from gpu_management.auth.authenticators import IssuedKeys, MountedKeys
from gpu_management.auth.models import ApiKey, AuditEntry, Outcome
from gpu_management.auth.principals import Mode, Refusal, Security
from gpu_management.core.database import Database
from tests.support.apps import NOON, Hands
from tests.support.principals import ADMIN, principal


def test_the_last_use_of_a_key_is_written_once_a_minute(database: Database, clock: Hands) -> None:
    asked = schemas.ApiKeyCreate(name="watch", roles=[Role.VIEWER])
    with database.write() as session:
        secret = service.create_key(session, asked, by=ADMIN, now=NOON).secret
    issued = IssuedKeys(database)
    written = []
    for _ in range(4):
        issued.authenticate(secret, clock.forward(seconds=30))
        with database.write() as session:
            written.append(jobs.flush_last_used(session, issued))
    with database.write() as session:
        assert jobs.flush_last_used(session, issued) == 0
    assert written == [1, 0, 1, 0]
    with database.read() as session:
        assert session.scalars(select(ApiKey.last_used_at)).one() == clock.forward(seconds=-30)


def test_refusals_reach_the_audit_log_once(database: Database) -> None:
    security = Security(Mode.ENFORCED)
    security.refusals.append(Refusal(principal(Role.VIEWER), "mig.write", "/api/v1/x", NOON))
    with database.write() as session:
        assert jobs.flush_refusals(session, security) == 1
        assert jobs.flush_refusals(session, security) == 0
    with database.read() as session:
        entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.target_id, entry.outcome) == (
        "mig.write",
        "/api/v1/x",
        Outcome.DENIED,
    )


def test_changed_key_files_are_read_again(tmp_path: Path) -> None:
    mounted = MountedKeys(tmp_path)
    (tmp_path / "monitoring-api-key").write_text("0123456789abcdef")
    assert jobs.reload_mounted_keys(mounted)
    assert not jobs.reload_mounted_keys(mounted)
