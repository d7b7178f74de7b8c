"""Why nothing fits: each candidate counted once, under the first thing it lacked."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gpu_management.allocations.candidates import (
    ANY_MEMORY_GB,
    Lack,
    Refusal,
    Request,
    has_memory,
)
from gpu_management.allocations.fleet import (
    UNKNOWN_AMOUNT,
    Bools,
    DeviceKind,
    Fleet,
    Ints,
)


def refuse(fleet: Fleet, request: Request) -> Refusal:
    """Return what each class of candidates lacked; for a request that `find` found no place for."""
    rows = fleet.device_rows
    schedulable = fleet.nodes.schedulable[: fleet.node_rows]
    open_milli = np.where(
        schedulable[fleet.devices.node[:rows]], fleet.devices.open_milli[:rows], 0
    )
    whole = np.where(schedulable, fleet.nodes.free_gpus[: fleet.node_rows], 0)
    return Refusal(
        request=request,
        lacks=tuple(_Sieve(fleet, request).lacks()),
        largest_free_milli=int(open_milli.max(initial=0)),
        largest_free_gpus=int(whole.max(initial=0)),
    )


@dataclass(frozen=True, slots=True)
class _Test:
    """One thing to lack, and how to measure the most that the lacking ones have of it."""

    reason: str
    lacking: Bools
    wanted: int | None = None
    amounts: Ints | None = None


class _Sieve:
    """Drops candidates reason by reason; a candidate is a device, or a node for CPU only."""

    def __init__(self, fleet: Fleet, request: Request) -> None:
        self.fleet = fleet
        self.request = request
        if request.gpus:
            self.node_of = fleet.devices.node[: fleet.device_rows]
            self.left = fleet.devices.present[: fleet.device_rows].copy()
        else:
            self.node_of = np.arange(fleet.node_rows)
            self.left = fleet.nodes.present[: fleet.node_rows].copy()

    def lacks(self) -> Iterator[Lack]:
        """Yield the reasons that hit any candidate, in the order they are tried."""
        for test in self._tests():
            hit = self.left & test.lacking
            count = int(np.count_nonzero(hit))
            if not count:
                continue
            self.left &= ~hit
            nodes = int(np.count_nonzero(np.bincount(self.node_of[hit])))
            largest = None if test.amounts is None else _largest(test.amounts[hit])
            devices = count if self.request.gpus else 0
            yield Lack(test.reason, devices, nodes, wanted=test.wanted, largest=largest)

    def _tests(self) -> Iterator[_Test]:
        if self.request.gpus:
            yield from self._kind_tests()
        yield from self._node_tests()
        if self.request.gpus:
            yield from self._device_tests()
        yield self._node_amount("CPU", self.fleet.nodes.cpu_milli, wanted=self.request.cpu_milli)
        yield self._node_amount(
            "HOST_MEMORY", self.fleet.nodes.memory_mib, wanted=self.request.memory_mib
        )
        if self.request.gpus > 1:
            # Enough free GPUs, but not on nodes that also have the CPU and memory.
            yield _Test("FREE_GPUS", self.left.copy(), self.request.gpus, self._free_per_node())

    def _kind_tests(self) -> Iterator[_Test]:
        request = self.request
        if request.excluded_devices:
            keys = np.array(sorted(request.excluded_devices))
            yield _Test("EXCLUDED", np.isin(self.fleet.devices.key[: len(self.left)], keys))
        if request.models is not None:
            models = request.models
            yield _Test("MODEL", self._kinds_where(lambda kind: kind.model_id not in models))
        if request.min_memory_gb > ANY_MEMORY_GB:
            least = request.min_memory_gb
            sizes = np.array([kind.memory_gb or 0 for kind in self.fleet.kinds] or [0])
            amounts = sizes[self.fleet.devices.kind[: len(self.left)]]
            lacking = self._kinds_where(lambda kind: not has_memory(kind, least))
            yield _Test("MEMORY", lacking, least, amounts)

    def _node_tests(self) -> Iterator[_Test]:
        fleet, request = self.fleet, self.request
        if request.node_selector:
            selected = fleet.selected(request.node_selector)
            yield _Test("NODE_SELECTOR", ~selected[self.node_of])
        excluded = [fleet.find_node(key) for key in request.excluded_nodes]
        if excluded:
            hit = np.zeros(fleet.node_rows, np.bool_)
            hit[[at for at in excluded if at is not None]] = True
            yield _Test("NODE_EXCLUDED", hit[self.node_of])
        yield _Test("NODE_UNSCHEDULABLE", ~fleet.nodes.schedulable[self.node_of])

    def _device_tests(self) -> Iterator[_Test]:
        fleet, request = self.fleet, self.request
        reasons = fleet.devices.reason[: len(self.left)]
        for number, reason in enumerate(fleet.reasons[1:], start=1):
            yield _Test(reason, reasons == number)
        free = fleet.devices.open_milli[: len(self.left)]
        if request.is_share:
            yield _Test("NOT_SHAREABLE", ~fleet.devices.shareable[: len(self.left)])
        yield _Test("FREE_MILLI", free < request.milli, request.milli, free)
        if request.gpus > 1:
            per_node = self._free_per_node()
            yield _Test("FREE_GPUS", per_node < request.gpus, request.gpus, per_node)

    def _free_per_node(self) -> Ints:
        """Return for each device how many candidates are still left on its node."""
        counted = np.bincount(self.node_of[self.left], minlength=self.fleet.node_rows)
        per_device: Ints = counted[self.node_of]
        return per_device

    def _node_amount(self, reason: str, column: Ints, *, wanted: int) -> _Test:
        amounts = column[self.node_of]
        return _Test(reason, amounts < wanted, wanted, amounts)

    def _kinds_where(self, test: Callable[[DeviceKind], bool]) -> Bools:
        lacking = np.array([test(kind) for kind in self.fleet.kinds] or [False], np.bool_)
        per_device: Bools = lacking[self.fleet.devices.kind[: len(self.left)]]
        return per_device


def _largest(amounts: Ints) -> int:
    return int(min(amounts.max(), UNKNOWN_AMOUNT))
