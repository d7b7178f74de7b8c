"""Which pods a look at a node tells to have which GPUs: what the ledger is compared with."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations import verifying
from gpu_management.allocations.residence import Spot
from gpu_management.metrics.readings import Reading
from gpu_management.mig.models import MigInstance


def verify_residents(
    session: Session,
    readings: Sequence[Reading],
    known: Mapping[str, int],
    *,
    told_at: datetime,
    now: datetime,
) -> int:
    """Have the ledger follow what kubelets say of pods; `known` are devices by uuid."""
    owned = [one for one in readings if one.owners and one.target.uuid in known]
    if not owned:
        return 0
    slices = _slices(session, [known[one.target.uuid] for one in owned if _is_slice(one)])
    told: dict[tuple[str, str], set[Spot]] = {}
    for one in owned:
        device = known[one.target.uuid]
        instance = slices.get((device, one.target.gpu_instance_id)) if _is_slice(one) else 0
        for owner in one.owners:
            if instance is not None:
                told.setdefault((owner.namespace, owner.pod), set()).add(Spot(device, instance))
    devices = {known[one.target.uuid] for one in readings if one.target.uuid in known}
    return verifying.verify(session, devices, told, told_at=told_at, now=now)


def _is_slice(reading: Reading) -> bool:
    return reading.target.gpu_instance_id is not None


def _slices(session: Session, devices: Sequence[int]) -> dict[tuple[int, int | None], int]:
    if not devices:
        return {}
    query = select(MigInstance.device_id, MigInstance.gpu_instance_id, MigInstance.id).where(
        MigInstance.device_id.in_(devices), MigInstance.destroyed_at.is_(None)
    )
    return {(device, number): key for device, number, key in session.execute(query)}
