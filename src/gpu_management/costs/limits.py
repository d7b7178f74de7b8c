"""What an allocation may cost: a warning on the way, then its release (CRD-03)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from gpu_management.allocations import conditions as marks
from gpu_management.allocations import journal, queries, service
from gpu_management.allocations.jobs import WARN_BEFORE
from gpu_management.allocations.models import Allocation, Phase
from gpu_management.auth.principals import SYSTEM
from gpu_management.core.clock import whole_second
from gpu_management.core.database import MICROS, AnyRow
from gpu_management.devices import service as devices
from gpu_management.rates.book import Book

WARN_PCT = 80
"""The part of a cost limit at which its owner is warned, whatever time is left."""
REASON = "cost-limit"
AT_ONCE = 200
"""Allocations that one run ends; the next run goes on."""

_CONDITION = "CostLimit"
_SECOND = timedelta(seconds=1)


def cost_micros(holds: Iterable[AnyRow], book: Book, moment: datetime) -> int:
    """Return what running holds have cost up to a moment; without a price, nothing."""
    return sum(
        book.cost_micros(
            queries.priced(hold), started_at=hold.started_at, until=hold.ended_at or moment
        )
        or 0
        for hold in holds
    )


def last_second(
    holds: Sequence[AnyRow], book: Book, limit_micros: int, *, since: datetime, until: datetime
) -> datetime | None:
    """Return the last whole second up to which `holds` cost no more than a limit.

    Searched in [`since`, `until`], as costs only grow; None: the limit holds to `until`, or
    beyond. Where it is passed at `since` already, that is `since`.
    """
    if cost_micros(holds, book, until) <= limit_micros:
        return None
    low, high = 0, int((until - since).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if cost_micros(holds, book, since + middle * _SECOND) <= limit_micros:
            low = middle
        else:
            high = middle
    return since + low * _SECOND


@dataclass(frozen=True, slots=True)
class Near:
    """An allocation near its limit, or at it: what it has cost, in micros, and when it ends."""

    allocation_id: str
    limit: Decimal
    spent_micros: int
    ends_at: datetime | None
    is_over: bool


def near(session: Session, book: Book, *, now: datetime) -> list[Near]:
    """Return the running allocations that are near their cost limit or at it."""
    query = (
        queries.hold_facts()
        .add_columns(Allocation.cost_limit)
        .where(Allocation.phase == Phase.ALLOCATED, Allocation.cost_limit.is_not(None))
        .order_by(Allocation.allocation_id)
    )
    holds: dict[str, list[AnyRow]] = {}
    for row in session.connection().execute(query):
        holds.setdefault(row.allocation_id, []).append(row)
    moment = whole_second(now)
    found = (_judged(name, some, book, moment) for name, some in holds.items())
    return [one for one in found if one is not None]


def _judged(
    allocation_id: str, holds: Sequence[AnyRow], book: Book, moment: datetime
) -> Near | None:
    limit = Decimal(holds[0].cost_limit)
    micros = int(limit * MICROS)
    soon = moment + WARN_BEFORE
    spent = cost_micros(holds, book, moment)
    ends_at = last_second(holds, book, micros, since=moment, until=soon)
    if ends_at is None and (spent * 100 < micros * WARN_PCT or spent == 0):
        return None
    is_over = cost_micros(holds, book, moment + _SECOND) > micros
    return Near(allocation_id, limit, spent, ends_at, is_over)


def enforce(session: Session, found: Sequence[Near], *, currency: str, now: datetime) -> int:
    """Warn owners once, and release what is at its limit; return how many were released."""
    over = [one for one in found if one.is_over][:AT_ONCE]
    for one in over:
        service.release(session, one.allocation_id, principal=SYSTEM, reason=REASON, now=now)
    for one in found:
        if not one.is_over:
            _warn(session, one, currency=currency, now=now)
    return len(over)


def _warn(session: Session, one: Near, *, currency: str, now: datetime) -> None:
    allocation = session.get_one(Allocation, one.allocation_id)
    if marks.has(allocation.conditions, _CONDITION):
        return
    devices.lock(session, allocation.cluster_name)
    session.refresh(allocation)
    if allocation.phase is not Phase.ALLOCATED:
        return
    spent = Decimal(one.spent_micros) / MICROS
    when = f"about {one.ends_at:%Y-%m-%dT%H:%M:%SZ}" if one.ends_at else "when that is reached"
    message = f"cost {spent:.2f} of its limit of {one.limit:.2f} {currency}; it is released {when}"
    facts = {"spent": float(spent), "limit": float(one.limit)}
    mark = marks.entry(_CONDITION, "True", reason="Near", message=message, now=now, facts=facts)
    allocation.conditions = marks.with_one(allocation.conditions, mark)
    allocation.edition += 1
    journal.say(session, "allocation.cost-limit", allocation, now=now)
