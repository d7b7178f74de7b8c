"""Slows down whoever keeps presenting credentials that are not valid (SEC-08)."""

FAILURES_PER_MINUTE = 10
WAIT_SECONDS = 60


class Throttle:
    """Counts failures per source address, in this process.

    Only failures are refused: a valid credential passes even while its address is throttled, so
    a broken client cannot lock out its neighbours behind the same gateway. Keys of 256 random
    bits lose nothing by that; passwords will need a lock of their own.
    """

    def __init__(self) -> None:
        """Start with nobody suspected."""
        # A slow import (0.1 s) that only a serving process needs.
        from limits import RateLimitItemPerMinute
        from limits.storage import MemoryStorage
        from limits.strategies import FixedWindowRateLimiter

        self._window = RateLimitItemPerMinute(FAILURES_PER_MINUTE)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def failed(self, address: str | None) -> int | None:
        """Count a failure; return the seconds to wait once there were too many, else None."""
        within = self._limiter.hit(self._window, address or "unknown")
        return None if within else WAIT_SECONDS
