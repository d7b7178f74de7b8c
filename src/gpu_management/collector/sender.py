"""Keep what could not be sent, and send it later: oldest first, never more than fits."""

import json
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

log = logging.getLogger("gpumanagement.collector")

PATH: Final = "/api/v1/gpu/metrics/ingest"
_REFUSED_FOR_GOOD: Final = frozenset({400, 413, 422})
"""What the server will not take however often it is sent."""


@dataclass(slots=True)
class Counts:
    """What became of batches since the start."""

    sent: int = 0
    dropped_full: int = 0
    dropped_refused: int = 0
    failures: int = 0


@dataclass(slots=True)
class Sender:
    """A bounded queue in front of the server."""

    client: httpx2.Client
    key: Callable[[], str | None]
    """Asked before each request, so that a rotated key counts at once."""
    most_bytes: int = 16 * 2**20
    counts: Counts = field(default_factory=Counts)
    _waiting: deque[bytes] = field(default_factory=deque)
    _bytes: int = 0

    def put(self, batch: Mapping[str, Any]) -> None:
        """Queue a batch; when the queue is full the oldest ones go, and are counted."""
        body = json.dumps(batch, separators=(",", ":"), ensure_ascii=False).encode()
        self._waiting.append(body)
        self._bytes += len(body)
        while self._bytes > self.most_bytes and len(self._waiting) > 1:
            self._pop()
            self.counts.dropped_full += 1

    def flush(self) -> bool:
        """Send what waits, oldest first; return whether nothing waits any more.

        Stops at the first failure: the server is away, or asks to wait.
        """
        while self._waiting:
            if not self._send(self._waiting[0]):
                self.counts.failures += 1
                return False
            self._pop()
        return True

    @property
    def waiting(self) -> int:
        """Return how many batches wait."""
        return len(self._waiting)

    def _pop(self) -> None:
        self._bytes -= len(self._waiting.popleft())

    def _send(self, body: bytes) -> bool:
        """Return whether the batch is done with: taken, or refused for good."""
        headers = {"Content-Type": "application/json"}
        key = self.key()
        if key:
            headers["Authorization"] = f"Bearer {key}"
        try:
            answer = self.client.post(PATH, content=body, headers=headers)
        except httpx2.HTTPError as error:
            log.warning("GPU metrics wait: the server does not answer: %s", error)
            return False
        if answer.is_success:
            self.counts.sent += 1
            return True
        if answer.status_code in _REFUSED_FOR_GOOD:
            self.counts.dropped_refused += 1
            log.error("GPU metrics refused: %s %s", answer.status_code, answer.text[:300])
            return True
        log.warning("GPU metrics wait: the server answered %s", answer.status_code)
        return False
