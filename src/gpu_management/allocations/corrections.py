"""Correct the ledger: a hold that is wrong is replaced by a row that names it, never edited."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations.errors import CorrectionInvalid, HoldNotFound, HoldNotOver
from gpu_management.allocations.models import Allocation, Hold, HoldCorrection, HoldKind
from gpu_management.allocations.queries import effective
from gpu_management.auth import service as auth
from gpu_management.auth.access import Permission, check
from gpu_management.auth.principals import Principal
from gpu_management.core.clock import whole_second, wire_time
from gpu_management.core.database import AnyRow
from gpu_management.core.problems import FieldError
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device
from gpu_management.events import service as events

_WHOLE_MILLI = 1000


@dataclass(frozen=True, slots=True)
class Correction:
    """What a hold should have been; None: as it was. A start equal to the end voids the hold."""

    reason: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    milli: int | None = None


def correct(
    session: Session, hold_id: int, told: Correction, *, principal: Principal, now: datetime
) -> Hold:
    """Write the row that replaces a hold, and return it.

    Raises:
        HoldNotFound: no such hold.
        HoldNotOver: it goes on, or another row replaced it already.
        CorrectionInvalid: a reversed or future interval, more than the device had, a slice twice.
    """
    check(principal, Permission.BILLING_WRITE)
    wrong = _find(session, hold_id)
    device = session.get_one(Device, wrong.device_id)
    devices.lock(session, device.cluster_name)
    session.refresh(wrong)
    _check_over(session, wrong)
    right = _replacement(wrong, told)
    _check_interval(right, device, now=now)
    _check_amount(wrong, right)
    _check_alone(session, wrong, right)
    _record(session, wrong, right, told.reason, principal=principal, now=now)
    return right


def void(
    session: Session, wrong: Hold, *, reason: str, principal: Principal, now: datetime
) -> Hold:
    """Replace a hold that has ended by one of no length: it never was.

    The caller holds the cluster's turn, and knows that no other row replaced it.
    """
    nothing = Correction(reason, started_at=wrong.started_at, ended_at=wrong.started_at)
    right = _replacement(wrong, nothing)
    _record(session, wrong, right, reason, principal=principal, now=now)
    return right


def _record(
    session: Session,
    wrong: Hold,
    right: Hold,
    reason: str,
    *,
    principal: Principal,
    now: datetime,
) -> None:
    session.add(right)
    session.flush()
    session.add(
        HoldCorrection(hold_id=right.id, reason=reason, actor=principal.name[:120], recorded_at=now)
    )
    _tell(session, wrong, right, reason, principal=principal, now=now)


def describe(session: Session, right: Hold) -> dict[str, Any]:
    """Return a replacing hold as the wire shows it."""
    why = session.get_one(HoldCorrection, right.id)
    return {
        "hold_id": right.id,
        "corrects_hold_id": right.corrects_id,
        "allocation_id": right.allocation_id,
        "device_id": session.get_one(Device, right.device_id).device_id,
        "gpu_milli": right.milli,
        "started_at": right.started_at,
        "ended_at": right.ended_at,
        "reason": why.reason,
        "actor": why.actor,
        "recorded_at": why.recorded_at,
    }


def _find(session: Session, hold_id: int) -> Hold:
    found = session.get(Hold, hold_id)
    if found is None:
        raise HoldNotFound(f"no hold has the number {hold_id}")
    return found


def _check_over(session: Session, wrong: Hold) -> None:
    if wrong.ended_at is None:
        raise HoldNotOver(
            f"hold {wrong.id} goes on since {wrong.started_at:%Y-%m-%dT%H:%M:%SZ};"
            " release its allocation first"
        )
    later = session.scalar(select(Hold.id).where(Hold.corrects_id == wrong.id))
    if later is not None:
        raise HoldNotOver(f"hold {wrong.id} was replaced by hold {later}; correct that one")


def _replacement(wrong: Hold, told: Correction) -> Hold:
    return Hold(
        allocation_id=wrong.allocation_id,
        device_id=wrong.device_id,
        mig_instance_id=wrong.mig_instance_id,
        kind=wrong.kind,
        source=wrong.source,
        milli=wrong.milli if told.milli is None else told.milli,
        profile_name=wrong.profile_name,
        node_pool=wrong.node_pool,
        started_at=whole_second(told.started_at or wrong.started_at),
        ended_at=whole_second(told.ended_at or wrong.ended_at or wrong.started_at),
        corrects_id=wrong.id,
    )


def _check_interval(right: Hold, device: Device, *, now: datetime) -> None:
    assert right.ended_at is not None  # noqa: S101 - a replacement has an end
    if right.ended_at < right.started_at:
        _refuse("endedAt", "order", f"a hold cannot end at {right.ended_at} before it starts")
    if right.ended_at > now:
        _refuse("endedAt", "future", f"{right.ended_at} has not come yet; it is {now}")
    joined = whole_second(device.registered_at)
    if right.started_at < joined:
        _refuse("startedAt", "range", f"{device.device_id} joined the fleet only at {joined}")
    if device.removed_at is not None and right.ended_at > device.removed_at:
        _refuse("endedAt", "range", f"{device.device_id} left the fleet at {device.removed_at}")


def _check_amount(wrong: Hold, right: Hold) -> None:
    if right.milli == wrong.milli:
        return
    if wrong.kind is not HoldKind.SHARE:
        _refuse("milli", "kind", f"a {wrong.kind.value} hold has {wrong.milli} milli, no other")
    if not 1 <= right.milli <= _WHOLE_MILLI:
        _refuse("milli", "range", f"milli {right.milli} is out of range 1 to 1000")


def _check_alone(session: Session, wrong: Hold, right: Hold) -> None:
    """Refuse what would hold more than there is at any moment; nothing holds nothing."""
    if right.started_at == right.ended_at:
        return
    others = _beside(session, wrong, right)
    if right.mig_instance_id is not None:
        twice = [one for one in others if one.mig_instance_id == right.mig_instance_id]
        if twice:
            _refuse("startedAt", "overlap", f"hold {twice[0].id} has the same slice then")
    moments = {right.started_at, *(one.started_at for one in others)}
    for moment in sorted(moments):
        there = [one for one in others if _covers(one, moment)]
        held = sum(one.milli for one in there)
        if moment >= right.started_at and held + right.milli > _WHOLE_MILLI:
            names = ", ".join(str(one.id) for one in there)
            _refuse(
                "startedAt",
                "overlap",
                f"at {moment} holds {names} have {held} of 1000 milli; {right.milli} do not fit",
            )


def _covers(hold: AnyRow, moment: datetime) -> bool:
    return bool(hold.started_at <= moment and (hold.ended_at is None or moment < hold.ended_at))


def _beside(session: Session, wrong: Hold, right: Hold) -> Sequence[AnyRow]:
    query = select(Hold.id, Hold.milli, Hold.mig_instance_id, Hold.started_at, Hold.ended_at).where(
        Hold.device_id == right.device_id,
        Hold.id != wrong.id,
        Hold.started_at < right.ended_at,
        or_(Hold.ended_at.is_(None), Hold.ended_at > right.started_at),
        effective(),
    )
    return session.execute(query).all()


def _refuse(field: str, rule: str, message: str) -> None:
    raise CorrectionInvalid(message, errors=[FieldError(field, rule, message)])


def _tell(
    session: Session,
    wrong: Hold,
    right: Hold,
    reason: str,
    *,
    principal: Principal,
    now: datetime,
) -> None:
    paid = _payer(session, wrong)
    data = {**_shown(right), "correctsHoldId": wrong.id, "reason": reason}
    events.record(
        session,
        "hold.corrected",
        subject_kind="hold",
        subject_id=str(right.id),
        data={**data, "before": _shown(wrong)},
        now=now,
        team=None if paid is None else paid.team_id,
        namespace=None if paid is None else paid.namespace,
    )
    auth.record(
        session,
        principal,
        action="hold.correct",
        target_kind="hold",
        target_id=str(wrong.id),
        before=_shown(wrong),
        after=data,
        now=now,
    )


def _payer(session: Session, hold: Hold) -> AnyRow | None:
    query = select(Allocation.team_id, Allocation.namespace).where(
        Allocation.allocation_id == hold.allocation_id
    )
    return session.execute(query).one_or_none()


def _shown(hold: Hold) -> dict[str, Any]:
    assert hold.ended_at is not None  # noqa: S101 - only what is over is corrected
    return {
        "holdId": hold.id,
        "allocationId": hold.allocation_id,
        "startedAt": wire_time(hold.started_at),
        "endedAt": wire_time(hold.ended_at),
        "milli": hold.milli,
    }
