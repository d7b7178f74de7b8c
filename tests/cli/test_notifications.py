"""Channels from the command line, against a real server that sends to this machine."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import gpuctl
from tests.support.receivers import Receiver, receiving
from tests.support.server import LiveServer, serving


@pytest.fixture(scope="module")
def sending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    allowed = ["--set", "alerts.notification.allowed-networks=127.0.0.0/8"]
    http = ["--set", "alerts.notification.allow-http=true"]
    soon = ["--set", "alerts.notification.poll-seconds=0.1"]
    with serving(tmp_path_factory.mktemp("sending"), *allowed, *http, *soon) as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def _add(server: LiveServer, folder: Path, url: str, *more: str) -> str:
    file = folder / "url"
    file.write_text(url + "\n")
    ran = gpuctl(server, "notifications", "add", *more, "--url-file", str(file))
    assert ran.code == 0, ran.err
    found = re.match(r"channel (\d+) added: ", ran.out)
    assert found
    return found[1]


def test_a_channel_is_added_tried_changed_and_removed(
    sending: LiveServer, receiver: Receiver, tmp_path: Path
) -> None:
    url = f"{receiver.url}/topsecret"
    number = _add(sending, tmp_path, url, "slack", "ops", "-e", "alert.*", "--quiet", "22:00-07:00")
    tried = gpuctl(sending, "notifications", "test", number)
    assert tried.out == f"channel {number} took the test message\n"
    assert receiver.got[0].path == "/hook/topsecret"
    shown = gpuctl(sending, "notifications", "get", number)
    assert "127.0.0.1" in shown.out
    assert "topsecret" not in shown.out
    changed = gpuctl(sending, "notifications", "update", number, "--min-severity", "error")
    assert changed.out == f"channel {number} changed: slack ops\n"
    assert gpuctl(sending, "notifications", "get", number, "-o", "json").json["secrets"] == ["url"]
    assert "ops" in gpuctl(sending, "notifications", "list").out
    assert "Test of" in gpuctl(sending, "notifications", "log", columns=160).out
    assert gpuctl(sending, "notifications", "remove", number).code == 0
    assert gpuctl(sending, "notifications", "get", number).code == 1


def test_a_test_that_fails_says_why(
    sending: LiveServer, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.status = 404
    number = _add(sending, tmp_path, receiver.url, "webhook", "broken")
    ran = gpuctl(sending, "notifications", "test", number)
    assert ran.code == 1
    assert "the receiver answered 404" in ran.err
    replayed = gpuctl(sending, "notifications", "replay", "--channel", number)
    assert replayed.code == 0
    gpuctl(sending, "notifications", "remove", number)


@pytest.mark.parametrize(
    "wrong",
    [
        ("add", "slack", "x", "--url-file", "/nowhere/at/all"),
        ("add", "slack", "x", "--quiet", "22:00"),
        ("add", "slack", "x", "--label", "a"),
        ("replay",),
        ("replay", "1", "--channel", "1"),
    ],
)
def test_wrong_usage_ends_with_2(sending: LiveServer, wrong: tuple[str, ...]) -> None:
    assert gpuctl(sending, "notifications", *wrong).code == 2


def test_what_the_server_refuses_is_told(sending: LiveServer) -> None:
    ran = gpuctl(sending, "notifications", "add", "pagerduty", "x")
    assert ran.code == 1
    assert "needs its routingKey" in ran.err
