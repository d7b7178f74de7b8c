"""From the cards of a node to the ledger: NVML and its processes, the kubelet's socket, HTTP."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import uvicorn
from sqlalchemy import func, select, update

from gpu_management.allocations.models import Allocation, Hold
from gpu_management.collector.agent import Agent, Eyes, Sources
from gpu_management.collector.exposition import OwnReadings
from gpu_management.collector.sender import Sender
from gpu_management.devices.models import Device
from gpu_management.metrics.attribution import Use
from gpu_management.metrics.models import Sample
from gpu_management.metrics.readings import Owner
from gpu_management.metrics.rollup import roll_up
from gpu_management.metrics.use import uses
from tests.collector.test_podresources import kubelet, pods
from tests.support.house import House
from tests.support.nvml import FakeGpu, FakeNvml

UIDS = {
    101: "11111111-1111-1111-1111-111111111111",
    102: "22222222-2222-2222-2222-222222222222",
    103: "33333333-3333-3333-3333-333333333333",
}
TICKS_A_MINUTE = 4


class Door:
    """A server on one port that can be shut and opened again."""

    def __init__(self, house: House) -> None:
        self._house = house
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = int(taken.getsockname()[1])

    @contextmanager
    def open(self) -> Iterator[None]:
        config = uvicorn.Config(
            self._house.app(), port=self.port, lifespan="off", log_level="critical"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        ends = time.monotonic() + 20
        while not server.started and time.monotonic() < ends:
            time.sleep(0.01)
        assert server.started
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(timeout=20)


class LosingAnswers(httpx2.HTTPTransport):
    """A network that loses the answer to every third request."""

    asked = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = super().handle_request(request)
        self.asked += 1
        if self.asked % 3 == 0:
            answer.read()
            raise httpx2.ReadTimeout("the answer was lost", request=request)
        return answer


@pytest.fixture
def node(house: House) -> House:
    """A node with two GPUs: one shared by two pods, one held whole by a third."""
    house.clock.now = house.now.replace(second=0, microsecond=0)
    house.node(gpus=2)
    with house.database.write() as session:
        for device in session.scalars(select(Device)):
            uuid = f"GPU-{device.id}"
            change = update(Device).where(Device.id == device.id)
            session.execute(change.values(uuid=uuid, live_uuid=uuid))
    for pid, milli in ((101, 250), (102, 500), (103, None)):
        asked = {} if milli is None else {"gpu_milli": milli}
        found = house.request(pod_name=f"pod-{pid}", **asked).allocation_id
        with house.database.write() as session:
            session.get_one(Allocation, found).pod_uid = UIDS[pid]
    return house


def shared_and_whole(house: House) -> tuple[str, str]:
    """Return the UUIDs of the GPU that is shared, and of the one that is not."""
    with house.database.read() as session:
        query = select(Device.uuid, Hold.milli).join(Hold, Hold.device_id == Device.id)
        by_size = {milli: str(uuid) for uuid, milli in session.execute(query)}
    return by_size[250], by_size[1000]


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """What the kernel says of the node's processes."""
    for pid, uid in UIDS.items():
        (tmp_path / str(pid)).mkdir()
        told = f"0::/kubepods/burstable/pod{uid}/cri-containerd\n"
        (tmp_path / str(pid) / "cgroup").write_text(told)
    return tmp_path


def agent(house: House, proc: Path, sock: Path, client: httpx2.Client) -> Agent:
    shared, whole = shared_and_whole(house)
    gpus = (
        FakeGpu(shared, util=(60, 20), processes=[(101, 900), (102, 700)], busy={101: 10, 102: 50}),
        FakeGpu(whole, util=(100, 20), processes=[(103, 5000)], busy={103: 100}),
    )
    sources = Sources("n1", kubelet_socket=sock, nvml_api=FakeNvml(*gpus), proc=proc)
    return Agent(Eyes(sources, client), Sender(client, lambda: None), OwnReadings(), house.clock)


