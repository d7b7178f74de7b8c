"""Rules about what arrives: values that can be, and which MIG instance a reading is of. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gpu_management.metrics.readings import Reading

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


def busy_of_pod(pct: float | None) -> float | None:
    """Return how busy a pod kept a GPU, at most 100 %: figures of its processes were added up."""
    if pct is None or not math.isfinite(pct) or pct < 0:
        return None
    return min(pct, 100.0)


@dataclass(frozen=True, slots=True)
class LiveInstance:
    """An instance as the inventory knows it; `gpu_instance_id` None: not told yet."""

    key: int
    profile_name: str
    gpu_instance_id: int | None
    uuid: str | None = None
    placement_start: int | None = None


@dataclass(frozen=True, slots=True)
class ToldInstance:
    """What a reading tells of the instance it is of; None: not told."""

    profile_name: str | None
    uuid: str | None = None
    placement_start: int | None = None

    @classmethod
    def of(cls, reading: Reading) -> "ToldInstance":
        """Return what `reading` tells."""
        return cls(reading.profile_name, reading.instance_uuid, reading.placement_start)


def numbered(
    live: Iterable[LiveInstance], told: Mapping[int, ToldInstance]
) -> dict[int, int | None]:
    """Return the instance numbers to note, by the instance's key, for one GPU; None: unknown again.

    `told` are the numbers that were read now. The instance of the same UUID, or at the same place,
    has that number. Where neither is told, an instance takes a number only where nothing else is
    possible: it is the one of its profile without a (living) number, and one number of this
    profile belongs to nobody. Two alike stay unknown then: a guess would bill the wrong team.
    """
    instances = list(live)
    certain = _certain(instances, told)
    numbers: dict[int, int | None] = {}
    for one in instances:
        is_taken = one.gpu_instance_id in certain.values()
        numbers[one.key] = certain.get(one.key, None if is_taken else one.gpu_instance_id)
    numbers |= _only_possible(instances, numbers, told)
    return {
        one.key: numbers[one.key] for one in instances if numbers[one.key] != one.gpu_instance_id
    }


def _only_possible(
    instances: Iterable[LiveInstance],
    numbers: Mapping[int, int | None],
    told: Mapping[int, ToldInstance],
) -> dict[int, int]:
    """Return the numbers of instances for which one number is left, which nobody else can have."""
    profile_of = {numbers[one.key]: one.profile_name for one in instances}
    without: dict[str, list[int]] = defaultdict(list)
    for one in instances:
        if numbers[one.key] is None or numbers[one.key] not in told:
            without[one.profile_name].append(one.key)
    free: dict[str, list[int]] = defaultdict(list)
    for number, said in told.items():
        if said.profile_name is not None and profile_of.get(number) != said.profile_name:
            free[said.profile_name].append(number)
    return {
        keys[0]: free[profile][0]
        for profile, keys in without.items()
        if len(keys) == 1 and len(free.get(profile, ())) == 1
    }


def _certain(instances: Iterable[LiveInstance], told: Mapping[int, ToldInstance]) -> dict[int, int]:
    """Return the numbers of instances whose UUID or place is told."""
    by_uuid = {one.uuid: number for number, one in told.items() if one.uuid is not None}
    by_place = {
        one.placement_start: number
        for number, one in told.items()
        if one.placement_start is not None
    }
    found: dict[int, int] = {}
    for one in instances:
        number = by_uuid.get(one.uuid) if one.uuid is not None else None
        if number is None and one.placement_start is not None:
            number = by_place.get(one.placement_start)
            if number is not None and _is_another(told[number], one):
                number = None
        if number is not None:
            found[one.key] = number
    return found


def _is_another(said: ToldInstance, one: LiveInstance) -> bool:
    """Return whether what stands at an instance's place is told to be something else."""
    if said.uuid is not None and one.uuid is not None and said.uuid != one.uuid:
        return True
    return said.profile_name is not None and said.profile_name != one.profile_name
