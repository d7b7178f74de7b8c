import io
import json
import logging
import re
import sys
import threading
import warnings

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.core import logs
from gpu_management.core.settings import Logging

# The patterns that the shipped pipelines use: grok's names spelled out, and Fluentd's expression.
TIMESTAMP_ISO8601 = (
    r"(?:\d\d){1,2}-(?:0?[1-9]|1[0-2])-(?:(?:0[1-9])|(?:[12][0-9])|(?:3[01])|[1-9])"
    r"[T ](?:2[0123]|[01]?[0-9]):?(?:[0-5][0-9])"
    r"(?::?(?:(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?))?(?:Z|[+-](?:2[0123]|[01]?[0-9])(?::?[0-5][0-9]))?"
)
LOGLEVEL = (
    "(?:DEBUG|debug|TRACE|trace|NOTICE|notice|INFO?(?:RMATION)?|WARN?(?:ING)?|ERR?(?:OR)?"
    "|CRIT?(?:ICAL)?|FATAL|SEVERE|EMERG(?:ENCY)?)"
)
JAVACLASS = {
    "legacy": r"(?:[a-zA-Z$_][a-zA-Z$_0-9]*\.)*[a-zA-Z$_][a-zA-Z$_0-9]*",
    "older": r"(?:[a-zA-Z0-9-]+\.)+[A-Za-z0-9$]+",
}
GROK = [
    re.compile(
        f"(?P<timestamp>{TIMESTAMP_ISO8601}) (?P<level>{LOGLEVEL}) "
        f"(?P<cls>{javaclass}) - (?P<message>.*)"
    )
    for javaclass in JAVACLASS.values()
]
FLUENTD = re.compile(
    r"^(?P<timestamp>\d{4}-\d{2}-\d{2}\s\d{2}:\d{2}:\d{2}\.\d{3})\s+(?P<level>\w+)\s+"
    r"(?P<cls>[\w\.]+)\s+-\s+(?P<message>.*)$"
)
FIXED = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z]+ "
    r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)+ - .*"
)


@pytest.fixture(autouse=True)
def _own_root_logger():
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    hooks = sys.excepthook, threading.excepthook
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(capture=False)


def output_of(write, **settings) -> str:
    stream = io.StringIO()
    logs.configure(Logging.model_validate(settings), stream=stream)
    write()
    return stream.getvalue()


def log_with(message: str, **fields) -> str:
    return output_of(lambda: logs.get_logger("gpu_management.devices").info(message, **fields))


def test_a_line_has_the_fixed_format():
    line = log_with("GPU device added", device_id="n1-GPU-00", note="two words")
    assert FIXED.fullmatch(line.rstrip("\n"))
    assert line.endswith(
        ' INFO gpumanagement.devices - GPU device added device_id=n1-GPU-00 note="two words"\n'
    )


@given(message=st.text(), value=st.text(), rid=st.text(max_size=20) | st.none())
def test_any_message_is_one_line_that_both_pipelines_parse(message, value, rid):
    token = logs.request_id.set(rid)
    try:
        output = log_with(message, field=value)
    finally:
        logs.request_id.reset(token)
    assert output.endswith("\n")
    line = output[:-1]
    assert len(line.splitlines()) == 1
    line.encode()
    for pattern in (*GROK, FLUENTD, FIXED):
        assert pattern.fullmatch(line)
    for pattern in (*GROK, FLUENTD):
        found = pattern.fullmatch(line)
        assert found
        assert (found["level"], found["cls"]) == ("INFO", "gpumanagement.devices")


@given(message=st.text(), value=st.recursive(st.text() | st.integers(), st.lists, max_leaves=4))
def test_any_message_is_one_json_object(message, value):
    output = output_of(
        lambda: logs.get_logger("gpu_management.devices").info(message, field=value), format="json"
    )
    assert len(output.splitlines()) == 1
    output.encode()
    assert json.loads(output)["class"] == "gpumanagement.devices"


@given(st.text())
def test_every_logger_name_becomes_a_class_name(name):
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)+", logs.class_name(name))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpu_management.allocations.service", "gpumanagement.allocations.service"),
        ("uvicorn", "uvicorn.main"),
        ("uvicorn.error", "uvicorn.error"),
        ("root", "root.main"),
        ("a.9b", "a.x9b"),
        ("", "root.main"),
    ],
)
def test_logger_names_are_mapped_so_that_both_class_patterns_match(name, expected):
    assert logs.class_name(name) == expected


@pytest.mark.parametrize(
    ("level", "word"),
    [(5, "DEBUG"), (10, "DEBUG"), (20, "INFO"), (30, "WARNING"), (40, "ERROR"), (50, "ERROR")],
)
def test_levels_are_bare_words_and_every_error_is_called_error(level, word):
    output = output_of(lambda: logging.getLogger("a.b").log(level, "x"), level="DEBUG")
    assert logs.level_word(level) == word
    assert f" {word} a.b - x" in output or level < logging.DEBUG


