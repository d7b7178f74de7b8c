"""Which pod a process belongs to: what the kernel says of its control group."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from gpu_management.collector.nvml import Process
from gpu_management.metrics.readings import PodUse

_POD: Final = re.compile(
    r"kubepods[^\n]*?pod(?P<uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})"
)
"""Both drivers: `/kubepods/burstable/pod<uid>/…` (cgroupfs) and `…-pod<uid with _>.slice/…`."""


def pod_uid_of(cgroup: str) -> str | None:
    """Return the UID of the pod that a `/proc/<pid>/cgroup` names, or None."""
    found = _POD.search(cgroup)
    return found["uid"].replace("_", "-") if found else None


def by_pod(processes: Iterable[Process], *, proc: Path = Path("/proc")) -> list[PodUse]:
    """Return what the pods' processes used together; those outside of pods are left out.

    A pod's figure is unknown (None) when that of one of its processes is. Needs the node's process
    namespace (`hostPID`).
    """
    found: dict[str, list[Process]] = {}
    for process in processes:
        uid = _pod_uid(proc, process.pid)
        if uid is not None:
            found.setdefault(uid, []).append(process)
    return [
        PodUse(uid, _sum([one.busy_pct for one in group]), _sum([one.memory_mib for one in group]))
        for uid, group in sorted(found.items())
    ]


def _pod_uid(proc: Path, pid: int) -> str | None:
    try:
        return pod_uid_of((proc / str(pid) / "cgroup").read_text(errors="replace"))
    except OSError:
        return None  # it ended meanwhile


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
