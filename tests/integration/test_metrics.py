"""The same questions to our tables, to a real Prometheus and to a real VictoriaMetrics."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from gpu_management.metrics import copying
from gpu_management.metrics.answers import Row, series
from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.fleet import Only
from gpu_management.metrics.latest import Latest
from gpu_management.metrics.promql import Promql
from gpu_management.metrics.questions import Group, How, Metric, Question, question, whole
from gpu_management.metrics.store import MetricsUnavailable, Store
from gpu_management.metrics.use import uses
from tests.support.house import House, prepared_database
from tests.support.measured import BEGINS, ENDS, INTERVAL, exposition, fill, measured_house
from tests.support.prometheus import prometheus, victoria

pytestmark = pytest.mark.integration

SINCE, UNTIL = int(BEGINS.timestamp()), int(ENDS.timestamp())
WITHIN = 0.01
_SERVERS: dict[str, Callable[[Path, str], AbstractContextManager[httpx2.Client]]] = {
    "prometheus": prometheus,
    "victoria-metrics": victoria,
}


@pytest.fixture(scope="module", params=_SERVERS)
def peer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Promql]:
    folder = tmp_path_factory.mktemp(request.param)
    with _SERVERS[request.param](folder, exposition()) as client:
        yield Promql(client, INTERVAL)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(prepared_database(tmp_path_factory.mktemp("ours")))
    measured_house(house)
    house.request(pod_name="train", team_id="ml", required_memory_gb=8)
    house.request(pod_name="sliced", team_id="nlp", required_memory_gb=40, use_mig=True)
    fill(house)
    yield house
    house.database.close()


def answer(house: House, store: Store, asked: Question, group: Group) -> list[Row]:
    with house.database.read() as session:
        return series(session, store, asked, group=group, only=Only())


QUESTIONS = [
    question(metric, how, since=SINCE, until=UNTIL, step=step)
    for step in (300, 3600)
    for metric, how in (
        (Metric.UTILIZATION_PCT, How.AVG),
        (Metric.UTILIZATION_PCT, How.MAX),
        (Metric.UTILIZATION_PCT, How.MIN),
        (Metric.MEMORY_USED_MIB, How.AVG),
        (Metric.TEMPERATURE_CELSIUS, How.MAX),
        (Metric.POWER_W, How.AVG),
    )
]


@pytest.mark.parametrize("group", Group)
@pytest.mark.parametrize(
    "asked", QUESTIONS, ids=lambda one: f"{one.metric.value}-{one.how.value}-{one.step}"
)
def test_both_stores_answer_the_same(
    filled: House, peer: Promql, asked: Question, group: Group
) -> None:
    ours = answer(filled, Embedded(), asked, group)
    theirs = answer(filled, peer, asked, group)
    assert ours
    assert [(row.group, row.at) for row in theirs] == [(row.group, row.at) for row in ours]
    for our, their in zip(ours, theirs, strict=True):
        assert their.value == pytest.approx(our.value, rel=WITHIN, abs=1e-6), (our, their)
        assert their.samples == pytest.approx(our.samples, rel=WITHIN)


def test_both_stores_rank_the_same(filled: House, peer: Promql) -> None:
    asked = whole(Metric.UTILIZATION_PCT, How.AVG, since=SINCE, until=UNTIL)
    ours = answer(filled, Embedded(), asked, Group.DEVICE)
    theirs = answer(filled, peer, asked, Group.DEVICE)
    assert [row.value for row in theirs] == pytest.approx([row.value for row in ours], rel=WITHIN)


def test_both_stores_know_the_newest_figures(filled: House, peer: Promql) -> None:
    filled.clock.now = ENDS
    told = []
    for store in (Embedded(), peer):
        with filled.database.read() as session:
            found = Latest(store, INTERVAL).all(session, now=ENDS)
        told.append({key: (one.utilization_pct, one.memory_used_mib) for key, one in found.items()})
    assert told[0].keys() == told[1].keys()
    for key, (busy, used) in told[0].items():
        assert told[1][key][0] == pytest.approx(busy, rel=WITHIN)
        assert told[1][key][1] == (None if used is None else pytest.approx(used, rel=WITHIN))


def test_a_prometheus_that_is_away_is_told_as_such(filled: House) -> None:
    with httpx2.Client(base_url="http://127.0.0.1:9", timeout=2) as client:
        asked = QUESTIONS[0]
        with pytest.raises(MetricsUnavailable, match="does not answer"):
            answer(filled, Promql(client, INTERVAL), asked, Group.CLUSTER)


def test_the_ledger_splits_the_same_by_a_prometheus_without_samples_of_our_own(
    filled: House, peer: Promql, tmp_path: Path
) -> None:
    other = House(prepared_database(tmp_path))
    measured_house(other)
    other.request(pod_name="train", team_id="ml", required_memory_gb=8)
    other.request(pod_name="sliced", team_id="nlp", required_memory_gb=40, use_mig=True)
    other.clock.now = ENDS + timedelta(minutes=5)
    while True:
        with other.database.read() as session:
            copied = copying.fetch(session, peer, now=other.now)
        if copied is None:
            break
        with other.database.write() as session:
            copying.keep(session, copied, now=other.now)
    splits = []
    for house in (filled, other):
        with house.database.read() as session:
            found = uses(session, [(SINCE, UNTIL)], interval_seconds=INTERVAL)
        splits.append([found[key] for key in sorted(found)])
    assert len(splits[0]) == len(splits[1]) == 2
    for ours, theirs in zip(*splits, strict=True):
        assert ours.used > 0
        assert theirs.held == ours.held
        assert theirs.used == pytest.approx(ours.used, rel=WITHIN)
        assert theirs.idle == pytest.approx(ours.idle, rel=WITHIN)
    other.database.close()
