"""Who makes room for a request of higher priority: as few as possible, the least, the youngest."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

MOST_TRIED = 3
"""Victims of which every combination is tried; more are chosen one after the other."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """An allocation that holds (parts of) cards."""

    allocation_id: str
    priority: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Card:
    """A card that could serve the request: what is free of it, and who holds the rest."""

    device_pk: int
    node: str
    free_milli: int
    held: Mapping[str, int]
    """Thousandths by allocation."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a request lacks: `count` cards of one node with `milli` free on each."""

    priority: int
    count: int
    milli: int


@dataclass(frozen=True, slots=True)
class Choice:
    """Who has to go, and the node whose cards that frees."""

    node: str
    victims: tuple[str, ...]


def choose(
    need: Need,
    cards: Iterable[Card],
    tenants: Mapping[str, Tenant],
    *,
    noticed: Collection[str] = (),
) -> Choice | None:
    """Return the least harmful way to serve `need`, or None where there is none.

    Only allocations of lower priority go. First counts how many go, then the highest priority
    among them, then how young they are; who was given notice already is chosen before others.
    """
    nodes: dict[str, list[Card]] = {}
    for card in cards:
        nodes.setdefault(card.node, []).append(card)
    lower = {name: t for name, t in tenants.items() if t.priority < need.priority}
    found = []
    for node, its in sorted(nodes.items()):
        victims = _on_node(need, its, lower, frozenset(noticed))
        if victims is not None:
            found.append((_harm(victims, frozenset(noticed)), Choice(node, _names(victims))))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _names(victims: Iterable[Tenant]) -> tuple[str, ...]:
    return tuple(sorted(victim.allocation_id for victim in victims))


def _harm(victims: Sequence[Tenant], noticed: frozenset[str]) -> tuple[object, ...]:
    return (
        len(victims),
        sum(victim.allocation_id not in noticed for victim in victims),
        sorted((victim.priority for victim in victims), reverse=True),
        sorted(-victim.since.timestamp() for victim in victims),
        _names(victims),
    )


def _on_node(
    need: Need, cards: Sequence[Card], lower: Mapping[str, Tenant], noticed: frozenset[str]
) -> list[Tenant] | None:
    """Return who goes on one node; an empty list where there is room without anybody going."""
    names = sorted({name for card in cards for name in card.held if name in lower})
    if not _is_enough(need, cards, set(names)):
        return None
    for size in range(MOST_TRIED + 1):
        ways = (
            [lower[name] for name in way]
            for way in combinations(names, size)
            if _is_enough(need, cards, set(way))
        )
        best = min(ways, key=lambda way: _harm(way, noticed), default=None)
        if best is not None:
            return best
    return _without_needless(need, cards, [lower[name] for name in names], noticed)


def _without_needless(
    need: Need, cards: Sequence[Card], victims: Sequence[Tenant], noticed: frozenset[str]
) -> list[Tenant]:
    """Spare whoever need not go, the most important and oldest first."""
    kept = list(victims)
    worth = sorted(
        victims, key=lambda t: (t.allocation_id in noticed, -t.priority, t.since, t.allocation_id)
    )
    for tenant in worth:
        rest = [one for one in kept if one is not tenant]
        if _is_enough(need, cards, {one.allocation_id for one in rest}):
            kept = rest
    return kept


def _is_enough(need: Need, cards: Sequence[Card], gone: Collection[str]) -> bool:
    free = 0
    for card in cards:
        freed = sum(milli for name, milli in card.held.items() if name in gone)
        free += card.free_milli + freed >= need.milli
    return free >= need.count
