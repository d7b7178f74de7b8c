"""Fragmentation of nodes for typical requests, and what a placement does to it (FGD).

F of a node is, over typical requests by weight, what is left on it that the request cannot use:
everything where its model, CPU or number of fitting devices is wanting, else the devices with too
little left. Source: Weng et al., USENIX ATC 2023, section 3.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpu_management.allocations.candidates import Request, matches
from gpu_management.allocations.fleet import WHOLE_MILLI, Fleet, Ints
from gpu_management.allocations.mix import Shape, shape_of

_TYPICAL_PART = 0.95
"""Part of all requests that the typical ones cover."""

Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class _Kept:
    """Scores of one shape of request, and how much of the history of changes they know."""

    scores: Ints
    devices: Ints
    seen: int


class FragmentationScores:
    """Scores 0-100 of placing a request on each node; kept, and renewed where nodes changed."""

    def __init__(self, requests: Sequence[Request]) -> None:
        """Find the typical requests."""
        self._typical = _typical(requests)
        shapes = list(self._typical)
        self._weights = np.array([self._typical[shape] for shape in shapes])
        self._cpu = np.array([shape.cpu_milli for shape in shapes])
        self._gpus = np.array([shape.gpus for shape in shapes])
        self._milli = np.array([shape.milli for shape in shapes])
        self._kept: dict[Shape, _Kept] = {}
        self._changed: list[int] = []
        self._slots = np.zeros((0, 0), np.int64)
        self._left = np.zeros((0, 0), np.int64)
        self._cpu_left = np.zeros(0, np.int64)
        self._served = np.zeros((0, 0), np.bool_)

    def of(self, fleet: Fleet, request: Request) -> tuple[Ints, Ints]:
        """Return by node position the score, and for a share the position of the best device.

        Only positions of nodes that can serve the request mean anything.
        """
        self._follow(fleet)
        shape = shape_of(request)
        kept = self._kept.get(shape)
        if kept is None:
            rows = np.arange(fleet.node_rows)
            kept = self._kept[shape] = _Kept(np.zeros_like(rows), np.zeros_like(rows), seen=0)
        else:
            rows = np.unique(np.array(self._changed[kept.seen :], np.int64))
        if len(rows):
            kept.scores[rows], kept.devices[rows] = self._score(rows, shape)
        kept.seen = len(self._changed)
        return kept.scores, kept.devices

    def _follow(self, fleet: Fleet) -> None:
        """Note which nodes have changed since the last time."""
        rows = fleet.node_rows
        if len(self._slots) != rows:
            self._start(fleet)
        left = np.where(self._slots >= 0, fleet.devices.open_milli[self._slots], 0)
        cpu_left = fleet.nodes.cpu_milli[:rows].copy()
        changed = (cpu_left != self._cpu_left) | (left != self._left).any(axis=1)
        self._changed += np.flatnonzero(changed).tolist()
        self._left, self._cpu_left = left, cpu_left

    def _start(self, fleet: Fleet) -> None:
        rows = fleet.node_rows
        widest = max((len(slots) for slots in fleet.node_devices), default=0)
        self._slots = np.full((rows, widest), -1, np.int64)
        for row, slots in enumerate(fleet.node_devices[:rows]):
            ordered = sorted(slots, key=lambda slot: int(fleet.devices.index[slot]))
            self._slots[row, : len(slots)] = ordered
        self._left = np.full((rows, widest), -1, np.int64)
        self._cpu_left = np.full(rows, -1, np.int64)
        self._kept.clear()
        served = [
            [
                shape.gpus > 0 and matches(kind, shape.models, shape.min_memory_gb)
                for kind in fleet.kinds
            ]
            for shape in self._typical
        ]
        self._served = np.array(served, np.bool_).T[fleet.nodes.kind[:rows]]

    def _score(self, rows: Ints, shape: Shape) -> tuple[Ints, Ints]:
        left = self._left[rows]
        before = self._fragmentation(rows, left[:, None, :], self._cpu_left[rows])[:, 0]
        variants = _after(left, shape)
        after = self._fragmentation(rows, variants, self._cpu_left[rows] - shape.cpu_milli)
        steep = (before[:, None] - after) / WHOLE_MILLI
        scores = np.trunc(100 / (1 + np.exp(-steep))).astype(np.int64)
        if shape.gpus == 1 and shape.milli < WHOLE_MILLI:
            scores = np.where(left >= shape.milli, scores, -1)
        best = scores.argmax(axis=1)
        each = np.arange(len(rows))
        return scores[each, best], self._slots[rows, best % self._slots.shape[1]]

    def _fragmentation(self, rows: Ints, left: Ints, cpu_left: Ints) -> Floats:
        """Return F for each node and each variant of what its devices have left."""
        total = left.sum(axis=2)[:, :, None]
        fits = left[:, :, :, None] >= self._milli
        count = fits.sum(axis=2)
        small = np.where(fits, 0, left[:, :, :, None]).sum(axis=2)
        serves = self._served[rows] & (cpu_left[:, None] >= self._cpu)
        usable = serves[:, None, :] & (count >= self._gpus)
        lost: Floats = np.where(usable, small, total) @ self._weights
        return lost


def _typical(requests: Sequence[Request]) -> dict[Shape, float]:
    """Return the commonest shapes that cover most requests, with weights that sum to 1."""
    counted = Counter(shape_of(request) for request in requests).most_common()
    kept: dict[Shape, float] = {}
    covered = 0
    for shape, count in counted:
        if covered >= _TYPICAL_PART * len(requests):
            break
        kept[shape] = float(count)
        covered += count
    return {shape: count / covered for shape, count in kept.items()}


def _after(left: Ints, shape: Shape) -> Ints:
    """Return what devices have left after placing: [node, variant, device]."""
    if shape.gpus == 1 and shape.milli < WHOLE_MILLI:
        width = left.shape[1]
        taken: Ints = left[:, None, :] - shape.milli * np.eye(width, dtype=np.int64)
        return taken
    whole = left == WHOLE_MILLI
    first = whole & (whole.cumsum(axis=1) <= shape.gpus)
    emptied: Ints = np.where(first, 0, left)[:, None, :]
    return emptied
