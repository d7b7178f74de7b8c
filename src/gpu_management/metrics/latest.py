"""The newest figures of every GPU, kept by a process and read on as they come."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock
from typing import Any, Final

from sqlalchemy.orm import Session

from gpu_management.core.logs import get_logger
from gpu_management.metrics.combine import WHOLE, WHOLE_MILLI, Shares
from gpu_management.metrics.fleet import shares
from gpu_management.metrics.questions import Now, Point
from gpu_management.metrics.store import MetricsUnavailable, Store

log = get_logger(__name__)

STALE_INTERVALS: Final = 5
"""A figure that is older than so many intervals is not shown: nobody knows what is now."""
_OVERLAP_SECONDS: Final = 30
"""How far back is read again: looks of different nodes are stored in any order."""
_WHOLE_ONLY: Final = (
    "temperature_celsius",
    "power_w",
    "sm_clock_mhz",
    "last_xid",
    "ecc_double_bit",
    "remap_failed",
    "thermal_violation_ns",
)

Target = tuple[int, int]


@dataclass(slots=True)
class Latest:
    """What a process knows; `store` is asked once in `ask_seconds` at most, else an interval."""

    store: Store
    interval_seconds: int = 15
    ask_seconds: int | None = None
    _known: dict[Target, Now] = field(default_factory=dict)
    _gpus: dict[int, Now] = field(default_factory=dict)
    _sizes: Shares = field(default_factory=lambda: Shares({}, {}))
    _read_at: int | None = None
    _lock: Lock = field(default_factory=Lock)

    def all(self, session: Session, *, now: datetime) -> dict[Target, Now]:
        """Return what is not stale, by GPU and instance.

        Raises:
            MetricsUnavailable: the backend did not answer.
        """
        moment = int(now.timestamp())
        with self._lock:
            oldest = moment - STALE_INTERVALS * self.interval_seconds
            kept = self.interval_seconds if self.ask_seconds is None else self.ask_seconds
            if self._read_at is None or not 0 <= moment - self._read_at < kept:
                self._read(session, oldest, moment)
            return {target: one for target, one in self._known.items() if one.at >= oldest}

    def gpus(self, session: Session, *, now: datetime) -> dict[int, Now]:
        """Return one figure for each GPU: its own, or its instances' put together.

        Where the backend does not answer, nothing is known.
        """
        try:
            self.all(session, now=now)
        except MetricsUnavailable as error:
            log.warning("GPU metrics are not shown: %s", error)
            return {}
        return self._gpus

    def _read(self, session: Session, oldest: int, moment: int) -> None:
        since = oldest
        if self._read_at is not None and self._read_at <= moment:
            since = max(oldest, self._read_at - self.interval_seconds - _OVERLAP_SECONDS)
        for one in self.store.recent(session, since=since, until=moment):
            self._known[one.device, one.instance] = one
        self._known = {key: one for key, one in self._known.items() if one.at >= oldest}
        self._sizes = shares(session)
        self._read_at = moment
        found: dict[int, dict[int, Now]] = {}
        for (device, instance), one in self._known.items():
            found.setdefault(device, {})[instance] = one
        self._gpus = {device: self._gpu(parts) for device, parts in found.items()}

    def _gpu(self, parts: dict[int, Now]) -> Now:
        whole = parts.pop(WHOLE, None)
        if not parts:
            assert whole is not None  # noqa: S101 - there is no GPU without a figure
            return whole
        slices = list(parts.values())
        shown = whole or replace(slices[0], instance=WHOLE)
        more: dict[str, Any] = {
            name: _first(getattr(shown, name), (getattr(one, name) for one in slices))
            for name in _WHOLE_ONLY
        }
        if whole is None or whole.utilization_pct is None:
            more["utilization_pct"] = self._weighted(slices)
        if whole is None or whole.memory_used_mib is None:
            used = [one.memory_used_mib for one in slices if one.memory_used_mib is not None]
            more["memory_used_mib"] = sum(used) if used else None
        return replace(shown, **more)

    def _weighted(self, slices: Iterable[Now]) -> float | None:
        """The part of the GPU that works; what no instance has is idle."""
        busy = 0.0
        measured = False
        for one in slices:
            milli = self._sizes.milli(Point(one.device, one.instance, one.at, 0, 0), 1)
            if milli is not None and one.utilization_pct is not None:
                busy += one.utilization_pct * milli / WHOLE_MILLI
                measured = True
        return busy if measured else None


def _first(own: Any, others: Iterable[Any]) -> Any:
    if own is not None:
        return own
    return next((one for one in others if one is not None), None)
