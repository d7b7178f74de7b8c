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


class _Candidate(NamedTuple):
    group: GpuGroup
    key: int
    gpus: int
    option: _Option


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
        candidates: list[_Candidate] = []
        lacks: Counter[Lack] = Counter()
        for group in fleet.groups():
            keys = group.keys if eligible is None else [k for k in group.keys if k in eligible]
            if len(keys) < len(group.keys):
                lacks[Lack.NOT_ELIGIBLE] += len(group.keys) - len(keys)
            if not keys:
                continue
            option = _offer(group, name, demand)[may_destroy]
            if isinstance(option, Lack):
                lacks[option] += len(keys)
            else:
                candidates.append(_Candidate(group, keys[0], len(keys), option))
        if candidates:
            return _choice(fleet, name, candidates=candidates, lacks=lacks)
    return _refusal(fleet, profiles, demand=demand, may_destroy=may_destroy, eligible=eligible)


def _choice(
    fleet: MigFleet, name: str, *, candidates: Sequence[_Candidate], lacks: Mapping[Lack, int]
) -> Choice:
    premiums = _price_premiums(name, candidates)
    best = min(
        range(len(candidates)),
        key=lambda i: (
            candidates[i].option.source,
            round(candidates[i].option.score + premiums[i], _DIGITS),
            candidates[i].option.order,
            candidates[i].key,
        ),
    )
    group, key, _, option = candidates[best]
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
        candidates=sum(candidate.gpus for candidate in candidates),
        lacks=dict(lacks),
    )


def _price_premiums(name: str, candidates: Sequence[_Candidate]) -> list[float]:
    """Return what each candidate's price adds to its score: 0 for the cheapest or unknown."""
    boards = [candidate.group.state for candidate in candidates]
    if len({(board.price_micros, board.geometry.key) for board in boards}) == 1:
        return [0.0] * len(boards)
    prices = [
        None
        if board.price_micros is None
        else board.price_micros * held_milli(board.geometry, name)
        for board in boards
    ]
    known = [price for price in prices if price is not None]
    least, most = min(known, default=0), max(known, default=0)
    if least == most:
        return [0.0] * len(boards)
    return [0.0 if p is None else _PRICE_WEIGHT * (p - least) / most for p in prices]


def _refusal(
    fleet: MigFleet,
    profiles: Sequence[str],
    *,
    demand: Demand,
    may_destroy: bool,
    eligible: Collection[int] | None,
) -> Refusal:
    hope = list(Lack)
    lacks: Counter[Lack] = Counter()
    fitting: set[tuple[int, int, str]] = set()
    for group in fleet.groups():
        allowed = sum(eligible is None or key in eligible for key in group.keys)
        lacks[Lack.NOT_ELIGIBLE] += len(group.keys) - allowed
        if not allowed:
            continue
        offers = [_offer(group, name, demand)[may_destroy] for name in profiles]
        found = [offer for offer in offers if isinstance(offer, Lack)]
        lacks[min(found, key=hope.index, default=Lack.WRONG_MODEL)] += allowed
        fitting.update(_fitting(group, demand, may_destroy=may_destroy))
    return Refusal(
        profiles=tuple(profiles),
        lacks={lack: lacks[lack] for lack in hope if lacks[lack]},
        largest_free=max(fitting)[-1] if fitting else None,
    )


def _fitting(
    group: GpuGroup, demand: Demand, *, may_destroy: bool
) -> Iterator[tuple[int, int, str]]:
    """Yield the plain profiles that the group can still serve, with what they are ranked by."""
    for profile in group.state.geometry.profiles:
        if profile.is_plain:
            offer = _offer(group, profile.name, demand)[may_destroy]
            if not isinstance(offer, Lack):
                yield profile.memory_gb, profile.compute_slices, profile.name


def _offer(group: GpuGroup, name: str, demand: Demand) -> _Offer:
    """Return what the group offers for a profile, remembered as long as the tables stay."""
    if group.memory_of is not demand.epoch:
        group.memory_of, group.memory = demand.epoch, {}
    known = group.memory.get(name)
    if known is None:
        table = demand.table(group.state.geometry)
        known = group.memory[name] = _work_out(group.state, name, table)
    return cast("_Offer", known)


def _work_out(state: GpuState, name: str, table: ValueTable) -> _Offer:
    kind = state.geometry.find(name)
    if kind is None:
        return Lack.WRONG_MODEL, Lack.WRONG_MODEL
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
