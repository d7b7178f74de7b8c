"""Send requests from several clients over kept-alive connections and time each answer."""

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Call = tuple[str, str, dict[str, Any] | None]
"""Method, path, JSON body."""


@dataclass
class Figures:
    """Latencies in milliseconds by client call, and answers by status."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    def add(self, other: "Figures") -> None:
        """Count another run's calls too."""
        self.seconds += other.seconds
        self.latencies_ms += other.latencies_ms
        for status, calls in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + calls

    def shown(self) -> dict[str, Any]:
        """Return rate and quantiles."""
        ordered = sorted(self.latencies_ms)
        return {
            "calls": len(ordered),
            "per_s": round(len(ordered) / self.seconds, 1),
            "p50_ms": round(_quantile(ordered, 0.50), 1),
            "p95_ms": round(_quantile(ordered, 0.95), 1),
            "p99_ms": round(_quantile(ordered, 0.99), 1),
            "max_ms": round(ordered[-1], 1),
            "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
        }


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run(
    ports: Sequence[int], *, clients: int, calls_each: int, make: Callable[[random.Random], Call]
) -> Figures:
    """Let each client send its calls one after the other; clients alternate over the ports."""
    figures = Figures()
    lock = threading.Lock()

    def client(number: int) -> None:
        source = random.Random(number)
        connection = http.client.HTTPConnection("127.0.0.1", ports[number % len(ports)], timeout=60)
        mine, statuses = [], {}
        for _ in range(calls_each):
            took, status = _call(connection, make(source))
            mine.append(took)
            statuses[status] = statuses.get(status, 0) + 1
        connection.close()
        with lock:
            figures.latencies_ms += mine
            for status, count in statuses.items():
                figures.statuses[status] = figures.statuses.get(status, 0) + count

    threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    figures.seconds = time.perf_counter() - started
    return figures


def _call(connection: http.client.HTTPConnection, call: Call) -> tuple[float, int]:
    method, path, body = call
    payload = None if body is None else json.dumps(body)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    started = time.perf_counter()
    connection.request(method, path, payload, headers)
    answer = connection.getresponse()
    answer.read()
    return (time.perf_counter() - started) * 1000, answer.status
