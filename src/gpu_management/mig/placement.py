"""Choose where a MIG request goes: a free instance, or a place on which to create one.

Pure and deterministic. The choice loses the least of what the free units are still good for, so
room for large profiles stays together. A request that fits somewhere is never refused.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple, cast

from gpu_management.mig.demand import Demand, ValueTable
from gpu_management.mig.fleet import GpuGroup, GpuState, MigFleet, MigGpu
from gpu_management.mig.geometry import Placement, Profile
from gpu_management.mig.layout import can_add, held_milli

# Score weights, in boards: a whole free board left over weighs 0.032, so fuller boards win near
# ties; a free instance that must go 0.05; a price twice the cheapest at most 0.125.
_LEFTOVER_WEIGHT: Final = 0.032
_DESTROY_WEIGHT: Final = 0.05
_PRICE_WEIGHT: Final = 0.25
_DIGITS: Final = 9  # sums that differ by rounding only are ties


class Source(IntEnum):
    """Where the instance comes from; a lower one is preferred."""

    FREE_INSTANCE = 0
    EMPTY_UNITS = 1
    DESTROYED_INSTANCES = 2


class Lack(StrEnum):
    """What a GPU lacked for a request, the most hopeful first."""

    FREE_INSTANCES_IN_THE_WAY = "FREE_INSTANCES_IN_THE_WAY"
    INSTANCE_LIMIT = "INSTANCE_LIMIT"
    NO_ROOM = "NO_ROOM"
    NOT_CARVABLE = "NOT_CARVABLE"
    WRONG_MODEL = "WRONG_MODEL"
    NOT_ELIGIBLE = "NOT_ELIGIBLE"


_LACK_PHRASES: Final[Mapping[Lack, str]] = {
    Lack.FREE_INSTANCES_IN_THE_WAY: "would have room if free instances were removed",
    Lack.INSTANCE_LIMIT: "are at an instance or engine limit",
    Lack.NO_ROOM: "have no legal place free",
    Lack.NOT_CARVABLE: "have no such free instance and may not be cut",
    Lack.WRONG_MODEL: "are of a model without the profile",
    Lack.NOT_ELIGIBLE: "are excluded by the request",
}
_BY_HOPE: Final = tuple(Lack)
_HOPE: Final = {lack: rank for rank, lack in enumerate(_BY_HOPE)}


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a request goes, and why.

    `instance_id` names the free instance to use; with `None` one is created at `start`, after the
    free instances in `destroyed` are removed. `parts` add up to `score`, in boards; less is better.
    `candidates` counts the GPUs that could serve `profile`, `lacks` the others by what they lacked.
    """

    gpu: int
    profile: str
    start: int
    instance_id: int | None
    destroyed: tuple[int, ...]
    source: Source
    parts: Mapping[str, float]
    candidates: int
    lacks: Mapping[Lack, int]

    @property
    def score(self) -> float:
        """Return the sum of the parts."""
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no GPU can serve a request: how many lacked what, and the largest profile that fits."""

    profiles: tuple[str, ...]
    lacks: Mapping[Lack, int]
    largest_free: str | None

    @property
    def sentence(self) -> str:
        """Return one sentence for the caller, with the numbers that matter."""
        wanted = " or ".join(self.profiles) or "a request without a profile"
        facts = [f"{count} {_LACK_PHRASES[lack]}" for lack, count in self.lacks.items()]
        if self.largest_free:
            facts.append(f"the largest profile that fits is {self.largest_free}")
        return f"no GPU can serve {wanted}: {'; '.join(facts) or 'there are no MIG GPUs'}"


class _Option(NamedTuple):
    """The best that GPUs in one state can offer for one profile; ordered by preference."""

    source: Source
    score: float
    order: int
    start: int
    parts: tuple[float, float, float]
    destroyed: tuple[Placement, ...]


# The option of a group, its eligible GPUs and the group itself.
_Candidate = tuple[_Option, Sequence[int], GpuGroup]
# What a group offers without and with the right to destroy free instances.
_Offer = tuple[_Option | Lack, _Option | Lack]


def choose(
    fleet: MigFleet,
    profiles: Sequence[str],
    *,
    demand: Demand,
    may_destroy: bool = True,
    eligible: Collection[int] | None = None,
) -> Choice | Refusal:
    """Return where a request goes that would take any of `profiles`, first choice in front.

    The first profile that any GPU can serve is served: from a free instance, else on empty units,
    else, with `may_destroy`, where free instances make room. Then the least score wins, then the
    start that the driver prefers, then the lowest key. `eligible` limits the GPUs by key.

    Raises:
        PricesUnsolved: the demand could not be priced.
    """
    for name in profiles:
        candidates, lacks = _survey(
            fleet, name, demand=demand, may_destroy=may_destroy, eligible=eligible
        )
        if candidates:
            return _choice(fleet, name, candidates=candidates, lacks=lacks)
    return _refusal(fleet, profiles, demand=demand, may_destroy=may_destroy, eligible=eligible)


def _survey(
    fleet: MigFleet,
    name: str,
    *,
    demand: Demand,
    may_destroy: bool,
    eligible: Collection[int] | None,
) -> tuple[list[_Candidate], dict[Lack, int]]:
    """Return the groups that can serve the profile, and how many GPUs lack what."""
    candidates: list[_Candidate] = []
    lacks: dict[Lack, int] = {}
    for group in fleet.groups():
        keys = group.keys
        if eligible is not None:
            keys = [key for key in keys if key in eligible]
            excluded = len(group.keys) - len(keys)
            lacks[Lack.NOT_ELIGIBLE] = lacks.get(Lack.NOT_ELIGIBLE, 0) + excluded
            if not keys:
                continue
        option = _offer(group, name, demand)[may_destroy]
        if isinstance(option, Lack):
            lacks[option] = lacks.get(option, 0) + len(keys)
        else:
            candidates.append((option, keys, group))
    return candidates, lacks


def _choice(
    fleet: MigFleet, name: str, *, candidates: Sequence[_Candidate], lacks: Mapping[Lack, int]
) -> Choice:
    premiums = _price_premiums(fleet, name, candidates)
    best = min(
        [
            (option[0], round(option[1] + premium, _DIGITS), option[2], keys[0], index)
            for index, ((option, keys, _), premium) in enumerate(
                zip(candidates, premiums, strict=True)
            )
        ]
    )[-1]
    option, (key, *_), group = candidates[best]
    profile = group.state.geometry.profile(name).name
    ids = _idle_ids(fleet[key], group.state)
    value_lost, units_left, destroyed = option.parts
    return Choice(
        gpu=key,
        profile=profile,
        start=option.start,
        instance_id=ids.get(Placement(profile, option.start)) if not option.source else None,
        destroyed=tuple(sorted(ids[place] for place in option.destroyed)),
        source=option.source,
        parts={
            "value_lost": value_lost,
            "units_left": units_left,
            "instances_destroyed": destroyed,
            "price": premiums[best],
        },
        candidates=sum(len(keys) for _, keys, _ in candidates),
        lacks={lack: count for lack, count in lacks.items() if count},
    )


def _price_premiums(
    fleet: MigFleet, name: str, candidates: Sequence[_Candidate]
) -> Sequence[float]:
    """Return what each candidate's price adds to its score: 0 for the cheapest or unknown."""
    none = [0.0] * len(candidates)
    if fleet.has_one_tariff:
        return none
    boards = [group.state for _, _, group in candidates]
    prices = [
        None
        if board.price_micros is None
        else board.price_micros * held_milli(board.geometry, name)
        for board in boards
    ]
    known = [price for price in prices if price is not None]
    least, most = min(known, default=0), max(known, default=0)
    if least == most:
        return none
    return [0.0 if p is None else _PRICE_WEIGHT * (p - least) / most for p in prices]


