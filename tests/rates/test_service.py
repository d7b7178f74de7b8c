from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.auth.access import Role
from gpu_management.auth.models import AuditEntry
from gpu_management.auth.principals import Principal
from gpu_management.core.problems import Forbidden
from gpu_management.devices.errors import ModelNotFound
from gpu_management.events.models import Event
from gpu_management.rates import service
from gpu_management.rates.errors import RateExists, RateInvalid
from gpu_management.rates.models import Rate
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
