"""Measure the product beside a large cluster: 1,213 nodes, 6,212 GPUs, 5,000 pods.

`make bench-cluster` prints seconds and MiB; nothing is asserted. About ten minutes on two cores.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lightkube.resources.core_v1 import Node

from tests.controlplane import bench_parts as parts
from tests.controlplane.admin import Admin, until
from tests.controlplane.plane import ControlPlane, running
from tests.support.kube import Thing, gpu, gpu_slice, node, pod
from tests.support.server import LiveServer, serving

NODES, GPUS, PODS = 1_213, 6_212, 5_000
PODS_WITH_GPU = 1_000
REQUESTS, ROUNDS, AWAY_SECONDS = 200, 40, 60
CARD = {"nvidia.com/gpu": "1"}


def fill(admin: Admin) -> None:
    """Put nodes, slices and pods into the cluster; the first pods have GPUs by the plugin."""
    admin.prepare("ml", "bench")
    counts = [GPUS // NODES + (n < GPUS % NODES) for n in range(NODES)]

    def one(number: int) -> None:
        name = f"node-{number:04}"
        admin.create(node(name))
        admin.client.patch(Node, name, {"spec": {"taints": None}})
        cards = [gpu(i, f"GPU-{number}-{i}") for i in range(counts[number])]
        admin.create(gpu_slice(name, cards, name=name))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(NODES)))
        list(pool.map(lambda n: admin.create(resident(n)), range(PODS)))


def resident(number: int) -> Thing:
    """Return a pod with the fields that real ones have; every fifth has a GPU."""
    limits = CARD if number < PODS_WITH_GPU else {"cpu": "2", "memory": "4Gi"}
    thing = pod(
        f"pod-{number}",
        node_name=f"node-{number % NODES:04}",
        limits=limits,
        phase="Pending",
        labels={f"app.kubernetes.io/label-{n}": f"value-{n}" for n in range(6)},
        annotations={f"example.com/note-{n}": "x" * 200 for n in range(5)},
    )
    container = thing["spec"]["containers"][0]
    container["resources"]["requests"] = {"cpu": "500m", "memory": "1Gi", **limits}
    container["env"] = [{"name": f"NAME_{n}", "value": "y" * 40} for n in range(20)]
    return thing


def measure(plane: ControlPlane) -> dict[str, Any]:
    """Run the product and return the figures."""
    admin = Admin(plane)
    told("filling the cluster")
    fill(admin)
    options = {
        "cluster.connection": "kubeconfig",
        "cluster.kubeconfig": str(plane.kubeconfig()),
        "cluster.enforcement": "dra",
    }
    options_told = [part for k, v in options.items() for part in ("--set", f"{k}={v}")]
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), *options_told) as server:
        began = time.perf_counter()
        until(lambda: _devices(server) == GPUS, seconds=300)
        found: dict[str, Any] = {"firstSyncSeconds": round(time.perf_counter() - began, 1)}
        ledger = parts.Ledger(Path(folder) / "server.db")
        until(lambda: ledger.observed() >= PODS_WITH_GPU, seconds=300)
        found["firstHoldsSeconds"] = round(time.perf_counter() - began, 1)
        until(lambda: _pods(server) >= PODS, seconds=120)
        told("claims")
        found["claim"] = spread(parts.until_claimed(admin, server, REQUESTS))
        told("pod events")
        came, went = parts.until_known(admin, ledger, seconds=20, per_second=50, nodes=NODES)
        found["podBegins"], found["podEnds"] = spread(came), spread(went)
        found["podsKnown"] = len(came)
        told("pods with and without our pin")
        found |= pinned(plane, admin, server)
        told(f"an API server that is away for {AWAY_SECONDS} s")
        found["outage"] = parts.outage(plane, admin, server, seconds=AWAY_SECONDS)
        found["residentMib"] = round(parts.resident_mib(server.pid))
        found["peakMib"] = round(parts.resident_mib(server.pid, peak=True))
        return found | {"load": [round(one, 1) for one in os.getloadavg()]}


def pinned(plane: ControlPlane, admin: Admin, server: LiveServer) -> dict[str, Any]:
    """Return pods' time from creation to Running, without our policy and then with it."""
    found = {"withoutPolicy": parts.until_running(admin, server, ROUNDS, "alone")}
    parts.install_policy(plane, admin)
    found["withPolicy"] = parts.until_running(admin, server, ROUNDS, "told")
    return {"run": {name: _compared(times) for name, times in found.items()}}


def _compared(times: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    told: dict[str, Any] = {kind: spread(seconds) for kind, seconds in times.items()}
    return told | {"ratio": round(told["pinned"]["median"] / told["plain"]["median"], 2)}


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return median, p99 and the longest, in seconds."""
    ordered = sorted(seconds)
    return {
        "median": round(ordered[len(ordered) // 2], 3),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 3),
        "most": round(ordered[-1], 3),
    }


def _devices(server: LiveServer) -> int:
    found = server.ask("GET", "/api/v1/gpu/devices?limit=1&envelope=true")
    return int(found["meta"].get("total") or 0)


def _pods(server: LiveServer) -> int:
    return int(server.ask("GET", "/api/v1/resources/summary")["totals"]["pods"])


def told(what: str) -> None:
    """Say on stderr what is going on."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)  # noqa: T201


def main() -> None:
    """Print the figures as JSON."""
    with running(schedules=True) as plane:
        print(json.dumps(measure(plane), indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
