"""Statements by month and team, and months that are closed for ever."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from gpu_management.auth.access import Role
from gpu_management.core.problems import Forbidden
from gpu_management.costs import months, statements
from gpu_management.costs.errors import MonthNotClosable, StatementNotFound
from gpu_management.costs.models import BillingMonth
from gpu_management.costs.months import Figures, Payer
from gpu_management.costs.service import Desk
from gpu_management.events.models import Event
from gpu_management.rates.service import Price, set_rate
from tests.support.billing import correct, ended_holds, shorten
from tests.support.house import BROWSER, T4, House, prepared_database
from tests.support.principals import ADMIN, principal

GPU = "/api/v1/gpu"
FEBRUARY = datetime(2026, 2, 10, tzinfo=UTC)


def price(house: House, dollars: str) -> None:
    with house.database.write() as session:
        set_rate(session, Price(T4, Decimal(dollars)), principal=ADMIN, now=house.now)


def use(house: House, hours: float, **asked: Any) -> None:
    made = house.request(**asked)
    house.clock.forward(hours=hours)
    house.release(made.allocation_id)


def close(house: House, month: str, desk: Desk | None = None) -> Any:
    with house.database.write() as session:
        return statements.close(session, desk or house.desk, month, principal=ADMIN, now=house.now)


def bill(house: House, month: str) -> statements.Bill:
    with house.database.read() as session:
        return statements.bill(session, house.desk, month, now=house.now)


@pytest.fixture
def used(house: House) -> House:
    """A house that was used in February 2026 by two teams, at a dollar an hour; March began."""
    house.clock.now = FEBRUARY
    price(house, "1")
    house.node(gpus=4)
    use(house, 10, team_id="ml", user_id="kim", namespace="research")
    use(house, 2.5, team_id="web", gpu_milli=500)
    house.clock.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    return house


@pytest.fixture
def caller(used: House) -> Iterator[TestClient]:
    with used.client() as opened:
        yield opened


def test_a_month_tells_each_team_and_the_teams_add_up(caller: TestClient) -> None:
    found = caller.get(f"{GPU}/statements/2026-02").json()
    assert [(row["teamId"], row["totalCost"]) for row in found["teams"]] == [
        ("ml", 10),
        ("web", 1.25),
    ]
    assert (found["totalCost"], found["gpuHours"], found["status"]) == (11.25, 11.25, "open")
    assert found["periodStart"] == "2026-02-01T00:00:00.000Z"


def test_a_statement_of_a_team_is_grouped_and_told_line_by_line(caller: TestClient) -> None:
    found = caller.get(f"{GPU}/statements/2026-02/ml").json()
    assert found["byNamespace"] == {"research": 10}
    assert found["byUser"] == {"kim": 10}
    assert found["byModel"] == {T4: 10}
    assert found["byProfile"] == {"whole card": 10}
    assert found["byWorkloadType"] == {"Training": 10}
    (line,) = found["lines"]
    assert (line["cost"], line["gpuMilliSeconds"]) == (10, 36_000_000)


def test_the_same_as_csv_has_all_digits_and_no_formulas(used: House, caller: TestClient) -> None:
    used.clock.now = datetime(2026, 2, 20, tzinfo=UTC)
    use(used, 0.0002778, team_id="=HYPERLINK(1)")
    used.clock.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    told = caller.get(f"{GPU}/statements/2026-02", headers={"accept": "text/csv"})
    assert told.headers["content-type"].startswith("text/csv")
    head, first, *_ = told.text.split("\r\n")
    assert head.startswith("month,kind,originMonth,team,")
    assert first == (
        "2026-02,usage,2026-02,'=HYPERLINK(1),ml,,t4,,Training,1000,0.000278,0.000000,0.000277,USD"
    )
    of_team = caller.get(f"{GPU}/statements/2026-02/ml", params={"format": "csv"}).text
    assert of_team.count("\r\n") == 2


def test_a_page_is_printed_in_both_languages_and_escapes_names(
    used: House, caller: TestClient
) -> None:
    evil = "<script>alert(1)</script>"
    used.clock.now = datetime(2026, 2, 20, tzinfo=UTC)
    use(used, 1, team_id=evil, user_id="<b>")
    used.clock.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    path = f"{GPU}/statements/2026-02/{evil}"
    english = caller.get(path, params={"format": "html"})
    assert english.headers["content-type"] == "text/html; charset=utf-8"
    assert english.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script>" not in english.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in english.text
    assert "<b>" not in english.text
    assert "http" not in english.text
    korean = caller.get(path, headers={"accept": "text/html", "accept-language": "ko-KR,en"})
    assert korean.headers["content-language"] == "ko"
    assert "GPU 사용 명세서" in korean.text
    overview = caller.get(f"{GPU}/statements/2026-02", params={"format": "html", "lang": "ko"})
    assert "12.25" in overview.text


def test_on_a_narrow_screen_each_figure_of_a_row_says_what_it_is(caller: TestClient) -> None:
    for path in ("2026-02", "2026-02/ml"):
        page = caller.get(f"{GPU}/statements/{path}", params={"format": "html", "lang": "en"}).text
        rows = page[page.index('<table class="rows">') :].split("<tbody>")[1].split("</tbody>")[0]
        cells = re.findall(r"<td([^>]*)>(.)", rows.partition('<tr class="sum">')[0])
        assert cells
        assert all("data-name=" in attributes for attributes, _ in cells), path


def test_every_word_of_a_page_is_there_in_both_languages() -> None:
    from gpu_management.costs.statement_texts import TEXTS

    assert TEXTS["en"].keys() == TEXTS["ko"].keys()
    assert all(text.strip() for words in TEXTS.values() for text in words.values())


def test_an_unknown_form_is_refused(caller: TestClient) -> None:
    wrong = caller.get(f"{GPU}/statements/2026-02", params={"format": "pdf"})
    assert wrong.status_code == 422
    assert caller.get(f"{GPU}/statements/2026-2").status_code == 422
    assert caller.get(f"{GPU}/statements/2027-01").status_code == 404


def test_a_team_that_nobody_knows_has_no_statement(used: House, caller: TestClient) -> None:
    answer = caller.get(f"{GPU}/statements/2026-02/teams/ml")
    assert answer.status_code == 404
    assert "ml, web" in answer.json()["detail"]
    assert caller.get(f"{GPU}/statements/2026-02/unassigned").json()["totalCost"] == 0
    assert (
        caller.post("/api/v1/admin/teams", json={"teamId": "idle", "name": "Idle"}).status_code
        == 201
    )
    assert caller.get(f"{GPU}/statements/2026-02/idle").json()["totalCost"] == 0


def test_a_closed_month_is_answered_alike_whatever_happens_later(
    used: House, caller: TestClient
) -> None:
    closed = caller.post(f"{GPU}/billing/months/2026-02/close").json()
    assert (closed["status"], closed["totalCost"], closed["lineCount"]) == ("closed", 11.25, 2)

    def everything(client: TestClient) -> list[bytes]:
        paths = ["statements/2026-02", "statements/2026-02/ml"]
        return [
            client.get(f"{GPU}/{path}", params={"format": form, "lang": "en"}).content
            for path in paths
            for form in ("json", "csv", "html")
        ]

    before = everything(caller)
    price(used, "99")
    shorten(used, ended_holds(used)[0], hours=3)
    used.clock.forward(days=40)
    used.restart()
    used.desk = Desk("USD", ZoneInfo("America/New_York"), used.keeper)
    with used.client() as restarted:
        assert everything(restarted) == before
        again = restarted.post(f"{GPU}/billing/months/2026-02/close")
        assert (again.status_code, again.json()) == (200, closed)


def test_a_correction_of_a_closed_month_appears_in_the_next(used: House) -> None:
    close(used, "2026-02")
    shorten(used, ended_holds(used)[0], hours=4)
    draft = bill(used, "2026-03")
    assert [(line.kind.value, line.origin_month) for line in draft.lines] == [
        ("adjustment", "2026-02")
    ]
    used.clock.now = datetime(2026, 4, 1, tzinfo=UTC)
    assert close(used, "2026-03").total == -4
    used.clock.now = datetime(2026, 5, 1, tzinfo=UTC)
    assert close(used, "2026-04").total == 0


def test_a_correction_moves_use_from_one_payer_and_month_to_another(used: House) -> None:
    close(used, "2026-02")
    (first, _second) = ended_holds(used)
    march = datetime(2026, 3, 1, 0, tzinfo=UTC)
    correct(used, first, started_at=march, ended_at=march.replace(hour=10))
    lines = bill(used, "2026-03").lines
    assert sorted((line.kind.value, line.figures.micros) for line in lines) == [
        ("adjustment", -10_000_000),
        ("usage", 10_000_000),
    ]


def test_months_are_closed_in_order_and_only_when_they_are_over(used: House) -> None:
    with pytest.raises(MonthNotClosable, match="ends at 2026-04-01T00:00:00Z"):
        close(used, "2026-03")
    used.clock.now = datetime(2026, 5, 2, tzinfo=UTC)
    with pytest.raises(MonthNotClosable, match="close 2026-02 first"):
        close(used, "2026-03")
    for month in ("2026-02", "2026-03", "2026-04"):
        close(used, month)
    with pytest.raises(MonthNotClosable, match="lies before 2026-02"):
        close(used, "2026-01")


def test_a_ledger_has_one_currency(used: House) -> None:
    close(used, "2026-02")
    used.clock.now = datetime(2026, 4, 2, tzinfo=UTC)
    with pytest.raises(MonthNotClosable, match="closed months are in USD"):
        close(used, "2026-03", Desk("EUR", used.desk.zone, used.keeper))


def test_a_new_time_zone_leaves_no_gap_and_bills_no_second_twice(used: House) -> None:
    used.clock.now = datetime(2026, 2, 28, 12, tzinfo=UTC)
    use(used, 24, team_id="ml")
    used.clock.now = datetime(2026, 4, 2, tzinfo=UTC)
    close(used, "2026-02")
    seoul = Desk("USD", ZoneInfo("Asia/Seoul"), used.keeper)
    close(used, "2026-03", seoul)
    with used.database.read() as session:
        february, march = statements._chain(session).values()
        billed = sum(line.figures.micros for line in statements._frozen(session, "2026-02"))
        billed += sum(line.figures.micros for line in statements._frozen(session, "2026-03"))
    assert february.until == march.since == datetime(2026, 3, 1, tzinfo=UTC)
    assert march.until == datetime(2026, 3, 31, 15, tzinfo=UTC)
    assert billed == (10 + 1.25 + 24) * 1_000_000


def test_who_may_read_and_close(used: House) -> None:
    user = principal(Role.USER, team="ml")
    statements.check_sees(user, "ml")
    statements.check_sees(principal(Role.VIEWER), "web")
    for team in ("web", "unassigned", ""):
        with pytest.raises(StatementNotFound):
            statements.check_sees(user, team)
    with pytest.raises(StatementNotFound):
        statements.check_sees(principal(Role.USER, user="kim"), "")
    with used.database.write() as session, pytest.raises(Forbidden):
        statements.close(
            session, used.desk, "2026-02", principal=principal(Role.OPERATOR), now=used.now
        )


def test_closing_is_told_once(used: House) -> None:
    close(used, "2026-02")
    close(used, "2026-02")
    with used.database.read() as session:
        (told,) = session.scalars(select(Event).where(Event.type == "billing.closed"))
    assert told.namespace == "*"
    assert told.data["total"] == 11.25


def test_the_calendar_lists_every_month_since_the_first_use(caller: TestClient) -> None:
    caller.post(f"{GPU}/billing/months/2026-02/close")
    found = caller.get(f"{GPU}/statements", headers=BROWSER).json()
    assert [(row["month"], row["status"]) for row in found] == [
        ("2026-03", "open"),
        ("2026-02", "closed"),
    ]
    assert found[0]["totalCost"] is None


def test_what_belongs_to_no_team_is_told_apart(used: House, caller: TestClient) -> None:
    used.clock.now = datetime(2026, 2, 20, tzinfo=UTC)
    use(used, 1, namespace="nobodys")
    used.clock.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    found = caller.get(f"{GPU}/statements/2026-02/unassigned").json()
    assert found["totalCost"] == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["use", "share", "price", "shorten", "void", "close", "restart"]),
        st.integers(1, 20 * 24),
        st.integers(0, 98),
    ),
    min_size=3,
    max_size=16,
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS, zone=st.sampled_from(["UTC", "Asia/Seoul", "America/New_York"]))
def test_what_is_frozen_and_its_adjustments_are_the_ledger_through_any_history(
    steps: list[tuple[str, int, int]], zone: str
) -> None:
    with TemporaryDirectory() as folder:
        house = House(prepared_database(Path(folder)), zone=zone)
        house.clock.now = datetime(2026, 1, 20, tzinfo=UTC)
        house.node(gpus=3)
        use(house, 1)
        frozen: dict[str, list[Any]] = {}
        for deed, hours, pick in [*steps, ("close", 24 * 40, 0)]:
            _do(house, deed, hours, pick, frozen)
            _compare(house, frozen)
        house.database.close()


def _do(house: House, deed: str, hours: int, pick: int, frozen: dict[str, list[Any]]) -> None:
    team = ("a", "b", None)[pick % 3]
    holds = ended_holds(house)
    if deed in {"use", "share"}:
        use(house, hours, team_id=team, gpu_milli=137 if deed == "share" else None)
    elif deed == "price":
        price(house, f"0.{pick + 1:02}0001")
        house.clock.forward(hours=1)
    elif deed == "restart":
        house.restart()
    elif deed == "close":
        house.clock.forward(hours=hours)
        _close_all(house, frozen)
    elif holds:
        shorten(house, holds[pick % len(holds)], hours=hours if deed == "shorten" else 10**6)


def _close_all(house: House, frozen: dict[str, list[Any]]) -> None:
    with house.database.read() as session:
        calendar = statements.calendar(session, house.desk, now=house.now)
    for frame in reversed(calendar):
        if frame.month not in frozen and frame.until <= house.now:
            close(house, frame.month)
            frozen[frame.month] = list(bill(house, frame.month).lines)


def _compare(house: House, frozen: dict[str, list[Any]]) -> None:
    """Closed months are as they were, and with what is owed now they are the present ledger."""
    with house.database.read() as session:
        chain = statements._chain(session)
        owed = statements._owed(session, house.desk, chain)
        assert set(owed) <= statements._corrected(session, chain)
        for month, frame in chain.items():
            assert list(bill(house, month).lines) == frozen[month]
            row = session.get_one(BillingMonth, month)
            assert row.fingerprint == months.fingerprint(frame, frozen[month])
            every = [line for lines in frozen.values() for line in lines]
            billed = months.added(line for line in every if line.origin_month == month)
            for payer, figures in owed.get(month, {}).items():
                billed[payer] = billed.get(payer, Figures()) + figures
            present = statements._usage(session, house.desk, frame.since, frame.until)
            assert _told(billed) == _told(present)


def _told(sums: dict[Payer, Figures]) -> dict[Payer, Figures]:
    return {payer: figures for payer, figures in sums.items() if figures != Figures()}
