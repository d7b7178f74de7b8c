"""`gpuctl resources`: CPU and memory, with a cluster and without."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_management.core.database import open_database
from gpu_management.resources.jobs import Measured, Recorder, Seen
from tests.support.apps import NOON
from tests.support.cli import gpuctl
from tests.support.resources import needs, room, use
from tests.support.server import LiveServer, serving


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Run a server whose database knows a node of a cluster and two pods."""
    folder = Path(tmp_path_factory.mktemp("resources"))
    with serving(folder) as server:
        name = server.ask("GET", "/api/v1/gpu/overview")["clusterName"]
        database = open_database(f"sqlite:///{folder / 'server.db'}")
        measured = Measured(
            nodes={"n1": use(9000, 1024)}, pods={("ml", "a"): use(100, 200)}, at=NOON
        )
        told = Seen([room("n1")], [needs("a"), needs("b", node=None, gpus=1)], {"n1": 4})
        Recorder(database, name).record(told, measured, now=NOON)
        database.close()
        yield server


def test_nodes_pods_and_namespaces_are_tables(seen: LiveServer) -> None:
    assert "0/4" in gpuctl(seen, "resources", "nodes", "--heat", "HOT").out
    pods = gpuctl(seen, "resources", "pods", "--sort=-gpuRequested", "--verdict", "UNKNOWN").out
    assert "1 GiB" in pods or "1024 MiB" in pods
    assert "ml" in gpuctl(seen, "resources", "namespaces").out
    assert gpuctl(seen, "resources", "pods", "--node", "n1", "-o", "json").json[0]["podName"] == "a"


def test_the_summary_is_one_screen_or_one_object(seen: LiveServer) -> None:
    shown = gpuctl(seen, "resources", "summary").out
    assert "2, 1 without a node" in shown
    assert "2 of 10 asked for, 9 used" in shown
    assert gpuctl(seen, "resources", "summary", "-o", "json").json["totals"]["pods"] == 2


def test_without_a_cluster_it_is_said_what_to_set(live: LiveServer) -> None:
    assert "cluster.connection" in gpuctl(live, "resources", "nodes").err
    assert "never" in gpuctl(live, "resources", "summary").out
