"""Which alerts a silence covers. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, Protocol

MOST_STARS: Final = 3
"""More `*` in a pattern would take long to match."""


class Operator(StrEnum):
    """How a matcher compares a label with its value; a pattern takes `*` for anything."""

    IS = "="
    IS_NOT = "!="
    LIKE = "~"
    UNLIKE = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label; a label that is not there is empty."""

    name: str
    operator: Operator
    value: str

    def covers(self, labels: Mapping[str, str]) -> bool:
        """Return whether the labels fulfil it."""
        told = labels.get(self.name, "")
        if self.operator in {Operator.IS, Operator.IS_NOT}:
            return (told == self.value) is (self.operator is Operator.IS)
        # `[` means nothing special here, as in the names of pods and nodes.
        found = fnmatchcase(told, self.value.replace("[", "[[]"))
        return found is (self.operator is Operator.LIKE)

    @property
    def text(self) -> str:
        """Return the matcher as people write it."""
        return f"{self.name}{self.operator}{self.value}"


class Quiet(Protocol):
    """A silence, as far as it decides."""

    @property
    def silence_id(self) -> str:
        """Return its name."""

    @property
    def matchers(self) -> Sequence[Mapping[str, str]]:
        """Return its conditions, all of which must be fulfilled."""

    @property
    def starts_at(self) -> datetime:
        """Return when it begins."""

    @property
    def ends_at(self) -> datetime:
        """Return when it is over."""


@dataclass(frozen=True, slots=True)
class Hush:
    """A silence made ready to be asked."""

    silence_id: str
    matchers: tuple[Matcher, ...]

    def covers(self, labels: Mapping[str, str]) -> bool:
        """Return whether an alert with these labels is silenced by it."""
        return all(matcher.covers(labels) for matcher in self.matchers)


def in_force(silences: Iterable[Quiet], now: datetime) -> list[Hush]:
    """Return the silences that hold at `now`."""
    return [
        Hush(one.silence_id, tuple(map(matcher_of, one.matchers)))
        for one in silences
        if one.starts_at <= now < one.ends_at
    ]


def matcher_of(told: Mapping[str, str]) -> Matcher:
    """Return a matcher as it was kept."""
    return Matcher(told["name"], Operator(told["operator"]), told["value"])


def silenced_by(hushes: Iterable[Hush], labels: Mapping[str, str]) -> str | None:
    """Return the first silence that covers an alert with these labels."""
    return next((one.silence_id for one in hushes if one.covers(labels)), None)
