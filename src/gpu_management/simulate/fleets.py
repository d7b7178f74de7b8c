"""Which simulated fleet a server starts with; `none` leaves the inventory alone."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gpu_management.simulate import demo
from gpu_management.simulate.runner import Runner
from gpu_management.simulate.world import FleetUnusable, World

__all__ = ["FleetUnusable", "Runner", "Wanted", "check", "prepare"]

NAMES: Final = ("none", "demo", "openb")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked on the command line."""

    name: str = "none"
    nodes: Path | None = None
    pods: Path | None = None
    speed: float | None = None
    seed: int = 42


def check(wanted: Wanted) -> None:
    """Refuse what cannot be made.

    Raises:
        FleetUnusable: no such fleet, or a file or number that it needs is missing or wrong.
    """
    if wanted.name not in NAMES:
        raise FleetUnusable(f"no fleet {wanted.name}; there are {', '.join(NAMES)}")


def prepare(world: World, wanted: Wanted, *, tell: Callable[[str], None]) -> Runner | None:
    """Fill the fleet; the answer lets it live once it is started, None has nothing to live.

    Raises:
        FleetUnusable: the database holds another fleet.
    """
    if wanted.name == "demo":
        return Runner(demo.prepare(world, wanted.seed, tell=tell), world.clock)
    return None
