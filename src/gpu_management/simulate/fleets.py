"""Which simulated fleet a server starts with; `none` leaves the inventory alone."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = ("none", "demo", "openb")


class FleetUnusable(Exception):
    """The asked fleet cannot be made; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked on the command line."""

    name: str = "none"
    nodes: Path | None = None
    pods: Path | None = None
    speed: float | None = None
    seed: int = 42


def check(wanted: Wanted) -> None:
    """Refuse what cannot be made."""
    if wanted.name not in NAMES:
        raise FleetUnusable(f"no fleet {wanted.name}; there are {', '.join(NAMES)}")


def prepare(process: Any, wanted: Wanted, *, tell: Callable[[str], None]) -> Any:
    """Fill the fleet."""
    return None
