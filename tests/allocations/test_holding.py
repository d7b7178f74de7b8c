"""The three defences against giving a GPU twice, each alone (DESIGN 3)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from gpu_management.allocations import service
from gpu_management.allocations.models import Allocation, Hold, HoldKind, HoldSource
from gpu_management.allocations.placer import Place, Placer
from gpu_management.allocations.service import Outcome
from gpu_management.devices import pools
from gpu_management.devices import service as devices
from gpu_management.devices.errors import StaleDecision
from gpu_management.devices.models import Device, DeviceState
from gpu_management.mig import service as mig
from gpu_management.rates.service import Price, set_rate
from tests.support.house import A100, CLUSTER, House, ask
from tests.support.ledger import check_ledger
from tests.support.principals import ADMIN


def _decided(house: House, **asked: Any) -> Place:
    """Return where a second replica would place a request, on what it knows now."""
    placer = Placer(CLUSTER)
    with house.database.read() as session:
        placer.refresh(session)
    place = placer.place(ask(**asked), kept_nodes=())
    assert isinstance(place, Place)
    return place


def _commit(house: House, place: Place, **asked: Any) -> None:
    """Hold what was decided earlier, whatever happened since."""
    with house.database.write() as session:
        revision = devices.lock(session, CLUSTER)
        made = service._new(house.office, ask(**asked), principal=ADMIN, now=house.now)
        session.add(made)
        outcome = Outcome(place, None, None)
        service.keep(session, made, outcome, revision=revision, now=house.now)


def _open_holds(house: House) -> list[Hold]:
    with house.database.read() as session:
        check_ledger(session)
        return list(session.scalars(select(Hold).where(Hold.ended_at.is_(None))))


REQUESTS: list[dict[str, Any]] = [
    {},
    {"gpu_milli": 600},
    {"use_mig": True, "required_memory_gb": 40},
    {"use_mig": True, "required_memory_gb": 10},
]


@pytest.mark.parametrize("wanted", REQUESTS)
def test_a_decision_that_somebody_overtook_cannot_be_committed(
    house: House, wanted: dict[str, Any]
) -> None:
    house.node(model=A100, layout=() if "use_mig" in wanted else None)
    place = _decided(house, **wanted)
    house.request(**wanted)
    with pytest.raises(StaleDecision):
        _commit(house, place, **wanted)
    assert len(_open_holds(house)) == 1


def test_a_decision_about_a_gpu_that_failed_meanwhile_cannot_be_committed(house: House) -> None:
    (device,) = house.node()
    place = _decided(house)
    house.set_state(device, DeviceState.FAILED)
    with pytest.raises(StaleDecision):
        _commit(house, place)
    assert not _open_holds(house)


def test_a_decision_about_a_gpu_that_left_the_fleet_cannot_be_committed(house: House) -> None:
    (name,) = house.node()
    place = _decided(house)
    with house.device(name) as (session, device):
        mig.remove_device(session, device, now=house.now)
    with pytest.raises(StaleDecision):
        _commit(house, place)


def test_a_slice_that_was_recut_meanwhile_cannot_be_taken(house: House) -> None:
    (name,) = house.node(model=A100, layout=[("3g.40gb", 0)])
    place = _decided(house, use_mig=True, required_memory_gb=40)
    with house.device(name) as (session, device):
        mig.apply_layout(session, device, [], now=house.now)
    with pytest.raises(StaleDecision):
        _commit(house, place, use_mig=True, required_memory_gb=40)


class _Blind(Placer):
    """A replica whose first look at the fleet is out of date."""

    looks = 0

    def follow(self, session: Any, news: Any) -> None:
        type(self).looks += 1
        if type(self).looks != 1:  # the first time it misses what happened since it started
            super().follow(session, news)


def test_an_overtaken_request_is_decided_again_and_its_caller_never_knows(house: House) -> None:
    house.node(gpus=2)
    _Blind.looks = 0
    blind = House(house.database)
    blind.office = service.Office(_Blind(CLUSTER))
    with house.database.read() as session:
        blind.office.placer.refresh(session)
    first = house.request()
    second = blind.request()
    assert {first.allocated_resource, second.allocated_resource} == {"n1-GPU-00", "n1-GPU-01"}
    assert _Blind.looks == 2
    assert len(_open_holds(house)) == 2


class _AlwaysBlind(Placer):
    """A replica that never learns what happened since it started."""

    def follow(self, session: Any, news: Any) -> None:
        """Look away."""

    def forget(self) -> None:
        """Remember what is wrong."""


def test_a_request_that_is_overtaken_again_and_again_ends_and_holds_nothing(house: House) -> None:
    house.node()
    blind = House(house.database)
    blind.office = service.Office(_AlwaysBlind(CLUSTER))
    with house.database.read() as session:
        blind.office.placer.refresh(session)
    house.request()
    with pytest.raises(service.AllocationContended, match="3 times") as contended:
        blind.request()
    assert contended.value.status == 503
    assert contended.value.headers["Retry-After"] == "1"
    assert len(_open_holds(house)) == 1


def _row(hold: Hold, **changes: Any) -> dict[str, Any]:
    same = ("allocation_id", "device_id", "mig_instance_id", "open_key", "kind", "milli")
    return {
        **{name: getattr(hold, name) for name in same},
        "source": HoldSource.OBSERVED,
        "started_at": hold.started_at,
        **changes,
    }


@pytest.mark.parametrize("wanted", [REQUESTS[0], REQUESTS[2]])
def test_the_database_itself_refuses_a_second_open_hold_of_what_is_exclusive(
    house: House, wanted: dict[str, Any]
) -> None:
    house.node(model=A100, layout=() if wanted else None)
    house.request(**wanted)
    (hold,) = _open_holds(house)
    with pytest.raises(IntegrityError), house.database.write() as session:
        session.execute(insert(Hold), [_row(hold)])
    house.release(hold.allocation_id or "")
    with house.database.write() as session:  # the key is free again once the hold has ended
        session.execute(insert(Hold), [_row(hold)])


@pytest.mark.parametrize("held", [1001, -1])
def test_the_database_itself_refuses_more_than_a_whole_device_and_less_than_none(
    house: House, held: int
) -> None:
    house.node()
    with pytest.raises(IntegrityError), house.database.write() as session:
        session.execute(update(Device).values(held_milli=held))


@pytest.mark.parametrize("changes", [{"milli": 0}, {"milli": 1001}, {"ended_at": "before"}])
def test_the_database_itself_refuses_a_hold_that_makes_no_sense(
    house: House, changes: dict[str, Any]
) -> None:
    house.node()
    house.request(gpu_milli=100)
    (hold,) = _open_holds(house)
    if "ended_at" in changes:
        changes = {"ended_at": hold.started_at.replace(year=2020)}
    with pytest.raises(IntegrityError), house.database.write() as session:
        session.execute(insert(Hold), [_row(hold, kind=HoldKind.SHARE, **changes)])


def test_shares_fill_a_device_and_not_a_thousandth_more(house: House) -> None:
    (name,) = house.node()
    for milli in (333, 333, 334):
        house.request(gpu_milli=milli)
    with pytest.raises(service.GpuNotAvailable):
        house.request(gpu_milli=1)
    with house.device(name) as (_session, device):
        assert device.held_milli == 1000


def test_a_hold_ends_at_the_second_of_the_release_and_stays_as_it_ended(house: House) -> None:
    house.node()
    made = house.request()
    house.clock.forward(seconds=90.7)
    house.release(made.allocation_id)
    house.clock.forward(hours=1)
    house.release(made.allocation_id)
    with house.database.read() as session:
        hold = session.scalars(select(Hold)).one()
        assert (hold.ended_at - hold.started_at).total_seconds() == 90  # type: ignore[operator]
        assert session.get_one(Allocation, made.allocation_id).released_at != house.now


def test_a_release_within_the_second_of_the_start_is_a_hold_of_no_length(house: House) -> None:
    house.node()
    made = house.request()
    house.clock.forward(seconds=0.3)
    house.release(made.allocation_id)
    with house.database.read() as session:
        check_ledger(session)
        hold = session.scalars(select(Hold)).one()
        assert hold.ended_at == hold.started_at


def test_host_cpu_and_memory_are_held_once_and_given_back(house: House) -> None:
    house.node(gpus=2, cpu_milli=10_000, memory_mib=1000)
    made = house.request(count=2, cpu_milli=6000, memory_mib=600)
    with pytest.raises(service.GpuNotAvailable):
        house.request(gpu_milli=1, cpu_milli=6000)
    house.release(made.allocation_id)
    house.request(gpu_milli=1, cpu_milli=10_000)
    _open_holds(house)


def test_who_asked_before_the_last_owner_left_starts_when_it_left(house: House) -> None:
    house.node(gpus=1)
    made = house.request()
    house.clock.forward(seconds=5)
    house.release(made.allocation_id)
    house.clock.forward(seconds=-3)  # the next caller's server has a slower clock
    house.request()
    with house.database.read() as session:
        check_ledger(session)
        first, second = session.scalars(select(Hold).order_by(Hold.id)).all()
        assert second.started_at == first.ended_at


@pytest.mark.parametrize("wanted", [REQUESTS[0], REQUESTS[2]])
def test_a_hold_keeps_the_pool_of_its_node_and_is_priced_in_it(
    house: House, wanted: dict[str, Any]
) -> None:
    house.node(model=A100, layout=() if wanted else None)
    with house.database.write() as session:
        node = devices.find_node(session, CLUSTER, "n1")
        node.revision = devices.lock(session, CLUSTER)
        pools.move(session, node, "spot", now=house.now)
        price = Price(A100, Decimal(3), node_pool="spot", profile_name=None)
        set_rate(session, price, principal=ADMIN, now=house.now)
        if wanted:
            profile = Price(A100, Decimal(3), node_pool="spot", profile_name="3g.40gb")
            set_rate(session, profile, principal=ADMIN, now=house.now)
    made = house.request(**wanted)
    (hold,) = _open_holds(house)
    assert hold.node_pool == "spot"
    assert made.cost_per_hour == Decimal(3)


def test_a_hold_begins_when_the_one_before_it_on_that_device_ended(house: House) -> None:
    house.node(gpus=2)
    first, second = house.request(gpu_milli=600), house.request(gpu_milli=600)
    house.clock.forward(seconds=90)
    house.release(first.allocation_id)
    house.clock.forward(seconds=-30)  # a replica with a slower clock
    third, fourth = house.request(gpu_milli=600), house.request(gpu_milli=400)
    began = {hold.allocation_id: hold.started_at for hold in _open_holds(house)}
    late = first.requested_at + timedelta(seconds=90)
    assert third.allocated_resource == first.allocated_resource
    assert began[third.allocation_id] == late
    assert fourth.allocated_resource in {first.allocated_resource, second.allocated_resource}
    on_second = fourth.allocated_resource == second.allocated_resource
    assert began[fourth.allocation_id] == (house.now if on_second else late)
