"""The placer's view follows the database: after any change it equals one that is read anew."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from gpu_management.allocations.placer import Placer
from gpu_management.allocations.view import eligible_nodes
from gpu_management.core.trips import one_trip
from gpu_management.devices import service as devices
from gpu_management.devices.models import DeviceState
from gpu_management.mig import service as mig
from gpu_management.rates.service import Price, set_rate
from tests.support.house import A100, CLUSTER, T4, House, ask
from tests.support.ledger import view_of
from tests.support.principals import ADMIN


def _cordon(house: House) -> None:
    with house.database.write() as session:
        node = devices.find_node(session, CLUSTER, "n1")
        devices.set_schedulable(session, node, is_schedulable=False)


def _tell(house: House) -> None:
    with house.database.write() as session:
        node = devices.find_node(session, CLUSTER, "n1")
        facts = devices.NodeFacts(cpu_total_milli=77, labels={"zone": "b"})
        devices.change_node(session, node, facts=facts, now=house.now)


def _remove(house: House) -> None:
    with house.device("n2-GPU-00") as (session, device):
        mig.remove_device(session, device, now=house.now)


def _price(house: House) -> None:
    with house.database.write() as session:
        set_rate(session, Price(T4, Decimal(7)), principal=ADMIN, now=house.now)


CHANGES: dict[str, Callable[[House], object]] = {
    "whole": lambda h: h.request(cpu_milli=100),
    "share": lambda h: h.request(gpu_milli=300),
    "slice": lambda h: h.request(use_mig=True, required_memory_gb=20),
    "release": lambda h: h.release(h.request().allocation_id),
    "failure": lambda h: h.set_state("n1-GPU-00", DeviceState.FAILED),
    "failure of a cut one": lambda h: h.set_state("n2-GPU-00", DeviceState.FAILED),
    "new node": lambda h: h.node("n3", gpus=2),
    "cordon": _cordon,
    "node told about": _tell,
    "device removed": _remove,
    "price": _price,
}


@pytest.fixture
def watched(house: House) -> Placer:
    house.node("n1", gpus=2, cpu_milli=1000, memory_mib=1000, labels={"zone": "a"})
    house.node("n2", gpus=2, model=A100, layout=[("3g.40gb", 0)])
    placer = Placer(CLUSTER)
    with house.database.read() as session:
        placer.refresh(session)
    return placer


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_the_view_equals_a_fresh_one(
    house: House, watched: Placer, change: str
) -> None:
    before = view_of(watched)
    CHANGES[change](house)
    fresh = Placer(CLUSTER)
    with house.database.read() as session:
        watched.refresh(session)
        fresh.refresh(session)
    assert view_of(watched) == view_of(fresh)
    assert change in {"price", "release"} or view_of(watched) != before


def test_a_forgotten_view_is_read_again_whole(house: House, watched: Placer) -> None:
    before = view_of(watched)
    watched.forget()
    assert view_of(watched)["devices"] == {}
    with house.database.read() as session:
        watched.refresh(session)
    assert view_of(watched) == before


def test_a_node_can_ever_serve_what_its_devices_memory_labels_and_mode_allow(
    house: House, watched: Placer
) -> None:
    def nodes(**asked: object) -> list[str]:
        return [name for name, _ in eligible_nodes(watched._view, ask(**asked))]

    house.request(count=2)
    with house.database.read() as session:
        watched.refresh(session)
    assert nodes() == ["n1"], "what is held now does not count against a node"
    assert nodes(count=3) == []
    assert nodes(required_memory_gb=80) == []
    assert nodes(use_mig=True) == ["n2"]
    assert nodes(node_selector=(("zone", "a"),)) == ["n1"]
    assert nodes(node_selector=(("zone", "b"),)) == []


def _follow(house: House, placer: Placer) -> None:
    with house.database.read() as session:
        with one_trip(session):
            news = placer.ask_news(session)
        placer.follow(session, news)


def _fresh(house: House) -> dict[str, Any]:
    placer = Placer(CLUSTER)
    with house.database.read() as session:
        placer.refresh(session)
    return view_of(placer)


@pytest.mark.parametrize("change", sorted(CHANGES.keys() - {"price"}))
def test_who_follows_at_its_turn_sees_every_change(
    house: House, watched: Placer, change: str
) -> None:
    CHANGES[change](house)
    _follow(house, watched)
    assert view_of(watched) == _fresh(house)


def test_who_follows_sees_more_changes_than_a_few(house: House, watched: Placer) -> None:
    for number in range(3, 40):
        house.node(f"n{number}", gpus=1)
    _follow(house, watched)
    assert view_of(watched) == _fresh(house)
    assert len(view_of(watched)["devices"]) == 41


def test_an_old_answer_does_not_overwrite_what_was_learned_since(
    house: House, watched: Placer
) -> None:
    house.request(gpu_milli=300)
    with house.database.read() as session:
        old = watched.ask_news(session)
    house.request(gpu_milli=300)
    _follow(house, watched)
    with house.database.read() as session:
        watched.follow(session, old)
    assert view_of(watched) == _fresh(house)


def test_an_answer_for_a_view_that_was_forgotten_is_no_view(house: House, watched: Placer) -> None:
    house.request()
    with house.database.read() as session:
        news = watched.ask_news(session)
        watched.forget()
        watched.follow(session, news)
    assert view_of(watched) == _fresh(house)
