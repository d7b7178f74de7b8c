"""The evaluator on a house: what is written, told, and remembered."""

from datetime import timedelta

import pytest
from sqlalchemy import event

from gpu_management.alerts import memory
from gpu_management.alerts.jobs import purge
from gpu_management.alerts.memory import MemoryStale
from gpu_management.alerts.models import AlertStatus
from gpu_management.devices import service as devices
from gpu_management.devices.bulk import NodePlan, register_all
from gpu_management.devices.models import DeviceState
from tests.support.house import CLUSTER, T4, House
from tests.support.watched_gpus import Watched

HOT = {"temperature_celsius": 90.0}


def test_a_hot_gpu_fires_after_five_minutes_and_is_told_of_once(watched: Watched) -> None:
    held = watched.house.request()
    watched.look(300, **HOT)
    assert not watched.open()
    watched.look(60, **HOT)
    assert "GPUHighTemperature" in watched.open()
    told = [one for one in watched.events("alert.firing") if one["name"] == "GPUHighTemperature"]
    assert sorted(one["deviceId"] for one in told) == ["n1-GPU-00", "n1-GPU-01"]
    first = next(one for one in told if one["deviceId"] == "n1-GPU-00")
    assert first["annotations"]["description"] == "GPU 0 on n1 has temperature 90°C"
    assert first["severity"] == "warning"
    assert first["state"] == "firing"
    assert first["allocations"] == [held.allocation_id]
    assert (first["value"], first["threshold"]) == (90.0, 85.0)


def test_it_ends_when_the_gpu_is_cool_and_is_told_of_once(watched: Watched) -> None:
    watched.look(330, **HOT)
    watched.look(60)
    assert not watched.open()
    ended = watched.events("alert.resolved")
    assert len(ended) == len(watched.events("alert.firing"))
    assert all(one["state"] == "resolved" and one["endsAt"] for one in ended)


def test_the_same_alert_later_is_another_row_with_the_same_fingerprint(watched: Watched) -> None:
    for _ in range(2):
        watched.look(330, **HOT)
        watched.look(15)
    rows = [row for row in watched.alerts() if row.device_id == "n1-GPU-00"]
    rows = [row for row in rows if row.name == "GPUHighTemperature"]
    assert len(rows) == 2
    assert len({row.fingerprint for row in rows}) == 1
    assert len({row.alert_id for row in rows}) == 2


def test_another_process_goes_on_where_the_first_one_was(watched: Watched) -> None:
    watched.look(240, **HOT)
    watched.watch = watched.process()
    watched.look(120, **HOT)
    told = len(watched.events("alert.firing"))
    assert "GPUHighTemperature" in watched.open()
    watched.watch = watched.process()
    watched.look(60, **HOT)
    assert len(watched.events("alert.firing")) == told
    watched.watch = watched.process()
    watched.look(15)
    assert not watched.open()


def test_a_process_killed_between_looking_and_writing_tells_it_later_and_once(
    watched: Watched,
) -> None:
    watched.look(300, **HOT)
    engine = watched.house.database.engine

    def die(_connection: object) -> None:
        raise OSError("killed")

    watched.house.clock.now += timedelta(seconds=15)
    watched.measure(**HOT)
    event.listen(engine, "commit", die)
    with pytest.raises(OSError, match="killed"):
        watched.watch.run(watched.now)
    event.remove(engine, "commit", die)
    assert not watched.alerts()
    assert not watched.events("alert.firing")
    watched.look(15, **HOT)
    names = [one["name"] for one in watched.events("alert.firing")]
    assert names.count("GPUHighTemperature") == 2


def test_of_two_that_look_one_writes_and_the_other_reads_what_it_left(watched: Watched) -> None:
    other = watched.process()
    watched.look(15)
    other.run(watched.now)
    with watched.house.database.read() as session:
        edition = memory.edition_of(session)
        loaded = memory.load(session)
    with watched.house.database.write() as session, pytest.raises(MemoryStale):
        memory.keep(session, loaded.memory, seen=edition - 1)
    watched.look(330, **HOT)
    other.run(watched.now)
    names = [one["name"] for one in watched.events("alert.firing")]
    assert names.count("GPUHighTemperature") == 2


