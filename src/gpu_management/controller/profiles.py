"""Kubeflow Profiles become teams: their namespace is the team's, their quota its limit.

What pods of the namespace get from the cluster, and what is asked for there, is the team's from
then on. A team that somebody made for the namespace before stays as it is.
"""

from datetime import datetime

from pydantic import ValidationError
from sqlalchemy.orm import Session

from gpu_management.auth import schemas, teams
from gpu_management.auth.models import Team
from gpu_management.auth.principals import SYSTEM
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.profiles import ProfileFacts, read_profiles
from gpu_management.cluster.protocol import Kind
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger
from gpu_management.core.problems import Problem

log = get_logger(__name__)


class Profiles:
    """The Profiles of one cluster; runs on the leader."""

    def __init__(self, database: Database, mirror: Mirror) -> None:
        """Prepare; `mirror` follows the Profiles."""
        self._database = database
        self._mirror = mirror
        self._seen = -1
        self.known: list[ProfileFacts] = []
        """The Profiles as last read."""

    def payers(self) -> dict[str, str]:
        """Return who pays for what the pods of a namespace have."""
        return {one.namespace: one.owner for one in self.known if one.tracks_cost and one.owner}

    def run(self, now: datetime) -> int:
        """Write what changed; return how many teams that were."""
        health = self._mirror.health()
        edition = self._mirror.edition(Kind.PROFILE)
        if not health.is_synced or health.stale_since is not None or edition == self._seen:
            return 0
        count = 0
        self.known = read_profiles(self._mirror.objects(Kind.PROFILE))
        for profile in self.known:
            try:
                with self._database.write() as session:
                    count += _settle(session, profile, now)
            except (Problem, ValidationError) as refused:
                log.warning("Profile %s is no team: %s", profile.namespace, refused)
        self._seen = edition
        return count


def _settle(session: Session, profile: ProfileFacts, now: datetime) -> bool:
    """Make or change the team of a Profile; return whether that was needed."""
    owner = teams.team_of_namespace(session, profile.namespace)
    if owner not in {None, profile.namespace}:
        return False
    known = session.get(Team, profile.namespace)
    if known is None:
        made = schemas.TeamCreate(
            team_id=profile.namespace,
            name=(profile.owner or profile.namespace)[:100],
            gpu_limit_milli=profile.gpu_limit_milli,
            namespaces=[profile.namespace],
        )
        teams.create_team(session, made, by=SYSTEM, now=now)
        return True
    namespaces = sorted({*known.namespaces, profile.namespace})
    limit = known.gpu_limit_milli  # without a quota, that of whoever administrates teams
    if profile.gpu_limit_milli is not None:
        limit = profile.gpu_limit_milli
    if (known.gpu_limit_milli, known.namespaces) == (limit, namespaces):
        return False
    changed = schemas.TeamUpdate(name=known.name, gpu_limit_milli=limit, namespaces=namespaces)
    teams.update_team(session, known.team_id, asked=changed, by=SYSTEM, now=now)
    return True
