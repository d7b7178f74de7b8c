from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from gpu_management.allocations.models import Allocation, Hold
from gpu_management.costs import jobs, service
from gpu_management.costs.reader import Reader
from gpu_management.devices.models import Device
from gpu_management.metrics.attribution import Use
from gpu_management.metrics.ingest import Devices, take
from gpu_management.metrics.models import MinuteUse, PodMinute, PodSample
from gpu_management.metrics.pod_use import rest
from gpu_management.metrics.readings import PodUse, Reading, Target
from gpu_management.metrics.rollup import Ages, purge, roll_up
from gpu_management.metrics.use import uses
from tests.support.house import House, prepared_database
from tests.support.principals import ADMIN

HOUR = 3600


def share(house: House, milli: int, pod: str | None) -> str:
    """Give a share of the only GPU to a pod; None: it is not known which pod."""
    found = house.request(gpu_milli=milli, pod_name=pod or "unknown").allocation_id
    with house.database.write() as session:
        session.get_one(Allocation, found).pod_uid = pod
    return found


def minutes(
    house: House,
    busy_pct: float | None,
    pods: Mapping[str, float | None],
    *,
    since: datetime,
    count: int = 60,
) -> None:
    """Write minutes in which the GPU and the pods on it were so busy."""
    start = int(since.timestamp())
    with house.database.write() as session:
        for at in range(start, start + 60 * count, 60):
            session.add(
                MinuteUse(
                    device_id=1,
                    gpu_instance_id=-1,
                    at_ts=at,
                    samples=4,
                    utilization_samples=0 if busy_pct is None else 4,
                    utilization_pct=busy_pct,
                    utilization_pct_max=busy_pct,
                )
            )
            for uid, pct in pods.items():
                known = 0 if pct is None else 4
                row = PodMinute(
                    device_id=1,
                    gpu_instance_id=-1,
                    at_ts=at,
                    pod_uid=uid,
                    samples=4,
                    busy_samples=known,
                    busy_pct=pct,
                )
                session.add(row)


def used(house: House, since: datetime) -> dict[str, Use]:
    """Return the split of each allocation's hold up to now."""
    span = (int(since.timestamp()), int(house.now.timestamp()))
    with house.database.read() as session:
        found = uses(session, [span], interval_seconds=15)
        names = dict(session.execute(select(Hold.id, Hold.allocation_id)).all())
    return {str(names[hold]): use for (hold, _), use in found.items()}


def test_two_shares_of_one_gpu_each_own_what_their_pod_did(house: House) -> None:
    house.node()
    first, second = share(house, 250, "pod-a"), share(house, 500, "pod-b")
    since = house.now
    minutes(house, 60.0, {"pod-a": 10.0, "pod-b": 50.0}, since=since)
    house.clock.forward(hours=1)
    found = used(house, since)
    assert found[first] == Use(100 * HOUR, 150 * HOUR, 0)
    assert found[second] == Use(500 * HOUR, 0, 0)


def test_a_share_uses_no_more_than_it_is(house: House) -> None:
    house.node()
    first, _ = share(house, 250, "pod-a"), share(house, 500, "pod-b")
    since = house.now
    minutes(house, 90.0, {"pod-a": 90.0}, since=since)
    house.clock.forward(hours=1)
    assert used(house, since)[first] == Use(250 * HOUR, 0, 0)


def test_what_a_stranger_did_is_unattributed_and_the_rest_idle(house: House) -> None:
    house.node()
    first, second = share(house, 250, "pod-a"), share(house, 500, "pod-b")
    since = house.now
    minutes(house, 25.0, {"pod-a": 5.0, "stranger": 10.0}, since=since)
    house.clock.forward(hours=1)
    found = used(house, since)
    assert found[first] == Use(50 * HOUR, 100 * HOUR, 100 * HOUR)
    assert found[second] == Use(0, 400 * HOUR, 100 * HOUR)


