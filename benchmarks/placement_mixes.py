"""Other mixes of requests than the published lists, resampled from the trace; deterministic.

Each mix changes one thing: more pods of several GPUs, scarcer CPU, more model constraints, more
shares. The order of arrival is made as the benchmark's: shuffle, then clone or drop to a load.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from gpu_management.allocations.candidates import Request

LOAD_RATIO = 1.3
_MODELS = ("G2", "T4", "P100", "G3", "V100M16", "V100M32", "V100M16|V100M32", "G2|G3", "T4|P100")
_AS_FREE = (45, 15, 5, 6, 3, 3, 4, 12, 7)
_SKEWED = (20, 15, 10, 20, 8, 8, 8, 8, 3)
_EIGHT = 8

Pods = list[Request]


def chance_of(seed: int | str) -> random.Random:
    """Return a generator of repeatable draws."""
    return random.Random(seed)


def gpu_milli(requests: Sequence[Request]) -> int:
    """Return the thousandths of GPUs asked for in all."""
    return sum(request.total_milli for request in requests)


def arrivals(pods: Sequence[Request], *, capacity_milli: int, seed: int) -> Pods:
    """Return pods in an order of arrival, cloned or dropped until 130 % of the GPUs are asked."""
    chance = chance_of(seed)
    order = list(pods)
    chance.shuffle(order)
    target, total = int(LOAD_RATIO * capacity_milli), gpu_milli(order)
    while total > target:
        total -= order.pop(chance.randrange(len(order))).total_milli
    while True:
        clone = chance.choice(pods)
        if total + clone.total_milli > target:
            return order
        order.append(clone)
        total += clone.total_milli


def ranks(nodes: int, *, seed: int) -> list[int]:
    """Return node ranks in a random order."""
    order = list(range(nodes))
    chance_of(-seed).shuffle(order)
    return order


def mixes(trace: Sequence[Request]) -> Mapping[str, Pods]:
    """Return the mixes by name."""
    parts = _Parts(trace)
    made: dict[str, Callable[[random.Random], Pods]] = {
        "several30": lambda chance: parts.several(0.30, chance),
        "several50": lambda chance: parts.several(0.50, chance),
        "several75": lambda chance: parts.several(0.75, chance),
        "several95": lambda chance: parts.several(0.95, chance),
        "cpu-only200": lambda chance: parts.cpu_only(2.0, chance),
        "cpu-only300": lambda chance: parts.cpu_only(3.0, chance),
        "cores130": lambda _: parts.cores(1.3),
        "cores180": lambda _: parts.cores(1.8),
        "models33": lambda chance: parts.constrained(0.33, chance, weights=_AS_FREE),
        "models66": lambda chance: parts.constrained(0.66, chance, weights=_AS_FREE),
        "models66-skewed": lambda chance: parts.constrained(0.66, chance, weights=_SKEWED),
        "shares60": lambda chance: parts.shares(0.60, chance),
        "shares100": lambda chance: parts.shares(1.0, chance),
    }
    return {name: make(chance_of(f"mix {name}")) for name, make in made.items()}


class _Parts:
    """The pods of the trace by what they ask for."""

    def __init__(self, trace: Sequence[Request]) -> None:
        self.trace = trace
        self.cpu = [pod for pod in trace if not pod.gpus]
        self.share = [pod for pod in trace if pod.is_share]
        self.one = [pod for pod in trace if pod.gpus == 1 and not pod.is_share]
        self.multi = [pod for pod in trace if pod.gpus > 1]
        self.total = gpu_milli([pod for pod in trace if pod.gpus])

    def several(self, part: float, chance: random.Random) -> Pods:
        """Pods of several GPUs hold this part of the GPU demand."""
        shares = gpu_milli(self.share) / gpu_milli(self.share + self.one)
        rest = (1 - part) * self.total
        drawn = _draw(self.multi, part * self.total, chance)
        drawn += _draw(self.share, rest * shares, chance)
        return self.cpu + drawn + _draw(self.one, rest * (1 - shares), chance)

    def cpu_only(self, times: float, chance: random.Random) -> Pods:
        """So many times as many pods without GPUs."""
        count = int(times * len(self.cpu))
        return self.share + self.one + self.multi + chance.choices(self.cpu, k=count)

    def cores(self, times: float) -> Pods:
        """Pods with GPUs ask for so many times the CPU."""
        asked = self.share + self.one + self.multi
        return self.cpu + [replace(pod, cpu_milli=int(pod.cpu_milli * times)) for pod in asked]

    def constrained(self, part: float, chance: random.Random, *, weights: Sequence[int]) -> Pods:
        """This part of the pods with GPUs asks for models."""
        return list(_with_models(self.trace, part, chance, weights=weights))

    def shares(self, part: float, chance: random.Random) -> Pods:
        """Shares hold this part of the GPU demand."""
        rest = (1 - part) * self.total
        drawn = _draw(self.share, part * self.total, chance)
        drawn += _draw(self.one, rest * 0.9, chance)
        return self.cpu + drawn + _draw(self.multi, rest * 0.1, chance)


def _draw(pods: Sequence[Request], milli: float, chance: random.Random) -> Pods:
    drawn: Pods = []
    total = 0
    while total < milli:
        drawn.append(chance.choice(pods))
        total += drawn[-1].total_milli
    return drawn


def _with_models(
    pods: Sequence[Request], part: float, chance: random.Random, *, weights: Sequence[int]
) -> Iterator[Request]:
    for pod in pods:
        if pod.gpus and chance.random() < part:
            name = chance.choices(_MODELS, weights)[0]
            if pod.gpus == _EIGHT:
                name = chance.choice(("G2", "G3", "G2|G3"))
            yield replace(pod, models=frozenset(name.split("|")))
        else:
            yield pod
