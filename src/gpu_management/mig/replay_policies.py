"""The policies of `gpuctl mig replay`: the product's own, and two to compare it with."""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from gpu_management.mig.demand import Demand
from gpu_management.mig.fleet import GpuState, MigFleet
from gpu_management.mig.moves import Spot
from gpu_management.mig.placement import Choice, choose


class Policy(Protocol):
    """Decides where a request goes; it sees neither durations nor later requests."""

    demand: Demand

    def place(self, fleet: MigFleet, profile: str) -> Spot | None:
        """Return where the profile goes, or None where nothing is free for it."""


class Valued:
    """The product's own: loses the least of what the free units are still good for."""

    def __init__(self) -> None:
        """Start without knowledge: demand that is learned beats a forecast."""
        self.demand = Demand()

    def place(self, fleet: MigFleet, profile: str) -> Spot | None:
        """Return where the profile goes, or None where nothing is free for it."""
        self.demand.learn([profile])
        found = choose(fleet, [profile], demand=self.demand)
        return Spot(found.gpu, found.start) if isinstance(found, Choice) else None


class _Fitting:
    """Takes a GPU by a rule that knows nothing of the demand; starts in the driver's order."""

    def __init__(self) -> None:
        self.demand = Demand()  # only moves ask for it

    def place(self, fleet: MigFleet, profile: str) -> Spot | None:
        self.demand.learn([profile])
        best: tuple[int, Spot] | None = None
        for group in fleet.groups():
            start = _first_start(group.state, profile)
            if start is not None:
                offer = (self.rank(group.state, profile), Spot(group.keys[0], start))
                best = offer if best is None else min(best, offer)
        return best and best[1]

    def rank(self, state: GpuState, profile: str) -> int:
        raise NotImplementedError


class FirstFit(_Fitting):
    """The first GPU with a legal place."""

    def rank(self, state: GpuState, profile: str) -> int:
        """Return 0: the index alone decides."""
        return 0


class BestFit(_Fitting):
    """The GPU with the fewest free units left, then the first."""

    def rank(self, state: GpuState, profile: str) -> int:
        """Return the free units left."""
        return state.empty.bit_count() - state.geometry.profile(profile).size


POLICIES: Final[Mapping[str, Callable[[], Policy]]] = {
    "default": Valued,
    "first-fit": FirstFit,
    "best-fit": BestFit,
}
"""Each policy by the name that `--policy` takes."""


def _first_start(state: GpuState, profile: str) -> int | None:
    kind = state.geometry.find(profile)
    if kind is None or kind.name in state.closed:
        return None
    return next((s for s in kind.starts if not kind.bits(s) & ~state.empty), None)
