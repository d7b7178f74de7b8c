"""What is logged about what happened: after the commit, once, one line each (LOG-01 to LOG-05)."""

import io
import logging
import re
from collections.abc import Callable, Iterator

import pytest

from gpu_management.allocations.models import Phase
from gpu_management.core import logs
from gpu_management.core.settings import Logging
from gpu_management.events import told
from tests.support.events import say
from tests.support.house import House
from tests.support.server import LiveServer

FLUENTD = re.compile(
    r"^\d{4}-\d{2}-\d{2}\s\d{2}:\d{2}:\d{2}\.\d{3}\s+\w+\s+[\w\.]+\s+-\s+(?P<message>.*)$"
)
LOGSTASH = re.compile(r"allocation (?P<id>\S+) (?P<action>\w+)")

Lines = Callable[[], list[str]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []
    stream = io.StringIO()
    logs.configure(Logging.model_validate({}), stream=stream)
    yield lambda: stream.getvalue().splitlines()
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)


def told_of(lines: list[str], allocation_id: str) -> list[str]:
    found = [LOGSTASH.search(line) for line in lines]
    return [match["action"] for match in found if match and match["id"] == allocation_id]


def test_every_transition_is_logged_once_from_requests_and_jobs_alike(
    house: House, lines: Lines
) -> None:
    house.node(gpus=1)
    first = house.request(max_duration_hours=1)
    second = house.request(wait_seconds=60)
    house.extend(first.allocation_id, 1)
    house.clock.forward(seconds=90)
    house.end_of_time()
    house.clock.forward(hours=1, minutes=50)
    house.end_of_time()
    house.clock.forward(hours=1)
    house.end_of_time()
    assert house.find(second.allocation_id).phase is Phase.FAILED
    assert house.find(first.allocation_id).phase is Phase.RELEASED
    assert told_of(lines(), second.allocation_id) == ["queued", "failed"]
    assert told_of(lines(), first.allocation_id) == ["created", "extended", "expiring", "released"]
    assert " WARNING gpumanagement.allocations - GPU allocation" in next(
        line for line in lines() if " failed " in line
    )
    assert 'message="released: expired"' in lines()[-1]


def test_what_is_rolled_back_is_not_logged(house: House, lines: Lines) -> None:
    with house.database.writer() as session:
        say(session, "allocation.created", subject_id="whole")
        session.rollback()
        session.commit()
    with house.database.write() as session:
        say(session, "allocation.created", subject_id="before")
        outer = session.begin_nested()
        with session.begin_nested():
            say(session, "allocation.created", subject_id="undone")
        outer.rollback()
        with session.begin_nested():
            say(session, "allocation.created", subject_id="kept")
        assert lines() == []
    assert [line.split()[-2] for line in lines()] == ["before", "kept"]


def test_nothing_waits_for_a_later_transaction_of_the_same_session(
    house: House, lines: Lines
) -> None:
    session = house.database.writer()
    say(session, "allocation.created", subject_id="left")
    session.close()
    say(session, "allocation.created", subject_id="said")
    session.commit()
    session.close()
    assert [line.split()[-2] for line in lines()] == ["said"]


def test_an_invented_past_is_not_logged(house: House, lines: Lines) -> None:
    with house.database.write() as session:
        told.keep_quiet(session)
        say(session, "allocation.created")
    assert lines() == []


def test_a_switched_off_logger_keeps_no_lines(house: House, lines: Lines) -> None:
    logger = logging.getLogger("gpu_management.allocations")
    logger.setLevel(logging.WARNING)
    try:
        with house.database.write() as session:
            say(session, "allocation.created")
            assert not session.info
    finally:
        logger.setLevel(logging.NOTSET)
    assert lines() == []


def test_what_callers_write_cannot_forge_a_line_or_an_event(house: House, lines: Lines) -> None:
    house.node()
    made = house.request(user_id='x" \n2026-01-01 00:00:00.000 ERROR a.b - GPU allocation f forged')
    with house.database.write() as session:
        say(session, "allocation.created\nforged", subject_id="a b\nallocation c deleted")
    assert len(lines()) == 3  # the node's device, and these two
    assert all(FLUENTD.match(line) for line in lines())
    actions = [match.groups() for line in lines() for match in LOGSTASH.finditer(line)]
    assert actions == [
        (made.allocation_id, "created"),
        ("a_b_allocation_c_deleted", "created_forged"),
    ]


def test_a_device_is_logged_with_the_word_gpu(house: House, lines: Lines) -> None:
    house.node()
    assert "gpumanagement.devices - GPU device n1-GPU-00 registered state=READY" in lines()[0]


def test_a_running_server_logs_its_allocations_with_the_request_id(live: LiveServer) -> None:
    body = {
        "namespace": "ml",
        "podName": "logged",
        "workloadType": "Training",
        "requiredMemoryGb": 8,
        "maxDurationHours": 2,
        "userId": "allocation x y",
    }
    made = live.ask("POST", "/api/v1/gpu/allocations", body)["allocationId"]
    live.ask("POST", f"/api/v1/gpu/allocations/{made}/extend", {"hours": 1})
    live.ask("DELETE", f"/api/v1/gpu/allocations/{made}")
    live.ask("DELETE", f"/api/v1/gpu/allocations/{made}")
    written = (live.folder / "server.log").read_text("utf-8").splitlines()
    assert told_of(written, made) == ["created", "extended", "released"]
    mine = [line for line in written if made in line]
    assert all(FLUENTD.match(line) and "[rid=" in line for line in mine)