def listed(house: House) -> list[dict[str, object]]:
    """Return what the kubelet tells: which container has which GPU."""
    shared, whole = shared_and_whole(house)
    devices = ((101, f"{shared}::0"), (102, f"{shared}::1"), (103, whole))
    return [
        {
            "name": f"pod-{pid}",
            "namespace": "ml",
            "containers": [
                {
                    "name": "c",
                    "devices": [{"resource_name": "nvidia.com/gpu", "device_ids": [device]}],
                }
            ],
        }
        for pid, device in devices
    ]


def look(house: House, running: Agent, rounds: int) -> None:
    for _ in range(rounds):
        running.round()
        house.clock.forward(seconds=60 // TICKS_A_MINUTE)


def split(house: House, minutes: int) -> dict[str, Use]:
    """Return what each pod used of the first minutes."""
    since = int(house.now.timestamp())
    house.clock.forward(minutes=5)
    with house.database.write() as session:
        roll_up(session, now=house.now)
        found = uses(session, [(since - 60 * minutes, since)], interval_seconds=15)
        query = select(Hold.id, Allocation.pod_name).join(
            Allocation, Allocation.allocation_id == Hold.allocation_id
        )
        names = dict(session.execute(query).all())
    return {str(names[hold]): use for (hold, _), use in found.items()}


def count(house: House) -> int:
    with house.database.read() as session:
        return int(session.scalar(select(func.count()).select_from(Sample)) or 0)


def test_what_the_node_shows_is_in_the_ledger_by_pod(node: House, proc: Path) -> None:
    door = Door(node)
    with (
        kubelet(pods(*listed(node))) as sock,
        httpx2.Client(base_url=f"http://127.0.0.1:{door.port}") as client,
        door.open(),
    ):
        running = agent(node, proc, sock, client)
        look(node, running, 10 * TICKS_A_MINUTE)
        told = client.get("/api/v1/gpu/metrics/latest", headers={"user-agent": "test"}).json()
    assert count(node) == 2 * 40
    assert sorted(one["utilizationPct"] for one in told) == [60, 100]
    owners = {one.target.uuid: one.owners for one in running.own.readings}
    shared, whole = shared_and_whole(node)
    assert owners[shared] == [Owner("ml", "pod-101", "c"), Owner("ml", "pod-102", "c")]
    assert owners[whole] == [Owner("ml", "pod-103", "c")]
    found = split(node, 10)
    assert found["pod-101"] == Use(600 * 100, 600 * 150, 0)
    assert found["pod-102"] == Use(600 * 500, 0, 0)
    assert found["pod-103"] == Use(600 * 1000, 0, 0)


def test_a_server_that_was_away_gets_every_sample_once(node: House, proc: Path) -> None:
    door = Door(node)
    with (
        kubelet(pods(*listed(node))) as sock,
        httpx2.Client(base_url=f"http://127.0.0.1:{door.port}", timeout=5) as client,
    ):
        running = agent(node, proc, sock, client)
        with door.open():
            look(node, running, 8)
        client.close()
    with (
        kubelet(pods(*listed(node))) as sock,
        httpx2.Client(base_url=f"http://127.0.0.1:{door.port}", timeout=5) as client,
    ):
        running.eyes.client = running.sender.client = client
        look(node, running, 12)
        assert running.sender.waiting == 12
        assert count(node) == 2 * 8
        with door.open():
            look(node, running, 20)
    assert running.sender.waiting == 0
    assert (running.sender.counts.sent, running.sender.counts.dropped_full) == (40, 0)
    assert count(node) == 2 * 40
    assert split(node, 10)["pod-101"] == Use(600 * 100, 600 * 150, 0)


def test_an_answer_that_is_lost_doubles_nothing(node: House, proc: Path) -> None:
    door = Door(node)
    with (
        kubelet(pods(*listed(node))) as sock,
        httpx2.Client(
            base_url=f"http://127.0.0.1:{door.port}", transport=LosingAnswers()
        ) as client,
        door.open(),
    ):
        running = agent(node, proc, sock, client)
        look(node, running, 4 * TICKS_A_MINUTE)
        running.sender.flush()
    assert running.sender.counts.failures > 0
    assert running.sender.waiting == 0
    assert count(node) == 2 * 16
    assert split(node, 4)["pod-102"].used == 240 * 500
