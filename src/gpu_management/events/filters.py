"""Which events a listener gets, and how far the outbox can be read safely. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from gpu_management.core.problems import FieldError, ValidationFailed

GAP_GRACE = timedelta(seconds=5)
"""How long a missing number may still be a transaction that has not committed yet."""

_PATTERN = re.compile(r"^(\*|[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?)$")


class Numbered(Protocol):
    """A row of the outbox, as far as its order goes."""

    @property
    def id(self) -> int:
        """Return the number, given when the row was written, not when it was committed."""

    @property
    def created_at(self) -> datetime:
        """Return when it happened."""


_R = TypeVar("_R", bound=Numbered)


@dataclass(frozen=True, slots=True)
class Interest:
    """What one listener wants, and whose events it may see; None leaves it open.

    An event of a team is for that team, one of a namespace without a team for nobody's; the
    rest is about the fleet and for everybody.
    """

    types: tuple[str, ...] = ()
    team: str | None = None

    def wants(self, kind: str, *, team: str | None, namespace: str | None) -> bool:
        """Return whether such an event is for this listener."""
        if self.team is not None and team != self.team and (team, namespace) != (None, None):
            return False
        return not self.types or any(_matches(kind, pattern) for pattern in self.types)


def parse_types(text: str | None) -> tuple[str, ...]:
    """Read `allocation.created,device.*`; nothing, or `*`, means every type.

    Raises:
        ValidationFailed: a part is neither a type nor a family of types.
    """
    patterns = tuple(part.strip() for part in (text or "").split(",") if part.strip())
    for pattern in patterns:
        if not _PATTERN.match(pattern):
            message = f"{pattern[:60]} is not a type such as allocation.created, device.* or *"
            raise ValidationFailed(message, errors=[FieldError("types", "format", message, text)])
    return () if "*" in patterns else patterns


def settled(rows: Sequence[_R], *, after: int, now: datetime) -> Sequence[_R]:
    """Return the head of `rows` (by number) that no slower transaction can still get into.

    Numbers are drawn before the commit: with 7 read and 6 not yet committed, whoever goes on
    from 7 never sees 6. So a gap holds the stream until it is old enough to be a rollback.
    """
    expected = after + 1
    for position, row in enumerate(rows):
        if row.id != expected and now - row.created_at < GAP_GRACE:
            return rows[:position]
        expected = row.id + 1
    return rows


def _matches(kind: str, pattern: str) -> bool:
    if pattern.endswith(".*"):
        return kind.startswith(pattern[:-1])
    return kind == pattern
