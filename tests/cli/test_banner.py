"""The banner is for people at a terminal; logs stay logs."""

import json
import os
import pty
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.server import environment, gpuctl

TOLD = re.compile(r"answers at http://127\.0\.0\.1:\d+|Stop with Ctrl-C")
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z]+ [A-Za-z.0-9]+ - .*")


def started(folder: Path, *options: str, terminal: bool) -> str:
    """Return what a server writes until it says where it answers."""
    command = gpuctl(
        "serve", "--port", "0", "--database-url", f"sqlite:///{folder / 'b.db'}", *options
    )
    reader, writer = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(command, stderr=writer, env=environment(), cwd=folder)
    os.close(writer)
    told, ends = "", time.monotonic() + 60
    try:
        while not (TOLD.search(told) and told.endswith("\n")) and time.monotonic() < ends:
            told += os.read(reader, 65536).decode()
        return told.replace("\r\n", "\n")
    finally:
        process.terminate()
        process.wait(30)
        os.close(reader)


def test_at_a_terminal_a_banner_says_what_runs_where(tmp_path: Path) -> None:
    told = started(tmp_path, "--profile", "development", terminal=True)
    for word in ("k8s-gpu-management", "gpu-cluster", "development", "sqlite:///", "/docs"):
        assert word in told


@pytest.mark.parametrize("terminal", [True, False])
def test_with_json_logs_every_line_is_a_document(tmp_path: Path, terminal: bool) -> None:
    told = started(tmp_path, "--set", "logging.format=json", terminal=terminal)
    messages = [json.loads(line)["message"] for line in told.splitlines()]
    assert any("answers at" in message for message in messages)


def test_without_a_terminal_every_line_is_a_line_of_the_log(tmp_path: Path) -> None:
    told = started(tmp_path, terminal=False)
    assert all(LINE.fullmatch(line) for line in told.splitlines())
