import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.auth import schemas, teams
from gpu_management.auth.models import AuditEntry, Team
from gpu_management.core.database import Database
from gpu_management.core.paging import Page
from gpu_management.core.problems import Conflict, NotFound
from tests.support.apps import NOON
from tests.support.principals import ADMIN


def _create(session: Session, team_id: str, *namespaces: str) -> Team:
    asked = schemas.TeamCreate(team_id=team_id, name=team_id, namespaces=list(namespaces))
    return teams.create_team(session, asked, by=ADMIN, now=NOON)


def test_a_namespace_tells_its_team(database: Database) -> None:
    with database.write() as session:
        _create(session, "ml-team", "ml", "ml-dev")
        assert teams.team_of_namespace(session, "ml-dev") == "ml-team"
        assert teams.team_of_namespace(session, "elsewhere") is None


def test_a_namespace_belongs_to_one_team(database: Database) -> None:
    with database.write() as session:
        _create(session, "ml-team", "ml")
        with pytest.raises(Conflict, match="namespace ml belongs to team ml-team already"):
            _create(session, "other", "ml")


def test_a_team_id_is_taken_once(database: Database) -> None:
    with database.write() as session:
        _create(session, "ml-team")
        with pytest.raises(Conflict, match="there is a team ml-team already"):
            _create(session, "ml-team")
        assert teams.list_teams(session, Page()).total == 1


def test_a_change_counts_the_version_and_is_audited(database: Database) -> None:
    asked = schemas.TeamUpdate(name="ML", gpu_limit_milli=8000, namespaces=["b", "a", "b"])
    with database.write() as session:
        _create(session, "ml-team", "a")
        changed = teams.update_team(session, "ml-team", asked=asked, by=ADMIN, now=NOON)
        assert (changed.version, changed.namespaces) == (2, ["a", "b"])
    with database.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "team.update")).one()
    assert entry.before is not None
    assert entry.after is not None
    assert (entry.before["gpuLimitMilli"], entry.after["gpuLimitMilli"]) == (None, 8000)


def test_a_deleted_team_is_gone(database: Database) -> None:
    with database.write() as session:
        _create(session, "ml-team")
        teams.delete_team(session, "ml-team", by=ADMIN, now=NOON)
        with pytest.raises(NotFound):
            teams.get_team(session, "ml-team")
