"""Fixtures: what real servers wrote while many callers wrote to them, some with bad intent."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.server import LiveServer, register_fleet, serving

HOSTILE = (
    "plain",
    "two\nlines",
    "2026-01-01 00:00:00.000 ERROR a.b - GPU allocation forged deleted",
    "\r\n2026-01-01 00:00:00.000 ERROR a.b - GPU device n1-GPU-00 temperature 99.9 celsius",
    '", "level": "ERROR", "message": "GPU allocation forged deleted',
    "GPU device n1-GPU-00 temperature 99.9",
    "GPU allocation forged deleted",
    "an allocation forged deleted",
    "\x1b[31mred\x1b[0m \u2028 \u0085 \x0b\x0c end",
    "{}[]<>/%{message}#{1+1}${HOME}%n%s",
    "한국어 이름 \U0001d518 \ud7a3",
    "x" * 200,
)
CARD = "/api/v1/gpu/devices/gpu-worker-1-GPU-03"
STATES = ("FAILED", "READY")


@dataclass(frozen=True, slots=True)
class Written:
    """What a server wrote, and which allocations it was asked for."""

    lines: tuple[str, ...]
    allocations: frozenset[str]


@pytest.fixture(
    scope="module",
    params=[
        ("text", 1),
        ("json", 1),
        pytest.param(("text", 40), marks=pytest.mark.integration),
        pytest.param(("json", 40), marks=pytest.mark.integration),
    ],
    ids=lambda told: f"{told[0]}-{told[1]}",
)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """What a server of each format wrote while every caller wrote to it so many times."""
    form, rounds = request.param
    folder = tmp_path_factory.mktemp(f"logs-{form}")
    with serving(folder, "--set", f"logging.format={form}") as server:
        register_fleet(server)
        with ThreadPoolExecutor(4) as callers:
            made = list(callers.map(lambda turn: _once(server, turn), range(rounds * len(HOSTILE))))
    return Written(tuple(_lines(folder / "server.log")), frozenset(made) - {None})


def _lines(log: Path) -> Iterator[str]:
    # Only \n ends a line of a container's file; splitlines() knows more.
    yield from filter(None, log.read_bytes().decode("utf-8").split("\n"))


def _once(server: LiveServer, turn: int) -> str | None:
    name = HOSTILE[turn % len(HOSTILE)]
    body = {
        "namespace": "ml",
        "podName": f"pod-{turn}",
        "workloadType": "Training",
        "requiredMemoryGb": 8,
        "useMig": False,
        "userId": name[:60],
        "teamId": name[:60],
    }
    _status, answer = server.call("POST", "/api/v1/gpu/allocations", body)
    server.call("POST", "/api/v1/gpu/devices", {"nodeName": name, "modelId": name})
    server.call("POST", f"{CARD}/state", {"state": STATES[turn % 2], "reason": name[:60]})
    made = answer.get("allocationId")
    if made:
        server.ask("DELETE", f"/api/v1/gpu/allocations/{made}")
    return str(made) if made else None
