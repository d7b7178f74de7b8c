"""Which pods use an allocation, and whether that is over: decided from what is seen of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

FINISHED = "pod finished"
NEVER_BOUND = "no pod came"


@dataclass(frozen=True, slots=True)
class SeenPod:
    """A pod that may belong to an allocation."""

    name: str
    uid: str
    started_at: datetime | None
    is_placed: bool
    """It has a node."""
    is_over: bool
    """Succeeded or failed."""
    is_told: bool
    """It says so itself, by annotation or claim; otherwise it has the name that was asked for."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is known of an allocation's pods so far."""

    allocated_at: datetime
    pod_uid: str | None
    """The pod that uses or used it; None while none came."""
    unbound_since: datetime | None
    """When its last pod was gone."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an allocation is kept for pods."""

    after_pod: timedelta | None = timedelta(seconds=60)
    """After its last pod ended, another may come, as those of a Job do; None: it stays."""
    for_pod: timedelta | None = timedelta(hours=1)
    """Until its first pod comes; None: it waits."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who uses an allocation; `ends` says why it is over."""

    pods: tuple[SeenPod, ...] = ()
    was_bound: bool = False
    is_deserted: bool = False
    """It had pods, and none is left that runs or waits."""
    ends: str | None = None


def judge(
    kept: Reservation, pods: Sequence[SeenPod], patience: Patience, *, now: datetime
) -> Verdict:
    """Say which pods use an allocation, and whether it is to end.

    A pod that merely has the name counts only if it came after the allocation: a run of yesterday
    ends nothing today.
    """
    ours = [pod for pod in pods if _belongs(kept, pod)]
    live = [pod for pod in ours if not pod.is_over]
    placed = tuple(pod for pod in live if pod.is_placed)
    was_bound = kept.pod_uid is not None or any(p.is_placed or p.is_over for p in ours)
    if live:
        return Verdict(placed, was_bound=was_bound)
    if was_bound:
        since = kept.unbound_since or now
        is_late = patience.after_pod is not None and now - since >= patience.after_pod
        return Verdict(
            pods=tuple(ours),
            was_bound=True,
            is_deserted=True,
            ends=FINISHED if is_late else None,
        )
    is_late = patience.for_pod is not None and now - kept.allocated_at >= patience.for_pod
    return Verdict(ends=NEVER_BOUND if is_late else None)


def _belongs(kept: Reservation, pod: SeenPod) -> bool:
    if pod.is_told or pod.uid == kept.pod_uid:
        return True
    asked = kept.allocated_at.replace(microsecond=0)
    return not pod.is_over or (pod.started_at is not None and pod.started_at >= asked)