def _refusal(
    fleet: MigFleet,
    profiles: Sequence[str],
    *,
    demand: Demand,
    may_destroy: bool,
    eligible: Collection[int] | None,
) -> Refusal:
    lacks: Counter[Lack] = Counter()
    allowed: list[GpuGroup] = []
    for group in fleet.groups():
        keys = [key for key in group.keys if eligible is None or key in eligible]
        lacks[Lack.NOT_ELIGIBLE] += len(group.keys) - len(keys)
        if keys:
            offers = [_offer(group, name, demand)[may_destroy] for name in profiles]
            found = [_HOPE[offer] for offer in offers if isinstance(offer, Lack)]
            lacks[_BY_HOPE[min(found, default=_HOPE[Lack.WRONG_MODEL])]] += len(keys)
            allowed.append(group)
    return Refusal(
        profiles=tuple(profiles),
        lacks={lack: lacks[lack] for lack in Lack if lacks[lack]},
        largest_free=_largest_free(allowed, demand, may_destroy=may_destroy),
    )


def _largest_free(groups: Sequence[GpuGroup], demand: Demand, *, may_destroy: bool) -> str | None:
    """Return the plain profile of the most memory that one of the groups can still serve."""
    boards = dict.fromkeys(group.state.geometry for group in groups)
    plain = [kind for board in boards for kind in board.profiles if kind.is_plain]
    for kind in sorted(plain, key=lambda k: (-k.memory_gb, -k.compute_slices, k.name)):
        offers = (_offer(group, kind.name, demand)[may_destroy] for group in groups)
        if any(not isinstance(offer, Lack) for offer in offers):
            return kind.name
    return None


