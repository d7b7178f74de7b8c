"""The MIG page: how GPUs are cut, what is stranded, what is asked for."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from gpu_management.devices.models import DeviceState
from gpu_management.mig.geometry import Placement, load_geometries
from gpu_management.mig.screen import room_of
from tests.support.house import A100, T4, House

SCREEN = "/api/v1/gpu/mig/screen"
DEVICES = "/api/v1/gpu/mig/devices"
BOARD = load_geometries()["a100-sxm4-80gb"]


def _screen(client: TestClient, **query: Any) -> dict[str, Any]:
    answer = client.get(SCREEN, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _devices(client: TestClient, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(DEVICES, params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


def _names(client: TestClient, **query: Any) -> list[str]:
    return [one["deviceId"] for one in _devices(client, **query)]


def _held(client: TestClient) -> int:
    return sum(each["isHeld"] for one in _devices(client) for each in one["slices"])


def _slice_of(house: House, pod: str, gb: int, **more: Any) -> Any:
    return house.request(pod_name=pod, required_memory_gb=gb, use_mig=True, **more)


@pytest.mark.parametrize(
    ("in_use", "free", "stranded", "largest"),
    [
        ([], 8, 0, "7g.80gb"),
        ([("1g.10gb", start) for start in range(7)], 1, 1, None),
        ([("3g.40gb", 0), ("3g.40gb", 4)], 0, 0, None),
        ([("1g.10gb", 2)], 7, 0, "3g.40gb"),
        ([("7g.80gb", 0)], 0, 0, None),
    ],
)
def test_units_are_stranded_where_nothing_can_be_cut_beside_what_is_in_use(
    in_use: list[tuple[str, int]], free: int, stranded: int, largest: str | None
) -> None:
    room = room_of(BOARD, tuple(Placement(*one) for one in in_use))
    assert (room.free_units, room.stranded_units, room.largest_profile) == (free, stranded, largest)


def test_every_gpu_in_mig_mode_comes_with_its_slices_and_holders(
    house: House, client: TestClient
) -> None:
    house.node("n1", model=A100, layout=[("1g.10gb", 0), ("3g.40gb", 4)])
    house.node("n2", model=T4)
    held = _slice_of(house, "small", 10, movable=True)
    (device,) = _devices(client)
    assert (device["deviceId"], device["state"]) == ("n1-GPU-00", "READY")
    assert (device["freeUnits"], device["largestProfile"]) == (7, "3g.40gb")
    first, second = device["slices"]
    assert first["holder"] == {
        "allocationId": held.allocation_id,
        "namespace": held.namespace,
        "podName": "small",
        "teamId": held.team_id,
        "movable": True,
    }
    assert (second["isHeld"], second["holder"], second["start"]) == (False, None, 4)
    found = _screen(client)
    (geometry,) = found["geometries"]
    assert (geometry["placementUnits"], geometry["sizes"]["3g.40gb"]) == (8, 4)
    counts = [found[name] for name in ("devices", "slices", "heldSlices", "strandedUnits")]
    assert counts == [1, 2, 1, 0]
    assert (found["models"], found["nodes"]) == ([A100], ["n1"])


def test_the_gpus_come_page_by_page_filtered_and_in_the_asked_order(
    house: House, client: TestClient
) -> None:
    house.node("n1", gpus=3, model=A100, layout=[("1g.10gb", start) for start in range(7)])
    house.node("n2", gpus=2, model=A100, layout=[])
    house.set_state("n2-GPU-01", DeviceState.MAINTENANCE)
    _slice_of(house, "a", 10)
    first = client.get(DEVICES, params={"limit": 2})
    rest = client.get(DEVICES, params={"limit": 9, "cursor": first.headers["X-Next-Cursor"]})
    names = [one["deviceId"] for one in [*first.json(), *rest.json()]]
    assert names == ["n1-GPU-00", "n1-GPU-01", "n1-GPU-02", "n2-GPU-00", "n2-GPU-01"]
    assert (first.headers["X-Total-Count"], "X-Next-Cursor" in rest.headers) == ("5", False)
    assert _names(client, state="MAINTENANCE") == ["n2-GPU-01"]
    assert _names(client, search="N1-gpu-02") == ["n1-GPU-02"]
    assert _names(client, deviceId=["n1-GPU-01", "n2-GPU-00"]) == ["n1-GPU-01", "n2-GPU-00"]
    assert _names(client, nodeName="n2", modelId=A100, largestProfile="7g.80gb") == [
        "n2-GPU-00",
        "n2-GPU-01",
    ]
    assert _names(client, sort="freeUnits")[0] == "n1-GPU-00"
    assert client.get(DEVICES, params={"sort": "colour"}).status_code == 422


def test_what_was_read_is_kept_only_while_nothing_changes(house: House, client: TestClient) -> None:
    house.node("n1", model=A100, layout=[("1g.10gb", 0), ("1g.10gb", 1)])
    assert (_screen(client)["heldSlices"], _held(client)) == (0, 0)
    first = _slice_of(house, "a", 10)
    assert (_screen(client)["heldSlices"], _held(client)) == (1, 1)
    house.release(first.allocation_id)
    assert (_screen(client)["heldSlices"], _held(client)) == (0, 0)
    house.set_state("n1-GPU-00", DeviceState.MAINTENANCE)
    assert _screen(client)["demand"] == []
    _slice_of(house, "waits", 80, wait_seconds=600)
    assert _screen(client)["waitingRequests"] == 1


def test_a_gpu_that_is_not_ready_is_shown_but_nothing_fits_on_it(
    house: House, client: TestClient
) -> None:
    house.node("n1", model=A100, layout=[])
    house.set_state("n1-GPU-00", DeviceState.FAILED)
    assert [one["state"] for one in _devices(client)] == ["FAILED"]
    assert _screen(client)["demand"] == []


def test_demand_stands_beside_what_fits_now_and_after_a_repack(
    house: House, client: TestClient
) -> None:
    house.node("n1", model=A100, layout=[("1g.10gb", 0)])
    house.node("n2", model=A100, layout=[("1g.10gb", 0), ("3g.40gb", 4)])
    for pod in ("a", "b"):
        _slice_of(house, pod, 10)
    _slice_of(house, "big", 80, wait_seconds=600)
    found = _screen(client)
    rows = {row["profile"]: row for row in found["demand"]}
    assert found["waitingRequests"] == 1
    assert rows["7g.80gb"] | {"computeSlices": 7} == {
        "profile": "7g.80gb",
        "computeSlices": 7,
        "held": 0,
        "idle": 0,
        "waiting": 1,
        "peak": 0,
        "fitsNow": 0,
        "fitsRepacked": 1,
    }
    assert (rows["1g.10gb"]["held"], rows["3g.40gb"]["idle"]) == (2, 1)
    assert found["fragmentation"]["ratio"] == 1.0


def test_the_peak_counts_what_was_in_use_at_once_in_those_days(
    house: House, client: TestClient
) -> None:
    house.node("n1", model=A100, layout=[("3g.40gb", 0), ("3g.40gb", 4)])
    for held in [_slice_of(house, pod, 40) for pod in ("a", "b")]:
        house.clock.forward(seconds=60)
        house.release(held.allocation_id)
    house.clock.forward(seconds=2 * 86_400)
    peaks = {
        days: {row["profile"]: row["peak"] for row in _screen(client, days=days)["demand"]}
        for days in (1, 7)
    }
    assert (peaks[1]["3g.40gb"], peaks[7]["3g.40gb"]) == (0, 2)
    assert client.get(SCREEN, params={"days": 91}).status_code == 422
