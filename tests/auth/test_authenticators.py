import os
from pathlib import Path

import pytest
from sqlalchemy import event

from gpu_management.auth import schemas, service
from gpu_management.auth.access import Role
from gpu_management.auth.authenticators import (
    IssuedKeys,
    KeyGrant,
    MountedKeys,
    forget_after_commit,
    grant_of,
)
from gpu_management.core.database import Database
from tests.support.apps import NOON, Hands
from tests.support.principals import ADMIN

SECRET = "0123456789abcdef-secret"


def _issue(database: Database) -> tuple[str, str]:
    asked = schemas.ApiKeyCreate(name="watch", roles=[Role.VIEWER])
    with database.write() as session:
        issued = service.create_key(session, asked, by=ADMIN, now=NOON)
    return issued.row.key_id, issued.secret


def test_a_key_seen_before_costs_no_query_for_five_seconds(
    database: Database, clock: Hands
) -> None:
    _, secret = _issue(database)
    issued = IssuedKeys(database)
    assert issued.recall(secret, clock()) is None
    issued.authenticate(secret, clock())
    statements: list[str] = []
    event.listen(database.engine, "begin", lambda _: statements.append("begin"))
    found = issued.recall(secret, clock.forward(seconds=4.9))
    assert found is not None
    assert found.name == "watch"
    assert statements == []
    assert issued.recall(secret, clock.forward(seconds=0.1)) is None


def test_a_revocation_is_seen_at_once_where_it_happened(database: Database) -> None:
    key_id, secret = _issue(database)
    here, elsewhere = IssuedKeys(database), IssuedKeys(database)
    for replica in (here, elsewhere):
        assert replica.authenticate(secret, NOON)
    with database.write() as session:
        forget_after_commit(session, [here], key_id)
        service.revoke_key(session, key_id, by=ADMIN, now=NOON)
        session.flush()
        assert here.recall(secret, NOON)  # not committed yet
    assert here.recall(secret, NOON) is None
    assert here.authenticate(secret, NOON) is None
    assert elsewhere.recall(secret, NOON)  # for five seconds at most


def test_a_key_that_expires_within_the_five_seconds_ends_on_time(
    database: Database, clock: Hands
) -> None:
    end = clock.forward(seconds=2)
    asked = schemas.ApiKeyCreate(name="short", roles=[Role.VIEWER], expires_at=end)
    with database.write() as session:
        secret = service.create_key(session, asked, by=ADMIN, now=NOON).secret
    issued = IssuedKeys(database)
    assert issued.authenticate(secret, NOON)
    assert issued.recall(secret, end) is None


@pytest.mark.parametrize(
    ("name", "grant"),
    [
        ("monitoring-api-key", KeyGrant(frozenset({Role.VIEWER}))),
        ("ml-team-api-key", KeyGrant(frozenset({Role.USER}), team="ml-team")),
        ("admin-api-key", KeyGrant(frozenset({Role.ADMIN}))),
        ("finance-api-key", KeyGrant(frozenset({Role.FINANCE}))),
        ("-api-key", None),
        ("README", None),
    ],
)
def test_the_name_of_a_key_file_says_what_it_grants(name: str, grant: KeyGrant | None) -> None:
    assert grant_of(name) == grant


def test_a_mounted_key_speaks_for_the_team_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "ml-team-api-key").write_text(SECRET + "\n")
    caller = MountedKeys(tmp_path).recall(SECRET, NOON)
    assert caller is not None
    assert (caller.name, caller.team, caller.roles) == ("ml-team-api-key", "ml-team", {Role.USER})


def test_a_grant_overrules_the_name(tmp_path: Path) -> None:
    (tmp_path / "argo").write_text(SECRET)
    mounted = MountedKeys(tmp_path, {"argo": KeyGrant(frozenset({Role.OPERATOR}))})
    caller = mounted.recall(SECRET, NOON)
    assert caller is not None
    assert caller.roles == {Role.OPERATOR}


def test_a_key_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "admin-api-key").write_text("admin")
    (tmp_path / "operator-api-key").write_text("")
    mounted = MountedKeys(tmp_path)
    assert mounted.recall("admin", NOON) is None
    assert mounted.recall("", NOON) is None


def test_a_secret_that_kubernetes_swaps_is_read_again_without_a_restart(tmp_path: Path) -> None:
    for version, secret in (("..1", SECRET), ("..2", SECRET[::-1])):
        (tmp_path / version).mkdir()
        (tmp_path / version / "monitoring-api-key").write_text(secret)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "monitoring-api-key").symlink_to("..data/monitoring-api-key")
    mounted = MountedKeys(tmp_path)
    assert mounted.recall(SECRET, NOON)
    assert not mounted.reload()

    (tmp_path / "..new").symlink_to("..2")
    os.replace(tmp_path / "..new", tmp_path / "..data")
    assert mounted.reload()
    assert mounted.recall(SECRET, NOON) is None
    assert mounted.recall(SECRET[::-1], NOON)


def test_a_folder_that_is_not_there_grants_nothing(tmp_path: Path) -> None:
    assert MountedKeys(tmp_path / "absent").recall(SECRET, NOON) is None
