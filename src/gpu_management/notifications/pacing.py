"""How fast a channel is told, and what happens to what did not arrive. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_SLOWEST = timedelta(seconds=60)
"""Pause between attempts at most."""
_LONGEST_ASKED = timedelta(hours=1)
"""A receiver that asks for more patience is tried again all the same."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a delivery is tried: quickly at first, then, where it may pass, for longer."""

    max_attempts: int = 3
    backoff: timedelta = timedelta(seconds=1)
    keep_trying: timedelta = timedelta()

    def again_at(
        self, attempts: int, *, began: datetime, now: datetime, asked: timedelta | None = None
    ) -> datetime | None:
        """Return when to try again after `attempts` in vain since `began`; None: not any more.

        The pause doubles from `backoff` to a minute; the receiver may have asked for a longer one.
        """
        if attempts >= self.max_attempts and now - began >= self.keep_trying:
            return None
        factor: int = 2 ** min(attempts - 1, 16)
        pause = min(self.backoff * factor, max(_SLOWEST, self.backoff))
        if asked is not None:
            pause = max(pause, min(asked, _LONGEST_ASKED))
        return now + pause


@dataclass(frozen=True, slots=True)
class Pace:
    """At most `messages` in any `window`; what is more is told together in one."""

    messages: int = 10
    window: timedelta = timedelta(seconds=60)


class Form(StrEnum):
    """How what waits is told."""

    EACH = "each"
    TOGETHER = "together"
    LATER = "later"


def form_of(pace: Pace | None, *, waiting: int, sent: int, urgent: bool = False) -> Form:
    """Return how `waiting` messages are told, after `sent` ones in the present window.

    What is `urgent` does not wait for the next window: as many again may go out for its sake.
    """
    if pace is None or sent + waiting <= pace.messages:
        return Form.EACH
    most = pace.messages * (2 if urgent else 1)
    return Form.TOGETHER if sent < most else Form.LATER
