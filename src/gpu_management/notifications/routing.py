"""Who is told what: kinds, severity, teams, labels; and when it is too late in the day. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from gpu_management.notifications.messages import Message, Severity
from gpu_management.notifications.telling import TEST


@dataclass(frozen=True, slots=True)
class Route:
    """What a channel wants; an empty part wants anything."""

    events: tuple[str, ...] = ()
    min_severity: Severity = Severity.INFO
    teams: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def told_as(self, message: Message, *, team: str | None) -> str | None:
        """Return the kind under which the channel is told of `message`; None: it is not.

        A kind that it names wins over another name of the same thing.
        """
        if message.severity.rank < self.min_severity.rank:
            return None
        if self.teams and team not in self.teams:
            return None
        if not _fits(self.labels, message.details):
            return None
        names = [name for name in (message.kind, message.also) if name]
        return next((name for name in names if self.hears(name)), None)

    def hears(self, kind: str) -> bool:
        """Return whether this kind is among those it wants."""
        return not self.events or any(matches(kind, pattern) for pattern in self.events)


def matches(kind: str, pattern: str) -> bool:
    """Return whether a kind such as `device.failure` is meant by it, by `device.*` or by `*`."""
    if pattern in {"*", kind}:
        return True
    return pattern.endswith(".*") and kind.startswith(pattern[:-1])


def _fits(wanted: Mapping[str, str], details: Mapping[str, object]) -> bool:
    labels = details.get("labels")
    known = {**details, **labels} if isinstance(labels, Mapping) else details
    return all(str(known.get(name)) == value for name, value in wanted.items())


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A time of day, in a zone, in which only what is critical is told; it may pass midnight."""

    begin: time
    end: time
    zone: ZoneInfo

    def ends(self, now: datetime) -> datetime | None:
        """Return when the quiet that `now` lies in is over; None when it does not lie in one."""
        local = now.astimezone(self.zone)
        # The hours that began yesterday come first: they may reach into today.
        for days in (-1, 0):
            day = local.date() + timedelta(days=days)
            begins = datetime.combine(day, self.begin, self.zone)
            last = day + timedelta(days=1) if self.end <= self.begin else day
            over = datetime.combine(last, self.end, self.zone)
            if begins <= local < over:
                return over.astimezone(now.tzinfo)
        return None


def due_at(message: Message, quiet: QuietHours | None, *, now: datetime) -> datetime:
    """Return when a message may be sent first."""
    if quiet is None or message.severity is Severity.CRITICAL or message.kind == TEST:
        return now
    return quiet.ends(now) or now
