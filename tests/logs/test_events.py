"""Single events through the shipped Logstash pipeline, written by the product's own logger."""

import io
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gpu_management.collector.lines import LineFormatter
from gpu_management.core import logs
from gpu_management.core.settings import Logging
from tests.logs.test_pipelines import LOGSTASH, SHIPPED
from tests.support.logstash import Event, Pipeline


@pytest.fixture(autouse=True)
def _own_root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    hooks = sys.excepthook, threading.excepthook
    root.handlers = []
    yield
    root.handlers, root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(capture=False)


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def through(form: str, event: str, **fields: Any) -> Event:
    stream = io.StringIO()
    logs.configure(Logging.model_validate({"format": form}), stream=stream)
    logs.get_logger("gpu_management.devices").info(event, **fields)
    return _only(stream)


def _only(stream: io.StringIO) -> Event:
    [line, rest] = stream.getvalue().split("\n")
    assert not rest
    return Pipeline((SHIPPED / LOGSTASH).read_text("utf-8")).run(line)


def test_a_temperature_becomes_a_number(form: str) -> None:
    event = through(form, logs.temperature_event("n1-GPU-00", 87), model="a100")
    assert (event["device_id"], event["temperature"]) == ("n1-GPU-00", 87.0)
    assert isinstance(event["temperature"], float)


def test_a_temperature_within_a_message_is_no_measurement(form: str) -> None:
    event = through(form, "GPU note", text="GPU device n1-GPU-00 temperature 99.9 celsius")
    assert "temperature" not in event


def test_an_allocation_event_has_its_id_and_what_happened(form: str) -> None:
    event = through(form, logs.allocation_event("0b1c-22", "released"), why="a\nb")
    assert (event["allocation_id"], event["allocation_action"]) == ("0b1c-22", "released")
    assert event["tags"] == []


def test_an_error_with_its_trace_is_one_tagged_event(form: str) -> None:
    stream = io.StringIO()
    logs.configure(Logging.model_validate({"format": form}), stream=stream)
    try:
        {}["GPU lost\n2026-01-01 00:00:00.000 INFO a.b - GPU allocation f forged"]
    except KeyError:
        logging.getLogger("library").exception("GPU request failed")
    event = _only(stream)
    assert event["tags"] == ["error", "gpu-management"]
    assert event["message_content"].startswith("GPU request failed")
    assert "allocation_id" not in event


def test_the_collectors_lines_are_read_as_well() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    log = logging.getLogger("gpumanagement.collector")
    log.addHandler(handler)
    try:
        log.error("GPU metrics refused: %s %s", 502, "<html>\n<b>Bad\r\nGateway</b>")
    finally:
        log.removeHandler(handler)
    event = _only(stream)
    assert (event["level"], event["class"]) == ("ERROR", "gpumanagement.collector")
    assert event["message_content"].endswith(r"502 <html>\n<b>Bad\r\nGateway</b>")
    assert "failure" not in " ".join(event["tags"])
