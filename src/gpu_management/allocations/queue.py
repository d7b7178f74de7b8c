"""Who of those that wait goes first, and what the first one keeps for itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """One queued request."""

    allocation_id: str
    priority: int
    since: datetime


def rank(waiting: Waiting, *, now: datetime, aging_seconds: int) -> tuple[float, datetime, str]:
    """Return the sort key: effective priority first, then time, then id.

    Every `aging_seconds` of waiting count as one priority step, so nobody starves; 0 is no aging.
    """
    waited = max(0.0, (now - waiting.since).total_seconds())
    steps = waited / aging_seconds if aging_seconds else 0.0
    return (-(waiting.priority + steps), waiting.since, waiting.allocation_id)


def in_order(queue: Iterable[Waiting], *, now: datetime, aging_seconds: int) -> list[Waiting]:
    """Return the queue, first to be served in front."""
    return sorted(queue, key=lambda waiting: rank(waiting, now=now, aging_seconds=aging_seconds))


def outranks(newcomer: Waiting, head: Waiting, *, now: datetime, aging_seconds: int) -> bool:
    """Say whether `newcomer` would stand before `head`."""
    return rank(newcomer, now=now, aging_seconds=aging_seconds) < rank(
        head, now=now, aging_seconds=aging_seconds
    )


def kept_node(candidates: Sequence[tuple[str, int]], *, present: str | None) -> str | None:
    """Return the node that the head of the queue keeps free for itself.

    `candidates` are eligible nodes with their free milli, by rank. The node kept so far stays
    while it is eligible; else the one with most free capacity, so it drains soonest.
    """
    names = {name for name, _ in candidates}
    if present in names:
        return present
    return max(candidates, key=lambda pair: pair[1])[0] if candidates else None
