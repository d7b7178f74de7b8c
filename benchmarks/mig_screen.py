"""Measure the MIG page on a fleet that is cut altogether.

python -m benchmarks.mig_screen [--nodes 777] [--held 4000]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from fastapi.testclient import TestClient

from tests.support.house import A100, House, prepared_database

_GPUS_PER_NODE = 8
_ROUNDS = 7
_LAYOUTS: Sequence[Sequence[tuple[str, int]]] = (
    [("1g.10gb", start) for start in range(7)],
    [("3g.40gb", 0), ("3g.40gb", 4)],
    [("4g.40gb", 0), ("2g.20gb", 4), ("1g.10gb", 6)],
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the fleet, ask for each answer, and print time and size."""
    parser = argparse.ArgumentParser(description="Measure the MIG page.")
    parser.add_argument("--nodes", type=int, default=777)
    parser.add_argument("--held", type=int, default=4000)
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        house = _fleet(Path(folder), nodes=options.nodes, held=options.held)
        with house.client() as client:
            _measure(house, client, "screen, after a change", "screen", is_new=True)
            _measure(house, client, "screen, unchanged", "screen")
            _measure(house, client, "100 GPUs, after a change", "devices?limit=100", is_new=True)
            _measure(house, client, "100 GPUs, unchanged", "devices?limit=100")
        house.database.close()
    return 0


def _fleet(folder: Path, *, nodes: int, held: int) -> House:
    house = House(prepared_database(folder))
    for number in range(nodes):
        layout = _LAYOUTS[number % len(_LAYOUTS)]
        house.node(f"node-{number:04d}", gpus=_GPUS_PER_NODE, model=A100, layout=layout)
    for number in range(held):
        house.request(pod_name=f"pod-{number}", required_memory_gb=10, use_mig=True)
    return house


def _measure(
    house: House, client: TestClient, name: str, path: str, *, is_new: bool = False
) -> None:
    times, size = [], 0
    for number in range(_ROUNDS):
        if is_new:
            pod = house.request(pod_name=f"change-{number}", required_memory_gb=10, use_mig=True)
            house.release(pod.allocation_id)
        start = perf_counter()
        answer = client.get(f"/api/v1/gpu/mig/{path}", headers={"X-GPU-Envelope": "false"})
        times.append(perf_counter() - start)
        size = len(answer.content)
    print(f"{name:28} {1000 * median(times):8.1f} ms {size / 1000:8.1f} kB")


if __name__ == "__main__":
    raise SystemExit(main())
