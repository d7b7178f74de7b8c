"""How one alert moves: pending, firing, resolved. Pure, and safe against clocks that jump.

Waiting is counted in time that was watched: a look adds the time since the one before, at most
`MOST_STEP_SECONDS`. A clock that jumps forward, or a process that slept, fires nothing early; one
that jumps back takes nothing away.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

MOST_STEP_SECONDS: Final = 120.0
"""A look counts for no more time than this, however long ago the one before was."""
FLAPS: Final = 4
"""An alert that began to fire so often within `FLAP_WINDOW` comes and goes."""
FLAP_WINDOW: Final = timedelta(hours=1)
FLAP_HOLD_SECONDS: Final = 600.0
"""One that comes and goes fires on until its condition was gone for so long."""
UNKNOWN_AT_MOST: Final = timedelta(hours=24)
"""A firing alert of which nothing was known for so long is over."""


class State(StrEnum):
    """Where an alert is."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"
    """Over; remembered for `FLAP_WINDOW`, to see whether it comes and goes."""


class Move(StrEnum):
    """What a look made of an alert, where that is news."""

    FIRED = "fired"
    RESOLVED = "resolved"
    LOST = "lost"
    """Firing, and from now on nothing is known of its subject."""
    FOUND = "found"
    """Firing, and its subject is known again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an alert stands after a look.

    `watched_seconds` is how long its condition has held, `calm_seconds` how long it has not while
    the alert fires on; `fires` are the moments at which it began to fire lately.
    """

    state: State
    since: datetime
    watched_seconds: float = 0.0
    calm_seconds: float = 0.0
    fires: tuple[datetime, ...] = ()
    unknown_since: datetime | None = None

    @property
    def is_flapping(self) -> bool:
        """Return whether it comes and goes."""
        return len(self.fires) >= FLAPS


@dataclass(frozen=True, slots=True)
class Look:
    """One look: what time it is, how much was watched since the last look, and what was seen.

    `holds` is whether the condition does; None: nobody knows.
    """

    now: datetime
    step_seconds: float
    holds: bool | None


def step_of(before: datetime | None, now: datetime) -> float:
    """Return the seconds that count as watched between two looks."""
    if before is None:
        return 0.0
    return min(max((now - before).total_seconds(), 0.0), MOST_STEP_SECONDS)


def move(
    standing: Standing | None, look: Look, *, for_seconds: float
) -> tuple[Standing | None, Move | None]:
    """Return where an alert stands after a look, and what of that is news; None: nowhere."""
    if standing is not None and standing.state is State.FIRING:
        return _firing(standing, look)
    if not look.holds:
        return _at_rest(standing, look), None
    if standing is None or standing.state is State.RESOLVED:
        fires = () if standing is None else standing.fires
        begun = Standing(State.PENDING, look.now, fires=_recent(fires, look.now))
    else:
        begun = replace(standing, watched_seconds=standing.watched_seconds + look.step_seconds)
    if begun.watched_seconds < for_seconds:
        return begun, None
    fires = (*_recent(begun.fires, look.now), look.now)[-FLAPS:]
    return replace(begun, state=State.FIRING, fires=fires), Move.FIRED


def _firing(standing: Standing, look: Look) -> tuple[Standing | None, Move | None]:
    if look.holds is None:
        return _unknown(standing, look)
    known = replace(standing, unknown_since=None)
    news = Move.FOUND if standing.unknown_since is not None else None
    if look.holds:
        watched = standing.watched_seconds + look.step_seconds
        return replace(known, watched_seconds=watched, calm_seconds=0.0), news
    calm = standing.calm_seconds + look.step_seconds
    if standing.is_flapping and calm < FLAP_HOLD_SECONDS:
        return replace(known, calm_seconds=calm), news
    return _resolved(standing, look), Move.RESOLVED


def _unknown(standing: Standing, look: Look) -> tuple[Standing | None, Move | None]:
    since = standing.unknown_since
    if since is None:
        return replace(standing, unknown_since=look.now), Move.LOST
    if look.now - since >= UNKNOWN_AT_MOST:
        return _resolved(standing, look), Move.RESOLVED
    return standing, None


def _resolved(standing: Standing, look: Look) -> Standing:
    return Standing(State.RESOLVED, look.now, fires=standing.fires)


def _at_rest(standing: Standing | None, look: Look) -> Standing | None:
    """What is left of an alert that does not fire, while its condition does not hold."""
    fires = () if standing is None else _recent(standing.fires, look.now)
    if not fires:
        return None
    since = look.now
    if standing is not None and standing.state is State.RESOLVED:
        since = standing.since
    return Standing(State.RESOLVED, since, fires=fires)


def _recent(fires: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    return tuple(at for at in fires if now - at < FLAP_WINDOW)
