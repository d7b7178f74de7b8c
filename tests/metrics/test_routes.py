from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from gpu_management.collector.agent import Agent, Eyes, Sources
from gpu_management.collector.exposition import OwnReadings
from gpu_management.collector.sender import Sender
from gpu_management.devices.models import Device
from gpu_management.metrics.batches import Batch, pack
from gpu_management.metrics.models import Sample
from gpu_management.metrics.readings import Owner, PodUse, Reading, Target
from gpu_management.mig.models import MigInstance
from tests.support.house import A100, BROWSER, House
from tests.support.nvml import FakeGpu, FakeNvml

INGEST = "/api/v1/gpu/metrics/ingest"


@pytest.fixture
def measured(house: House) -> House:
    """Return a house with two GPUs and one cut one, all with UUIDs."""
    house.node(gpus=2)
    house.node("n2", model=A100, layout=[("3g.40gb", 0), ("1g.10gb", 4), ("1g.10gb", 5)])
    with house.database.write() as session:
        for device in session.scalars(select(Device)):
            uuid = f"GPU-{device.id}"
            values = update(Device).where(Device.id == device.id)
            session.execute(values.values(uuid=uuid, live_uuid=uuid))
    return house


@pytest.fixture
def caller(measured: House) -> Any:
    with measured.client() as opened:
        yield opened


def samples(house: House) -> list[Sample]:
    with house.database.read() as session:
        return list(session.scalars(select(Sample).order_by(Sample.device_id)))


def look(house: House, *readings: Reading, node: str = "n1", **changes: Any) -> dict[str, Any]:
    batch = Batch(node, house.now, "dcgm", list(readings), **changes)
    return pack(batch)


def test_a_batch_is_taken_exactly_as_the_collector_packs_it(
    measured: House, caller: TestClient
) -> None:
    full = Reading(
        Target("GPU-1"),
        gpu_index=0,
        pci_bus_id="00000000:07:00.0",
        model_name="Tesla T4",
        driver_version="570.1",
        owners=[Owner("ml", "train", "main"), Owner("ml", "other")],
        gpu_util_pct=70,
        sm_active_ratio=0.5,
        memory_used_mib=4000,
        temperature_celsius=61,
        power_w=55.5,
        last_xid=48,
        remap_failed=False,
        xid_counts={48: 2.0},
        clock_events={"hw_thermal": 1.0},
        pod_use=[PodUse("uid", 12.5, 300.0)],
    )
    answer = caller.post(INGEST, json=look(measured, full, Reading(Target("GPU-9"))))
    assert answer.status_code == 200, answer.text
    told = answer.json()["data"]
    assert told == {
        "accepted": 1,
        "duplicates": 0,
        "unknownDevices": ["GPU-9"],
        "refused": None,
    }
    assert "x-gpu-warning" not in answer.headers
    (stored,) = samples(measured)
    assert (stored.utilization_pct, stored.gpu_util_pct) == (50, 70)
    assert (stored.memory_used_mib, stored.power_w, stored.last_xid) == (4000, 55.5, 48)
    assert stored.encoder_util_pct is None


def test_the_same_batch_again_changes_nothing(measured: House, caller: TestClient) -> None:
    body = look(measured, Reading(Target("GPU-1"), gpu_util_pct=70))
    caller.post(INGEST, json=body)
    again = caller.post(INGEST, json=body).json()["data"]
    assert (again["accepted"], again["duplicates"]) == (0, 1)


def test_a_value_that_cannot_be_is_unknown(measured: House, caller: TestClient) -> None:
    odd = Reading(
        Target("GPU-1"),
        gpu_util_pct=101,
        sm_active_ratio=1.0004,
        temperature_celsius=3000,
        power_w=-1,
        memory_used_mib=1e19,
    )
    caller.post(INGEST, json=look(measured, odd))
    (stored,) = samples(measured)
    assert stored.gpu_util_pct is None
    assert stored.utilization_pct == 100
    assert (stored.temperature_celsius, stored.power_w, stored.memory_used_mib) == (None,) * 3


def test_a_batch_that_is_too_large_is_refused_with_the_number(measured: House) -> None:
    many = [Reading(Target(f"GPU-{number}")) for number in range(501)]
    with measured.client() as caller:
        answer = caller.post(INGEST, json=look(measured, *many))
    assert answer.status_code == 422
    assert "501 readings are too many; at most 500" in answer.text


def test_gpus_that_are_measured_are_seen(measured: House, caller: TestClient) -> None:
    measured.clock.forward(hours=1)
    caller.post(INGEST, json=look(measured, Reading(Target("GPU-1"))))
    seen = measured.now
    measured.clock.forward(seconds=15)
    caller.post(INGEST, json=look(measured, Reading(Target("GPU-1"))))
    devices = {one["uuid"]: one for one in caller.get("/api/v1/gpu/devices").json()}
    assert devices["GPU-1"]["lastSeenAt"].startswith(seen.strftime("%Y-%m-%dT%H:%M:%S"))
    assert devices["GPU-2"]["lastSeenAt"] != devices["GPU-1"]["lastSeenAt"]


def test_an_instance_takes_its_number_where_only_one_can_be_meant(
    measured: House, caller: TestClient
) -> None:
    slices = [
        Reading(Target("GPU-3", number), profile_name=profile, engine_active_ratio=0.5)
        for number, profile in ((2, "3g.40gb"), (7, "1g.10gb"), (8, "1g.10gb"))
    ]
    answer = caller.post(INGEST, json=look(measured, *slices, node="n2"))
    assert answer.json()["data"]["accepted"] == 3
    with measured.database.read() as session:
        rows = session.execute(select(MigInstance.profile_name, MigInstance.gpu_instance_id))
        assert sorted(map(tuple, rows), key=str) == [
            ("1g.10gb", None),
            ("1g.10gb", None),
            ("3g.40gb", 2),
        ]


def test_what_the_collector_reads_on_a_node_arrives(measured: House, caller: TestClient) -> None:
    """The collector's own loop, with a node's NVML that is not there, against the application."""

    def to_the_application(request: httpx2.Request) -> httpx2.Response:
        answer = caller.post(
            request.url.path,
            content=request.content,
            headers=BROWSER | {"content-type": "application/json"},
        )
        return httpx2.Response(answer.status_code, content=answer.content)

    client = httpx2.Client(
        base_url="http://server", transport=httpx2.MockTransport(to_the_application)
    )
    node = FakeNvml(FakeGpu("GPU-1", util=(33, 1)), FakeGpu("GPU-2", util=None))
    sender = Sender(client, lambda: None)
    agent = Agent(
        Eyes(Sources("n1", nvml_api=node), client),
        sender,
        OwnReadings(),
        lambda: measured.now + timedelta(milliseconds=400),
    )
    agent.round()
    measured.clock.forward(seconds=15)
    agent.round()
    assert (sender.counts.sent, sender.waiting) == (2, 0)
    stored = samples(measured)
    assert [one.utilization_pct for one in stored] == [33, 33, None, None]
    assert {one.memory_used_mib for one in stored} == {1000}
