"""Teams: their quota, and the namespaces whose pods are theirs."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gpu_management.auth import schemas
from gpu_management.auth.models import Team
from gpu_management.auth.principals import Principal
from gpu_management.auth.service import record
from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.core.problems import Conflict, NotFound


def list_teams(session: Session, page: Page) -> Listing:
    """Return the teams."""
    sorts = {"teamId": Team.team_id, "name": Team.name}
    found = list_rows(session, select(Team), sorts=sorts, key=Team.team_id, page=page)
    return replace(found, rows=[row[0] for row in found.rows])


def get_team(session: Session, team_id: str) -> Team:
    """Return one team.

    Raises:
        NotFound: no such team.
    """
    return _existing(session.get(Team, team_id), team_id)


def team_of_namespace(session: Session, namespace: str) -> str | None:
    """Return the team whose pods live in `namespace`."""
    teams = session.scalars(select(Team)).all()
    return next((team.team_id for team in teams if namespace in team.namespaces), None)


def create_team(
    session: Session, asked: schemas.TeamCreate, *, by: Principal, now: datetime
) -> Team:
    """Add a team.

    Raises:
        Conflict: the id is taken, or a namespace is another team's.
    """
    _check_namespaces(session, asked.team_id, asked.namespaces)
    row = Team(
        team_id=asked.team_id,
        name=asked.name,
        gpu_limit_milli=asked.gpu_limit_milli,
        namespaces=sorted(set(asked.namespaces)),
        created_at=now,
        updated_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as taken:
        raise Conflict(f"there is a team {asked.team_id} already") from taken
    _record(session, by, "team.create", row=row, before=None, now=now)
    return row


def update_team(
    session: Session, team_id: str, *, asked: schemas.TeamUpdate, by: Principal, now: datetime
) -> Team:
    """Replace what the team is.

    Raises:
        NotFound: no such team.
        Conflict: a namespace is another team's.
    """
    row = _locked(session, team_id)
    _check_namespaces(session, team_id, asked.namespaces)
    before = _shown(row)
    row.name, row.gpu_limit_milli = asked.name, asked.gpu_limit_milli
    row.namespaces = sorted(set(asked.namespaces))
    row.updated_at = now
    session.flush()
    _record(session, by, "team.update", row=row, before=before, now=now)
    return row


def delete_team(session: Session, team_id: str, *, by: Principal, now: datetime) -> None:
    """Remove the team; what it held and cost keeps its name.

    Raises:
        NotFound: no such team.
    """
    row = _locked(session, team_id)
    session.delete(row)
    session.flush()
    record(
        session,
        by,
        action="team.delete",
        target_kind="team",
        target_id=team_id,
        before=_shown(row),
        now=now,
    )


def _check_namespaces(session: Session, team_id: str, namespaces: Sequence[str]) -> None:
    others = session.scalars(select(Team).where(Team.team_id != team_id)).all()
    for other in others:
        taken = set(namespaces).intersection(other.namespaces)
        if taken:
            raise Conflict(f"namespace {min(taken)} belongs to team {other.team_id} already")


def _locked(session: Session, team_id: str) -> Team:
    return _existing(session.get(Team, team_id, with_for_update=True), team_id)


def _existing(row: Team | None, team_id: str) -> Team:
    if row is None:
        raise NotFound(f"there is no team {team_id}")
    return row


def _shown(row: Team) -> dict[str, Any]:
    return schemas.Team.model_validate(row).model_dump(mode="json", by_alias=True)


def _record(
    session: Session,
    by: Principal,
    action: str,
    *,
    row: Team,
    before: dict[str, Any] | None,
    now: datetime,
) -> None:
    record(
        session,
        by,
        action=action,
        target_kind="team",
        target_id=row.team_id,
        before=before,
        after=_shown(row),
        now=now,
    )
