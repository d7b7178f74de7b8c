"""What a process with routes calls on a timer: each replica knows what it saw itself."""

from datetime import timedelta

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from gpu_management.auth.authenticators import IssuedKeys, MountedKeys
from gpu_management.auth.models import ApiKey, Outcome
from gpu_management.auth.principals import Security
from gpu_management.auth.service import record

USED_RESOLUTION = timedelta(minutes=1)
"""How exactly a key's last use is known; finer would write at every flush."""


def flush_last_used(session: Session, issued: IssuedKeys) -> int:
    """Write when each key was last used; return how many rows changed."""
    changed = 0
    for key_id, used_at in issued.take_used().items():
        result = session.connection().execute(
            update(ApiKey)
            .where(
                ApiKey.key_id == key_id,
                or_(
                    ApiKey.last_used_at.is_(None),
                    ApiKey.last_used_at <= used_at - USED_RESOLUTION,
                ),
            )
            .values(last_used_at=used_at)
        )
        changed += result.rowcount
    return changed


def flush_refusals(session: Session, security: Security) -> int:
    """Write who was turned away to the audit log; return how many there were."""
    written = 0
    while security.refusals:
        refusal = security.refusals.popleft()
        record(
            session,
            refusal.principal,
            action=refusal.action,
            target_kind="route",
            target_id=refusal.target,
            outcome=Outcome.DENIED,
            now=refusal.at,
        )
        written += 1
    return written


def reload_mounted_keys(mounted: MountedKeys) -> bool:
    """Read the mounted keys again if they changed; return whether they did."""
    return mounted.reload()
