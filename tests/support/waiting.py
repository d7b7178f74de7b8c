"""Waiting for what a real peer does in its own time."""

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")
_LONGEST_SECONDS = 60.0


def until(look: Callable[[], Seen], wanted: Seen) -> Seen:
    """Return what `look` sees once it is what is wanted, or what it saw last after a minute."""
    ends = time.monotonic() + _LONGEST_SECONDS
    seen = look()
    while seen != wanted and time.monotonic() < ends:
        time.sleep(0.2)
        seen = look()
    return seen
