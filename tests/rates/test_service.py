from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete, select

from gpu_management.allocations.models import Hold
from gpu_management.allocations.queries import hold_rows, priced
from gpu_management.auth.access import Role
from gpu_management.auth.models import AuditEntry
from gpu_management.auth.principals import Principal
from gpu_management.core.problems import Forbidden
from gpu_management.devices.errors import ModelNotFound
from gpu_management.events.models import Event
from gpu_management.rates import service
from gpu_management.rates.errors import (
    RateChanged,
    RateExists,
    RateInForce,
    RateInvalid,
    RateNotFound,
)
from gpu_management.rates.models import SHARE, Rate
from gpu_management.rates.service import Price
from tests.support.house import A100, T4, House
from tests.support.principals import ADMIN, principal


def set_price(
    house: House, model: str = T4, dollars: str = "1", *, by: Principal = ADMIN, **more: Any
) -> Rate:
    with house.database.write() as session:
        told = Price(model, Decimal(dollars), **more)
        return service.set_rate(session, told, principal=by, now=house.now)


def test_a_fresh_book_has_the_list_prices_and_seeding_again_adds_none(house: House) -> None:
    with house.database.write() as session:
        listed = session.scalars(select(Rate).where(Rate.model_id == T4)).one()
        assert listed.source == "list-price"
        assert listed.note
        assert service.seed_list_prices(session, now=house.now) == 0


def test_list_prices_of_a_newer_version_do_not_price_the_past(house: House) -> None:
    house.node()
    with house.database.write() as session:
        session.execute(delete(Rate).where(Rate.model_id.in_([T4, A100])))
    set_price(house, A100, node_pool="own")
    with house.database.write() as session:
        assert service.seed_list_prices(session, now=house.now) == 1
    with house.database.read() as session:
        added = session.scalars(select(Rate).where(Rate.model_id == T4)).one()
        assert (added.source, added.effective_from) == ("list-price", house.now)


def test_list_prices_are_dollars_and_no_other_currency_gets_them(house: House) -> None:
    with house.database.write() as session:
        session.execute(delete(Rate))
        assert service.seed_list_prices(session, now=house.now, currency="EUR") == 0
        assert service.seed_list_prices(session, now=house.now) > 0


def test_a_keeper_reads_the_book_again_only_when_it_has_grown(house: House) -> None:
    keeper = service.BookKeeper()
    with house.database.read() as session:
        first = keeper.book(session)
        assert keeper.book(session) is first
    set_price(house)
    with house.database.read() as session:
        second = keeper.book(session)
        assert second is not first
        assert second.card_micros(T4, house.now) == 1_000_000


def test_a_price_is_told_and_audited(house: House) -> None:
    made = set_price(house, dollars="0.123456", note="contract 7")
    assert (made.created_by, made.source, made.note) == ("tester", "set", "contract 7")
    with house.database.read() as session:
        assert session.scalars(select(Event.type)).all()[-1] == "rate.set"
        assert session.scalars(select(AuditEntry.action)).all() == ["rate.set"]


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.ADMIN])
def test_only_an_admin_sets_a_price(house: House, role: Role) -> None:
    with pytest.raises(Forbidden):
        set_price(house, by=principal(role))


def test_a_price_cannot_begin_in_the_past(house: House) -> None:
    with pytest.raises(RateInvalid, match="never rewrites the past"):
        set_price(house, effective_from=house.now - timedelta(seconds=1))
    assert set_price(house, effective_from=house.now).effective_from == house.now


def test_two_prices_of_one_thing_do_not_begin_at_once(house: House) -> None:
    set_price(house)
    with pytest.raises(RateExists):
        set_price(house)
    house.clock.forward(seconds=1)
    set_price(house)


def test_a_price_names_a_known_model_and_a_profile_of_it(house: House) -> None:
    with pytest.raises(ModelNotFound, match="did you mean"):
        set_price(house, "t44")
    with pytest.raises(RateInvalid, match="it has none"):
        set_price(house, T4, profile_name="1g.10gb")
    with pytest.raises(RateInvalid, match=r"1g\.10gb"):
        set_price(house, A100, profile_name="1g.5gb")
    assert set_price(house, A100, profile_name="1g.10gb").profile_name == "1g.10gb"


