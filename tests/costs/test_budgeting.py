"""Budgets as rules: periods, percentages, projections, and what a request would do."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.costs.budgeting import (
    Span,
    Standing,
    Weighing,
    amount_of,
    end_of_use,
    figure,
    later_month,
    span_of,
)
from gpu_management.costs.models import BudgetPeriod, BudgetUnit

ZONES = [ZoneInfo(name) for name in ("UTC", "Asia/Seoul", "America/New_York", "Pacific/Apia")]
MOMENTS = st.integers(10**9, 4 * 10**9).map(lambda second: datetime.fromtimestamp(second, UTC))


def span(start: datetime, **length: float) -> Span:
    return Span(start.date(), start, start + timedelta(**length))


@given(MOMENTS, st.sampled_from(BudgetPeriod), st.sampled_from(ZONES))
def test_every_moment_lies_in_its_period_and_the_next_begins_where_it_ends(
    now: datetime, period: BudgetPeriod, zone: ZoneInfo
) -> None:
    found = span_of(period, now, zone)
    assert found.since <= now < found.until
    assert span_of(period, found.until, zone).since == found.until
    assert span_of(period, found.since, zone) == found


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        (BudgetPeriod.DAY, date(2026, 3, 8), date(2026, 3, 8)),
        (BudgetPeriod.WEEK, date(2026, 3, 2), date(2026, 3, 8)),
        (BudgetPeriod.MONTH, date(2026, 3, 1), date(2026, 3, 31)),
        (BudgetPeriod.QUARTER, date(2026, 1, 1), date(2026, 3, 31)),
    ],
)
def test_periods_follow_the_calendar(period: BudgetPeriod, first: date, last: date) -> None:
    found = span_of(period, datetime(2026, 3, 8, 12, tzinfo=UTC), ZoneInfo("UTC"))
    assert found.first == first
    assert found.until == datetime.combine(last, datetime.min.time(), UTC) + timedelta(days=1)


def test_a_day_of_a_zone_that_changes_its_clocks_has_23_hours() -> None:
    found = span_of(
        BudgetPeriod.DAY, datetime(2026, 3, 8, 20, tzinfo=UTC), ZoneInfo("America/New_York")
    )
    assert found.until - found.since == timedelta(hours=23)


def test_the_month_after_december_is_january() -> None:
    assert later_month(date(2026, 12, 1)) == date(2027, 1, 1)
    assert later_month(date(2026, 11, 1), 3) == date(2027, 2, 1)


def test_figures_are_whole_numbers_of_the_finest_unit() -> None:
    assert figure(Decimal("12.5"), BudgetUnit.MONEY) == 12_500_000
    assert figure(Decimal("12.5"), BudgetUnit.GPU_HOURS) == 45_000_000
    assert amount_of(45_000_000, BudgetUnit.GPU_HOURS) == Decimal("12.5")
    assert amount_of(-1, BudgetUnit.MONEY) == Decimal("-0.000001")


def test_marks_hold_from_the_very_figure_on() -> None:
    period = span(datetime(2026, 3, 1, tzinfo=UTC), days=30)
    at = period.until - timedelta(seconds=1)

    def marks(spent: int) -> list[str]:
        return Standing(1000, spent, period, at).marks([100, 50, 80])

    assert marks(499) == []
    assert marks(500) == ["50"]
    assert marks(799) == ["50"]
    assert marks(1000) == ["50", "80", "100"]


def test_the_run_rate_is_a_mark_only_while_the_amount_is_not_reached() -> None:
    period = span(datetime(2026, 3, 1, tzinfo=UTC), days=30)
    half = period.since + timedelta(days=15)
    assert Standing(1000, 501, period, half).marks([]) == ["run-rate"]
    assert Standing(1000, 500, period, half).marks([]) == []
    assert Standing(1000, 1000, period, half).marks([]) == []


def test_a_young_period_has_no_projection() -> None:
    period = span(datetime(2026, 3, 1, tzinfo=UTC), days=1)
    early = Standing(10, 9, period, period.since + timedelta(minutes=59))
    assert early.projected is None
    assert early.marks([]) == []
    assert Standing(10, 9, period, period.since + timedelta(hours=1)).projected == 9 * 24


def test_a_percentage_is_rounded_down() -> None:
    period = span(datetime(2026, 3, 1, tzinfo=UTC), days=1)
    assert Standing(3, 2, period, period.since).pct == Decimal("66.66")
    assert Standing(3, 6, period, period.since).pct == 200
    assert Standing(3, 6, period, period.since).remaining == -3


def test_what_has_no_end_is_taken_to_go_on_for_an_hour_and_never_past_the_period() -> None:
    period = span(datetime(2026, 3, 1, tzinfo=UTC), days=1)
    now = period.since + timedelta(hours=3)
    assert end_of_use(now, None, period) == now + timedelta(hours=1)
    assert end_of_use(now, now + timedelta(hours=5), period) == now + timedelta(hours=5)
    assert end_of_use(now, now + timedelta(days=5), period) == period.until
    assert end_of_use(now, now - timedelta(hours=1), period) == now


def test_a_request_may_use_exactly_what_is_left() -> None:
    assert not Weighing(amount=100, spent=40, promised=20, asked=40).passes_it
    assert Weighing(amount=100, spent=40, promised=20, asked=41).passes_it
    assert Weighing(amount=100, spent=90, promised=20, asked=0).passes_it