def test_a_pod_whose_use_the_driver_does_not_tell_is_unattributed(house: House) -> None:
    house.node()
    first, second = share(house, 250, "pod-a"), share(house, 500, "pod-b")
    since = house.now
    minutes(house, 25.0, {"pod-a": None, "pod-b": 25.0}, since=since)
    house.clock.forward(hours=1)
    found = used(house, since)
    assert found[first] == Use(0, 0, 250 * HOUR)
    assert found[second] == Use(250 * HOUR, 250 * HOUR, 0)


@pytest.mark.parametrize(("busy", "idle"), [(0.0, 250), (30.0, 0), (None, 0)])
def test_without_processes_a_gpu_that_did_nothing_was_idle_and_any_other_is_unattributed(
    house: House, busy: float | None, idle: int
) -> None:
    house.node()
    first, _ = share(house, 250, "pod-a"), share(house, 500, "pod-b")
    since = house.now
    minutes(house, busy, {}, since=since)
    house.clock.forward(hours=1)
    assert used(house, since)[first] == Use(0, idle * HOUR, (250 - idle) * HOUR)


def test_alone_a_share_owns_its_gpu_and_beside_others_its_pod(house: House) -> None:
    house.node()
    since = house.now
    first = share(house, 250, "pod-a")
    minutes(house, 20.0, {"pod-a": 10.0}, since=since)
    house.clock.forward(minutes=30)
    share(house, 500, "pod-b")
    house.clock.forward(minutes=30)
    assert used(house, since)[first].used == 1800 * 200 + 1800 * 100


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for all examples: two shares of one GPU for an hour."""
    house = House(prepared_database(tmp_path_factory.mktemp("shares")))
    house.node()
    share(house, 250, "pod-a")
    share(house, 500, "pod-b")
    house.clock.forward(hours=1)
    yield house
    house.database.close()


_PCT = st.none() | st.floats(0, 100)


@settings(max_examples=30)
@given(
    looks=st.lists(
        st.tuples(
            _PCT, st.dictionaries(st.sampled_from(["pod-a", "pod-b", "x", "y"]), _PCT, max_size=4)
        ),
        max_size=12,
    )
)
def test_used_idle_and_unattributed_always_sum_to_what_was_held(
    shared: House, looks: Sequence[tuple[float | None, dict[str, float | None]]]
) -> None:
    since = shared.now - timedelta(hours=1)
    with shared.database.write() as session:
        session.execute(delete(MinuteUse))
        session.execute(delete(PodMinute))
    for place, (busy, pods) in enumerate(looks):
        minutes(shared, busy, pods, since=since + timedelta(minutes=5 * place), count=5)
    for use, milli in zip(used(shared, since).values(), (250, 500), strict=False):
        assert use.held == milli * HOUR
        assert min(use.used, use.idle, use.unattributed) >= 0


def test_the_ledger_keeps_the_split_of_shares_when_a_day_is_closed(house: House) -> None:
    house.node()
    mine, theirs = share(house, 250, "pod-a"), share(house, 500, "pod-b")
    minutes(house, 60.0, {"pod-a": 10.0, "pod-b": 50.0}, since=house.now)
    house.clock.forward(hours=1)
    house.release(mine)
    house.release(theirs)

    def buckets() -> dict[str, float]:
        with house.database.read() as session:
            reader = Reader(ADMIN)
            told = service.analysis(session, house.desk, days=2, reader=reader, now=house.now)
        return {name: told["buckets"][name]["gpu_hours"] for name in ("used", "idle")}

    assert buckets() == {"used": 0.6, "idle": 0.15}
    house.clock.forward(days=1)
    with house.database.write() as session:
        assert jobs.close_days(session, house.desk, now=house.now)
        session.execute(delete(MinuteUse))
    assert buckets() == {"used": 0.6, "idle": 0.15}


def test_what_lies_between_parts() -> None:
    assert rest([(0, 20), (40, 90)], (0, 100)) == [(20, 40), (90, 100)]
    assert rest([], (0, 100)) == [(0, 100)]
    assert rest([(0, 100)], (0, 100)) == []


# How it gets there: looks, minutes, and their end


def _measured(house: House) -> None:
    with house.database.write() as session:
        session.execute(update(Device).values(uuid="GPU-1", live_uuid="GPU-1"))


def _send(house: House, at: datetime, *pods: PodUse) -> None:
    reading = Reading(Target("GPU-1"), gpu_util_pct=50.0, pod_use=list(pods))
    with house.database.write() as session:
        oldest = house.now - timedelta(hours=6)
        take(session, Devices(), [reading], collected_at=at, oldest=oldest, now=house.now)


def _roll(house: House) -> None:
    with house.database.write() as session:
        roll_up(session, now=house.now)


def _rows(house: House, table: type[Any]) -> list[Any]:
    with house.database.read() as session:
        return list(session.scalars(select(table)))


def test_the_same_look_twice_stores_a_pods_use_once(house: House) -> None:
    house.node()
    _measured(house)
    for _ in range(2):
        _send(house, house.now, PodUse("pod-a", 10.0, 100.0), PodUse("pod-b", 140.0, -1.0))
    rows = {row.pod_uid: (row.busy_pct, row.memory_mib) for row in _rows(house, PodSample)}
    assert rows == {"pod-a": (10.0, 100.0), "pod-b": (100.0, None)}


def test_minutes_of_pods_are_made_where_shares_are_held_and_again_when_looks_come_late(
    house: House,
) -> None:
    house.node()
    _measured(house)
    start = house.now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    share(house, 250, "pod-a")
    house.clock.now = start + timedelta(minutes=10)
    _send(house, start, PodUse("pod-a", 10.0, 100.0))
    _send(house, house.now, PodUse("pod-a", 0.0, 100.0))
    _roll(house)
    _send(house, start + timedelta(seconds=15), PodUse("pod-a", None, 300.0))
    _roll(house)
    (row,) = (one for one in _rows(house, PodMinute) if one.at_ts == int(start.timestamp()))
    told = (row.samples, row.busy_samples, row.busy_pct, row.memory_mib)
    assert told == (2, 1, 10.0, 200.0)


def test_a_gpu_with_one_holder_keeps_no_minutes_of_pods(house: House) -> None:
    house.node()
    _measured(house)
    house.request()
    _send(house, house.now, PodUse("pod-a", 10.0, 100.0))
    house.clock.forward(minutes=5)
    _roll(house)
    assert len(_rows(house, MinuteUse)) == 1
    assert _rows(house, PodMinute) == []


def test_use_by_pod_goes_when_the_rest_does(house: House) -> None:
    house.node()
    _measured(house)
    share(house, 250, "pod-a")
    house.clock.forward(minutes=2)
    _send(house, house.now, PodUse("pod-a", 10.0, 100.0))
    house.clock.forward(minutes=5)
    _roll(house)
    assert _rows(house, PodMinute)
    house.clock.forward(days=31)
    ages = Ages(timedelta(hours=6), timedelta(days=30), timedelta(days=400))
    with house.database.write() as session:
        purge(session, ages, now=house.now)
        left = [
            session.scalar(select(func.count()).select_from(table))
            for table in (PodSample, PodMinute, MinuteUse)
        ]
    assert left == [0, 0, 0]


def test_the_endpoint_takes_what_the_collector_tells_of_pods(house: House) -> None:
    house.node()
    _measured(house)
    body = {
        "nodeName": "n1",
        "collectedAt": house.now.astimezone(UTC).isoformat(),
        "readings": [
            {
                "uuid": "GPU-1",
                "values": {"gpuUtilPct": 50},
                "podUse": [{"podUid": "pod-a", "busyPct": 12.5, "memoryMib": 7.0}],
            }
        ],
    }
    with house.client() as caller:
        assert caller.post("/api/v1/gpu/metrics/ingest", json=body).json()["accepted"] == 1
    (row,) = _rows(house, PodSample)
    assert (row.pod_uid, row.busy_pct, row.memory_mib) == ("pod-a", 12.5, 7.0)
