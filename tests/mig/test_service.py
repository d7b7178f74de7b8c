from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from gpu_management.core.problems import Problem
from gpu_management.devices.errors import DeviceInUse
from gpu_management.mig import service
from gpu_management.mig.errors import (
    MigInstanceInUse,
    MigInstanceNotFound,
    MigLayoutIllegal,
    MigNotEnabled,
    MigNotSupported,
)
from gpu_management.mig.geometry import Placement
from gpu_management.mig.models import MigInstance, MigLayout
from tests.support.house import A100, T4, House, prepared_database
from tests.support.ledger import check_ledger

NAME = "n1-GPU-00"
HALVES = [("3g.40gb", 0), ("3g.40gb", 4)]


def apply(house: House, layout: list[tuple[str, int]], name: str = NAME) -> list[str]:
    with house.device(name) as (session, device):
        places = [Placement(*place) for place in layout]
        made = service.apply_layout(session, device, places, now=house.now)
        return [instance.mig_id for instance in made]


def create(house: House, profile: str, start: int | None = None) -> str:
    with house.device(NAME) as (session, device):
        return service.create(session, device, profile, start=start, now=house.now).mig_id


def layouts(house: House) -> list[MigLayout]:
    with house.database.read() as session:
        check_ledger(session)
        return list(session.scalars(select(MigLayout).order_by(MigLayout.id)))


def test_a_model_without_mig_is_never_cut(house: House) -> None:
    house.node(model=T4)
    with (
        pytest.raises(MigNotSupported, match="has no MIG"),
        house.device(NAME) as (session, device),
    ):
        service.enable(session, device, now=house.now)


def test_a_device_that_somebody_holds_keeps_its_mode(house: House) -> None:
    house.node("n1", model=A100)
    whole = house.request()
    with pytest.raises(DeviceInUse), house.device(NAME) as (session, device):
        service.enable(session, device, now=house.now)
    house.release(whole.allocation_id)
    with house.device(NAME) as (session, device):
        service.enable(session, device, now=house.now)
    house.request(use_mig=True, required_memory_gb=10)
    with pytest.raises(DeviceInUse), house.device(NAME) as (session, device):
        service.disable(session, device, now=house.now)


def test_switching_twice_is_switching_once(house: House) -> None:
    house.node(model=A100, layout=[])
    with house.device(NAME) as (session, device):
        edition = device.edition
        assert service.enable(session, device, now=house.now).edition == edition
    assert len(layouts(house)) == 1


def test_switching_off_destroys_what_is_idle_and_the_card_is_whole_again(house: House) -> None:
    house.node(model=A100, layout=HALVES)
    with house.device(NAME) as (session, device):
        service.disable(session, device, now=house.now)
    assert house.request(required_memory_gb=80).allocated_resource == NAME
    assert [told.mig_enabled for told in layouts(house)] == [True, True, False]


def test_a_whole_card_is_not_cut(house: House) -> None:
    house.node(model=A100)
    with pytest.raises(MigNotEnabled, match=f"POST /api/v1/gpu/devices/{NAME}/mig"):
        create(house, "1g.10gb")
    with pytest.raises(MigNotEnabled):
        apply(house, HALVES)


def test_a_slice_says_where_it_is_and_what_it_is(house: House) -> None:
    house.node(model=A100, layout=[])
    assert create(house, "2g.20gb", 2) == f"{NAME}-MIG-2g.20gb-2"
    assert create(house, "1g.10gb+me", 0) == f"{NAME}-MIG-1g.10gb.me-0"


def test_without_a_start_the_first_place_in_the_drivers_order_is_taken(house: House) -> None:
    house.node(model=A100, layout=[])
    starts = [int(create(house, "1g.10gb").rsplit("-", maxsplit=1)[1]) for _ in range(7)]
    assert sorted(starts) == list(range(7))
    with pytest.raises(MigLayoutIllegal, match="no place is left for"):
        create(house, "1g.10gb")


@pytest.mark.parametrize(
    ("profile", "start", "words"),
    [
        ("1g.5gb", None, "has no profile 1g.5gb"),
        ("3g.40gb", 1, "3g.40gb"),
        ("2g.20gb", 3, "2g.20gb"),
        ("1g.10gb", 7, "1g.10gb"),
        ("7g.80gb", 0, "7g.80gb"),
        ("3g.40gb", 0, "3g.40gb"),
    ],
)
def test_what_is_not_legal_is_refused_with_the_rule(
    house: House, profile: str, start: int | None, words: str
) -> None:
    house.node(model=A100, layout=[("1g.10gb", 0)])
    with pytest.raises(MigLayoutIllegal, match=words) as refused:
        create(house, profile, start)
    assert refused.value.errors[0].rule
    assert len(layouts(house)[-1].layout) == 1


