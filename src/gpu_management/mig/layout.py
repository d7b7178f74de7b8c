"""Which sets of MIG instances a board allows.

Legal means: placement units are disjoint, each start is one of its profile's, no profile exceeds
its instance limit, and the compute slices and media engines suffice.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from functools import lru_cache

from gpu_management.mig.geometry import Geometry, LayoutError, LayoutRule, Placement, Profile


class Variants(StrEnum):
    """Which profiles an enumeration of layouts uses."""

    BASE = "base"
    DOUBLE_MEMORY = "double-memory"
    ALL = "all"


def check_layout(geometry: Geometry, placements: Iterable[Placement]) -> None:
    """Refuse a set of placements that the board does not allow.

    Raises:
        LayoutError: the first rule that is broken, with the numbers that matter.
    """
    standing: list[Placement] = []
    for placement in placements:
        _check_next(geometry, standing, placement)
        standing.append(placement)


def can_add(geometry: Geometry, existing: Sequence[Placement], placement: Placement) -> bool:
    """Say whether `placement` is legal beside `existing`, which is taken to be legal."""
    try:
        _check_next(geometry, existing, placement)
    except LayoutError:
        return False
    return True


def free_starts(geometry: Geometry, existing: Sequence[Placement], profile: str) -> tuple[int, ...]:
    """Return the starts at which `profile` is legal beside `existing`, in the driver's order.

    Raises:
        LayoutError: the board has no such profile.
    """
    kind = geometry.profile(profile)
    return tuple(
        start for start in kind.starts if can_add(geometry, existing, Placement(kind.name, start))
    )


def occupied_units(geometry: Geometry, placements: Iterable[Placement]) -> int:
    """Return the mask of placement units that `placements` take."""
    mask = 0
    for placement in placements:
        mask |= geometry.profile(placement.profile).bits(placement.start)
    return mask


def closed_profiles(geometry: Geometry, existing: Iterable[Placement]) -> frozenset[str]:
    """Return the profiles of which no more may be added, wherever there is room.

    These are stopped by an instance limit, the compute total or a media engine.
    """
    counts = Counter(geometry.profile(placement.profile).name for placement in existing)
    return _closed(geometry, tuple(sorted(counts.items())))


def held_milli(geometry: Geometry, profile: str) -> int:
    """Return the thousandths of the board that the profile holds: its units over all units.

    Raises:
        LayoutError: the board has no such profile.
    """
    return geometry.profile(profile).size * 1000 // geometry.placement_units


def smallest_profile_for(geometry: Geometry, memory_gb: int) -> tuple[Profile, ...]:
    """Return every profile of at least `memory_gb`, the one to try first in front.

    Less memory first, then plain before `+me` or `+gfx`, then fewer units, then fewer slices.
    """
    enough = [profile for profile in geometry.profiles if profile.memory_gb >= memory_gb]
    return tuple(
        sorted(enough, key=lambda p: (p.memory_gb, not p.is_plain, p.size, p.compute_slices))
    )


@lru_cache(maxsize=64)
def legal_layouts(
    geometry: Geometry, *, variants: Variants = Variants.BASE
) -> tuple[tuple[Placement, ...], ...]:
    """Return every maximal layout: nothing of `variants` can be added to any of them.

    Layouts differ by position; each is sorted by start.
    """
    kinds = [profile for profile in geometry.profiles if _belongs(profile, variants)]
    return tuple(
        layout
        for layout in _layouts(geometry, kinds, standing=(), unit=0)
        if not any(free_starts(geometry, layout, kind.name) for kind in kinds)
    )


def _check_next(geometry: Geometry, standing: Sequence[Placement], placement: Placement) -> None:
    profile = geometry.profile(placement.profile)
    if placement.start not in profile.starts:
        legal = ", ".join(map(str, sorted(profile.starts)))
        raise LayoutError(
            LayoutRule.ILLEGAL_START,
            f"{profile.name} cannot start at {placement.start} on {geometry.key}; "
            f"legal starts are {legal}",
        )
    for other in standing:
        kind = geometry.profile(other.profile)
        if kind.bits(other.start) & profile.bits(placement.start):
            raise LayoutError(
                LayoutRule.OVERLAP,
                f"{_where(profile, placement.start)} overlaps {_where(kind, other.start)}",
            )
    _check_limits(geometry, standing, profile)


def _check_limits(geometry: Geometry, standing: Sequence[Placement], profile: Profile) -> None:
    kinds = [geometry.profile(other.profile) for other in standing]
    same = sum(kind is profile for kind in kinds)
    if same >= profile.max_instances:
        raise LayoutError(
            LayoutRule.MAX_INSTANCES,
            f"{geometry.key} holds at most {profile.max_instances} of {profile.name}; "
            f"there are {same} already",
        )
    compute = sum(kind.compute_slices for kind in kinds) + profile.compute_slices
    if compute > geometry.compute_slices:
        raise LayoutError(
            LayoutRule.COMPUTE,
            f"with {profile.name} the layout needs {compute} compute slices; "
            f"{geometry.key} has {geometry.compute_slices}",
        )
    _check_engines(geometry, kinds, profile)


def _check_engines(geometry: Geometry, kinds: Sequence[Profile], profile: Profile) -> None:
    if geometry.engine_budget is None:
        if profile.media_extension and any(kind.media_extension for kind in kinds):
            raise LayoutError(
                LayoutRule.ENGINES,
                f"{geometry.key} allows one instance with media extensions; there is one already",
            )
        return
    for engine, budget in geometry.engine_budget.items():
        wanted = getattr(profile.engines, engine)
        used = sum(getattr(kind.engines, engine) for kind in kinds)
        if wanted and used + wanted > budget:
            raise LayoutError(
                LayoutRule.ENGINES,
                f"{profile.name} needs {wanted} {engine} engines; {used} of the {budget} "
                f"on {geometry.key} are taken",
            )


@lru_cache(maxsize=65_536)
def _closed(geometry: Geometry, counts: tuple[tuple[str, int], ...]) -> frozenset[str]:
    # Limits do not depend on positions, so any starts will do.
    standing = [Placement(name, 0) for name, count in counts for _ in range(count)]
    closed = set()
    for profile in geometry.profiles:
        try:
            _check_limits(geometry, standing, profile)
        except LayoutError:
            closed.add(profile.name)
    return frozenset(closed)


def _layouts(
    geometry: Geometry, kinds: Sequence[Profile], *, standing: tuple[Placement, ...], unit: int
) -> Iterator[tuple[Placement, ...]]:
    """Yield every legal set of placements that adds to `standing` from `unit` on."""
    if unit >= geometry.placement_units:
        yield standing
        return
    yield from _layouts(geometry, kinds, standing=standing, unit=unit + 1)
    for kind in kinds:
        placement = Placement(kind.name, unit)
        if unit in kind.starts and can_add(geometry, standing, placement):
            grown = (*standing, placement)
            yield from _layouts(geometry, kinds, standing=grown, unit=unit + kind.size)


def _belongs(profile: Profile, variants: Variants) -> bool:
    if variants is Variants.ALL:
        return True
    return profile.is_plain and (variants is Variants.DOUBLE_MEMORY or not profile.double_memory)


def _where(profile: Profile, start: int) -> str:
    last = start + profile.size - 1
    units = f"unit {start}" if last == start else f"units {start} to {last}"
    return f"{profile.name} at {start} ({units})"
