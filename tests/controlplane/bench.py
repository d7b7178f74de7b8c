"""Measure the product beside a large cluster: 1,213 nodes, 6,212 GPUs, 5,000 pods.

`make bench-cluster` prints seconds and MiB; nothing is asserted.
"""

import json
import resource
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.controlplane.admin import Admin, until
from tests.controlplane.plane import ControlPlane, running
from tests.support.kube import gpu, gpu_slice, node, pod
from tests.support.server import LiveServer, serving

NODES, GPUS, PODS, REQUESTS = 1_213, 6_212, 5_000, 200


def fill(admin: Admin) -> None:
    """Put nodes, slices and pods of the device plugin's kind into the cluster."""
    admin.prepare("ml")
    counts = [GPUS // NODES + (n < GPUS % NODES) for n in range(NODES)]

    def one(number: int) -> None:
        name = f"node-{number:04}"
        admin.create(node(name))
        cards = [gpu(i, f"GPU-{number}-{i}") for i in range(counts[number])]
        admin.create(gpu_slice(name, cards, name=name))

    def plain(number: int) -> None:
        admin.create(pod(f"pod-{number}", phase="Pending"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(NODES)))
        list(pool.map(plain, range(PODS)))


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def until_claimed(admin: Admin, server: LiveServer) -> list[float]:
    """Return the seconds from each POST to its claim."""
    seconds = []
    for number in range(REQUESTS):
        began = time.perf_counter()
        made = server.ask(
            "POST",
            "/api/v1/gpu/allocations",
            {
                "namespace": "ml",
                "podName": f"bench-{number}",
                "workloadType": "Training",
                "requiredMemoryGb": 40,
            },
        )
        name = f"gpualloc-{made['allocationId']}"
        until(lambda name=name: admin.claim(name, "ml"))  # type: ignore[misc]
        seconds.append(time.perf_counter() - began)
    return seconds


def measure(plane: ControlPlane) -> dict[str, Any]:
    """Run the product and return the figures."""
    admin = Admin(plane)
    fill(admin)
    told = [
        "--set",
        "cluster.connection=kubeconfig",
        "--set",
        f"cluster.kubeconfig={plane.kubeconfig()}",
        "--set",
        "cluster.enforcement=dra",
    ]
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), *told) as server:
        began = time.perf_counter()
        path = "/api/v1/gpu/devices?limit=1"
        until(lambda: _count(server, path) == GPUS, seconds=300)
        synced = time.perf_counter() - began
        seconds = sorted(until_claimed(admin, server))
        return {
            "firstSyncSeconds": round(synced, 1),
            "claimMedianSeconds": round(statistics.median(seconds), 3),
            "claimP99Seconds": round(seconds[int(len(seconds) * 0.99) - 1], 3),
            "residentMib": round(resident_mib(server.pid)),
        }


def _count(server: LiveServer, path: str) -> int:
    found = server.ask("GET", f"{path}&envelope=true")
    return int(found["meta"].get("total") or 0)


def main() -> None:
    """Print the figures as JSON."""
    with running() as plane:
        print(json.dumps(measure(plane), indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
