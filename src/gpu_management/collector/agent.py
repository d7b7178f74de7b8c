"""The loop of the collector: look, queue, send, at the same moments on every node."""

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2

from gpu_management.collector.exposition import OwnReadings
from gpu_management.collector.look import Look, combine
from gpu_management.collector.nvml import Node, Nvml, NvmlUnavailable, nvml
from gpu_management.collector.podresources import KubeletUnavailable, PodDevice, list_devices
from gpu_management.collector.sender import Sender
from gpu_management.metrics.batches import Batch, pack
from gpu_management.metrics.exposition import ExpositionInvalid, read_exposition
from gpu_management.metrics.readings import Reading

log = logging.getLogger("gpumanagement.collector")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a node's figures come from; None: not to be asked."""

    node_name: str
    dcgm_url: str | None = None
    kubelet_socket: Path | None = None
    use_nvml: bool = True
    nvml_api: Any | None = None
    proc: Path = Path("/proc")


class NothingToRead(Exception):
    """Neither dcgm-exporter nor NVML answers."""


@dataclass(slots=True)
class Eyes:
    """Looks at a node; a source that fails is told once, and asked again at the next look."""

    sources: Sources
    client: httpx2.Client
    _open: ExitStack = field(default_factory=ExitStack)
    _nvml: Nvml | None = None
    _failing: set[str] = field(default_factory=set)

    def look(self) -> Look:
        """Return what is seen now.

        Raises:
            NothingToRead: no source answers; nothing is known, and nothing is made up.
        """
        exported = self._exported()
        node = self._node()
        if exported is None and node is None:
            raise NothingToRead(f"neither dcgm-exporter nor NVML answers on {self._name}")
        return combine(exported or [], node, self._pods(), proc=self.sources.proc)

    def close(self) -> None:
        """Let NVML go."""
        self._open.close()
        self._nvml = None

    @property
    def _name(self) -> str:
        return self.sources.node_name

    def _exported(self) -> Sequence[Reading] | None:
        if self.sources.dcgm_url is None:
            return None
        try:
            answer = self.client.get(self.sources.dcgm_url)
            answer.raise_for_status()
            readings = read_exposition(answer.text)
        except (httpx2.HTTPError, ExpositionInvalid) as error:
            self._tell("dcgm-exporter", error)
            return None
        self._well("dcgm-exporter")
        for reading in readings:
            reading.node_name = self._name
        return readings

    def _node(self) -> Node | None:
        if not self.sources.use_nvml:
            return None
        try:
            if self._nvml is None:
                self._nvml = self._open.enter_context(nvml(self.sources.nvml_api))
        except NvmlUnavailable as error:
            self._tell("NVML", error)
            return None
        self._well("NVML")
        return self._nvml.look(node_name=self._name)

    def _pods(self) -> list[PodDevice]:
        if self.sources.kubelet_socket is None:
            return []
        try:
            found = list_devices(self.sources.kubelet_socket)
        except KubeletUnavailable as error:
            self._tell("kubelet", error)
            return []
        self._well("kubelet")
        return found

    def _tell(self, source: str, error: Exception) -> None:
        if source not in self._failing:
            self._failing.add(source)
            log.warning("GPU metrics without %s: %s", source, error)

    def _well(self, source: str) -> None:
        if source in self._failing:
            self._failing.discard(source)
            log.info("GPU metrics with %s again", source)


@dataclass(slots=True)
class Agent:
    """Looks and sends, one round at a time."""

    eyes: Eyes
    sender: Sender
    own: OwnReadings
    clock: Callable[[], datetime]

    def round(self) -> None:
        """Look once, queue what was seen, and send what waits."""
        now = self.clock()
        try:
            seen = self.eyes.look()
        except NothingToRead as error:
            self.own.readings = []
            log.warning("GPU metrics are missing: %s", error)
        else:
            self.own.readings = [one for one in seen.readings if one.target in seen.own]
            self.sender.put(pack(self._batch(seen, now)))
        self.sender.flush()

    def _batch(self, seen: Look, now: datetime) -> Batch:
        source = "nvml" if seen.own else "dcgm"
        if seen.own and len(seen.own) < len(seen.readings):
            source = "both"
        return Batch(
            self.eyes.sources.node_name, now, source, seen.readings, lost_indices=seen.lost_indices
        )


def seconds_to_next(now: datetime, interval_seconds: int) -> float:
    """Return how long to wait for the next full interval of the clock: all nodes tick together."""
    return interval_seconds - now.timestamp() % interval_seconds
