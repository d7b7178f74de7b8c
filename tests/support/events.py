"""Events for tests."""

from datetime import datetime

from sqlalchemy.orm import Session

from gpu_management.events import service
from tests.support.apps import NOON


def say(
    session: Session,
    kind: str,
    *,
    subject_id: str = "a-1",
    team: str | None = None,
    namespace: str | None = None,
    now: datetime = NOON,
) -> None:
    """Record an event; of the fleet unless a team is named."""
    service.record(
        session,
        kind,
        subject_kind="allocation",
        subject_id=subject_id,
        data={"n": subject_id},
        team=team,
        namespace=namespace,
        now=now,
    )
