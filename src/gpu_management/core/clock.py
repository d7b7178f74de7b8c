"""The one place that reads a clock; everything else takes `now` as an argument."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Answers the present moment as an aware UTC datetime."""


def utc_now() -> datetime:
    """Return the present moment in UTC, cut to milliseconds as the wire shows it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def whole_second(moment: datetime) -> datetime:
    """Cut `moment` to the second it lies in: the ledger counts whole seconds."""
    return moment.replace(microsecond=0)


def as_utc(moment: datetime) -> datetime:
    """Return `moment` in UTC.

    Raises:
        ValueError: the moment is naive, so nobody can know when it was.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a moment needs a time zone; got the naive {moment.isoformat()}")
    return moment.astimezone(UTC)


def wire_time(moment: datetime) -> str:
    """Write `moment` as clients read it: UTC, milliseconds, `Z` (D-03)."""
    # Not strftime: it writes the year 119 with three digits.
    return as_utc(moment).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
