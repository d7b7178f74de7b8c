"""The health of GPUs as it is judged, kept, told and acted on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpu_management.devices.models import Device
from tests.support.house import House, prepared_database
from tests.support.watched_gpus import Watched

FIRST = "n1-GPU-00"


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    house = House(prepared_database(tmp_path))
    house.node(gpus=2)
    yield Watched(house)
    house.database.close()


def _judge(watched: Watched, **told: Any) -> None:
    watched.house.clock.forward(seconds=15)
    watched.measure(**told)
    watched.health.run(watched.now)


def _verdicts(watched: Watched) -> dict[str, str]:
    with watched.house.client() as client:
        rows = client.get("/api/v1/gpu/metrics/health").json()
    return {row["deviceId"]: row["verdict"] for row in rows}


def _health(watched: Watched, device: str = FIRST) -> Any:
    with watched.house.client() as client:
        return client.get(f"/api/v1/gpu/devices/{device}/health").json()


def _state(watched: Watched) -> str:
    with watched.house.device(FIRST) as (session, device):
        return session.get_one(Device, device.id).state.value


def test_a_gpu_is_unknown_until_it_is_measured(watched: Watched) -> None:
    assert _verdicts(watched) == {FIRST: "unknown", "n1-GPU-01": "unknown"}
    _judge(watched)
    assert set(_verdicts(watched).values()) == {"healthy"}
    assert not watched.events("device.health")


def test_suspicion_is_told_with_the_allocations_it_touches_and_releases_nothing(
    watched: Watched,
) -> None:
    held = watched.house.request()
    _judge(watched)
    _judge(watched, last_xid=94)
    told = {one["deviceId"]: one for one in watched.events("device.health")}
    assert told[FIRST]["verdict"] == "suspect"
    assert told[FIRST]["allocations"] == [held.allocation_id]
    shown = _health(watched)
    assert (shown["verdict"], shown["state"]) == ("suspect", "READY")
    assert shown["findings"][0]["code"] == "xid-94"
    assert shown["allocations"] == [held.allocation_id]
    assert watched.house.find(held.allocation_id).phase.value == "Allocated"


def test_the_same_verdict_is_told_once(watched: Watched) -> None:
    for _ in range(3):
        _judge(watched, last_xid=94)
    assert len(watched.events("device.health")) == 2


def test_an_error_that_was_set_as_certain_fails_the_gpu_and_releases_nothing(
    watched: Watched,
) -> None:
    held = watched.house.request()
    watched.health.fail_on = frozenset({79})
    _judge(watched)
    _judge(watched, last_xid=79)
    assert _state(watched) == "FAILED"
    assert watched.events("device.failure")[0]["reason"].startswith("XID 79: ")
    assert watched.house.find(held.allocation_id).phase.value == "Allocated"


def test_without_that_setting_it_is_only_a_suspicion(watched: Watched) -> None:
    _judge(watched, last_xid=79)
    assert _state(watched) == "READY"
    assert set(_verdicts(watched).values()) == {"failing"}


def test_a_gpu_that_somebody_put_back_is_not_failed_again_by_the_same_error(
    watched: Watched,
) -> None:
    from gpu_management.devices.models import DeviceState

    watched.health.fail_on = frozenset({79})
    _judge(watched, last_xid=79)
    watched.house.set_state(FIRST, DeviceState.READY)
    _judge(watched, last_xid=79)
    assert _state(watched) == "READY"


def test_one_that_alone_falls_silent_is_suspect_and_a_silent_node_unknown(
    watched: Watched,
) -> None:
    _judge(watched)
    watched.house.clock.forward(seconds=120)
    _judge(watched, only=["n1-GPU-01"])
    assert _verdicts(watched) == {FIRST: "suspect", "n1-GPU-01": "healthy"}
    watched.house.clock.forward(seconds=120)
    _judge(watched, only=[])
    assert set(_verdicts(watched).values()) == {"unknown"}


def test_while_measurements_cannot_be_read_verdicts_stay(watched: Watched) -> None:
    _judge(watched, last_xid=94)
    watched.store.is_away = True
    watched.house.clock.forward(seconds=600)
    assert watched.health.run(watched.now) == 0
    assert set(_verdicts(watched).values()) == {"suspect"}


def test_throttling_is_the_growth_of_its_counter(watched: Watched) -> None:
    _judge(watched, thermal_violation_ns=1e9)
    assert set(_verdicts(watched).values()) == {"healthy"}
    _judge(watched, thermal_violation_ns=1e9 + 6e9)
    assert set(_verdicts(watched).values()) == {"suspect"}


def test_what_heat_caused_is_not_taken_back_within_minutes(watched: Watched) -> None:
    _judge(watched, temperature_celsius=92.0)
    _judge(watched, temperature_celsius=60.0)
    assert set(_verdicts(watched).values()) == {"suspect"}
    watched.house.clock.forward(seconds=300)
    _judge(watched, temperature_celsius=60.0)
    assert set(_verdicts(watched).values()) == {"healthy"}


def test_a_list_can_be_of_one_verdict(watched: Watched) -> None:
    _judge(watched, last_xid=94)
    with watched.house.client() as client:
        path = "/api/v1/gpu/metrics/health"
        assert client.get(path, params={"verdict": "failing"}).json() == []
        assert len(client.get(path, params={"verdict": "suspect"}).json()) == 2
