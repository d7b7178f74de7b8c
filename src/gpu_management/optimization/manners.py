"""What is done about an allocation that lies idle: suggest, give notice, wait, release. Pure.

Nothing is taken without notice, and nothing at all where the policy does not say so. Whoever
works again, is exempt, or is no longer measured is left alone, and its notice withdrawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Policy(StrEnum):
    """How far it goes."""

    OFF = "off"
    SUGGEST = "suggest"
    """A suggestion is kept, for whoever looks."""
    NOTIFY = "notify"
    """Its owner is told."""
    RELEASE = "release"
    """Its owner is told, and after the grace it is released."""


class Step(StrEnum):
    """What is to be done now."""

    NOTHING = "nothing"
    SUGGEST = "suggest"
    NOTICE = "notice"
    """Tell the owner; with policy release, when it ends."""
    CALM = "calm"
    """It is told no longer that it ends: the policy became milder."""
    RELEASE = "release"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class Policies:
    """Which policy holds for whom; a namespace's goes before its team's, before the general."""

    general: Policy = Policy.SUGGEST
    teams: Mapping[str, Policy] = field(default_factory=dict)
    namespaces: Mapping[str, Policy] = field(default_factory=dict)
    grace: timedelta = timedelta(hours=1)

    def of(self, *, team: str | None, namespace: str, is_ours: bool) -> Policy:
        """Return the policy of an allocation; what the cluster gave is never released by us."""
        found = self.namespaces.get(namespace, self.teams.get(team or "", self.general))
        return Policy.NOTIFY if found is Policy.RELEASE and not is_ours else found


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a suggestion stands: none yet, open, or its owner told."""

    is_open: bool = False
    noticed_at: datetime | None = None
    release_at: datetime | None = None


def step(stand: Stand, policy: Policy, *, is_idle: bool, is_exempt: bool, now: datetime) -> Step:
    """Return what is to be done about an allocation now."""
    if not is_idle or is_exempt or policy is Policy.OFF:
        return Step.WITHDRAW if stand.is_open else Step.NOTHING
    if not stand.is_open:
        return Step.SUGGEST
    return _further(stand, policy, now)


def _further(stand: Stand, policy: Policy, now: datetime) -> Step:
    if policy is Policy.SUGGEST:
        return Step.NOTHING if stand.noticed_at is None else Step.CALM
    if policy is Policy.NOTIFY:
        if stand.noticed_at is None:
            return Step.NOTICE
        return Step.NOTHING if stand.release_at is None else Step.CALM
    if stand.release_at is None:
        return Step.NOTICE
    return Step.RELEASE if now >= stand.release_at else Step.NOTHING
