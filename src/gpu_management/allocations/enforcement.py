"""What the cluster has to do for an allocation: intents, and what came of them.

The decision and its intent are one transaction; the controller makes the claim, as often as it
takes, and tells here what became of it. A hold ends only when its claim is gone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations import ending, journal
from gpu_management.allocations.models import Allocation, HoldKind, Phase
from gpu_management.allocations.placer import Part, Place
from gpu_management.cluster.claims import claim_name
from gpu_management.cluster.models import ClaimIntent, Wanted
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device


class EnforcementMode(StrEnum):
    """How the cluster is made to obey the ledger."""

    NONE = "none"
    """No cluster is attached."""
    OBSERVE = "observe"
    """The cluster is read; placement is advice."""
    DRA = "dra"
    """A ResourceClaim per allocation, pinned to its devices."""
    DEVICE_PLUGIN = "device-plugin"
    """Pods that name their allocation are pinned to its node; the device plugin picks the card."""


TAKEN = "TakenByOthers"
"""Reason of an allocation whose card a pod of somebody else uses."""
PLUGIN_REASONS = frozenset(
    {"WaitingForPod", "PodPinned", "PodPlaced", "WrongNode", "WrongResource"}
)
"""Reasons of `Enforced` where pods of the device plugin are pinned."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which mode holds where."""

    mode: EnforcementMode = EnforcementMode.NONE
    namespaces: Mapping[str, EnforcementMode] = field(default_factory=dict)

    def mode_of(self, namespace: str) -> EnforcementMode:
        """Return the mode of a namespace; without a cluster there is none anywhere."""
        if self.mode is EnforcementMode.NONE:
            return self.mode
        return self.namespaces.get(namespace, self.mode)


STANDALONE = Rules()
_USED_BY = "used by "


def intend(
    session: Session, rules: Rules, allocation: Allocation, place: Place, *, now: datetime
) -> None:
    """Record what the cluster has to do for a new allocation; nothing without a cluster."""
    mode = rules.mode_of(allocation.namespace)
    if mode is EnforcementMode.NONE:
        return
    if mode is EnforcementMode.OBSERVE:
        message = "the cluster is only observed: pods are not kept from other devices"
        _mark(allocation, "Enforced", "False", "ObserveOnly", message, now=now)
        return
    if mode is EnforcementMode.DEVICE_PLUGIN and not _has_shares(place.parts):
        message = f"a pod that names it will be pinned to node {place.node_name}"
        _mark(allocation, "Enforced", "False", "WaitingForPod", message, now=now)
        return
    uuids = _uuids(session, place.parts)
    reason = _why_not(place.parts, uuids)
    if reason is not None:
        _mark(allocation, "Enforced", "False", "NotEnforceable", reason, now=now)
        return
    name = claim_name(allocation.allocation_id)
    allocation.claim_name = name
    _mark(allocation, "Enforced", "False", "Pending", f"claim {name} is being made", now=now)
    session.add(
        ClaimIntent(
            allocation_id=allocation.allocation_id,
            cluster_name=allocation.cluster_name,
            namespace=allocation.namespace,
            claim_name=name,
            devices=[
                {"uuid": uuids[part.device_pk], "profile": part.profile, "start": part.start}
                for part in place.parts
            ],
            owner=_owner(allocation),
            wanted=Wanted.PRESENT,
            ends_pods=False,
            due_at=now,
            attempts=0,
            created_at=now,
        )
    )


def _uuids(session: Session, parts: Sequence[Part]) -> dict[int, str | None]:
    wanted = {part.device_pk for part in parts}
    query = select(Device.id, Device.uuid).where(Device.id.in_(wanted))
    return {row.id: row.uuid for row in session.execute(query)}


def _why_not(parts: Sequence[Part], uuids: Mapping[int, str | None]) -> str | None:
    if _has_shares(parts):
        return "a claim is of a whole device or slice: shares are kept by agreement"
    nameless = [part.device_id for part in parts if not uuids[part.device_pk]]
    if nameless:
        return f"the cluster has not told the uuid of {', '.join(nameless)}"
    return None


def _has_shares(parts: Sequence[Part]) -> bool:
    return any(part.kind is HoldKind.SHARE for part in parts)


def _owner(allocation: Allocation) -> dict[str, str]:
    told = {
        "pod-name": allocation.pod_name,
        "team-id": allocation.team_id,
        "user-id": allocation.user_id,
        "allocated-resource": allocation.allocated_resource,
    }
    return {key: value for key, value in told.items() if value}


def begin_release(
    session: Session,
    allocation: Allocation,
    *,
    reason: str,
    now: datetime,
    ends_pods: bool = False,
) -> bool:
    """Ask the cluster to let go; return False where it has nothing, so the release is immediate.

    The caller holds the cluster's turn. Asking again changes nothing, except that pods may now be
    ended.
    """
    if allocation.phase is not Phase.ALLOCATED:
        return False
    if allocation.claim_name is None:
        return _begin_unpinning(session, allocation, reason=reason, now=now, ends_pods=ends_pods)
    intent = session.get(ClaimIntent, allocation.allocation_id)
    if intent is None or intent.gone_at is not None:
        return False
    if ends_pods and not intent.ends_pods:
        intent.ends_pods = True
        intent.due_at = now
    if intent.wanted is Wanted.ABSENT:
        return True
    intent.wanted = Wanted.ABSENT
    intent.due_at = now
    intent.attempts = 0
    intent.failing_since = None
    allocation.release_reason = reason
    message = f"waiting until claim {intent.claim_name} is gone"
    _mark(allocation, "Releasing", "True", "WaitingForCluster", message, now=now)
    allocation.conditions = marks.without(allocation.conditions, "Expiring")
    allocation.message = message
    allocation.edition += 1
    journal.say(session, "allocation.releasing", allocation, now=now)
    return True


