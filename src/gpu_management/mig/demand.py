"""What free placement units are worth, given which profiles are asked for.

Prices are the duals of the fewest-boards linear program over maximal layouts: a profile of price
0.25 uses up a quarter of a board. They follow the demand, learned from arrivals with forgetting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gpu_management.mig.geometry import Geometry, Placement, Profile
from gpu_management.mig.layout import Variants, legal_layouts

# Found by search on synthetic request streams of four mixes; none is sensitive.
_LOWEST_PRICE: Final = 0.05
_PRICE_POWER: Final = 0.9
_SHARE_POWER: Final = 0.45
_FREEDOM_WEIGHT: Final = 1.1
_KEPT_PER_ARRIVAL: Final = 0.9996
_PSEUDO_COUNT: Final = 30.0
_ARRIVALS_PER_TABLE: Final = 300
_FORGOTTEN: Final = 0.05


class PricesUnsolved(RuntimeError):
    """The solver found no prices for a demand; this is a bug or a broken installation."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What profiles that stand on the same units have in common; starts in the driver's order."""

    size: int
    starts: tuple[int, ...]


class ValueTable:
    """How much each set of free placement units of one board is worth, in boards.

    The value of a set is the greatest total price that still fits into it, plus the weight of the
    placements that are still open: room that can take many things is worth more.
    """

    def __init__(self, geometry: Geometry, demand: Mapping[Footprint, float]) -> None:
        """Price the footprints of `geometry` for `demand` (any scale; more is wanted more).

        Raises:
            PricesUnsolved: the solver failed.
        """
        self.geometry = geometry
        self.prices = solve_prices(geometry, demand)
        weights = _start_weights(self.prices, demand)
        self._placements = tuple(
            (_bits(footprint, start), self.prices[footprint], weights[footprint])
            for footprint in self.prices
            for start in footprint.starts
        )
        self._capacity: dict[int, float] = {0: 0.0}
        self._value: dict[int, float] = {}

    def capacity(self, free_units: int) -> float:
        """Return the greatest total price that fits into the mask `free_units`."""
        known = self._capacity.get(free_units)
        if known is None:
            fitting = [
                price + self.capacity(free_units & ~bits)
                for bits, price, _ in self._placements
                if bits & ~free_units == 0
            ]
            known = self._capacity[free_units] = max(fitting, default=0.0)
        return known

    def value(self, free_units: int) -> float:
        """Return what the mask `free_units` is worth, in boards."""
        known = self._value.get(free_units)
        if known is None:
            freedom = sum(weight for bits, _, weight in self._placements if bits & ~free_units == 0)
            known = self.capacity(free_units) + _FREEDOM_WEIGHT * freedom
            self._value[free_units] = known
        return known

    def loss(self, free_units: int, taken: int) -> float:
        """Return what the mask `free_units` loses in value when `taken` is used."""
        return self.value(free_units) - self.value(free_units & ~taken)


class Demand:
    """Which profiles are asked for: a fixed hint, or counts of arrivals that fade.

    A request that would take one of several profiles counts, on each board, as the first of them
    that the board has.
    """

    def __init__(self, hint: Mapping[str, float] | None = None) -> None:
        """Start from `hint` (profile name to relative load), which then stays, or from nothing."""
        self._learning = hint is None
        self._counts: dict[tuple[str, ...], float] = {(k,): v for k, v in (hint or {}).items()}
        self._prior = _PSEUDO_COUNT if hint is None else 0.0
        self._gain = 1.0
        self._arrivals = 0
        self._tables: dict[str, ValueTable] = {}
        self.epoch = object()  # another object as soon as the tables change

    def learn(self, profiles: Sequence[str]) -> None:
        """Count one request that would take any of `profiles`, first choice in front."""
        if not self._learning:
            return
        # Older counts fade by letting newer ones weigh more.
        self._gain /= _KEPT_PER_ARRIVAL
        wanted = tuple(profiles)
        self._counts[wanted] = self._counts.get(wanted, 0.0) + self._gain
        self._arrivals += 1
        if self._arrivals % _ARRIVALS_PER_TABLE == 0:
            self._rescale()
            self._tables = {}
            self.epoch = object()

    def table(self, geometry: Geometry) -> ValueTable:
        """Return the value table of a board for the demand of the last few hundred arrivals.

        Raises:
            PricesUnsolved: the solver failed.
        """
        table = self._tables.get(geometry.key)
        if table is None:
            table = ValueTable(geometry, self._of(geometry))
            self._tables[geometry.key] = table
        return table

    def _of(self, geometry: Geometry) -> dict[Footprint, float]:
        demand = dict.fromkeys(footprints(geometry), self._prior)
        for names, count in self._counts.items():
            kind = next(filter(None, map(geometry.find, names)), None)
            if kind is not None:
                demand[footprint_of(kind)] += count / self._gain
        return demand

    def _rescale(self) -> None:
        """Start a new scale, and drop what has not been asked for in a long time."""
        self._prior *= _KEPT_PER_ARRIVAL**_ARRIVALS_PER_TABLE
        scaled = {names: count / self._gain for names, count in self._counts.items()}
        self._counts = {names: count for names, count in scaled.items() if count > _FORGOTTEN}
        self._gain = 1.0


