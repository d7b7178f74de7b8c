"""What a process with routes calls on a timer: each replica knows what it saw itself."""

from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from gpu_management.auth.authenticators import IssuedKeys, MountedKeys
from gpu_management.auth.models import ApiKey, AuditEntry, Outcome
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


def purge_audit(session: Session, *, before: datetime, at_once: int = 1000) -> int:
    """Delete the oldest audit rows from before a moment; return how many, `at_once` at most."""
    old = select(AuditEntry.id).where(AuditEntry.at < before)
    found = list(session.scalars(old.order_by(AuditEntry.at).limit(at_once)))
    for start in range(0, len(found), 500):
        session.execute(delete(AuditEntry).where(AuditEntry.id.in_(found[start : start + 500])))
    return len(found)


def reload_mounted_keys(mounted: MountedKeys) -> bool:
    """Read the mounted keys again if they changed; return whether they did."""
    return mounted.reload()