def test_a_layout_keeps_what_is_in_both_and_changes_the_rest(house: House) -> None:
    house.node(model=A100, layout=HALVES)
    held = house.request(use_mig=True, required_memory_gb=40)
    kept = int((held.allocated_resource or "").rsplit("-", maxsplit=1)[1])
    other = 4 - kept
    with house.database.read() as session:
        before = {i.mig_id: i.uuid for i in session.scalars(select(MigInstance))}
    made = apply(house, [("3g.40gb", kept), ("1g.10gb", other), ("1g.10gb", other + 1)])
    assert held.allocated_resource in made
    assert len(made) == 3
    with house.database.read() as session:
        live = select(MigInstance).where(MigInstance.live_id == held.allocated_resource)
        assert session.scalars(live).one().uuid == before[held.allocated_resource or ""]
    with pytest.raises(MigInstanceInUse, match=r"keep 3g\.40gb at"):
        apply(house, [("7g.80gb", 0)])
    assert len(layouts(house)[-1].layout) == 3


def test_a_preview_says_what_would_happen_and_does_nothing(house: House) -> None:
    house.node(model=A100, layout=HALVES)
    with house.device(NAME) as (session, device):
        wanted = [Placement("3g.40gb", 0), Placement("2g.20gb", 4)]
        step = service.preview(session, device, wanted)
        assert [i.placement_start for i in step.kept] == [0]
        assert [i.placement_start for i in step.destroyed] == [4]
        assert list(step.created) == [Placement("2g.20gb", 4)]
    assert len(layouts(house)[-1].layout) == 2


def test_a_held_slice_is_not_destroyed_and_an_idle_one_is(house: House) -> None:
    house.node(model=A100, layout=HALVES)
    held = house.request(use_mig=True, required_memory_gb=40).allocated_resource or ""
    with house.database.write() as session, pytest.raises(MigInstanceInUse):
        service.destroy(session, service.find_instance(session, held), now=house.now)
    idle = next(f"{NAME}-MIG-{p}-{s}" for p, s in HALVES if not held.endswith(f"-{s}"))
    with house.database.write() as session:
        service.destroy(session, service.find_instance(session, idle), now=house.now)
    with pytest.raises(MigInstanceNotFound), house.database.read() as session:
        service.find_instance(session, idle)
    assert create(house, "3g.40gb", int(idle[-1])) == idle


def test_every_change_is_a_stretch_of_the_layout_history(house: House) -> None:
    house.node(model=A100, layout=[])
    house.clock.forward(hours=1)
    apply(house, HALVES)
    house.clock.forward(hours=1)
    apply(house, [])
    empty, halves, last = layouts(house)[-3:]
    assert empty.ended_at == halves.started_at
    assert [place["start"] for place in halves.layout] == [0, 4]
    assert (last.layout, last.ended_at) == ([], None)


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("create"),
            st.sampled_from(("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")),
            st.one_of(st.none(), st.integers(0, 7)),
        ),
        st.tuples(st.just("take"), st.sampled_from((5, 10, 20, 40, 80)), st.none()),
        st.tuples(st.just("destroy"), st.none(), st.integers(0, 6)),
        st.tuples(st.just("release"), st.none(), st.integers(0, 6)),
    ),
    max_size=12,
)


@settings(max_examples=20, deadline=None)
@given(steps=steps)
def test_whatever_is_done_the_layout_stays_legal(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any, Any]]
) -> None:
    database = prepared_database(tmp_path_factory.mktemp("mig"))
    house = House(database)
    house.node(model=A100, layout=[])
    held: list[str] = []
    for what, size, number in steps:
        try:
            if what == "create":
                create(house, size, number)
            elif what == "take":
                made = house.request(use_mig=True, required_memory_gb=size)
                held.append(made.allocation_id)
            elif what == "release" and held:
                house.release(held.pop(number % len(held)))
            elif what == "destroy":
                _destroy_one(house, number)
        except Problem:
            pass
        with database.read() as session:
            check_ledger(session)
    database.close()


def _destroy_one(house: House, number: int) -> None:
    with house.device(NAME) as (session, device):
        standing = service.instances_of(session, device.id)
        if standing:
            service.destroy(session, standing[number % len(standing)], now=house.now)
