"""Which simulated fleet a server starts with; `none` leaves the inventory alone."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gpu_management.simulate import demo, demo_fleet, openb, openb_files, replay
from gpu_management.simulate.runner import Runner
from gpu_management.simulate.world import FleetUnusable, World

__all__ = ["FleetUnusable", "Runner", "Wanted", "check", "prepare"]

NAMES: Final = ("none", demo_fleet.NAME, openb_files.NAME)
FASTEST: Final = 1e6
"""Seconds of the trace in one real second, at most."""


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
    if wanted.name != openb_files.NAME:
        given = [f"--{f}" for f in ("nodes", "pods", "speed") if getattr(wanted, f) is not None]
        if given:
            raise FleetUnusable(f"{', '.join(given)}: only for --fleet {openb_files.NAME}")
        return
    for flag, path in (("--nodes", wanted.nodes), ("--pods", wanted.pods)):
        if path is None:
            raise FleetUnusable(f"--fleet {openb_files.NAME} needs {flag} FILE")
        if not path.is_file():
            raise FleetUnusable(f"{flag}: there is no file {path}")
    if wanted.speed is not None and not 0 < wanted.speed <= FASTEST:
        raise FleetUnusable(f"--speed {wanted.speed:g}: more than 0, at most {FASTEST:g}")


def prepare(world: World, wanted: Wanted, *, tell: Callable[[str], None]) -> Runner | None:
    """Fill the fleet of a checked wish; the answer makes it live, None where there is no fleet.

    Raises:
        FleetUnusable: a file is not as it should be, or the database holds another fleet.
    """
    if wanted.name == demo_fleet.NAME:
        return Runner(demo.prepare(world, wanted.seed, tell=tell), world.clock)
    if wanted.nodes is None or wanted.pods is None:
        return None
    plans = openb_files.read_node_plans(wanted.nodes)
    pods = openb_files.read_trace_pods(wanted.pods)
    openb.prepare(world, plans, tell=tell)
    without = sum(not pod.gpus for pod in pods)
    speed = wanted.speed or replay.SPEED
    tell(f"replaying {len(pods) - without:,} pods at {speed:g} x; {without:,} ask for no GPU")
    return Runner(replay.Replay(world, pods, speed, tell), world.clock)
