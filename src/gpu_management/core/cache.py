"""Answers kept in the memory of a process while nothing they show has changed (CFG-04).

The version that comes with every question is read from the database, so what any replica writes
ends what this one keeps: a read after a write is never stale. The time to live is a second guard.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, TypeVar

from prometheus_client import Counter

READS = Counter("gpu_management_cache_reads", "Questions to the answer cache.", ["result"])
_HIT, _MISS = READS.labels("hit"), READS.labels("miss")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Kept:
    version: object
    made_at: datetime
    value: Any


class Cache:
    """Keeps at most `max_size` answers, the least recently asked for goes first."""

    def __init__(
        self, *, enabled: bool = True, ttl_seconds: float = 30, max_size: int = 10_000
    ) -> None:
        """Keep answers for `ttl_seconds` at most; with `enabled` false make each anew."""
        self._ttl = timedelta(seconds=ttl_seconds if enabled else 0)
        self._max_size = max_size
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._makers: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def get(self, key: Hashable, version: object, make: Callable[[], _T], *, now: datetime) -> _T:
        """Return the answer of this very version, made now unless it is kept.

        Several who ask at once wait for the one who makes it.
        """
        with self._maker(key):
            kept = self._find(key)
            if (
                kept is not None
                and kept.version == version
                and timedelta(0) <= now - kept.made_at < self._ttl
            ):
                _HIT.inc()
                value: _T = kept.value
                return value
            _MISS.inc()
            value = make()
            self._keep(key, _Kept(version, now, value))
            return value

    def _maker(self, key: Hashable) -> Any:
        if not self._ttl:
            return nullcontext()
        with self._lock:
            return self._makers.setdefault(key, Lock())

    def _find(self, key: Hashable) -> _Kept | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: Hashable, kept: _Kept) -> None:
        if not self._ttl:
            return
        with self._lock:
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > self._max_size:
                gone, _ = self._kept.popitem(last=False)
                self._makers.pop(gone, None)
