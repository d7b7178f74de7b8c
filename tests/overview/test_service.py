from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_management.allocations.errors import GpuNotAvailable
from gpu_management.devices.models import DeviceState
from gpu_management.overview import service
from tests.support.house import A100, CLUSTER, H100, T4, House, prepared_database


def overview(house: House) -> dict[str, Any]:
    with house.database.read() as session:
        return service.overview(session, CLUSTER, house.desk, with_nodes=True, now=house.now)


def test_an_empty_fleet_is_all_zeros(house: House, client: TestClient) -> None:
    body = client.get("/api/v1/gpu/overview").json()
    assert body["totalDevices"] == body["totalNodes"] == body["freeMilli"] == 0
    assert body["hourlyCost"] == body["dailyCost"] == 0
    assert body["averageUtilization"] is None
    statistics = client.get("/api/v1/gpu/statistics").json()
    assert statistics["total"] == 0
    assert statistics["allocationRatePct"] is None


def test_every_device_is_counted_once_under_its_status(house: House) -> None:
    house.node("n1", gpus=4)
    house.node("n2", gpus=2, model=A100, layout=[("3g.40gb", 0)])
    house.request()
    house.request(gpu_milli=100)
    house.request(use_mig=True, required_memory_gb=40)
    house.set_state("n1-GPU-03", DeviceState.FAILED)
    found = overview(house)
    assert found["total_devices"] == 6
    statuses = ("available", "allocated", "mig", "failed", "maintenance", "offline")
    assert [found[f"{status}_devices"] for status in statuses] == [1, 2, 2, 1, 0, 0]
    assert found["held_milli"] == 1100 + 500
    assert found["free_milli"] == 5 * 1000 - 1600
    assert found["total_mig_instances"] == found["available_mig_instances"] + 1
    assert found["active_allocations"] == 3
    assert found["total_memory_gb"] == 4 * 16 + 2 * 80
    assert {row["node_name"]: row["total"] for row in found["by_node"]} == {"n1": 4, "n2": 2}
    assert sum(row["held_milli"] for row in found["by_model"]) == found["held_milli"]
    house.request(wait_seconds=60, count=4)
    assert overview(house)["pending_allocations"] == 1


def test_what_an_hour_costs_now_is_the_sum_of_what_runs(house: House) -> None:
    house.node("n1", gpus=3)
    made = [house.request() for _ in range(2)]
    assert overview(house)["hourly_cost"] == sum(one.cost_per_hour or 0 for one in made)
    house.release(made[0].allocation_id)
    assert overview(house)["hourly_cost"] == made[1].cost_per_hour


def test_by_node_is_left_out_when_nobody_wants_it(house: House, client: TestClient) -> None:
    house.node()
    assert client.get("/api/v1/gpu/overview?nodes=false").json()["byNode"] == []


@pytest.mark.parametrize("path", ["overview", "statistics", "devices", "nodes", "mig/instances"])
def test_every_view_counts_the_same_fleet(house: House, client: TestClient, path: str) -> None:
    house.node("n1", gpus=2)
    house.node("n2", model=A100, layout=[("7g.80gb", 0)])
    totals = {
        "overview": lambda body: body["totalDevices"],
        "statistics": lambda body: body["total"],
        "devices": len,
        "nodes": lambda body: sum(node["gpuCount"] for node in body),
        "mig/instances": lambda body: len(body) + 2,
    }
    assert totals[path](client.get(f"/api/v1/gpu/{path}").json()) == 3


deeds = st.lists(
    st.one_of(
        st.sampled_from(({}, {"gpu_milli": 300}, {"use_mig": True, "required_memory_gb": 20})),
        st.tuples(st.integers(0, 8), st.sampled_from(DeviceState)),
    ),
    max_size=10,
)


@settings(max_examples=15, deadline=None)
@given(deeds=deeds)
def test_the_figures_always_add_up(tmp_path_factory: pytest.TempPathFactory, deeds: Any) -> None:
    database = prepared_database(tmp_path_factory.mktemp("overview"))
    house = House(database)
    names = house.node("n1", gpus=3) + house.node("n2", gpus=3, model=H100, layout=[])
    names += house.node("n3", gpus=3, model=T4)
    for deed in deeds:
        if isinstance(deed, tuple):
            house.set_state(names[deed[0]], deed[1])
            continue
        try:
            house.request(**deed)
        except GpuNotAvailable:
            continue
    found = overview(house)
    statuses = ("available", "allocated", "mig", "failed", "maintenance", "offline")
    assert sum(found[f"{status}_devices"] for status in statuses) == found["total_devices"] == 9
    assert found["total_milli"] == 9000
    assert 0 <= found["free_milli"] <= 9000 - found["held_milli"]
    for grouping in ("by_model", "by_node"):
        assert sum(row["total"] for row in found[grouping]) == 9
        assert sum(row["held_milli"] for row in found[grouping]) == found["held_milli"]
    database.close()