def _begin_unpinning(
    session: Session, allocation: Allocation, *, reason: str, now: datetime, ends_pods: bool
) -> bool:
    """Wait for the pods of the device plugin: until they end, the card is theirs."""
    if not (is_pinned(allocation.conditions) and marks.has(allocation.conditions, "Bound")):
        return False
    is_new = not is_releasing(allocation)
    if is_new:
        allocation.release_reason = reason
    if is_new or ends_pods:
        why = "Evicting" if ends_pods else "PodsRun"
        message = "waiting until its pods have ended"
        _mark(allocation, "Releasing", "True", why, message, now=now)
        allocation.conditions = marks.without(allocation.conditions, "Expiring")
        allocation.message = message
        allocation.edition += 1
    if is_new:
        journal.say(session, "allocation.releasing", allocation, now=now)
    return True


def is_pinned(conditions: Sequence[Mapping[str, str]]) -> bool:
    """Say whether pods of the device plugin are pinned for an allocation."""
    return any(c["type"] == "Enforced" and c["reason"] in PLUGIN_REASONS for c in conditions)


def placed(allocation: Allocation, *, reason: str, message: str, now: datetime) -> bool:
    """Note that its pods are where they should be; return whether that is news."""
    present = next((c for c in allocation.conditions if c["type"] == "Enforced"), None)
    if present is not None and present["reason"] == reason:
        return False
    _mark(allocation, "Enforced", "True", reason, message[:1000], now=now)
    allocation.edition += 1
    return True


def finish(session: Session, intent: ClaimIntent, *, now: datetime) -> Allocation:
    """End an allocation whose claim is gone: the hold ends now, not before."""
    revision = devices.lock(session, intent.cluster_name)
    allocation = session.get_one(Allocation, intent.allocation_id, populate_existing=True)
    intent.gone_at = intent.gone_at or now
    intent.due_at = None
    if allocation.phase is Phase.ALLOCATED:
        reason = allocation.release_reason or "claim gone"
        ending.end(session, allocation, reason=reason, revision=revision, now=now)
    return allocation


def give_up(
    session: Session, allocation: Allocation, *, reason: str, message: str, now: datetime
) -> None:
    """Let go of an allocation that the cluster will not enforce: it ends as Failed."""
    allocation.failure_reason = reason[:60]
    begin_release(session, allocation, reason=reason[:60], now=now)
    allocation.message = message[:2000]


def is_releasing(allocation: Allocation) -> bool:
    """Say whether the cluster was asked to let go."""
    return allocation.phase is Phase.ALLOCATED and allocation.release_reason is not None


def enforced(allocation: Allocation, *, now: datetime) -> bool:
    """Note that the claim is there; return whether that is news."""
    if marks.has(allocation.conditions, "Enforced") or is_releasing(allocation):
        return False
    message = f"claim {allocation.claim_name} reserves {allocation.allocated_resource}"
    _mark(allocation, "Enforced", "True", "ClaimCreated", message[:1000], now=now)
    allocation.edition += 1
    return True


def hindered(allocation: Allocation, *, reason: str, message: str, now: datetime) -> bool:
    """Note why the cluster does not do as asked; return whether that is news."""
    kind, status = ("Releasing", "True") if is_releasing(allocation) else ("Enforced", "False")
    present = next((c for c in allocation.conditions if c["type"] == kind), None)
    if present and (present["reason"], present["message"]) == (reason, message[:1000]):
        return False
    _mark(allocation, kind, status, reason, message[:1000], now=now)
    allocation.edition += 1
    return True


def bound(allocation: Allocation, pods: Sequence[str], *, now: datetime) -> bool:
    """Note which pods use the claim; return whether that is news."""
    told = next((c for c in allocation.conditions if c["type"] == "Bound"), None)
    message = used_by(pods)
    if told is None and not pods:
        return False
    if told is not None and told["message"] == message:
        return False
    status, reason = ("True", "PodUsesClaim") if pods else ("False", "NoPod")
    mark = marks.entry(
        "Bound", status, reason=reason, message=message, now=now, facts={"pods": sorted(pods)}
    )
    allocation.conditions = marks.with_one(allocation.conditions, mark)
    allocation.edition += 1
    return True


def deserted(allocation: Allocation, *, now: datetime) -> bool:
    """Note that pods used it and none is left; return whether that is news."""
    told = next((c for c in allocation.conditions if c["type"] == "Bound"), None)
    if told is not None and told["status"] == "False":
        return False
    _mark(allocation, "Bound", "False", "NoPod", used_by(()), now=now)
    allocation.edition += 1
    return True


def used_by(pods: Iterable[str]) -> str:
    """Return the sentence that names the pods of an allocation."""
    names = ", ".join(sorted(pods))
    return f"{_USED_BY}{names}"[:1000] if names else "no pod uses it now"


def users_of(conditions: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the names of the pods that use an allocation, as `used_by` wrote them."""
    told = next((c["message"] for c in conditions if c["type"] == "Bound"), "")
    return told.removeprefix(_USED_BY).split(", ") if told.startswith(_USED_BY) else []


def _mark(
    allocation: Allocation, kind: str, status: str, reason: str, message: str, *, now: datetime
) -> None:
    mark = marks.entry(kind, status, reason=reason, message=message, now=now)
    allocation.conditions = marks.with_one(allocation.conditions, mark)
