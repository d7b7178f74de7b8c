"""Statements and month close from the command line, against a real server."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.cli import gpuctl
from tests.support.server import LiveServer


def _present() -> str:
    return f"{datetime.now(UTC):%Y-%m}"


def test_the_present_month_is_shown_by_team_and_for_one_team(live: LiveServer) -> None:
    taken = gpuctl(live, "request", "-g", "40", "--team", "cli-bill", "-o", "json").json
    gpuctl(live, "release", taken["allocationId"])
    assert _present() in gpuctl(live, "statements", "list").out
    ran = gpuctl(live, "statements", "show", _present())
    assert ran.code == 0, ran.err
    assert "open, as of" in ran.out
    of_team = gpuctl(live, "statements", "show", _present(), "cli-bill", "-o", "json").json
    assert (of_team["teamId"], of_team["status"]) == ("cli-bill", "open")


def test_a_statement_is_written_as_a_page_and_as_csv(live: LiveServer, tmp_path: Path) -> None:
    page, table = tmp_path / "bill.html", tmp_path / "bill.csv"
    show = ("statements", "show", _present())
    assert gpuctl(live, *show, "--html", str(page), "--lang", "ko").code == 0
    assert "GPU 비용 배분" in page.read_text(encoding="utf-8")
    assert gpuctl(live, *show, "--csv", str(table)).code == 0
    assert table.read_bytes().startswith(b"month,kind,originMonth,")
    assert gpuctl(live, *show, "--csv", "-").out.startswith("month,kind")
    assert gpuctl(live, *show, "--csv", "-", "--html", "-").code == 2
    assert gpuctl(live, *show, "--csv", str(tmp_path / "none" / "x")).code == 2


def test_a_month_is_closed_once_it_is_over(live: LiveServer) -> None:
    over = f"{datetime.now(UTC).replace(day=1) - timedelta(days=1):%Y-%m}"
    first = gpuctl(live, "statements", "close", over, "--yes")
    assert first.code == 0, first.err
    assert first.out.startswith(f"{over} is closed: 0.00 USD in 0 lines, fingerprint ")
    assert gpuctl(live, "statements", "close", over, "--yes").out == first.out
    early = gpuctl(live, "statements", "close", _present(), "--yes")
    assert early.code == 1
    assert "close it after that" in early.err
    assert gpuctl(live, "statements", "show", "2026-3").code == 1
