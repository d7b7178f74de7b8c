"""Months as rules: names, bounds, order of lines, differences, fingerprints."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.core.problems import ValidationFailed
from gpu_management.costs import months
from gpu_management.costs.models import LineKind
from gpu_management.costs.months import Figures, Frame, Line, Payer

FRAME = Frame(
    "2026-03", datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC), "USD", "UTC"
)
PAYERS = st.builds(Payer, team_id=st.sampled_from(["", "a", "b"]), model_id=st.just("t4"))
BILLS = st.dictionaries(
    PAYERS,
    st.builds(Figures, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
    max_size=4,
)


@pytest.mark.parametrize("text", ["2026-3", "2026-13", "2026-00", "26-03", "2026-03-01", "9999-12"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValidationFailed):
        months.check_month(text)


def test_the_month_after_december_is_january() -> None:
    assert months.following("2026-12") == "2027-01"


def test_a_month_begins_at_midnight_of_its_zone() -> None:
    seoul = ZoneInfo("Asia/Seoul")
    assert months.starts("2026-03", seoul) == datetime(2026, 2, 28, 15, tzinfo=UTC)
    assert months.month_at(datetime(2026, 2, 28, 15, tzinfo=UTC), seoul) == "2026-03"


@given(BILLS, BILLS)
def test_what_was_billed_and_its_differences_are_what_is_true(
    present: dict[Payer, Figures], billed: dict[Payer, Figures]
) -> None:
    owed = months.differences(present, billed)
    lines = months.in_order("2026-03", billed, {"2026-03": owed})
    found = {payer: sums for payer, sums in months.added(lines).items() if sums != Figures()}
    assert found == {payer: sums for payer, sums in present.items() if sums != Figures()}


@given(BILLS)
def test_without_a_change_nothing_is_owed(bill: dict[Payer, Figures]) -> None:
    assert months.differences(bill, bill) == {}


def test_lines_have_one_order_whatever_the_order_they_were_found_in() -> None:
    first, second = Payer(team_id="a"), Payer(team_id="b")
    one, other = Figures(1), Figures(2)
    here = months.in_order("2026-03", {first: one, second: other}, {"2026-01": {first: one}})
    there = months.in_order("2026-03", {second: other, first: one}, {"2026-01": {first: one}})
    assert here == there
    assert [line.kind for line in here] == [LineKind.USAGE, LineKind.USAGE, LineKind.ADJUSTMENT]
    assert here[2].origin_month == "2026-01"


def test_a_fingerprint_tells_every_difference() -> None:
    line = Line(LineKind.USAGE, "2026-03", Payer(team_id="a", model_id="t4"), Figures(1, 0, 5))
    bills = [
        (FRAME, [line]),
        (FRAME, [Line(LineKind.USAGE, "2026-03", line.payer, Figures(1, 0, 6))]),
        (FRAME, [Line(LineKind.USAGE, "2026-03", Payer(user_id="a"), line.figures)]),
        (FRAME, [Line(LineKind.ADJUSTMENT, "2026-03", line.payer, line.figures)]),
        (Frame("2026-03", FRAME.since, FRAME.until, "EUR", "UTC"), [line]),
        (FRAME, []),
        (FRAME, [line, line]),
    ]
    found = [months.fingerprint(*bill) for bill in bills]
    assert len(set(found)) == len(bills)
    assert months.fingerprint(FRAME, [line]) == found[0]
    assert found[0] == "536337bbab71eafa11e686481355ed3bfe70611a754a1551f8a70302553a4982"
