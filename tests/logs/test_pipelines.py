"""The shipped pipelines take every line of a real server apart, whoever wrote into it (LOG-10)."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.logs.conftest import Written
from tests.support import filebeat
from tests.support.fluentd import Fluentd, Record
from tests.support.grok import LIBRARIES
from tests.support.logstash import Event, Pipeline
from tests.support.server import ROOT

SHIPPED = ROOT / "k8s" / "logging"
GUIDE = Path(__file__).parent / "guide"
LOGSTASH = "logstash-gpu-management.conf"
FLUENTD = "fluentd-gpu-management.conf"
CUT_BYTES = 16_384
CLASS = re.compile(r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)+")


def as_told(line: str) -> tuple[str, str, str, str]:
    """Return time, level, class and message, as whoever wrote the line meant them."""
    if line.startswith("{"):
        told = json.loads(line)
        return told["timestamp"], told["level"], told["class"], told["message"]
    head, _, message = line.partition(" - ")
    day, time, level, name = head.split(" ")
    return f"{day} {time}", level, name, message


def docker(lines: tuple[str, ...]) -> Iterator[str]:
    for line in lines:
        told = {"log": line + "\n", "stream": "stderr", "time": "2026-01-02T03:04:05.678901234Z"}
        yield json.dumps(told)


def cri(lines: tuple[str, ...]) -> Iterator[str]:
    for line in lines:
        yield f"2026-01-02T03:04:05.678901234+09:00 stderr F {line}"


def taken(events: list[Event] | list[Record], written: Written) -> dict[str, list[str]]:
    """Return the actions of each allocation that a pipeline found."""
    found: dict[str, list[str]] = {}
    for event in events:
        if "allocation_id" in event:
            found.setdefault(event["allocation_id"], []).append(event["allocation_action"])
    assert written.allocations, "the load made no allocation"
    return found


@pytest.mark.parametrize("library", LIBRARIES)
def test_logstash_takes_every_line_apart(written: Written, library: str) -> None:
    pipeline = Pipeline((SHIPPED / LOGSTASH).read_text("utf-8"), library)
    for line in written.lines:
        event = pipeline.run(line)
        names = ("timestamp", "level", "class", "message_content")
        assert tuple(event[name] for name in names) == as_told(line)
        assert CLASS.fullmatch(event["class"])
        assert ("error" in event["tags"]) == (event["level"] == "ERROR")
        assert not [tag for tag in event["tags"] if "failure" in tag]
        assert event["@timestamp"].year >= 2026


def test_nobody_can_forge_an_event(written: Written) -> None:
    pipeline = Pipeline((SHIPPED / LOGSTASH).read_text("utf-8"))
    events = [pipeline.run(line) for line in written.lines]
    assert any("forged" in line for line in written.lines), "nobody tried"
    assert any("temperature 99.9" in line for line in written.lines), "nobody tried"
    assert not [event for event in events if "temperature" in event]
    found = taken(events, written)
    assert found.keys() == written.allocations
    assert all(sorted(actions) == ["created", "released"] for actions in found.values())


@pytest.mark.parametrize("wrapped", [docker, cri])
def test_fluentd_takes_every_line_apart(written: Written, wrapped: type[Iterator[str]]) -> None:
    records = Fluentd((SHIPPED / FLUENTD).read_text("utf-8")).run(wrapped(written.lines))
    assert len(records) == len(written.lines)
    for record, line in zip(records, written.lines, strict=True):
        names = ("timestamp", "level", "class", "message")
        assert tuple(record[name] for name in names) == as_told(line)
        assert (record["cluster_name"], record["environment"]) == ("gpu-cluster", "production")
        assert "log" not in record
        assert isinstance(record["fields"], str | None)


def test_filebeat_alone_takes_every_line_apart(written: Written) -> None:
    told = filebeat.configuration((SHIPPED / "filebeat.yaml").read_text("utf-8"), "filebeat.yml")
    for line in written.lines:
        event = filebeat.run(told, line)
        names = ("timestamp", "level", "class", "message")
        assert tuple(event["gpu"][name] for name in names) == as_told(line)
        assert "fields" not in event["gpu"]
        assert event["message"] == line


def test_the_pipelines_of_the_guide_read_our_text_as_well(written: Written) -> None:
    if written.lines[-1].startswith("{"):
        pytest.skip("the guide's pipelines know text only")
    eligible = tuple(line for line in written.lines if "GPU" in line)
    for library in LIBRARIES:
        pipeline = Pipeline((GUIDE / LOGSTASH).read_text("utf-8"), library)
        events = [pipeline.run(line) for line in eligible]
        for event, line in zip(events, eligible, strict=True):
            names = ("timestamp", "level", "class", "message_content")
            assert tuple(event[name] for name in names) == as_told(line)
        assert taken(events, written).keys() == written.allocations
    for record, line in zip(
        Fluentd((GUIDE / FLUENTD).read_text("utf-8")).run(docker(eligible)), eligible, strict=True
    ):
        assert record["message"] == as_told(line)[3]


def test_lines_that_the_runtime_cut_are_put_together_again() -> None:
    long = "2026-01-02 03:04:05.678 ERROR a.b - " + "x" * 40_000
    other = "2026-01-02 03:04:05.679 INFO a.b - between"
    parts = [long[at : at + CUT_BYTES] for at in range(0, len(long), CUT_BYTES)]
    stamp = "2026-01-02T03:04:05.678901234Z"
    lines = [f"{stamp} stderr P {part}" for part in parts[:-1]]
    lines += [f"{stamp} stdout F {other}", f"{stamp} stderr F {parts[-1]}"]
    found = Fluentd((SHIPPED / FLUENTD).read_text("utf-8")).run(lines)
    assert [record["message"] for record in found] == ["between", "x" * 40_000]


def test_what_looks_like_the_runtimes_own_words_is_only_a_message() -> None:
    line = "2026-01-02 03:04:05.678 INFO a.b - GPU stdout F 2026-01-02T03:04:05Z stderr P x"
    shipped = Fluentd((SHIPPED / FLUENTD).read_text("utf-8"))
    for wrapped in (docker, cri):
        [record] = shipped.run(wrapped((line,)))
        assert record["message"] == line.partition(" - ")[2]


def test_lines_of_other_programs_are_kept_as_they_are() -> None:
    line = "LOG:  database system is ready"
    [record] = Fluentd((SHIPPED / FLUENTD).read_text("utf-8")).run(cri((line,)))
    assert record["log"] == line
    pipeline = Pipeline((SHIPPED / LOGSTASH).read_text("utf-8"))
    assert "level" not in pipeline.run(line, container="postgres")
