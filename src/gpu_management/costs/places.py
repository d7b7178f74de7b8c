"""Where the time of many GPUs went on a day, node by node. Pure.

The same figures as `ledger.buckets` gives GPU by GPU. On most days nothing happens to most GPUs:
they work, or not, all day at one price. What such a GPU held and left is counted without looking
at every stretch, and GPUs of a node that nobody held are counted together.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gpu_management.costs.ledger import (
    MILLI_SECONDS_PER_HOUR,
    WHOLE_MILLI,
    Buckets,
    Held,
    Life,
    Span,
    Standing,
    buckets,
    rate_at,
)

Spot = tuple[str, int, str]
"""A cluster, a node's row, and a model."""


@dataclass(frozen=True, slots=True)
class Steady:
    """A day through which a GPU was there, in one state, at one price; None: no price."""

    is_able: bool
    rate_micros: int | None


@dataclass(slots=True)
class Alike:
    """GPUs at one place with one life (without their holds)."""

    spot: Spot
    life: Life
    members: set[int] = field(default_factory=set)


def alike(fleet: Iterable[tuple[int, Spot, Life]]) -> list[Alike]:
    """Put GPUs together that differ in their holds only; GPUs are told by their row."""
    found: dict[tuple[Spot, int, int | None, int], Alike] = {}
    for pk, spot, life in fleet:
        key = (spot, life.since, life.until, id(life.standings))
        group = found.get(key) or found.setdefault(key, Alike(spot, life))
        group.members.add(pk)
    return list(found.values())


def places(
    groups: Iterable[Alike], held: Iterable[tuple[int, Held]], day: Span, span: Span
) -> Iterator[tuple[Spot, Buckets]]:
    """Yield where the time of each group went on a day, within `span`."""
    busy = _busy(held, day)
    known: dict[int, Steady | None] = {}
    for group in groups:
        mine = {pk: busy[pk] for pk in group.members & busy.keys()}
        life = group.life
        if not mine and not life.is_there(day):
            continue
        key = id(life.standings)
        if key not in known:
            known[key] = steady(life.standings, day)
        same = known[key]
        stays = life.since <= day[0] and (life.until is None or life.until >= day[1])
        if same is None or not stays:
            yield group.spot, _one_by_one(group, mine, day, span)
        else:
            yield group.spot, _together(same, len(group.members), list(mine.values()), day, span)


def _busy(held: Iterable[tuple[int, Held]], day: Span) -> Mapping[int, list[Held]]:
    opens, closes = day
    busy: dict[int, list[Held]] = defaultdict(list)
    for pk, hold in held:
        if hold.since < closes and (hold.until is None or hold.until > opens):
            busy[pk].append(hold)
    return busy


def steady(standings: Sequence[Standing], day: Span) -> Steady | None:
    """Return how GPUs stood all day; None where that changed."""
    opens, closes = day
    before = [one for one in standings if one.since <= opens]
    now = before[-1] if before else standings[0]
    moments = [one.since for one in standings]
    moments += [step.since for step in now.card]
    moments += [step.until for step in now.card if step.until is not None]
    if any(opens < moment < closes for moment in moments):
        return None
    return Steady(now.is_able, rate_at(now.card, opens))


def _one_by_one(group: Alike, busy: Mapping[int, Sequence[Held]], day: Span, span: Span) -> Buckets:
    life, found = group.life, Buckets()
    for holds in busy.values():
        found += buckets(replace(life, holds=holds), day, span)
    idle = len(group.members) - len(busy)
    if idle and life.is_there(day):
        found += buckets(life, day, span).times(idle)
    return found


def _together(
    same: Steady, count: int, busy: Sequence[Sequence[Held]], day: Span, span: Span
) -> Buckets:
    since, until = max(day[0], span[0]), min(day[1], span[1])
    if since >= until:
        return Buckets()
    found = _upto(same, count, busy, (day[0], until))
    return found if since == day[0] else found - _upto(same, count, busy, (day[0], since))


def _upto(same: Steady, count: int, busy: Sequence[Sequence[Held]], part: Span) -> Buckets:
    """Return the buckets of GPUs from the start of a day on, each GPU's rounded down once."""
    opens, until = part
    whole, rate = WHOLE_MILLI * (until - opens), same.rate_micros or 0
    full = whole * rate // MILLI_SECONDS_PER_HOUR
    held = charged = 0
    left_micros = (count - len(busy)) * full
    for holds in busy:
        mine = 0
        for hold in holds:
            ends = until if hold.until is None else min(hold.until, until)
            mine += max(0, ends - max(hold.since, opens)) * hold.milli
            charged += hold.micros(until) - hold.micros(opens)
        held += mine
        left_micros += (whole - mine) * rate // MILLI_SECONDS_PER_HOUR
    left = count * whole - held
    return Buckets(
        unattributed=held,
        free=left if same.is_able else 0,
        unavailable=0 if same.is_able else left,
        unpriced=count * whole if same.rate_micros is None else 0,
        card_micros=count * full,
        charged_micros=charged,
        free_micros=left_micros if same.is_able else 0,
        unavailable_micros=0 if same.is_able else left_micros,
    )
