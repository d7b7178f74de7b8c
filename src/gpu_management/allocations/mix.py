"""A mix of request shapes, and the tables that placement reads from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gpu_management.allocations.candidates import ANY_MEMORY_GB, Request
from gpu_management.allocations.fleet import WHOLE_MILLI
from gpu_management.allocations.share_prices import Values, gap_values

SPARE_STEP_CORES = 0.1
SPARE_STEPS = 2001


class Shape(NamedTuple):
    """What makes two requests the same to the mix."""

    gpus: int
    milli: int
    cpu_milli: int
    models: frozenset[str] | None
    min_memory_gb: int

    @property
    def gpu_amount(self) -> float:
        """GPUs asked for, shares as fractions."""
        return self.gpus * self.milli / WHOLE_MILLI

    @property
    def is_constrained(self) -> bool:
        """Whether some GPUs will not do."""
        return self.models is not None or self.min_memory_gb > ANY_MEMORY_GB


def shape_of(request: Request) -> Shape:
    """Return what the mix remembers of a request."""
    milli = request.milli if request.gpus else 0
    return Shape(request.gpus, milli, request.cpu_milli, request.models, request.min_memory_gb)


@dataclass(frozen=True)
class Mix:
    """A weighted mix of request shapes, and what follows from it; weights are counts."""

    weights: Mapping[Shape, float]

    @cached_property
    def gpus(self) -> float:
        """GPUs asked for in all."""
        return sum(shape.gpu_amount * count for shape, count in self.weights.items())

    @cached_property
    def gap_value(self) -> Values:
        """What a gap of 0-1000 milli is still good for, in devices."""
        counts: dict[int, float] = {}
        for shape, count in self.weights.items():
            if shape.gpus == 1 and shape.milli < WHOLE_MILLI:
                counts[shape.milli] = counts.get(shape.milli, 0.0) + count
        return gap_values(counts)

    @cached_property
    def cores_per_gpu(self) -> float:
        """Cores asked for with each GPU; 0 when nobody asks for CPU."""
        return self._cores(with_gpus_only=True) / self.gpus if self.gpus else 0.0

    @cached_property
    def cores_in_all_per_gpu(self) -> float:
        """Cores asked for per GPU, those of requests without GPUs included."""
        return self._cores(with_gpus_only=False) / self.gpus if self.gpus else 0.0

    @cached_property
    def constrained(self) -> Mapping[tuple[frozenset[str] | None, int], float]:
        """Part of the GPU demand by (models, least memory), for demand that is constrained."""
        parts: dict[tuple[frozenset[str] | None, int], float] = {}
        for shape, count in self.weights.items():
            if shape.gpus and shape.is_constrained:
                key = (shape.models, shape.min_memory_gb)
                parts[key] = parts.get(key, 0.0) + count * shape.gpu_amount / self.gpus
        return parts

    @cached_property
    def several(self) -> Mapping[Shape, float]:
        """Part of the GPU demand by shape, for requests of several GPUs."""
        return {
            shape: count * shape.gpu_amount / self.gpus
            for shape, count in self.weights.items()
            if shape.gpus > 1
        }

    @cached_property
    def unserved(self) -> Values:
        """Part of a node's free GPUs that its CPU cannot serve, by free cores per free GPU.

        Entry i is for i x 0.1 cores: the sum over requests for up to one GPU, weighted by their
        part of the GPU demand, of max(0, 1 - cores / cores asked per GPU).
        """
        cores = np.arange(SPARE_STEPS) * SPARE_STEP_CORES
        table = np.zeros(SPARE_STEPS)
        for shape, count in self.weights.items():
            if shape.gpus == 1 and shape.cpu_milli:
                asked = shape.cpu_milli / WHOLE_MILLI / shape.gpu_amount
                part = count * shape.gpu_amount / self.gpus
                table += part * np.maximum(0.0, 1.0 - cores / asked)
        return table

    def _cores(self, *, with_gpus_only: bool) -> float:
        return sum(
            shape.cpu_milli / WHOLE_MILLI * count
            for shape, count in self.weights.items()
            if shape.gpus or not with_gpus_only
        )
