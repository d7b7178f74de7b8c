"""Compare holds with what kubelets say: which GPU a pod of the device plugin really got.

Which card that is was assumed, or asked for in vain; the kubelet knows. The ledger follows it: a
hold of the wrong card is voided by a correction, and a hold of the right one begins where it began.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations import corrections, enforcement, journal
from gpu_management.allocations.models import Allocation, Hold, HoldKind, Phase
from gpu_management.allocations.queries import effective
from gpu_management.allocations.residence import Move, Spot, Stay, moves_of, possible
from gpu_management.auth.principals import SYSTEM
from gpu_management.core.clock import whole_second
from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device
from gpu_management.mig import service as mig
from gpu_management.mig.models import MigInstance

VERIFIED = "Verified"
"""The condition that says whether the kubelet agrees."""
AGREES, CORRECTED, DIFFERS = "KubeletAgrees", "Corrected", "HeldByOthers"

Told = Mapping[tuple[str, str], Collection[Spot]]
"""The cards and slices of pods, by namespace and name."""

_WHOLE = 1000
_STAYS: AnySelect = (
    select(
        Hold.id,
        Hold.kind,
        Hold.milli,
        Hold.device_id,
        Hold.mig_instance_id,
        Allocation.allocation_id,
        Allocation.cluster_name,
        Allocation.namespace,
        Allocation.pod_name,
        Allocation.conditions,
    )
    .join(Allocation, Allocation.allocation_id == Hold.allocation_id)
    .where(
        Hold.ended_at.is_(None),
        Allocation.phase == Phase.ALLOCATED,
        Allocation.claim_name.is_(None),
    )
    .order_by(Hold.id)
)


@dataclass(frozen=True, slots=True)
class _Case:
    """An allocation on the node of which the kubelet said something."""

    allocation_id: str
    cluster_name: str
    is_verified: bool
    moves: tuple[Move, ...]


def verify(
    session: Session,
    node_devices: Collection[int],
    told: Told,
    *,
    told_at: datetime,
    now: datetime,
) -> int:
    """Compare the holds of a node's devices with what its kubelet says; return how many were news.

    A claim names its devices, so what has one is not compared; nor is what began after `told_at`.
    """
    stays = _STAYS.where(Hold.device_id.in_(node_devices), Hold.started_at <= told_at)
    news = [case for case in _cases(session, stays, told) if case.moves or not case.is_verified]
    if not news:
        return 0
    revision = devices.lock(session, news[0].cluster_name)
    cases = _cases(session, stays, told)  # others may have changed something meanwhile
    straying = [case.moves for case in cases if case.moves]
    fitting = possible(straying, _held(session, straying))
    _carry_out(session, [m for moves in fitting for m in moves], revision=revision, now=now)
    count = 0
    for case in cases:
        found = session.get_one(Allocation, case.allocation_id, populate_existing=True)
        count += _tell(session, found, case, is_done=case.moves in fitting, now=now)
    return count


def _cases(session: Session, stays: AnySelect, told: Told) -> list[_Case]:
    by_allocation: dict[str, list[AnyRow]] = {}
    for row in session.execute(stays):
        by_allocation.setdefault(row.allocation_id, []).append(row)
    found = (_case(holds, told) for holds in by_allocation.values())
    return [case for case in found if case is not None]


def _case(holds: Sequence[AnyRow], told: Told) -> _Case | None:
    first = holds[0]
    pods = {first.pod_name, *enforcement.users_of(first.conditions)}
    spots = {spot for pod in pods for spot in told.get((first.namespace, pod), ())}
    stays = [
        Stay(
            hold_id=row.id,
            spot=Spot(row.device_id, row.mig_instance_id or 0),
            milli=row.milli,
            is_share=row.kind is HoldKind.SHARE,
        )
        for row in holds
    ]
    moves = moves_of(stays, spots) if spots else None
    if moves is None:
        return None
    is_verified = marks.has(first.conditions, VERIFIED)
    return _Case(first.allocation_id, first.cluster_name, is_verified, tuple(moves))


def _held(session: Session, groups: Iterable[Sequence[Move]]) -> dict[Spot, int]:
    """Return what is held of each target now; nobody holds a card that is cut as a whole."""
    found: dict[Spot, int] = {}
    for move in (move for group in groups for move in group):
        for spot in (move.source, move.target):
            if spot.is_slice:
                instance = session.get_one(MigInstance, spot.instance_pk, populate_existing=True)
                found[spot] = _WHOLE if instance.held else 0
            else:
                card = session.get_one(Device, spot.device_pk, populate_existing=True)
                found[spot] = _WHOLE if card.mig_enabled else card.held_milli
    return found


def _carry_out(session: Session, moves: Sequence[Move], *, revision: int, now: datetime) -> None:
    """Void the wrong holds, then write the right ones: two may have changed places."""
    wrong = {move.hold_id: session.get_one(Hold, move.hold_id) for move in moves}
    for move in moves:
        hold = wrong[move.hold_id]
        hold.ended_at = max(whole_second(now), hold.started_at)
        hold.open_key = None
        _count(session, move.source, -hold.milli, revision)
        if move.source.is_slice:
            mig.give(session, move.source.instance_pk)
    session.flush()
    for hold in wrong.values():
        reason = "the kubelet says that the pod has another device"
        corrections.void(session, hold, reason=reason, principal=SYSTEM, now=now)
    for move in moves:
        _count(session, move.target, move.milli, revision)
        if move.target.is_slice:
            mig.take(session, move.target.instance_pk)
        session.add(_right(session, wrong[move.hold_id], move.target))
        session.flush()


def _count(session: Session, spot: Spot, milli: int, revision: int) -> None:
    """Hold more or less of a device; also of one that failed: its pod is there."""
    device = session.get_one(Device, spot.device_pk)
    device.held_milli += milli
    device.version += 1
    device.revision = revision


def _right(session: Session, wrong: Hold, spot: Spot) -> Hold:
    """Return the hold of where the pod is; from when it began, or the one before it ended."""
    latest = select(func.max(Hold.ended_at)).where(effective())
    same = Hold.mig_instance_id == spot.instance_pk if spot.is_slice else Hold.kind == wrong.kind
    before = session.scalar(latest.where(Hold.device_id == spot.device_pk, same))
    key = None
    if wrong.kind is not HoldKind.SHARE:
        key = f"mig:{spot.instance_pk}" if spot.is_slice else f"gpu:{spot.device_pk}"
    return Hold(
        allocation_id=wrong.allocation_id,
        device_id=spot.device_pk,
        mig_instance_id=spot.instance_pk or None,
        open_key=key,
        kind=wrong.kind,
        source=wrong.source,
        milli=wrong.milli,
        profile_name=wrong.profile_name,
        node_pool=wrong.node_pool,
        started_at=wrong.started_at if before is None else max(wrong.started_at, before),
    )


def _tell(
    session: Session, found: Allocation, case: _Case, *, is_done: bool, now: datetime
) -> bool:
    """Write what came of a comparison into the allocation; return whether that is news."""
    if not case.moves:
        message = f"the kubelet says that its pod has {found.allocated_resource}"
        return _mark(found, "True", AGREES, message, now)
    names = {_name(session, m.source): _name(session, m.target) for m in case.moves}
    if not is_done:
        elsewhere = ", ".join(sorted(names.values()))
        message = f"the kubelet says that its pod has {elsewhere}, which others hold"
        return _mark(found, "False", DIFFERS, message, now)
    before = found.allocated_resource
    found.resources = [names.get(name, name) for name in found.resources]
    found.allocated_resource = ",".join(found.resources)
    found.message = f"its pod has {found.allocated_resource}, not {before}: so says the kubelet"
    _mark(found, "True", CORRECTED, found.message, now)
    journal.say(session, "allocation.corrected", found, now=now)
    return True


def _mark(found: Allocation, status: str, reason: str, message: str, now: datetime) -> bool:
    present = next((c for c in found.conditions if c["type"] == VERIFIED), None)
    told = (status, reason, message[:1000])
    if present and (present["status"], present["reason"], present["message"]) == told:
        return False
    mark = marks.entry(VERIFIED, status, reason=reason, message=message[:1000], now=now)
    found.conditions = marks.with_one(found.conditions, mark)
    found.edition += 1
    return True


def _name(session: Session, spot: Spot) -> str:
    if spot.is_slice:
        return session.get_one(MigInstance, spot.instance_pk).mig_id
    return session.get_one(Device, spot.device_pk).device_id
