"""One control plane for every test of this folder that needs a real one."""

from collections.abc import Iterator

import pytest

from gpu_management.cluster.live import LiveCluster
from tests.controlplane.admin import Admin
from tests.controlplane.manifests import ApiServer
from tests.controlplane.plane import ControlPlane, running


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    with running(schedules=True) as started:
        yield started


@pytest.fixture
def live_cluster(plane: ControlPlane) -> Iterator[LiveCluster]:
    cluster = LiveCluster(plane.kubeconfig())
    yield cluster
    cluster.close()


@pytest.fixture
def admin(plane: ControlPlane) -> Iterator[Admin]:
    made = Admin(plane)
    made.prepare("ml")
    yield made
    made.clean()
    made.client.close()


@pytest.fixture
def api_server(plane: ControlPlane) -> Iterator[ApiServer]:
    server = ApiServer(plane)
    yield server
    server.http.close()