def test_a_keeper_notices_a_withdrawn_price_and_one_set_in_its_place(house: House) -> None:
    keeper = service.BookKeeper()
    later = house.now + timedelta(hours=1)
    planned = set_price(house, effective_from=later)
    with house.database.read() as session:
        assert keeper.book(session).card_micros(T4, later) == 1_000_000
    withdraw(house, planned.id)
    again = set_price(house, dollars="2", effective_from=later)
    assert again.id > planned.id
    with house.database.read() as session:
        assert keeper.book(session).card_micros(T4, later) == 2_000_000
    withdraw(house, again.id)
    with house.database.read() as session:
        assert keeper.book(session).card_micros(T4, later) == 526_000


def withdraw(house: House, rate_id: int, *, by: Principal = ADMIN) -> None:
    with house.database.write() as session:
        service.withdraw(session, rate_id, principal=by, now=house.now)


def test_a_withdrawal_is_told_and_audited(house: House) -> None:
    planned = set_price(house, effective_from=house.now + timedelta(hours=1))
    withdraw(house, planned.id)
    with house.database.read() as session:
        assert session.get(Rate, planned.id) is None
        assert session.scalars(select(Event.type)).all()[-1] == "rate.withdrawn"
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert entry is not None
        assert (entry.action, entry.target_id) == ("rate.withdrawn", str(planned.id))
        assert entry.before is not None
        assert entry.before["costPerHour"] == 1


def test_what_has_begun_is_not_withdrawn(house: House) -> None:
    begun = set_price(house)
    with pytest.raises(RateInForce, match="set a new rate"):
        withdraw(house, begun.id)
    planned = set_price(house, effective_from=house.now + timedelta(seconds=60))
    house.clock.forward(seconds=60)
    with pytest.raises(RateInForce):
        withdraw(house, planned.id)
    with pytest.raises(RateNotFound):
        withdraw(house, 10_000)
    with pytest.raises(Forbidden):
        withdraw(house, planned.id, by=principal(Role.FINANCE))


def test_of_two_editors_who_saw_the_same_price_the_second_gets_a_conflict(house: House) -> None:
    first = set_price(house, based_on=listed_id(house))
    house.clock.forward(seconds=1)
    with pytest.raises(RateChanged, match="by tester") as refused:
        set_price(house, dollars="2", based_on=listed_id(house))
    assert refused.value.facts["newestId"] == first.id
    assert set_price(house, dollars="2", based_on=first.id).id > first.id


def listed_id(house: House) -> int:
    with house.database.read() as session:
        query = select(Rate.id).where(Rate.model_id == T4, Rate.source == "list-price")
        return session.scalars(query).one()


def test_an_editor_who_saw_a_price_that_was_withdrawn_gets_a_conflict(house: House) -> None:
    planned = set_price(house, effective_from=house.now + timedelta(hours=1))
    withdraw(house, planned.id)
    with pytest.raises(RateChanged):
        set_price(house, based_on=planned.id)
    set_price(house, based_on=listed_id(house))


def test_who_saw_no_price_conflicts_with_who_set_the_first(house: House) -> None:
    set_price(house, node_pool="p", based_on=0)
    with pytest.raises(RateChanged, match="you saw rate none of t4 card in node pool p"):
        set_price(house, node_pool="p", based_on=0, effective_from=house.now + timedelta(hours=1))
    set_price(house, cluster_name="c", node_pool="p", based_on=0)


def test_prices_of_different_places_may_begin_at_once(house: House) -> None:
    places: list[dict[str, Any]] = [{}, {"node_pool": "p"}, {"cluster_name": "c"}]
    for place in [*places, {"profile_name": SHARE}]:
        set_price(house, **place)
    with pytest.raises(RateExists, match="t4 card in cluster c already"):
        set_price(house, cluster_name="c")


def test_a_price_beyond_the_highest_is_taken_for_a_slip(house: House) -> None:
    with pytest.raises(RateInvalid, match="decimal point"):
        set_price(house, dollars="1000.000001", at_most=Decimal(1000))
    set_price(house, dollars="1000", at_most=Decimal(1000))


def test_a_hold_is_charged_the_price_of_the_pool_it_was_given_in(house: House) -> None:
    house.node(labels={"gpu.company.com/node-pool": "gold"})
    set_price(house, dollars="9", node_pool="gold")
    found = house.request()
    assert found.cost_per_hour == 9
    house.node(labels={}, gpus=0)  # the node leaves the pool; the contract goes on
    house.clock.forward(hours=1)
    with house.database.read() as session:
        book = house.keeper.book(session)
        row = session.execute(hold_rows().where(Hold.allocation_id == found.allocation_id)).one()
        cost = book.cost_micros(priced(row), started_at=row.started_at, until=house.now)
    assert cost == 9_000_000
