"""Make room for the first in line: notice to those of lower priority, and then their release."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import String, select, type_coerce
from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations import journal, service
from gpu_management.allocations.jobs import ask_of
from gpu_management.allocations.models import Allocation, Hold, Phase
from gpu_management.allocations.observing import OBSERVER
from gpu_management.allocations.office import Office
from gpu_management.allocations.placer import Refused
from gpu_management.allocations.preemption import Card, Choice, Need, Tenant, choose
from gpu_management.allocations.queue import Waiting, in_order
from gpu_management.auth.principals import SYSTEM
from gpu_management.core.clock import wire_time
from gpu_management.devices import service as devices

PREEMPTED = "preempted"
NOTICE = "Preempting"
"""Condition of an allocation that was given notice."""

_OPEN = select(Allocation).where(
    Allocation.phase == Phase.ALLOCATED, Allocation.release_reason.is_(None)
)


@dataclass(frozen=True, slots=True)
class _Lot:
    """The cards that could serve the first in line, and who holds them."""

    cards: Sequence[Card]
    tenants: dict[str, Tenant]


def displace(session: Session, office: Office, *, notice: timedelta, now: datetime) -> int:
    """Give notice, withdraw it, or release after it; return how many allocations that changed.

    Only for the first in line, only whole cards and shares, and only where everybody who has to go
    has had the whole notice.
    """
    noticed = _noticed(session)
    head = _head(session, office, now=now)
    if head is None and not noticed:
        return 0
    devices.lock(session, office.placer.cluster_name)
    choice = None
    if head is not None:
        office.placer.refresh(session)
        choice = _choice(session, office, head, [one.allocation_id for one in noticed])
    victims = [] if choice is None else _victims(session, choice)
    if head is not None and choice is not None and victims:
        head.reserved_node = choice.node  # what becomes free is for it
    chosen = {victim.allocation_id for victim in victims}
    spared = [one for one in noticed if one.allocation_id not in chosen]
    for one in spared:
        _withdraw(session, one, now=now)
    changed = len(spared)
    for victim in victims:
        if head is not None and not marks.has(victim.conditions, NOTICE):
            _give_notice(session, victim, head, notice=notice, now=now)
            changed += 1
    return changed + _release(session, victims, notice=notice, now=now)


def _noticed(session: Session) -> list[Allocation]:
    told = type_coerce(Allocation.conditions, String).contains(f'"{NOTICE}"')
    return [one for one in session.scalars(_OPEN.where(told)) if marks.has(one.conditions, NOTICE)]


def _head(session: Session, office: Office, *, now: datetime) -> Allocation | None:
    """Return the first that waits; the queue's own job found that nothing is free for it."""
    query = select(Allocation.allocation_id, Allocation.priority, Allocation.requested_at)
    rows = session.execute(query.where(Allocation.phase == Phase.PENDING)).all()
    waiting = [Waiting(*row) for row in rows]
    order = in_order(waiting, now=now, aging_seconds=office.aging_seconds)
    return session.get(Allocation, order[0].allocation_id) if order else None


def _choice(
    session: Session, office: Office, head: Allocation, noticed: Sequence[str]
) -> Choice | None:
    ask = ask_of(head)
    if ask.use_mig or not isinstance(office.placer.place(ask, kept_nodes=()), Refused):
        return None
    lot = _lot(session, office, head)
    need = Need(head.priority, ask.count, ask.milli)
    return choose(need, lot.cards, lot.tenants, noticed=noticed)


def _lot(session: Session, office: Office, head: Allocation) -> _Lot:
    known = {card.pk: card for card in office.placer.cards_for(ask_of(head))}
    query = (
        select(Hold.device_id, Hold.milli, Allocation)
        .join(Allocation, Allocation.allocation_id == Hold.allocation_id)
        .where(Hold.ended_at.is_(None), Hold.device_id.in_(known))
    )
    cards = {pk: Card(pk, card.node_name, card.free_milli, {}) for pk, card in known.items()}
    tenants: dict[str, Tenant] = {}
    for pk, milli, holder in session.execute(query):
        card = cards[pk]
        if holder.release_reason is not None:  # on its way out: nobody else has to go for that
            cards[pk] = replace(card, free_milli=card.free_milli + milli)
            continue
        cards[pk] = replace(card, held={**card.held, holder.allocation_id: milli})
        if holder.requested_by != OBSERVER:  # what we did not give is not ours to take
            since = holder.allocated_at or holder.requested_at
            tenants[holder.allocation_id] = Tenant(holder.allocation_id, holder.priority, since)
    return _Lot(list(cards.values()), tenants)


def _victims(session: Session, choice: Choice) -> list[Allocation]:
    query = _OPEN.where(Allocation.allocation_id.in_(choice.victims))
    return list(session.scalars(query, execution_options={"populate_existing": True}))


def _give_notice(
    session: Session, victim: Allocation, head: Allocation, *, notice: timedelta, now: datetime
) -> None:
    facts = {
        "byAllocation": head.allocation_id,
        "byPriority": head.priority,
        "releaseAt": wire_time(now + notice),
    }
    message = (
        f"allocation {head.allocation_id} of priority {head.priority} needs its place;"
        f" this one, of priority {victim.priority}, is released at"
        f" {now + notice:%Y-%m-%dT%H:%M:%SZ}"
    )
    mark = marks.entry(
        NOTICE, "True", reason="HigherPriority", message=message, now=now, facts=facts
    )
    victim.conditions = marks.with_one(victim.conditions, mark)
    victim.edition += 1
    journal.say(session, "allocation.preempting", victim, now=now)


def _withdraw(session: Session, spared: Allocation, *, now: datetime) -> None:
    spared.conditions = marks.without(spared.conditions, NOTICE)
    spared.edition += 1
    journal.say(session, "allocation.spared", spared, now=now)


def _release(
    session: Session, victims: Sequence[Allocation], *, notice: timedelta, now: datetime
) -> int:
    """Release the victims once the last of them has had its notice."""
    if not victims or not all(_is_due(victim, notice, now) for victim in victims):
        return 0
    for victim in victims:
        service.release(
            session,
            victim.allocation_id,
            principal=SYSTEM,
            reason=PREEMPTED,
            now=now,
            ends_pods=True,
        )
    return len(victims)


def _is_due(victim: Allocation, notice: timedelta, now: datetime) -> bool:
    told = next((c for c in victim.conditions if c["type"] == NOTICE), None)
    return told is not None and now - datetime.fromisoformat(told["last_transition_time"]) >= notice