def test_while_measurements_cannot_be_read_nothing_ends_and_that_itself_is_told(
    watched: Watched,
) -> None:
    watched.look(330, **HOT)
    watched.store.is_away = True
    watched.look(300)
    assert "GPUHighTemperature" in watched.open()
    assert "GPUMeasurementsUnavailable" in watched.open()
    gpus = [row for row in watched.alerts() if row.device_id]
    assert {(row.is_known, row.value) for row in gpus} == {(False, 90.0)}
    watched.store.is_away = False
    watched.look(30, **HOT)
    assert watched.open() >= {"GPUHighTemperature"}
    assert "GPUMeasurementsUnavailable" not in watched.open()
    assert all(row.is_known for row in watched.alerts() if row.device_id)


def test_a_leap_of_the_clock_by_a_day_fires_nothing_that_has_to_wait(watched: Watched) -> None:
    watched.look(60, **HOT)
    watched.house.clock.now += timedelta(days=1)
    watched.look(15, **HOT)
    assert "GPUHighTemperature" not in watched.open()
    watched.house.clock.now -= timedelta(days=1)
    watched.look(60, **HOT)
    assert "GPUHighTemperature" not in watched.open()


def test_an_error_of_hardware_is_told_at_once_and_one_of_an_application_is_not(
    watched: Watched,
) -> None:
    watched.look(30, last_xid=0)
    watched.look(15, last_xid=31)
    assert not watched.open()
    watched.look(15, last_xid=79)
    assert watched.open() == {"GPUHardwareError"}


def test_an_error_that_came_while_nobody_looked_is_told_of(watched: Watched) -> None:
    watched.look(30, last_xid=0)
    watched.house.clock.forward(seconds=15)
    watched.measure(last_xid=79)
    watched.house.clock.forward(seconds=120)
    watched.watch = watched.process()
    watched.look(15, last_xid=79)
    assert "GPUHardwareError" in watched.open()


def test_a_gpu_that_falls_silent_is_gone_and_a_node_that_does_is_not_measured(
    watched: Watched,
) -> None:
    watched.look(60)
    watched.look(420, only=["n1-GPU-00"])
    assert watched.open() == {"GPUGone"}
    watched.look(480, only=[])
    assert "GPUExporterDown" in watched.open()


def test_a_node_that_was_never_measured_is_not_missed(watched: Watched) -> None:
    watched.look(900, only=[])
    assert not watched.open()


def test_what_the_database_counts_fires_too(house: House) -> None:
    watched = Watched(house)
    house.set_state("n1-GPU-00", DeviceState.FAILED)
    watched.look(630)
    assert watched.open() == {"GPUUnavailable"}


def test_nobody_takes_it_on_so_it_is_told_again_three_times(house: House) -> None:
    watched = Watched(house, escalate_after=timedelta(minutes=2))
    watched.look(330, **HOT)
    watched.look(600, **HOT)
    told = [one for one in watched.events("alert.escalated") if one["deviceId"] == "n1-GPU-00"]
    mine = [one for one in told if one["name"] == "GPUHighTemperature"]
    assert [one["escalations"] for one in mine] == [1, 2, 3]
    assert all(row.status is AlertStatus.FIRING for row in watched.alerts())


def test_what_ended_long_ago_is_forgotten_and_what_is_open_is_not(watched: Watched) -> None:
    watched.look(330, **HOT)
    watched.look(30)
    watched.look(330, **HOT)
    with watched.house.database.write() as session:
        before = watched.now - timedelta(seconds=60)
        assert purge(session, before=before, at_once=1) == 1
        assert purge(session, before=before, at_once=1000) == 3
    assert {row.resolved_at for row in watched.alerts()} == {None}
    assert len(watched.alerts()) == 4


def test_five_thousand_at_once_are_written_once_each(house: House) -> None:
    gpus = [devices.DeviceFacts(model_id=T4)] * 100
    plans = [NodePlan(f"w{number}", devices.NodeFacts(), gpus) for number in range(25)]
    with house.database.write() as session:
        register_all(session, CLUSTER, plans, now=house.now)
    watched = Watched(house)
    watched.look(15, last_xid=0)
    watched.look(15, last_xid=79, remap_failed=True)
    fired = watched.events("alert.firing")
    assert len(fired) == 5004
    assert len({one["fingerprint"] for one in fired}) == 5004
    watched.look(15, last_xid=79, remap_failed=True)
    assert len(watched.events("alert.firing")) == 5004
