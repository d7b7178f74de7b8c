"""What corrections took back of what was charged: a counter of charges never falls."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from gpu_management.allocations.models import Hold, HoldCorrection
from gpu_management.allocations.queries import priced
from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.costs.closed_rows import Terms
from gpu_management.costs.differences import facts_of

_PAIRS: AnySelect = (
    select(HoldCorrection.hold_id, Hold.corrects_id, Hold.allocation_id, HoldCorrection.recorded_at)
    .join(Hold, Hold.id == HoldCorrection.hold_id)
    .order_by(Hold.allocation_id, HoldCorrection.hold_id)
)
_VOID = aliased(Hold)
_AFTER: AnySelect = (
    select(Hold.id, Hold.allocation_id)
    .where(
        Hold.corrects_id.is_(None),
        Hold.allocation_id.in_(
            select(_VOID.allocation_id).where(
                _VOID.corrects_id.is_not(None), _VOID.started_at == _VOID.ended_at
            )
        ),
    )
    .order_by(Hold.allocation_id, Hold.id)
)


@dataclass(slots=True)
class _Change:
    """Holds of one allocation that were taken back at once, and those written in their place."""

    began: int
    """The first row of the change; what took their place has a later one."""
    wrong: list[int] = field(default_factory=list)
    fresh: list[int] = field(default_factory=list)


def credits_of(session: Session, terms: Terms) -> int:
    """Return the micros that were charged once and are no longer in the ledger."""
    pairs = session.connection().execute(_PAIRS).all()
    if not pairs:
        return 0
    facts = facts_of(session, {pk for pair in pairs for pk in pair[:2]})
    changed: list[AnyRow] = []
    voided: list[AnyRow] = []
    for pair in pairs:
        right = facts[pair.hold_id]
        (voided if right.started_at == right.ended_at else changed).append(pair)
    total = 0
    for pair in changed:
        right, wrong = facts[pair.hold_id], facts[pair.corrects_id]
        total += max(0, _cost(wrong, terms) - _cost(right, terms))
    changes = _changes(session, voided)
    facts |= facts_of(session, {pk for change in changes for pk in change.fresh})
    return total + sum(_taken_back(change, facts, terms) for change in changes)


def _changes(session: Session, voided: Iterable[AnyRow]) -> list[_Change]:
    """Group what was voided at one moment, with what was written for it right after."""
    found: dict[str, dict[datetime, _Change]] = defaultdict(dict)
    for pair in voided:
        of_one = found[pair.allocation_id]
        change = of_one.setdefault(pair.recorded_at, _Change(pair.hold_id))
        change.wrong.append(pair.corrects_id)
    if found:
        for row in session.connection().execute(_AFTER):
            earlier = [c for c in found[row.allocation_id].values() if c.began < row.id]
            if earlier:
                earlier[-1].fresh.append(row.id)
    return [change for of_one in found.values() for change in of_one.values()]


def _taken_back(change: _Change, facts: Mapping[int, AnyRow], terms: Terms) -> int:
    """Return what was charged up to a change, less what was charged anew for the same time."""
    wrong = [facts[pk] for pk in change.wrong]
    until = max(row.ended_at for row in wrong)
    fresh: Sequence[AnyRow] = [facts[pk] for pk in change.fresh]
    again = sum(_cost(row, terms, until=until) for row in fresh if row.started_at < until)
    return max(0, sum(_cost(row, terms) for row in wrong) - again)


def _cost(row: AnyRow, terms: Terms, *, until: datetime | None = None) -> int:
    """Return what a hold cost, at most up to a moment."""
    ends = min(moment for moment in (row.ended_at, until) if moment is not None)
    return terms.book.cost_micros(priced(row), started_at=row.started_at, until=ends) or 0
