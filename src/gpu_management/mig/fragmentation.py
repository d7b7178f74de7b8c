"""How much of a fleet's MIG capacity its layout wastes.

1 - capacity now / capacity after a perfect repack, weighted by what is asked for: 0 means that a
repack would gain nothing, 0.5 that it would double what fits.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from gpu_management.mig.geometry import Geometry, Placement
from gpu_management.mig.layout import Variants, can_add, legal_layouts

Boards = Sequence[tuple[Geometry, tuple[Placement, ...]]]
"""GPUs that may be cut, each with the places of the instances in use."""


def fragmentation_ratio(boards: Boards, weights: Mapping[str, float]) -> float | None:
    """Return the share of capacity that is wasted, 0 to 1; None where nothing would ever fit.

    `weights` says how much each profile counts, such as its slices of the demand.
    """
    now = sum(weight * fit_now(boards, name) for name, weight in weights.items())
    best = sum(weight * fit_repacked(boards, name) for name, weight in weights.items())
    return None if best <= 0 else max(0.0, 1.0 - now / best)


def fit_now(boards: Boards, profile: str) -> int:
    """Return how many instances of one profile fit beside what stands."""
    alike = Counter((geometry, tuple(sorted(places))) for geometry, places in boards)
    return sum(n * _fit(geometry, places, profile) for (geometry, places), n in alike.items())


def fit_repacked(boards: Boards, profile: str) -> int:
    """Return how many instances of one profile fit if all that stands were packed anew."""
    total = 0
    for geometry in dict.fromkeys(geometry for geometry, _ in boards):
        if geometry.find(profile) is not None:
            mine = [places for board, places in boards if board is geometry]
            standing = Counter(place.profile for places in mine for place in places)
            counts = tuple(sorted(standing.items()))
            total += _repacked(geometry, len(mine), counts, geometry.profile(profile).name)
    return total


@lru_cache(maxsize=65_536)
def _fit(geometry: Geometry, places: tuple[Placement, ...], profile: str) -> int:
    """Return how many fit on one GPU: the more, the better the starts are chosen."""
    kind = geometry.find(profile)
    if kind is None:
        return 0
    ways = (Placement(kind.name, start) for start in kind.starts)
    grown = (tuple(sorted((*places, p))) for p in ways if can_add(geometry, places, p))
    return max((1 + _fit(geometry, more, profile) for more in grown), default=0)


@lru_cache(maxsize=4096)
def _repacked(
    geometry: Geometry, gpus: int, standing: tuple[tuple[str, int], ...], profile: str
) -> int:
    """Solve: so many of each maximal layout that all that stands finds room, and most of `profile`.

    Layouts count by what they hold, not where.
    """
    import highspy

    needed = Counter(dict(standing))
    names = [*needed.keys() | {profile}]
    mixes = sorted({tuple(_count(layout, names)) for layout in _layouts(geometry, names)})
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)  # noqa: FBT003 - the solver's own signature
    solver.setOptionValue("threads", 1)
    for number, mix in enumerate(mixes):
        solver.addVar(0.0, float(gpus))
        solver.changeColCost(number, -float(mix[names.index(profile)]))
        solver.changeColIntegrality(number, highspy.HighsVarType.kInteger)
    every = list(range(len(mixes)))
    solver.addRow(0.0, float(gpus), len(every), every, [1.0] * len(every))
    for index, name in enumerate(names):
        held = [float(mix[index]) for mix in mixes]
        solver.addRow(float(needed[name]), float("inf"), len(every), every, held)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return 0
    return round(-solver.getInfo().objective_function_value) - needed[profile]


def _count(layout: Iterable[Placement], names: Sequence[str]) -> list[int]:
    counts = Counter(place.profile for place in layout)
    return [counts[name] for name in names]


def _layouts(geometry: Geometry, names: Iterable[str]) -> Iterable[tuple[Placement, ...]]:
    plain = all(geometry.profile(name).is_plain for name in names)
    return legal_layouts(geometry, variants=Variants.DOUBLE_MEMORY if plain else Variants.ALL)
