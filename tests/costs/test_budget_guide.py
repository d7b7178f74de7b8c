"""The guides to budgets and chargeback: what they type is typed here, and figures worked out."""

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from gpu_management.costs import statement_views as views
from gpu_management.costs import statements
from gpu_management.costs.budgeting import span_of
from gpu_management.costs.models import BudgetPeriod
from gpu_management.rates.service import Price, set_rate
from tests.support.billing import ended_holds, shorten
from tests.support.cli import gpuctl
from tests.support.house import T4, House
from tests.support.principals import ADMIN
from tests.support.server import ROOT, LiveServer, serving

BUDGETS = (ROOT / "docs/guides/budgets.md").read_text(encoding="utf-8")
CHARGEBACK = (ROOT / "docs/guides/chargeback.md").read_text(encoding="utf-8")
SESSION = re.compile(r"```console\n(.*?)```", re.DOTALL)
MOMENT = re.compile(r"20\d\d-\d\d-\d\dT[\d:.]+Z")
ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with serving(tmp_path_factory.mktemp("budgets")) as started:
        device = {"nodeName": "gpu-worker-1", "deviceIndex": 0, "modelId": "h100-sxm5-80gb"}
        started.ask("POST", "/api/v1/gpu/devices", device)
        yield started


def test_every_command_of_the_budget_guide_prints_what_it_shows(server: LiveServer) -> None:
    shown = [
        step
        for session in SESSION.findall(BUDGETS)
        for step in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]
    ]
    assert len(shown) == 5
    for step in shown:
        command, _, printed = step.partition("\n")
        if "asks 33.60 for 12 h" in printed and _quarter_ends_in_12_hours():
            continue  # less is asked then, as a request is weighed no further than the period
        ran = gpuctl(server, *shlex.split(command)[1:], columns=None)
        said = ran.out if ran.code == 0 else ran.err
        assert MOMENT.sub("NOW", said) == MOMENT.sub("NOW", printed), command


def _quarter_ends_in_12_hours() -> bool:
    now = datetime.now(UTC)
    return span_of(BudgetPeriod.QUARTER, now, ZoneInfo("UTC")).until - now < timedelta(hours=12)


def test_the_bound_of_a_cost_limit_is_worked_out_right() -> None:
    price, seconds, bound = re.findall(r"than ([\d.]+) . (\d+) / 3600 = ([\d.]+)\.", BUDGETS)[0]
    assert round(Decimal(price) * int(seconds) / 3600, 6) == Decimal(bound)


def test_the_worked_example_of_chargeback_is_what_happens(house: House) -> None:
    house.clock.now = datetime(2026, 2, 10, tzinfo=UTC)
    with house.database.write() as session:
        set_rate(session, Price(T4, Decimal(1)), principal=ADMIN, now=house.now)
    house.node()
    for asked, hours in (({"team_id": "ml"}, 10), ({"team_id": "web", "gpu_milli": 500}, 2.5)):
        made = house.request(**asked)
        house.clock.forward(hours=hours)
        house.release(made.allocation_id)
    house.clock.now = datetime(2026, 3, 5, tzinfo=UTC)
    with house.database.write() as session:
        statements.close(session, house.desk, "2026-02", principal=ADMIN, now=house.now)
    shorten(house, ended_holds(house)[0], hours=4)
    with house.database.read() as session:
        february = statements.bill(session, house.desk, "2026-02", now=house.now)
        march = statements.bill(session, house.desk, "2026-03", now=house.now)
    shown = views.month_shown(february)
    told = [
        f"{row['team_id']} | {row['gpu_hours'].normalize():f} | {row['total_cost']:.2f}"
        for row in shown["teams"]
    ]
    told.append(f"Total | {shown['gpu_hours'].normalize():f} | {shown['total_cost']:.2f}")
    told += [
        f"{line.kind.value} | {line.origin_month} | {line.payer.team_id}"
        f" | {views.hours(line.figures.milli_seconds).normalize():f}"
        f" | {views.money(line.figures.micros):.2f}"
        for line in march.lines
    ]
    rows = [row for row in ROW.findall(CHARGEBACK) if not row.startswith(("---", "Team", "Line"))]
    assert rows == told
