"""What is likely to be asked next, learned from what was asked.

The benchmark learns the mix from its list of pods; the live service from what it places, with
older requests counting less. Tables are rebuilt once per `_REBUILD_AFTER` requests (about 10 ms).
"""

from collections.abc import Iterable, Mapping
from typing import Self

from gpu_management.allocations.candidates import Request
from gpu_management.allocations.fleet import WHOLE_MILLI, Fleet
from gpu_management.allocations.mix import Mix, Shape, shape_of
from gpu_management.allocations.outlook import Outlook, survey

_REBUILD_AFTER = 256
_REMEMBERED = 4096.0
"""Requests after which an old one counts 1/e of a new one."""
_SHAPES_KEPT = 512
_RESCALE_ABOVE = 1e9
_SURVEY_AFTER = 50
"""Changes of the fleet after which its outlook is taken anew."""

_PRIOR: Mapping[Shape, float] = {
    Shape(1, WHOLE_MILLI, 0, None, 0): 8.0,
    Shape(1, 500, 0, None, 0): 4.0,
    Shape(1, 250, 0, None, 0): 4.0,
}
"""What is expected before anything was asked: whole GPUs, halves and quarters."""


class Demand:
    """The mix of requests, learned one by one; not for use by several threads at once."""

    def __init__(self) -> None:
        """Start with a mild expectation: whole GPUs, halves and quarters."""
        self._weights: dict[Shape, float] = dict(_PRIOR)
        self._unit = 1.0
        self._since_build = 0
        self._mix: Mix | None = None
        self._outlook: Outlook | None = None
        self._surveyed: Fleet | None = None
        self._surveyed_at = 0

    @classmethod
    def of(cls, requests: Iterable[Request]) -> Self:
        """Return the demand of a given list, each entry counting the same."""
        demand = cls()
        demand._weights.clear()
        for request in requests:
            shape = shape_of(request)
            demand._weights[shape] = demand._weights.get(shape, 0.0) + 1.0
        return demand

    @property
    def mix(self) -> Mix:
        """The mix as of the last rebuild, at most `_REBUILD_AFTER` requests old."""
        if self._mix is None or self._since_build >= _REBUILD_AFTER:
            self._mix = Mix(dict(self._weights))
            self._since_build = 0
        return self._mix

    def outlook(self, fleet: Fleet) -> Outlook:
        """Return what is scarce in the fleet, at most `_SURVEY_AFTER` changes old."""
        mix, kept = self.mix, self._outlook
        if (
            kept is None
            or kept.mix is not mix
            or self._surveyed is not fleet
            or len(kept.scarcity) != len(fleet.kinds)
            or fleet.changes - self._surveyed_at >= _SURVEY_AFTER
        ):
            kept = self._outlook = survey(fleet, mix)
            self._surveyed, self._surveyed_at = fleet, fleet.changes
        return kept

    def learn(self, request: Request) -> None:
        """Count a request; those before it count a little less from now on."""
        shape = shape_of(request)
        self._unit *= 1.0 + 1.0 / _REMEMBERED
        self._weights[shape] = self._weights.get(shape, 0.0) + self._unit
        self._since_build += 1
        if len(self._weights) > 2 * _SHAPES_KEPT or self._unit > _RESCALE_ABOVE:
            self._condense()

    def _condense(self) -> None:
        """Keep the shapes that weigh most, in units of the newest request."""
        kept = sorted(self._weights.items(), key=lambda item: -item[1])[:_SHAPES_KEPT]
        self._weights = {shape: weight / self._unit for shape, weight in kept}
        self._unit = 1.0
