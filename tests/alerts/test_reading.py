"""What the rules are told of a house."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from gpu_management.alerts import measures as of
from gpu_management.alerts.past import Past
from gpu_management.alerts.reading import Reader, Told
from gpu_management.cluster.models import ClusterLink
from gpu_management.controller.loops import JOB_FAILURES
from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.latest import Latest
from gpu_management.metrics.questions import Now
from gpu_management.mig.models import MigInstance
from tests.support.house import A100, CLUSTER, House
from tests.support.watched_gpus import Watched

HALVES = [("3g.40gb", 0), ("3g.40gb", 4)]


def _told(watched: Watched) -> Told:
    reader = Reader(Latest(watched.store, 15), watched.house.desk)
    with watched.house.database.read() as session:
        return reader.read(session, now=watched.now)


def _values(told: Told, family: str) -> dict[tuple[str, ...], float]:
    columns = told.columns[family]
    return {
        tuple(value for _label, value in key): float(number)
        for key, number in zip(columns.keys, columns.values, strict=True)
    }


def test_gpus_are_named_as_prometheus_names_them(watched: Watched) -> None:
    watched.look(15, gpu_util_pct=40.0, last_xid=13, remap_failed=False)
    told = _told(watched)
    labels = [dict(key) for key in told.columns[of.TEMPERATURE].keys]
    assert labels[1] == {
        "instance": "n1",
        "gpu": "1",
        "UUID": "GPU-n1-GPU-01",
        "modelName": "Tesla T4",
        "deviceId": "n1-GPU-01",
    }
    assert told.columns[of.TEMPERATURE].values.tolist() == [50.0, 50.0]
    assert told.columns[of.UTILIZATION].values.tolist() == [40.0, 40.0]
    assert told.columns[of.XID].values.tolist() == [13.0, 13.0]
    assert told.columns[of.REMAP_FAILURE].values.tolist() == [0.0, 0.0]
    assert _values(told, of.UP) == {("n1", "dcgm-exporter"): 1, ("self", "gpu-management"): 1}


def test_what_the_database_counts_is_told(house: House) -> None:
    house.node("n2", model=A100, layout=HALVES)
    watched = Watched(house)
    house.request(team_id="ml")
    house.request(required_memory_gb=40, use_mig=True)
    house.request(required_memory_gb=80, count=4, wait_seconds=86_400)
    house.clock.forward(hours=2)
    told = _told(watched)
    assert _values(told, of.DEVICES) == {(A100, "READY"): 1, ("t4", "READY"): 2}
    assert _values(told, of.HELD_MILLI)["t4",] == 1000
    assert (_values(told, of.MIG_FREE), _values(told, of.MIG_TOTAL)) == ({(): 1}, {(): 2})
    assert _values(told, of.PENDING) == {(): 1}
    assert _values(told, of.FAILURES) == {("enforcement",): 0, ("wait-expired",): 0}
    assert _values(told, of.COST_OF_TEAM)["ml",] > 0
    assert _values(told, of.COST_TODAY)[()] == pytest.approx(_values(told, of.COST_EVER)[()])
    assert _values(told, of.COST_YESTERDAY) == {(): 0}


def test_yesterdays_cost_is_until_the_same_hour(watched: Watched) -> None:
    watched.house.request()
    watched.house.clock.forward(hours=1)
    first = _values(_told(watched), of.COST_TODAY)[()]
    watched.house.clock.forward(hours=24)
    assert _values(_told(watched), of.COST_YESTERDAY)[()] == pytest.approx(first, rel=1e-4)


def test_a_slice_is_told_of_while_somebody_holds_it(house: House) -> None:
    house.node("n2", model=A100, layout=HALVES)
    with house.database.write() as session:
        session.execute(update(MigInstance).values(gpu_instance_id=MigInstance.placement_start + 1))
    watched = Watched(house)
    assert not _told(watched).columns[of.ENGINE_OF_HELD].keys
    house.request(required_memory_gb=40, use_mig=True)
    (key,) = _told(watched).columns[of.ENGINE_OF_HELD].keys
    assert dict(key)["GPU_I_PROFILE"] == "3g.40gb"
    assert dict(key)["GPU_I_ID"] in {"1", "5"}


def test_a_cluster_is_as_old_as_its_copy(watched: Watched) -> None:
    with watched.house.database.write() as session:
        at = watched.now - timedelta(minutes=7)
        link = {"cluster_name": CLUSTER, "enforcement": "observe", "notes": {}}
        session.add(ClusterLink(**link, synced_at=at, stale_since=at))
    watched.look(120)
    assert watched.open() == {"GPUClusterUnreadable"}


def test_a_job_that_keeps_failing_is_told_of(watched: Watched) -> None:
    JOB_FAILURES.labels("tried-in-vain").inc(0)
    watched.look(30)
    for _ in range(3):
        JOB_FAILURES.labels("tried-in-vain").inc()
        watched.look(15)
    watched.look(330)
    rows = [row for row in watched.alerts() if row.name == "GPUManagementJobFailing"]
    assert "tried-in-vain" in {row.labels["exported_job"] for row in rows}


def test_while_measurements_are_away_their_families_are_and_the_others_are_told(
    watched: Watched,
) -> None:
    watched.look(15)
    watched.store.is_away = True
    watched.house.clock.forward(seconds=30)
    told = _told(watched)
    assert told.away == of.OF_GPUS
    assert of.TEMPERATURE not in told.columns
    assert _values(told, of.PENDING) == {(): 0}


def test_windows_are_filled_from_what_is_stored_and_keep_the_change_of_an_error(
    watched: Watched,
) -> None:
    class Stored(Embedded):
        def recent(self, _session: object, *, since: int, until: int) -> list[Now]:  # type: ignore[override]
            at = int(watched.now.timestamp())
            assert since <= at - 600 < until
            codes = [(at - 20, 0), (at - 14, 79), (at - 2, 79)]
            return [Now(1, -1, second, last_xid=code) for second, code in codes]

    reader, past = Reader(Latest(Stored(), 15), watched.house.desk), Past(of.KEEP_SECONDS)
    with watched.house.database.read() as session:
        reader.recall(session, silent_nodes=(), now=watched.now)
        reader.replay(session, past, now=watched.now)
    assert past.changes(of.XID, 600).tolist()[0] == 1


def test_a_reader_that_asks_often_sees_what_came_since(watched: Watched, tmp_path: Path) -> None:
    often, seldom = Latest(watched.store, 15, ask_seconds=1), Latest(watched.store, 15)
    seen = []
    for celsius in (50.0, 90.0):
        watched.house.clock.forward(seconds=2)
        watched.measure(temperature_celsius=celsius)
        with watched.house.database.read() as session:
            found = [one.gpus(session, now=watched.now) for one in (often, seldom)]
        seen.append([figures[1].temperature_celsius for figures in found])
    assert seen == [[50.0, 50.0], [90.0, 50.0]]
