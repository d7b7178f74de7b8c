"""Budgets as rules: periods of the billing calendar, how much is used, what a request would do.

Figures are whole numbers of a budget's finest unit: micros of the billing currency, or
milli-seconds of a GPU (a slice and a share count as the part of the card they are). Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from gpu_management.core.database import MICROS
from gpu_management.costs.days import day_start
from gpu_management.costs.models import BudgetPeriod, BudgetUnit

MILLI_SECONDS_PER_HOUR = 3_600_000
"""A GPU-hour in the finest unit of its budgets."""

OPEN_ENDED = timedelta(hours=1)
"""How long something without an end is taken to go on, when a request is weighed."""

RUN_RATE = "run-rate"
"""The mark of the warning that a period will end above its amount."""

_MONTHS_OF_A_QUARTER = 3
_TELLING_PART = 24
"""A projection needs a 24th of the period: an hour of a day, 30 hours of a month."""


@dataclass(frozen=True, slots=True)
class Span:
    """One period: its first day in the billing time zone, and [since, until) in UTC."""

    first: date
    since: datetime
    until: datetime


def span_of(period: BudgetPeriod, now: datetime, zone: ZoneInfo) -> Span:
    """Return the period that `now` lies in; weeks begin on Monday (ISO 8601)."""
    today = now.astimezone(zone).date()
    if period is BudgetPeriod.DAY:
        first, following = today, today + timedelta(days=1)
    elif period is BudgetPeriod.WEEK:
        first = today - timedelta(days=today.weekday())
        following = first + timedelta(days=7)
    else:
        months = _MONTHS_OF_A_QUARTER if period is BudgetPeriod.QUARTER else 1
        first = today.replace(month=(today.month - 1) // months * months + 1, day=1)
        following = later_month(first, months)
    return Span(first, day_start(first, zone), day_start(following, zone))


def later_month(first: date, months: int = 1) -> date:
    """Return the first day of the month that comes `months` after that of `first`."""
    count = first.year * 12 + first.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)


def figure(amount: Decimal, unit: BudgetUnit) -> int:
    """Return an amount in its finest unit, rounded down."""
    return int(amount * (MICROS if unit is BudgetUnit.MONEY else MILLI_SECONDS_PER_HOUR))


def amount_of(figure: int, unit: BudgetUnit) -> Decimal:
    """Return a figure as the amount it stands for, to the millionth."""
    per = MICROS if unit is BudgetUnit.MONEY else MILLI_SECONDS_PER_HOUR
    return round(Decimal(figure) / per, 6)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a budget stands at a moment: what may be spent in `span`, and what was."""

    amount: int
    spent: int
    span: Span
    now: datetime

    @property
    def remaining(self) -> int:
        """Return what is left; below zero once the budget is passed."""
        return self.amount - self.spent

    @property
    def pct(self) -> Decimal:
        """Return the part that is spent, in percent to the hundredth, rounded down."""
        return Decimal(self.spent * 10_000 // self.amount) / 100

    @property
    def projected(self) -> int | None:
        """Return what the period will have used at the pace so far; None where it is too young."""
        whole = int((self.span.until - self.span.since).total_seconds())
        gone = int((self.now - self.span.since).total_seconds())
        if gone * _TELLING_PART < whole:
            return None
        return self.spent * whole // gone

    def marks(self, thresholds_pct: Iterable[int]) -> list[str]:
        """Return the warnings that hold now, the lowest first: percentages, and the run rate."""
        reached = [
            str(pct) for pct in sorted(thresholds_pct) if self.spent * 100 >= self.amount * pct
        ]
        projected = self.projected
        if projected is not None and self.spent < self.amount < projected:
            reached.append(RUN_RATE)
        return reached


def end_of_use(
    now: datetime, expires_at: datetime | None, span: Span, *, assumed: timedelta = OPEN_ENDED
) -> datetime:
    """Return until when something is taken to go on within `span`: its end, or a while from now."""
    return max(now, min(expires_at or now + assumed, span.until))


@dataclass(frozen=True, slots=True)
class Weighing:
    """A request put against a budget: what is spent, promised to what runs, and asked."""

    amount: int
    spent: int
    promised: int
    asked: int

    @property
    def left(self) -> int:
        """Return what may still be promised."""
        return self.amount - self.spent - self.promised

    @property
    def passes_it(self) -> bool:
        """Say whether the request would bring the budget over its amount."""
        return self.asked > self.left
