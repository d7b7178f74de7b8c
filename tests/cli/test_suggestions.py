"""Suggestions and exemptions from the command line, against a real server."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from gpu_management.core.clock import wire_time
from gpu_management.core.database import open_database
from gpu_management.optimization.models import Status, Suggestion, SuggestionType
from tests.support.cli import gpuctl
from tests.support.server import LiveServer


@pytest.fixture
def suggested(live: LiveServer) -> Iterator[tuple[str, str]]:
    """Return the numbers of a suggestion and of the allocation that it is about."""
    told = {
        "namespace": "cli-idle",
        "podName": "sleeps",
        "workloadType": "Training",
        "requiredMemoryGb": 16,
        "teamId": "cli-idle",
    }
    made = live.ask("POST", "/api/v1/gpu/allocations", told)["allocationId"]
    database = open_database(f"sqlite:///{live.folder / 'server.db'}")
    with database.write() as session:
        row = Suggestion(
            type=SuggestionType.IDLE_RELEASE,
            status=Status.OPEN,
            open_key=f"idle-release:{made}",
            allocation_id=made,
            team_id="cli-idle",
            namespace="cli-idle",
            description="Release cli-idle/sleeps: its GPU did 0 % in the last hour.",
            evidence=[],
            current_cost=Decimal("1.5"),
            created_at=datetime.now(UTC),
            judged_at=datetime.now(UTC),
        )
        session.add(row)
        session.flush()
        number = str(row.id)
    database.close()
    yield number, made
    live.ask("DELETE", f"/api/v1/gpu/allocations/{made}")


def test_a_suggestion_is_shown_and_applied(live: LiveServer, suggested: tuple[str, str]) -> None:
    number, made = suggested
    listed = gpuctl(live, "suggestions", "list", "--team", "cli-idle", "--status", "open")
    assert listed.lines[1].split()[:2] == [number, "open"]
    assert re.search(r"SAVES/H +1.50", gpuctl(live, "suggestions", "get", number).out)
    done = gpuctl(live, "suggestions", "apply", number)
    assert done.out.startswith("cli-idle/sleeps released: saves ")
    assert live.ask("GET", f"/api/v1/gpu/allocations/{made}")["phase"] == "Released"
    assert gpuctl(live, "suggestions", "apply", number).code == 1


def test_a_suggestion_is_dismissed_with_a_reason(
    live: LiveServer, suggested: tuple[str, str]
) -> None:
    number, _ = suggested
    done = gpuctl(live, "suggestions", "dismiss", number, "-m", "waits for data")
    assert done.out == f"suggestion {number} dismissed; cli-idle/sleeps is left alone\n"
    (row,) = gpuctl(live, "suggestions", "list", "--status", "dismissed", "-o", "json").json
    assert row["endedReason"] == "waits for data"


def test_an_exemption_is_set_listed_and_ended(live: LiveServer) -> None:
    until = wire_time(datetime.now(UTC) + timedelta(days=7))
    made = gpuctl(live, "suggestions", "exempt", "team", "cli-quiet", "--until", until)
    assert made.out == f"team cli-quiet is exempt until {until}\n"
    (row,) = gpuctl(live, "suggestions", "exemptions", "-o", "json").json
    assert (row["scopeName"], row["until"]) == ("cli-quiet", until)
    gone = gpuctl(live, "suggestions", "unexempt", str(row["id"]))
    assert gone.out == "team cli-quiet is no longer exempt\n"
    assert gpuctl(live, "suggestions", "exemptions").err == "nothing is exempt\n"


def test_without_suggestions_it_says_so(live: LiveServer) -> None:
    told = gpuctl(live, "suggestions", "list", "--team", "nobody").err
    assert told == "no suggestions: nothing is held and idle, as far as is measured\n"
