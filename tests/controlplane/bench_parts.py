"""The single measurements of `bench.py`: each returns seconds."""

import resource
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
from lightkube.resources.core_v1 import Pod

from gpu_management.cluster.claims import CLASS_OF_CARDS, HOST_LABEL, MANAGED_BY, claim_name
from tests.controlplane.admin import Admin, until
from tests.controlplane.manifests import K8S, ApiServer, load
from tests.controlplane.plane import ControlPlane
from tests.support.kube import Thing, pod
from tests.support.server import LiveServer

ALLOCATIONS = "/api/v1/gpu/allocations"
_OBSERVED = "requested_by = 'cluster' AND phase = 'Allocated'"


class Ledger:
    """The product's database, read from outside while it works."""

    def __init__(self, file: Path) -> None:
        """Open it for reading."""
        self._file = file
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=10)

    def observed(self) -> int:
        """Return how many pods hold something without us."""
        query = f"SELECT count(*) FROM gpu_allocations WHERE {_OBSERVED}"  # noqa: S608 - ours
        return int(self._connection.execute(query).fetchone()[0])

    def names(self, connection: sqlite3.Connection) -> set[str]:
        """Return the names of the benchmark's pods that hold something."""
        query = f"SELECT pod_name FROM gpu_allocations WHERE namespace = 'bench' AND {_OBSERVED}"  # noqa: S608 - ours
        return {row[0] for row in connection.execute(query)}

    def follow(self, came: dict[str, float], went: dict[str, float], stop: threading.Event) -> None:
        """Note when names of pods appear and vanish, until told to stop."""
        connection = self._open()
        known: set[str] = set()
        while not stop.wait(0.02):
            names = self.names(connection)
            moment = time.perf_counter()
            came.update((name, moment) for name in names - known)
            went.update((name, moment) for name in known - names)
            known = names
        connection.close()


def resident_mib(pid: int, *, peak: bool = False) -> float:
    """Return the resident memory of a process in MiB, now or at most."""
    if peak:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        told = next(line for line in lines if line.startswith("VmHWM"))
        return int(told.split()[1]) / 1024
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def request(server: LiveServer, name: str) -> dict[str, Any]:
    """Ask for a card."""
    asked = {
        "namespace": "ml",
        "podName": name,
        "workloadType": "Training",
        "requiredMemoryGb": 40,
    }
    made: dict[str, Any] = server.ask("POST", ALLOCATIONS, asked)
    return made


def until_claimed(admin: Admin, server: LiveServer, count: int) -> list[float]:
    """Return the seconds from each POST to its claim; all are released afterwards."""
    seconds, made = [], []
    for number in range(count):
        began = time.perf_counter()
        one = request(server, f"claimed-{number}")
        name = claim_name(one["allocationId"])
        until(lambda name=name: admin.claim(name, "ml"))  # type: ignore[misc]
        seconds.append(time.perf_counter() - began)
        made.append(one)
    for one in made:
        server.ask("DELETE", f"{ALLOCATIONS}/{one['allocationId']}")
    return seconds


def until_known(
    admin: Admin, ledger: Ledger, *, seconds: float, per_second: int, nodes: int
) -> tuple[list[float], list[float]]:
    """Return how long the ledger took to know each pod that came, and each that went.

    Pods come and go at the same pace, half of the events each. Who went before it was known is in
    neither.
    """
    came: dict[str, float] = {}
    went: dict[str, float] = {}
    stop = threading.Event()
    reader = threading.Thread(target=ledger.follow, args=[came, went, stop])
    reader.start()
    began, ended = _churn(admin, round(seconds * per_second / 2), 1 / per_second, nodes)
    time.sleep(1)
    until(lambda: came.keys() == went.keys(), seconds=120)
    stop.set()
    reader.join()
    return (
        [came[name] - began[name] for name in began if name in came],
        [went[name] - ended[name] for name in ended if name in went],
    )


