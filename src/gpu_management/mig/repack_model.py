"""The repacking plan as an integer program: what leaves, what goes, what is placed where.

One column says for each GPU, profile and start whether something is placed there: a new instance or
a moved one, which are alike. A second kind says which movable instance leaves its place, a third
which free instance is destroyed, a fourth which GPU is touched. For every placement unit, what is
placed on it is at most what left it. Moved instances may end anywhere on a GPU of the same
geometry: the order is found afterwards, so each optimum bounds every plan that can be carried out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain

from gpu_management.mig.cluster_layout import Gpu, Item, Situation, compute_slices
from gpu_management.mig.geometry import Geometry, Placement, Profile

INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class Row:
    """One constraint: `low` <= sum of coefficient times column <= `high`."""

    columns: Sequence[int]
    values: Sequence[float]
    low: float
    high: float


@dataclass(slots=True)
class Model:
    """The columns by meaning, and the rows. All columns are whole; most are 0 or 1."""

    situation: Situation
    upper: list[float] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    place: dict[tuple[int, Placement], int] = field(default_factory=dict)
    leave: dict[tuple[int, Item], int] = field(default_factory=dict)
    gone: dict[tuple[int, Item], int] = field(default_factory=dict)
    touched: dict[int, int] = field(default_factory=dict)
    reused: dict[str, int] = field(default_factory=dict)

    def column(self, upper: float = 1.0) -> int:
        """Add a column of at least 0 and at most `upper`; return its number."""
        self.upper.append(upper)
        return len(self.upper) - 1

    def row(self, terms: Iterable[tuple[int, float]], low: float, high: float) -> None:
        """Add a constraint."""
        columns, values = zip(*terms, strict=True) if (terms := list(terms)) else ((), ())
        self.rows.append(Row(columns, values, low, high))

    def unserved(self) -> tuple[dict[int, float], float]:
        """Return the slices of demand that are not served: a cost per column, and a constant."""
        costs: dict[int, float] = {}
        for name, column in self.reused.items():
            costs[column] = -float(compute_slices(name))
        for (_, place), column in self.place.items():
            costs[column] = -float(compute_slices(place.profile))
        for (_, item), column in self.leave.items():
            costs[column] = float(compute_slices(item.profile))
        return costs, float(self.situation.slices(self.situation.demand))

    def move_cost(self) -> dict[int, float]:
        """Return what each move costs."""
        return {column: item.move_cost for (_, item), column in self.leave.items()}

    def touches(self) -> dict[int, float]:
        """Return 1 for each column that says that a GPU is touched."""
        return dict.fromkeys(self.touched.values(), 1.0)


def build(
    situation: Situation, *, only_free_places: bool = False, cost_limit: float | None = None
) -> Model:
    """Return the program of `situation`; `only_free_places` lets nothing land where something left.

    That restriction costs slices, but each of its plans can be carried out in any order. The moves
    cost at most `cost_limit` together.
    """
    model = Model(situation)
    wanted = {name for name, count in situation.demand.items() if count}
    moving = _moving(situation)
    for index, gpu in enumerate(situation.gpus):
        names = {p.name for p in gpu.geometry.profiles if p.name in wanted}
        kinds = [gpu.geometry.profile(n) for n in sorted(names | moving.get(gpu.geometry, set()))]
        if kinds and not gpu.frozen:
            _add_gpu(model, index, gpu, kinds, only_free_places=only_free_places)
    _add_balance(model)
    if cost_limit is not None:
        model.row(model.move_cost().items(), -INFINITE, cost_limit)
    return model


def _moving(situation: Situation) -> dict[Geometry, set[str]]:
    moving: dict[Geometry, set[str]] = {}
    for gpu in situation.gpus:
        if gpu.frozen:
            continue
        moving.setdefault(gpu.geometry, set()).update(i.profile for i in gpu.items if i.movable)
    return moving


def _add_gpu(
    model: Model, index: int, gpu: Gpu, kinds: Sequence[Profile], *, only_free_places: bool
) -> None:
    touched = model.touched[index] = model.column()
    holders: dict[int, int] = {}  # the column that must be 1 before a unit may be used
    open_units = gpu.geometry.all_units
    for item in gpu.items:
        bits = gpu.geometry.profile(item.profile).bits(item.start)
        open_units &= ~bits
        if item.running and not item.movable:
            continue
        column = model.column()
        (model.leave if item.running else model.gone)[index, item] = column
        model.row([(column, 1.0), (touched, -1.0)], -INFINITE, 0.0)
        if not (item.running and only_free_places):
            holders |= dict.fromkeys(_units(bits), column)
    holders |= dict.fromkeys(_units(open_units), touched)
    _add_places(model, index, kinds, holders)
    _add_limits(model, index, gpu, kinds)


def _add_places(
    model: Model, index: int, kinds: Sequence[Profile], holders: Mapping[int, int]
) -> None:
    """Let each unit bear one instance, once what holds it has gone."""
    over: dict[int, list[tuple[int, float]]] = {unit: [] for unit in holders}
    for kind in kinds:
        for start in kind.starts:
            units = list(_units(kind.bits(start)))
            if all(unit in holders for unit in units):
                column = model.place[index, Placement(kind.name, start)] = model.column()
                for unit in units:
                    over[unit].append((column, 1.0))
    for unit, terms in over.items():
        if terms:
            model.row([*terms, (holders[unit], -1.0)], -INFINITE, 0.0)


def _add_limits(model: Model, index: int, gpu: Gpu, kinds: Sequence[Profile]) -> None:
    """Keep instance limits, compute slices and engines where the places alone do not."""
    profile = gpu.geometry.profile
    names = frozenset(chain((i.profile for i in gpu.items), (kind.name for kind in kinds)))
    for weights, most in binding_limits(gpu.geometry, names):
        terms, used = [], 0.0
        for item in gpu.items:
            weight = weights.get(profile(item.profile).name, 0)
            used += weight
            column = model.leave.get((index, item), model.gone.get((index, item)))
            if weight and column is not None:
                terms.append((column, -float(weight)))
        for kind in kinds:
            for start in kind.starts:
                column = model.place.get((index, Placement(kind.name, start)))
                if column is not None and weights.get(kind.name):
                    terms.append((column, float(weights[kind.name])))
        if terms:
            model.row(terms, -INFINITE, most - used)


@lru_cache(maxsize=4096)
def binding_limits(
    geometry: Geometry, names: frozenset[str]
) -> tuple[tuple[Mapping[str, int], int], ...]:
    """Return the limits that disjoint placements of these profiles could pass.

    Each is a weight per profile and the greatest sum allowed.
    """
    kinds = [geometry.profile(name) for name in sorted(names)]
    limits: list[tuple[dict[str, int], int]] = [({k.name: 1}, k.max_instances) for k in kinds]
    limits.append(({k.name: k.compute_slices for k in kinds}, geometry.compute_slices))
    if geometry.engine_budget is None:
        limits.append(({k.name: int(k.media_extension) for k in kinds}, 1))
    for engine, budget in (geometry.engine_budget or {}).items():
        limits.append(({k.name: getattr(k.engines, engine) for k in kinds}, budget))
    return tuple((w, most) for w, most in limits if _greatest(geometry, kinds, w) > most)


def _greatest(geometry: Geometry, kinds: Sequence[Profile], weights: Mapping[str, int]) -> int:
    best = [0] * (geometry.placement_units + 1)  # best[u]: on the units from u on
    for unit in reversed(range(geometry.placement_units)):
        ways = (weights.get(k.name, 0) + best[unit + k.size] for k in kinds if unit in k.starts)
        best[unit] = max(best[unit + 1], *ways, 0)
    return best[0]


def _add_balance(model: Model) -> None:
    """What is placed is what left plus what is new, and new is at most what is asked for."""
    gpus, standing = model.situation.gpus, model.situation.standing()
    placed: dict[tuple[Geometry, str], list[tuple[int, float]]] = {}
    for (index, place), column in model.place.items():
        placed.setdefault((gpus[index].geometry, place.profile), []).append((column, 1.0))
    for (index, item), column in model.leave.items():
        placed.setdefault((gpus[index].geometry, item.profile), []).append((column, -1.0))
    new: dict[str, list[tuple[int, float]]] = {}
    for (_, name), terms in placed.items():
        model.row(terms, 0.0, INFINITE)
        new.setdefault(name, []).extend(terms)
    for name, terms in new.items():
        _add_demand(model, name, terms, standing[name])
    for name in standing.keys() - new.keys():
        _add_demand(model, name, [], standing[name])


def _add_demand(model: Model, name: str, new: Sequence[tuple[int, float]], standing: int) -> None:
    """Serve at most the demand: with new instances, and with free ones that stay."""
    wanted = float(model.situation.demand.get(name, 0))
    terms = list(new)
    if standing and wanted:
        reused = model.reused[name] = model.column(min(float(standing), wanted))
        gone = [(c, 1.0) for (_, item), c in model.gone.items() if item.profile == name]
        model.row([(reused, 1.0), *gone], -INFINITE, float(standing))
        terms.append((reused, 1.0))
    if terms:
        model.row(terms, -INFINITE, wanted)


def _units(bits: int) -> Iterable[int]:
    return (unit for unit in range(bits.bit_length()) if bits >> unit & 1)