def test_tracebacks_are_on_the_line_of_their_event():
    def fail():
        try:
            {}["first\nsecond"]
        except KeyError:
            logs.get_logger("a.b").exception("GPU device lost")
            logging.getLogger("library").exception("theirs")

    ours, theirs = output_of(fail).splitlines()
    assert "GPU device lost Traceback (most recent call last):\\n" in ours
    assert ours.endswith(r"KeyError: 'first\nsecond'")
    assert " ERROR library.main - theirs Traceback" in theirs


def test_the_word_allocation_is_kept_for_allocation_events():
    event = logs.allocation_event("0b1c", "created")
    assert event == "GPU allocation 0b1c created"
    line = log_with(event, note="an allocation of mine")
    pattern = re.compile(r"allocation (?P<id>\S+) (?P<action>\w+)")
    assert [match["id"] for match in pattern.finditer(line)] == ["0b1c"]
    assert not pattern.search(log_with("GPU device lost, allocation x released"))
    assert not pattern.search(log_with("deallocation of these"))


def test_identifiers_in_events_are_one_word():
    assert logs.allocation_event("a b", "time out") == "GPU allocation a_b time_out"


def test_temperature_events_have_a_decimal_point():
    pattern = re.compile(r"device (?P<device_id>\S+) temperature (?P<temperature>\d+\.\d+)")
    found = pattern.search(log_with(logs.temperature_event("n1-GPU-00", 87)))
    assert found
    assert (found["device_id"], found["temperature"]) == ("n1-GPU-00", "87.0")


def test_secrets_do_not_reach_the_log():
    def write():
        log = logs.get_logger("a.b")
        log.info(
            "sent Authorization: Bearer hunter2abc", password="hunter2", url="http://a:hunter2@b"
        )
        log.info("%s", "password=hunter2", headers={"X-API-Key": "hunter2"})
        logging.getLogger("uvicorn.access").info("GET /x?token=%s", "hunter2")

    for form in ("text", "json"):
        assert "hunter2" not in output_of(write, format=form)


def test_addresses_that_are_asked_do_not_reach_the_log():
    def write():
        answers = httpx2.MockTransport(lambda _request: httpx2.Response(200))
        with httpx2.Client(transport=answers) as client:
            client.post("https://hooks.example.com/services/T0/B0/hunter2")

    assert "hunter2" not in output_of(write)


def test_the_request_id_is_on_every_line_written_meanwhile():
    logs.request_id.set("r-1")
    try:
        assert log_with("x").endswith("gpumanagement.devices - x [rid=r-1]\n")
        document = json.loads(
            output_of(lambda: logging.getLogger("a.b").warning("x", stacklevel=1), format="json")
        )
        assert document["requestId"] == "r-1"
        assert document["level"] == "WARNING"
        assert document["timestamp"].endswith("Z")
    finally:
        logs.request_id.set(None)


def test_a_logger_can_have_its_own_level():
    def write():
        logging.getLogger("quiet.one").info("hidden")
        logging.getLogger("loud.one").debug("shown")

    output = output_of(write, levels={"quiet": "ERROR", "loud": "DEBUG"})
    assert "hidden" not in output
    assert "shown" in output


def test_a_message_that_does_not_fit_its_arguments_is_still_one_line():
    output = output_of(lambda: logging.getLogger("a.b").info(*("%d of\n%d", "x")))
    assert len(output.splitlines()) == 1
    assert "('x',)" in output


def test_warnings_and_libraries_come_through_the_same_format():
    library = logging.getLogger("uvicorn.error")
    library.addHandler(logging.NullHandler())
    library.propagate = False
    library.setLevel(logging.NOTSET)  # a server in another test may have turned it down

    def write():
        library.info("started")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(capture=True)
            warnings.warn("old\nthing", UserWarning, stacklevel=1)
            logging.captureWarnings(capture=False)

    lines = output_of(write).splitlines()
    assert len(lines) == 2
    assert all(FIXED.fullmatch(line) for line in lines)


def test_what_ends_a_thread_or_the_process_is_one_line():
    def write():
        logs.log_uncaught()
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        error = KeyError("x")
        sys.excepthook(KeyError, error, error.__traceback__)

    lines = output_of(write).splitlines()
    assert len(lines) == 2
    assert all(" ERROR gpumanagement.process - " in line for line in lines)


def test_the_file_is_rotated_and_only_so_many_are_kept(tmp_path):
    file = tmp_path / "logs" / "gpu.log"

    def write():
        for _ in range(40):
            logging.getLogger("a.b").info("x" * 100_000)

    output_of(write, file=file, rotate_mb=1, rotate_keep=2)
    names = sorted(path.name for path in file.parent.iterdir())
    assert names == ["gpu.log", "gpu.log.1", "gpu.log.2"]
    assert all(path.stat().st_size <= 1 << 20 for path in file.parent.iterdir())
