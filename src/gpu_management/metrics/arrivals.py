"""Rules about what arrives: values that can be, and which MIG instance a reading is of. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_LARGEST: Final = 1e18
_LEAST_CELSIUS, _MOST_CELSIUS = -60.0, 250.0
_HIGHEST: Final = {"_pct": 100.0, "_ratio": 1.0}
_SLACK: Final = 1.001
"""Profiling ratios are seen a hair above 1; they are cut to 1."""
_WHOLE: Final[Mapping[str, type[int]]] = {"last_xid": int, "remap_failed": bool}


def plausible(name: str, value: float) -> float | int | bool | None:
    """Return the value of a reading's field, or None where it cannot be: unknown, never wrong."""
    if not math.isfinite(value) or abs(value) > _LARGEST:
        return None
    if name.endswith("_celsius"):
        return value if _LEAST_CELSIUS <= value <= _MOST_CELSIUS else None
    if value < 0:
        return None
    for suffix, highest in _HIGHEST.items():
        if name.endswith(suffix):
            return min(value, highest) if value <= highest * _SLACK else None
    whole = _WHOLE.get(name)
    return value if whole is None else whole(value)


@dataclass(frozen=True, slots=True)
class LiveInstance:
    """An instance as the inventory knows it; `gpu_instance_id` None: not told yet."""

    key: int
    profile_name: str
    gpu_instance_id: int | None


def numbered(live: Iterable[LiveInstance], told: Mapping[int, str | None]) -> dict[int, int]:
    """Return the instance numbers to note, by the instance's key, for one GPU.

    `told` are the numbers that were read now, with their profile. An instance takes a number only
    where nothing else is possible: it is the one of its profile without a (living) number, and one
    number of this profile belongs to nobody. Two alike stay unknown: a guess would bill the wrong
    team.
    """
    instances = list(live)
    profile_of = {one.gpu_instance_id: one.profile_name for one in instances}
    without: dict[str, list[int]] = defaultdict(list)
    for one in instances:
        if one.gpu_instance_id is None or one.gpu_instance_id not in told:
            without[one.profile_name].append(one.key)
    free: dict[str, list[int]] = defaultdict(list)
    for number, profile in told.items():
        if profile is not None and profile_of.get(number) != profile:
            free[profile].append(number)
    return {
        keys[0]: free[profile][0]
        for profile, keys in without.items()
        if len(keys) == 1 and len(free.get(profile, ())) == 1
    }
