"""The guide's Python client with plain `requests` (ACC-08), in both security modes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.guide import with_host
from tests.support.server import LiveServer, environment, guarded, register_fleet, serving

GUIDE_HOST = "https://gpu-management.company.com"
requests = pytest.importorskip("requests")

REQUEST = {
    "namespace": "ml-training",
    "podName": "pytorch-training-job",
    "workloadType": "Training",
    "requiredMemoryGb": 32,
    "useMig": False,
    "userId": "data-scientist@company.com",
    "teamId": "ml-team",
}


def _client(url: str, api_key: str | None = None) -> Any:
    """Return the guide's class, without the example that follows it."""
    text = with_host("gpu_client.py", GUIDE_HOST, url).split("# 사용 예시")[0]
    namespace: dict[str, Any] = {}
    exec(compile(text, "gpu_client.py", "exec"), namespace)  # noqa: S102 - the guide's own text
    return namespace["GPUManagementClient"](url, api_key)


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that asks for keys, except from this machine."""
    folder = tmp_path_factory.mktemp("trusting")
    config = folder / "application.yml"
    config.write_text(
        "security:\n  trusted-networks:\n    - {cidr: 127.0.0.1/32, roles: [OPERATOR, VIEWER]}\n"
    )
    options, keys = guarded(folder, "--config", str(config))
    with serving(folder, *options, keys=keys) as server:
        register_fleet(server)
        yield server


def _uses_everything(client: Any) -> None:
    devices = client.get_gpu_devices()
    assert isinstance(devices, list)
    assert len(devices) == 6
    assert [d["nodeName"] for d in client.get_gpu_devices("gpu-worker-2")] == ["gpu-worker-2"] * 2
    allocation = client.allocate_gpu(REQUEST)
    try:
        assert allocation["allocatedResource"].startswith("gpu-worker-1-GPU-0")
        assert client.get_cluster_overview()["activeAllocations"] >= 1
        assert client.get_cost_analysis(days=7)["totalCost"] >= 0
    finally:
        client.release_gpu(allocation["allocationId"])
    client.release_gpu(allocation["allocationId"])


def test_the_guides_class_works_without_authentication(live: LiveServer) -> None:
    _uses_everything(_client(live.url))


def test_the_guides_class_works_under_the_context_path(live: LiveServer) -> None:
    _uses_everything(_client(f"{live.url}/k8s-monitor"))


def test_the_guides_class_works_with_a_key(locked: LiveServer) -> None:
    _uses_everything(_client(locked.url, locked.keys["admin"]))


def test_the_guides_class_works_from_a_trusted_network(trusting: LiveServer) -> None:
    _uses_everything(_client(trusting.url))


def test_the_guides_class_fails_loudly_without_a_key(locked: LiveServer) -> None:
    client = _client(locked.url)
    for call in (client.get_gpu_devices, client.get_cluster_overview, client.get_cost_analysis):
        with pytest.raises(requests.HTTPError, match="401"):
            call()
    with pytest.raises(requests.HTTPError, match="401"):
        client.allocate_gpu(REQUEST)


def test_a_refused_allocation_raises(empty: LiveServer) -> None:
    with pytest.raises(requests.HTTPError, match="409"):
        _client(empty.url).allocate_gpu(REQUEST)


def test_the_guides_example_runs_from_top_to_bottom(live: LiveServer, tmp_path: Path) -> None:
    script = tmp_path / "gpu_client.py"
    script.write_text(with_host("gpu_client.py", GUIDE_HOST, live.url))
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment() | {"PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Total GPU devices: 6\n" in done.stdout, done.stderr
    assert "Allocated GPU: gpu-worker-1-GPU-0" in done.stdout
    left = live.ask("GET", "/api/v1/gpu/allocations?phase=Allocated&podName=pytorch-training-job")
    assert len(left) == 1
    live.ask("DELETE", f"/api/v1/gpu/allocations/{left[0]['allocationId']}")
