"""A kept overview is the overview: whatever happened, whoever did it, whenever it is asked."""

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_management.cluster.models import ClusterLink
from gpu_management.core.cache import READS, Cache
from gpu_management.core.clock import wire_time
from gpu_management.core.problems import Problem
from gpu_management.devices.models import DeviceState
from gpu_management.overview import schemas, service
from gpu_management.overview.board import Board
from gpu_management.rates.service import Price, set_rate
from tests.support.house import A100, CLUSTER, T4, House, prepared_database
from tests.support.principals import ADMIN

OVERVIEW = "/api/v1/gpu/overview"


def kept(board: Board, house: House, *, with_nodes: bool) -> dict[str, Any]:
    with house.database.read() as session:
        found = orjson.loads(board.overview(session, with_nodes=with_nodes, now=house.now))
    return {name: value for name, value in found.items() if name != "generatedAt"}


def fresh(house: House, *, with_nodes: bool) -> dict[str, Any]:
    with house.database.read() as session:
        fields = service.overview(
            session, CLUSTER, house.desk, with_nodes=with_nodes, now=house.now
        )
    found = orjson.loads(schemas.Overview.model_validate(fields).model_dump_json(by_alias=True))
    return {name: value for name, value in found.items() if name != "generatedAt"}


def _price(house: House, _made: list[str], dollars: int) -> None:
    with house.database.write() as session:
        price = Price(T4, Decimal(dollars))
        set_rate(session, price, principal=ADMIN, now=house.now)


DEEDS = {
    "request": lambda house, made, n: made.append(
        house.request(gpu_milli=(None, 200, 500)[n % 3]).allocation_id
    ),
    "slice": lambda house, made, n: made.append(
        house.request(use_mig=True, required_memory_gb=10).allocation_id
    ),
    "queue": lambda house, made, n: house.request(wait_seconds=20, count=8),
    "release": lambda house, made, n: made and house.release(made.pop(n % len(made))),
    "fail": lambda house, made, n: house.set_state("n1-GPU-00", DeviceState.FAILED),
    "mend": lambda house, made, n: house.set_state("n1-GPU-00", DeviceState.READY),
    "node": lambda house, made, n: house.node(f"n{house.now.timestamp():.0f}-{n}"),
    "price": _price,
    "wait": lambda house, made, n: house.clock.forward(seconds=n),
    "moment": lambda house, made, n: house.clock.forward(milliseconds=100 * n),
    "expire": lambda house, made, n: house.end_of_time(),
    "serve": lambda house, made, n: house.serve_queue(),
}


@settings(max_examples=25, deadline=None)
@given(deeds=st.lists(st.tuples(st.sampled_from(sorted(DEEDS)), st.integers(1, 9)), max_size=12))
def test_after_every_deed_the_kept_overview_is_the_one_made_now(
    deeds: list[tuple[str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = House(prepared_database(Path(folder)))
        made: list[str] = []
        replicas = [Board(CLUSTER, house.desk, Cache()) for _ in range(2)]
        house.node("n1", gpus=2)
        house.node("n2", gpus=1, model=A100, layout=[])
        for name, number in deeds:
            try:
                DEEDS[name](house, made, number)
            except Problem:
                continue
            for board in replicas:
                for with_nodes in (True, False):
                    expected = fresh(house, with_nodes=with_nodes)
                    assert kept(board, house, with_nodes=with_nodes) == expected, name
        house.database.close()


def test_a_read_after_a_write_is_never_stale_at_any_replica(house: House) -> None:
    house.node(gpus=3)
    with house.client() as one, house.client() as other:
        for held in (1, 2):
            assert {c.get(OVERVIEW).json()["allocatedDevices"] for c in (one, other)} == {held - 1}
            body = {
                "namespace": "ml",
                "podName": "p",
                "workloadType": "Training",
                "requiredMemoryGb": 8,
            }
            assert one.post("/api/v1/gpu/allocations", json=body).status_code == 200
            assert {c.get(OVERVIEW).json()["allocatedDevices"] for c in (one, other)} == {held}


def test_an_unchanged_overview_is_made_once_a_second(house: House) -> None:
    house.node()
    house.request()
    board = Board(CLUSTER, house.desk, Cache())

    def misses() -> float:
        return next(
            one.value for one in READS.collect()[0].samples if one.labels["result"] == "miss"
        )

    before = misses()
    for _ in range(3):
        kept(board, house, with_nodes=True)
    assert misses() - before == 2  # the fleet, and what is sent
    cost = kept(board, house, with_nodes=True)["dailyCost"]
    house.clock.forward(seconds=20)
    assert kept(board, house, with_nodes=True)["dailyCost"] > cost
    assert misses() - before == 3  # what is sent only


def test_a_cluster_that_cannot_be_read_is_told_though_nothing_changed(house: House) -> None:
    house.node()
    with house.client() as caller:
        before = caller.get(OVERVIEW).json()
        assert (before["clusterSeenAt"], before["clusterStaleSince"]) == (None, None)
        seen_at = house.now
        with house.database.write() as session:
            session.add(
                ClusterLink(
                    cluster_name=CLUSTER,
                    enforcement="dra",
                    synced_at=seen_at,
                    stale_since=seen_at,
                    notes={},
                )
            )
        house.clock.forward(seconds=1)
        after = caller.get(OVERVIEW).json()
        assert after["clusterSeenAt"] == after["clusterStaleSince"] == wire_time(seen_at)