def _offer(group: GpuGroup, name: str, demand: Demand) -> _Offer:
    """Return what the group offers for a profile, remembered as long as the tables stay."""
    if group.memory_of is not demand.epoch:
        group.memory_of, group.memory = demand.epoch, {}
    known = group.memory.get(name)
    if known is None:
        kind = group.state.geometry.find(name)
        if kind is None:  # not remembered: anyone may send any name
            return Lack.WRONG_MODEL, Lack.WRONG_MODEL
        table = demand.table(group.state.geometry)
        known = group.memory[name] = _work_out(group.state, kind, table)
    return cast("_Offer", known)


def _work_out(state: GpuState, kind: Profile, table: ValueTable) -> _Offer:
    gentle = [*_free_instances(state, kind, table), *_empty_places(state, kind, table)]
    if gentle:
        best = min(gentle)
        return best, best
    if not state.carvable:
        return Lack.NOT_CARVABLE, Lack.NOT_CARVABLE
    cleared = min(_cleared_places(state, kind, table), default=None)
    if cleared is not None:
        return Lack.FREE_INSTANCES_IN_THE_WAY, cleared
    has_room = any(kind.bits(start) & ~state.unheld == 0 for start in kind.starts)
    lack = Lack.INSTANCE_LIMIT if has_room else Lack.NO_ROOM
    return lack, lack


def _free_instances(state: GpuState, kind: Profile, table: ValueTable) -> Iterator[_Option]:
    for place in state.idle:
        if place.profile == kind.name:
            yield _option(state, kind, start=place.start, table=table, source=Source.FREE_INSTANCE)


def _empty_places(state: GpuState, kind: Profile, table: ValueTable) -> Iterator[_Option]:
    if not state.carvable or kind.name in state.closed:
        return
    for start in kind.starts:
        if kind.bits(start) & ~state.empty == 0:
            yield _option(state, kind, start=start, table=table, source=Source.EMPTY_UNITS)


def _cleared_places(state: GpuState, kind: Profile, table: ValueTable) -> Iterator[_Option]:
    """Yield the places that become legal when free instances go, as few as possible each."""
    for start in kind.starts:
        wanted = Placement(kind.name, start)
        if not state.idle or not can_add(state.geometry, state.occupied, wanted):
            continue
        standing = [*state.occupied, wanted]
        destroyed: list[Placement] = []
        for place in sorted(state.idle, key=lambda p: (-held_milli(state.geometry, p[0]), p)):
            kept = can_add(state.geometry, standing, place)
            (standing if kept else destroyed).append(place)
        source = Source.DESTROYED_INSTANCES
        option = _option(state, kind, start=start, table=table, source=source)
        penalty = _DESTROY_WEIGHT * len(destroyed)
        yield option._replace(
            score=option.score + penalty,
            parts=(*option.parts[:2], penalty),
            destroyed=tuple(destroyed),
        )


def _option(
    state: GpuState, kind: Profile, *, start: int, table: ValueTable, source: Source
) -> _Option:
    taken = kind.bits(start)
    left = (state.unheld & ~taken).bit_count() / state.geometry.placement_units
    value_lost, units_left = table.loss(state.unheld, taken), _LEFTOVER_WEIGHT * left
    return _Option(
        source=source,
        score=round(value_lost + units_left, _DIGITS),
        order=kind.starts.index(start),
        start=start,
        parts=(value_lost, units_left, 0.0),
        destroyed=(),
    )


def _idle_ids(gpu: MigGpu, state: GpuState) -> dict[Placement, int]:
    return {
        Placement(state.geometry.profile(idle.profile).name, idle.start): idle.instance_id
        for idle in gpu.idle
    }