def footprint_of(profile: Profile) -> Footprint:
    """Return the units on which the profile may stand."""
    return Footprint(profile.size, profile.starts)


def footprints(geometry: Geometry) -> tuple[Footprint, ...]:
    """Return the different footprints of a board, in the order of its profiles."""
    return tuple(dict.fromkeys(footprint_of(profile) for profile in geometry.profiles))


def solve_prices(geometry: Geometry, demand: Mapping[Footprint, float]) -> dict[Footprint, float]:
    """Return what one instance of each footprint uses up, in boards; at least 0.05.

    Solves: maximise demand times price, where no maximal layout may cost more than one board. That
    is the dual of serving the demand with the fewest boards.

    Raises:
        PricesUnsolved: the solver failed.
    """
    kinds = footprints(geometry)
    rows = {
        tuple(_count(geometry, layout, kind) for kind in kinds)
        for layout in legal_layouts(geometry, variants=Variants.DOUBLE_MEMORY)
    }
    solved = _maximize([demand.get(kind, 0.0) for kind in kinds], sorted(rows))
    return {kind: max(price, _LOWEST_PRICE) for kind, price in zip(kinds, solved, strict=True)}


def _count(geometry: Geometry, layout: Sequence[Placement], kind: Footprint) -> int:
    return sum(footprint_of(geometry.profile(place.profile)) == kind for place in layout)


def _maximize(gains: Sequence[float], rows: Sequence[tuple[int, ...]]) -> list[float]:
    """Return the x >= 0 of the greatest gains·x with row·x <= 1 for every row."""
    import highspy

    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)  # noqa: FBT003 - the solver's own signature
    solver.setOptionValue("threads", 1)
    scale = sum(gains) or 1.0
    for gain in gains:
        solver.addVar(0.0, highspy.kHighsInf)
        solver.changeColCost(solver.getNumCol() - 1, -gain / scale)
    for row in rows:
        used = [column for column, count in enumerate(row) if count]
        values = [float(row[column]) for column in used]
        solver.addRow(-highspy.kHighsInf, 1.0, len(used), used, values)
    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise PricesUnsolved(f"no prices for {len(gains)} profiles: the solver says {status}")
    return [float(value) for value in solver.getSolution().col_value]


def _start_weights(
    prices: Mapping[Footprint, float], demand: Mapping[Footprint, float]
) -> dict[Footprint, float]:
    """Return the weight of one open start of each footprint; over all starts they sum to 1."""
    spent = {kind: price * demand.get(kind, 0.0) for kind, price in prices.items()}
    total = sum(spent.values())
    if not total:
        spent, total = dict.fromkeys(prices, 1.0), float(len(prices))
    raw = {
        kind: price**_PRICE_POWER * (spent[kind] / total) ** _SHARE_POWER
        for kind, price in prices.items()
    }
    whole = sum(raw.values())
    return {kind: weight / whole / len(kind.starts) for kind, weight in raw.items()}


def _bits(footprint: Footprint, start: int) -> int:
    return ((1 << footprint.size) - 1) << start
