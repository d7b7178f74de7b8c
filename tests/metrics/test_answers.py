from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from gpu_management.metrics.answers import Row, series
from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.fleet import Only
from gpu_management.metrics.questions import Group, How, Metric, question, whole
from gpu_management.mig.models import MigInstance
from tests.support.house import House
from tests.support.measured import BEGINS, ENDS, fill, measured_house

SIZES = select(MigInstance.gpu_instance_id, MigInstance.milli)
SINCE, UNTIL = int(BEGINS.timestamp()), int(ENDS.timestamp())


@pytest.fixture
def filled(house: House) -> House:
    measured_house(house)
    house.request(pod_name="train", team_id="ml", required_memory_gb=8)
    fill(house)
    return house


@pytest.fixture
def caller(filled: House) -> Iterator[TestClient]:
    with filled.client() as opened:
        yield opened


def answer(
    house: House,
    group: Group,
    metric: Metric = Metric.UTILIZATION_PCT,
    *,
    how: How = How.AVG,
    step: int = 3600,
    only: Only | None = None,
) -> list[Row]:
    asked = question(metric, how, since=SINCE, until=UNTIL, step=step)
    with house.database.read() as session:
        return series(session, Embedded(), asked, group=group, only=only or Only())


def test_instances_weigh_as_much_as_they_are_of_their_gpu(filled: House) -> None:
    (first, _second) = answer(filled, Group.NODE, only=Only(node_name="n2"))
    by_device = answer(filled, Group.DEVICE, only=Only(device_id="n2-GPU-00"))
    assert first.value == by_device[0].value
    with filled.database.read() as session:
        asked = question(Metric.UTILIZATION_PCT, How.AVG, since=SINCE, until=UNTIL, step=3600)
        parts = {
            one.instance: one.total / one.samples
            for one in Embedded().points(session, asked)
            if one.device == 3 and one.at == SINCE
        }
    with filled.database.read() as session:
        milli = dict(session.execute(SIZES).all())
    assert parts[9] == pytest.approx(75)
    expected = (parts[2] * milli[2] + parts[9] * milli[9]) / (milli[2] + milli[9])
    assert milli[2] > milli[9]
    assert first.value == pytest.approx(expected)


def test_hours_and_minutes_tell_the_same(filled: House) -> None:
    minutes = answer(filled, Group.CLUSTER, step=60)
    hours = answer(filled, Group.CLUSTER)
    assert len(minutes) == 120
    weighted = sum(row.value * row.samples for row in minutes[:60])
    assert hours[0].value == pytest.approx(weighted / sum(row.samples for row in minutes[:60]))


def test_a_gap_has_no_row(filled: House) -> None:
    rows = answer(filled, Group.DEVICE, step=300, only=Only(device_id="n1-GPU-01"))
    missing = {BEGINS + timedelta(seconds=at) for at in (1800, 2100, 2400)}
    assert len(rows) == 24 - 3
    assert not missing & {row.at for row in rows}
    assert {row.value for row in rows} == {5}


def test_a_team_is_told_of_what_it_held(filled: House) -> None:
    by_team = answer(filled, Group.TEAM)
    of_its_gpu = answer(filled, Group.DEVICE, only=Only(device_id="n1-GPU-00"))
    assert [row.group for row in by_team] == ["ml", "ml"]
    assert [row.value for row in by_team] == [row.value for row in of_its_gpu]


def test_the_highest_and_the_lowest_of_a_bucket(filled: House) -> None:
    only = Only(device_id="n1-GPU-00")
    (highest, *_) = answer(filled, Group.DEVICE, how=How.MAX, only=only)
    (lowest, *_) = answer(filled, Group.DEVICE, how=How.MIN, only=only)
    assert 99.5 < highest.value <= 100
    assert 0 <= lowest.value < 1


def test_memory_of_a_gpu_is_the_sum_of_its_instances_for_the_part_that_is_cut(
    filled: House,
) -> None:
    (row, *_) = answer(filled, Group.DEVICE, Metric.MEMORY_USED_MIB, only=Only(node_name="n2"))
    assert row.value * row.samples / 240 == pytest.approx(25_000)


def test_one_bucket_over_a_window_that_begins_anywhere(filled: House) -> None:
    asked = whole(Metric.UTILIZATION_PCT, How.AVG, since=SINCE + 90, until=UNTIL - 60)
    with filled.database.read() as session:
        rows = series(session, Embedded(), asked, group=Group.DEVICE, only=Only())
    assert sorted(row.group for row in rows) == ["n1-GPU-00", "n1-GPU-01", "n2-GPU-00"]


def ask(caller: TestClient, path: str, **params: Any) -> Any:
    found = caller.get(f"/api/v1/gpu/metrics/{path}", params=params)
    assert found.status_code == 200, found.text
    return found.json()


def test_the_busiest_come_first(caller: TestClient) -> None:
    rows = ask(caller, "top", hours=3, n=2)
    assert [row["group"] for row in rows] == ["n1-GPU-00", "n2-GPU-00"]
    assert ask(caller, "top", hours=3, n=1, order="lowest")[0]["group"] == "n1-GPU-01"


def test_a_series_is_json_or_csv(caller: TestClient) -> None:
    params: dict[str, Any] = {
        "start": BEGINS.isoformat(),
        "end": ENDS.isoformat(),
        "step": 3600,
        "group": "node",
    }
    rows = ask(caller, "query", **params)
    assert [(row["group"], row["at"]) for row in rows][:2] == [
        ("n1", "2026-03-02T12:00:00.000Z"),
        ("n1", "2026-03-02T13:00:00.000Z"),
    ]
    text = caller.get("/api/v1/gpu/metrics/query", params=params | {"format": "csv"}).text
    assert text.splitlines()[0] == "group,at,value,samples"
    assert len(text.splitlines()) == 5


def test_a_question_with_too_many_points_is_refused(caller: TestClient) -> None:
    params: dict[str, Any] = {"start": "2020-01-01T00:00:00Z", "step": 60}
    found = caller.get("/api/v1/gpu/metrics/query", params=params)
    assert found.status_code == 422
    assert "ask for a longer step" in found.text


def test_what_is_older_than_five_intervals_is_not_now(filled: House, caller: TestClient) -> None:
    assert ask(caller, "latest") == []
    filled.clock.now = ENDS
    rows = ask(caller, "latest")
    assert [(row["deviceId"], row["gpuInstanceId"]) for row in rows] == [
        ("n1-GPU-00", None),
        ("n1-GPU-01", None),
        ("n2-GPU-00", 2),
        ("n2-GPU-00", 9),
    ]
    assert rows[1]["utilizationPct"] == 5
    assert rows[1]["powerW"] is None
