"""What a process brings to every request: the placer, and the rules that may refuse."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from gpu_management.allocations.enforcement import STANDALONE, Rules
from gpu_management.allocations.placer import Place, Placer
from gpu_management.allocations.request import Ask
from gpu_management.core.trips import Answer


@dataclass(frozen=True, slots=True)
class Admission:
    """What is about to be held, for those who may refuse it: `milli` thousandths of GPUs."""

    ask: Ask
    milli: int
    cost_per_hour: Decimal | None
    now: datetime
    quota: Answer | None = None
    """What its team may hold and holds, where that was asked with the turn."""


AdmissionCheck = Callable[[Session, Admission], str | None]
"""Asked before anything is held; raises a Problem to refuse, or returns a remark to pass on."""


@dataclass(frozen=True, slots=True)
class Office:
    """What a process brings to every request: the placer and the rules of the house."""

    placer: Placer
    checks: Sequence[AdmissionCheck] = ()
    aging_seconds: int = 600
    enforcement: Rules = STANDALONE


def admit(
    session: Session,
    office: Office,
    ask: Ask,
    place: Place,
    *,
    now: datetime,
    quota: Answer | None = None,
) -> Place:
    """Ask every rule of the house whether `ask` may hold `place`; return it with their remarks.

    Raises:
        Problem: one of them refuses, with its reasons.
    """
    milli = sum(part.milli for part in place.parts)
    cost = office.placer.cost_per_hour(place, now=now)
    admission = Admission(ask, milli, cost, now, quota)
    told = [may_hold(session, admission) for may_hold in office.checks]
    remarks = [remark for remark in told if remark]
    return replace(place, summary="; ".join([place.summary, *remarks])) if remarks else place