def _churn(
    admin: Admin, count: int, pause: float, nodes: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Create pods with GPUs, and delete each 250 pods later; return when."""
    began: dict[str, float] = {}
    ended: dict[str, float] = {}
    behind = 250
    start = time.perf_counter()
    for step in range(count + behind):
        if step < count:
            name = f"churn-{step}"
            place = f"node-{step % nodes:04}"
            thing = pod(name, namespace="bench", node_name=place, limits={"nvidia.com/gpu": "1"})
            admin.create(thing)
            began[name] = time.perf_counter()
        if step >= behind:
            name = f"churn-{step - behind}"
            admin.delete_pod(name, "bench")
            ended[name] = time.perf_counter()
        due = start + 2 * (step + 1) * pause
        time.sleep(max(0.0, due - time.perf_counter()))
    return began, ended


class Runs:
    """When pods of a namespace were first seen Running."""

    def __init__(self, admin: Admin, namespace: str) -> None:
        """Follow them in a thread."""
        self.at: dict[str, float] = {}
        self._admin = admin
        self._namespace = namespace
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        with suppress(httpx2.HTTPError):  # the API server is killed later
            for _what, seen in self._admin.client.watch(Pod, namespace=self._namespace):
                if seen.status is not None and seen.status.phase == "Running":
                    self.at.setdefault(seen.metadata.name, time.perf_counter())


def install_policy(plane: ControlPlane, admin: Admin) -> None:
    """Install what tells pods their node, and wait until it does."""
    server = ApiServer(plane)
    for thing in load(K8S / "direct-pods.yaml"):
        server.apply(thing).raise_for_status()
    claim = plain_claim("probe")
    labels = {"app.kubernetes.io/managed-by": MANAGED_BY, HOST_LABEL: "nowhere"}
    admin.create({**claim, "metadata": {**claim["metadata"], "labels": labels}})
    thing = pod("probe", claims=["probe"], phase="Pending")

    def is_told() -> bool:
        answer = server.http.post(server.path_of(thing), params={"dryRun": "All"}, json=thing)
        return "nodeSelector" in answer.json()["spec"]

    until(is_told)
    server.http.close()


def until_running(admin: Admin, server: LiveServer, rounds: int, name: str) -> dict[str, Any]:
    """Return pods' seconds from creation to Running, by how they ask for a card, in turns.

    `pinned` with the claim of an allocation, `plain` with a claim of any card.
    """
    runs = Runs(admin, "ml")
    first = f"{name}-first"  # not counted: the watch begins meanwhile
    admin.create(plain_claim(first))
    _run(admin, runs, first, first)
    found: dict[str, list[float]] = {"pinned": [], "plain": []}
    for number in range(rounds):
        made = request(server, f"{name}-{number}")
        claim = claim_name(made["allocationId"])
        until(lambda claim=claim: admin.claim(claim, "ml"))  # type: ignore[misc]
        found["pinned"].append(_run(admin, runs, f"{name}-{number}", claim))
        plain = f"{name}-plain-{number}"
        admin.create(plain_claim(plain))
        found["plain"].append(_run(admin, runs, plain, plain))
    return found


def _run(admin: Admin, runs: Runs, name: str, claim: str) -> float:
    thing = pod(name, claims=[claim], phase="Pending")
    began = time.perf_counter()
    admin.create(thing)
    until(lambda: name in runs.at, seconds=60)
    return runs.at[name] - began


def plain_claim(name: str) -> Thing:
    """Return a claim of any card."""
    exactly = {"deviceClassName": CLASS_OF_CARDS, "allocationMode": "ExactCount", "count": 1}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": name, "namespace": "ml"},
        "spec": {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}},
    }


def outage(
    plane: ControlPlane, admin: Admin, server: LiveServer, *, seconds: float
) -> dict[str, Any]:
    """Kill the API server during 100 allocations; return what became of them, and when."""
    made = [request(server, f"outage-{number}") for number in range(50)]
    plane.stop_apiserver()
    began = time.perf_counter()
    made += [request(server, f"outage-{number}") for number in range(50, 100)]
    time.sleep(max(0.0, seconds - (time.perf_counter() - began)))
    plane.start_apiserver()
    back = time.perf_counter()
    names = [claim_name(one["allocationId"]) for one in made]
    until(lambda: all(admin.claim(name, "ml") for name in names), seconds=120)
    claimed = time.perf_counter() - back
    found = [server.ask("GET", f"{ALLOCATIONS}/{one['allocationId']}") for one in made]
    lost = sum(1 for one in found if one["phase"] != "Allocated")
    return {
        "awaySeconds": seconds,
        "allocations": len(made),
        "lost": lost,
        "allClaimedSeconds": round(claimed, 1),
    }
