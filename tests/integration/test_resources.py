"""CPU and memory on PostgreSQL: rows are kept and summed as on SQLite."""

import pytest

from gpu_management.core.paging import Page
from gpu_management.resources import queries
from gpu_management.resources.jobs import Measured, Recorder, Seen
from tests.support.house import CLUSTER, House
from tests.support.principals import ADMIN
from tests.support.resources import needs, room, use

pytestmark = pytest.mark.integration


def test_rows_come_change_and_go_and_their_sums_are_whole_numbers(postgres_house: House) -> None:
    house = postgres_house
    recorder = Recorder(house.database, CLUSTER)
    pods = [needs(f"p{n}", namespace=f"ns-{n % 3}") for n in range(1500)]
    measured = Measured(nodes={"n1": use()}, pods={("ns-0", "p0"): use(100, 100)}, at=house.now)
    assert recorder.record(Seen([room()], pods), measured, now=house.now) == 1501
    assert recorder.record(Seen([room()], pods), measured, now=house.now) == 0
    restarted = Recorder(house.database, CLUSTER)
    changed = [needs("p0", namespace="ns-0", cpu_milli=7000), *pods[1:1400]]
    assert restarted.record(Seen([room()], changed), measured, now=house.now) == 102
    with house.database.read() as session:
        found = queries.summary(session, CLUSTER, principal=ADMIN)
        busiest = Page(limit=1, sort="-cpuRequestedMilli")
        asked = queries.PodFilter(CLUSTER)
        listing = queries.list_pods(session, asked, principal=ADMIN, page=busiest)
    assert found["totals"]["cpu_requested_milli"] == 1399 * 1000 + 7000
    assert type(found["totals"]["cpu_requested_milli"]) is int
    assert [row["namespace"] for row in found["items"]] == ["ns-0", "ns-1", "ns-2"]
    assert (listing.rows[0].pod_name, listing.total) == ("p0", 1400)
