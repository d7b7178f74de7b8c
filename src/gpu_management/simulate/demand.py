"""What the demonstration's teams ask for and when: arrivals follow from the seed alone."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from gpu_management.allocations.request import Ask
from gpu_management.simulate.demo_work import KINDS, Kind

SLOT: Final = timedelta(minutes=30)
"""Arrivals are drawn slot by slot, so those of any moment can be drawn again."""

_EPOCH_HOUR_OF_DAY: Final = 9
"""Hours by which the teams' day is ahead of UTC: they work in Seoul."""
_BUSIEST_HOUR: Final = 14.5
_WEEKEND: Final = 5
_WEEKEND_FACTOR: Final = 0.45


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody asks for something at a moment."""

    at: datetime
    kind: Kind
    pod_name: str
    user: str


def arrivals(
    seed: int, since: datetime, until: datetime, *, brief: bool, people: dict[str, Sequence[str]]
) -> list[Arrival]:
    """Return who asks in [since, until), in order; without `brief`, the long work only."""
    found: list[Arrival] = []
    slot = _slot_of(since)
    while slot < until:
        for number, kind in enumerate(KINDS):
            if brief or not kind.brief:
                found += _in_slot(seed, slot, number, people[kind.team])
        slot += SLOT
    return sorted(
        (one for one in found if since <= one.at < until), key=lambda one: (one.at, one.pod_name)
    )


def _slot_of(moment: datetime) -> datetime:
    seconds = SLOT.total_seconds()
    start = moment.timestamp() // seconds * seconds
    return datetime.fromtimestamp(start, tz=moment.tzinfo)


def _in_slot(seed: int, slot: datetime, number: int, people: Sequence[str]) -> Iterator[Arrival]:
    kind = KINDS[number]
    random = Random(f"{seed}/{slot.timestamp():.0f}/{number}")  # noqa: S311 - repeatable on purpose
    expected = kind.per_hour * _busy(kind, slot) * (SLOT / timedelta(hours=1))
    for _ in range(_poisson(random, expected)):
        name = f"{random.choice(kind.stems)}-{random.getrandbits(24):06x}"
        yield Arrival(slot + random.random() * SLOT, kind, name, random.choice(people))


def draw(random: Random, *, at: datetime, people: dict[str, Sequence[str]]) -> Arrival:
    """Return an arrival of long work out of turn, as often of each kind as it runs on average."""
    kinds = [kind for kind in KINDS if not kind.brief]
    kind = random.choices(kinds, [kind.running for kind in kinds])[0]
    name = f"{random.choice(kind.stems)}-{random.getrandbits(24):06x}"
    return Arrival(at, kind, name, random.choice(people[kind.team]))


def large_request(seed: int, at: datetime, *, people: dict[str, Sequence[str]]) -> Arrival:
    """Return an arrival of the largest work, which seldom finds a place at once."""
    kind = max(KINDS, key=lambda kind: (kind.wait_hours is not None, kind.count))
    random = Random(f"{seed}/large")  # noqa: S311 - repeatable on purpose
    name = f"{kind.stems[0]}-{random.getrandbits(24):06x}"
    return Arrival(at, kind, name, people[kind.team][0])


def _poisson(random: Random, expected: float) -> int:
    """Return a Poisson number by multiplying uniforms (Knuth); `expected` is small here."""
    floor, product, number = math.exp(-expected), random.random(), 0
    while product > floor:
        product *= random.random()
        number += 1
    return number


def _busy(kind: Kind, moment: datetime) -> float:
    """Return how busy the teams are beside their average: by day more, at week-ends less."""
    local = moment + timedelta(hours=_EPOCH_HOUR_OF_DAY)
    hour = local.hour + local.minute / 60
    day = 1 + kind.daily * math.cos(2 * math.pi * (hour - _BUSIEST_HOUR) / 24)
    if local.weekday() < _WEEKEND or not kind.daily:
        return day
    return day * (1 - kind.daily * (1 - _WEEKEND_FACTOR))


def life_of(seed: int, kind: Kind, pod_name: str) -> timedelta:
    """Return how long a pod of this name runs: always the same, so a restart knows it too."""
    random = Random(f"{seed}/{pod_name}")  # noqa: S311 - repeatable on purpose
    hours = kind.median_hours * math.exp(random.gauss(0, kind.spread))
    return max(timedelta(minutes=1), timedelta(hours=hours))


def kind_of(namespace: str, pod_name: str) -> Kind | None:
    """Return the kind of work that a pod of ours is; None when nobody here asks for it."""
    stem = pod_name.rpartition("-")[0]
    return next((k for k in KINDS if k.namespace == namespace and stem in k.stems), None)


def ask_of(arrival: Arrival, *, pool_label: str, may_wait: bool) -> Ask:
    """Return the request of an arrival; where it `may_wait`, it queues when nothing fits."""
    kind = arrival.kind
    waits = kind.wait_hours if may_wait else None
    return Ask(
        namespace=kind.namespace,
        pod_name=arrival.pod_name,
        workload_type=kind.workload,
        required_memory_gb=kind.memory_gb,
        use_mig=kind.use_mig,
        count=kind.count,
        gpu_milli=kind.milli,
        cpu_milli=kind.cores * kind.count * 1000,
        memory_mib=kind.ram_gib * kind.count * 1024,
        user_id=arrival.user,
        team_id=kind.team,
        node_selector=((pool_label, kind.pool),),
        priority=kind.priority,
        max_duration_hours=kind.max_hours,
        wait_seconds=None if waits is None else waits * 3600,
    )
