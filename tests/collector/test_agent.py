from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
from prometheus_client import CollectorRegistry, generate_latest

from gpu_management.collector.agent import Agent, Eyes, Sources, seconds_to_next
from gpu_management.collector.exposition import OwnReadings
from gpu_management.collector.look import combine
from gpu_management.collector.nvml import nvml
from gpu_management.collector.podresources import PodDevice
from gpu_management.collector.sender import Sender
from gpu_management.metrics.exposition import read_exposition
from gpu_management.metrics.readings import Owner, Target
from tests.support.nvml import FakeGpu, FakeInstance, FakeNvml

NOW = datetime(2026, 5, 1, 12, 0, 3, tzinfo=UTC)
EXPORTED = 'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-a",hostname="other"} 80\n'


class Web:
    """The exporter and the server, as far as the collector sees them."""

    def __init__(self, exporter: Callable[[], httpx2.Response]) -> None:
        self.exporter = exporter
        self.batches: list[Any] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/metrics":
            return self.exporter()
        self.batches.append(httpx2.Response(200, content=request.content).json())
        return httpx2.Response(200)


def agent(web: Web, *gpus: FakeGpu, dcgm: bool = True, proc: Path = Path("/none")) -> Agent:
    client = httpx2.Client(base_url="http://server", transport=httpx2.MockTransport(web))
    sources = Sources(
        "n1",
        dcgm_url="http://exporter/metrics" if dcgm else None,
        nvml_api=FakeNvml(*gpus, starts=bool(gpus)),
        proc=proc,
    )
    return Agent(Eyes(sources, client), Sender(client, lambda: None), OwnReadings(), lambda: NOW)


def exporter(text: str = EXPORTED, code: int = 200) -> Callable[[], httpx2.Response]:
    return lambda: httpx2.Response(code, text=text)


def test_a_gpu_that_the_exporter_covers_is_never_read_twice() -> None:
    web = Web(exporter())
    running = agent(web, FakeGpu("GPU-a"), FakeGpu("GPU-b"))
    running.round()
    (batch,) = web.batches
    told = {one["uuid"]: one["values"]["gpuUtilPct"] for one in batch["readings"]}
    assert told == {"GPU-a": 80, "GPU-b": 50}
    assert batch["source"] == "both"
    assert batch["nodeName"] == "n1"
    assert batch["collectedAt"] == "2026-05-01T12:00:03.000Z"
    assert [one.target for one in running.own.readings] == [Target("GPU-b")]


def test_without_an_exporter_nvml_tells_everything() -> None:
    web = Web(exporter(code=503))
    running = agent(web, FakeGpu("GPU-a"))
    running.round()
    assert web.batches[0]["source"] == "nvml"
    assert web.batches[0]["readings"][0]["values"]["gpuUtilPct"] == 50


def test_with_no_source_nothing_is_sent_and_nothing_exported() -> None:
    web = Web(exporter(text="<html>", code=200))
    running = agent(web)
    running.round()
    assert web.batches == []
    assert running.own.readings == []


def test_an_unknown_value_is_not_in_the_batch_and_not_exported() -> None:
    web = Web(exporter())
    running = agent(web, FakeGpu("GPU-b", temperature=None), dcgm=False)
    running.round()
    assert "temperatureCelsius" not in web.batches[0]["readings"][0]["values"]
    registry = CollectorRegistry()
    registry.register(running.own)
    text = generate_latest(registry).decode()
    assert "DCGM_FI_DEV_GPU_TEMP" not in text
    (again,) = read_exposition(text)
    assert again.gpu_util_pct == 50
    assert again.node_name == "n1"


def test_a_slice_belongs_to_the_pod_that_the_kubelet_names() -> None:
    fake = FakeNvml(FakeGpu("GPU-a", instances=[FakeInstance(2), FakeInstance(9)]))
    pods = [
        PodDevice("ml", "p", "c", "nvidia.com/mig-1g.10gb", "MIG-9", "MIG-9", None, None),
        PodDevice("ml", "gone", "c", "nvidia.com/gpu", "GPU-x", "GPU-x", None, None),
    ]
    with nvml(fake) as opened:
        seen = combine([], opened.look(node_name="n1"), pods)
    owners = {one.target.gpu_instance_id: one.owners for one in seen.readings}
    assert owners == {None: [], 2: [], 9: [Owner("ml", "p", "c")]}


def test_an_owner_that_the_exporter_named_is_not_named_again() -> None:
    text = 'DCGM_FI_DEV_GPU_UTIL{UUID="GPU-a",pod="p",namespace="ml",container="c"} 1\n'
    pods = [PodDevice("ml", "p", "c", "nvidia.com/gpu", "GPU-a", "GPU-a", None, None)]
    assert combine(read_exposition(text), None, pods).readings[0].owners == [Owner("ml", "p", "c")]


def test_all_nodes_look_at_the_same_moments() -> None:
    assert seconds_to_next(NOW, 15) == 12
    assert seconds_to_next(NOW.replace(second=15), 15) == 15
