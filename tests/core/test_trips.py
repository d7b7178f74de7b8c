"""Several statements in one trip; on PostgreSQL the same is shown by tests/integration."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gpu_management.core.database import table_of
from gpu_management.core.trips import Statement, one_trip, send
from gpu_management.devices.models import Cluster
from tests.support.apps import NOON
from tests.support.house import House

ADD = insert(table_of(Cluster)).inline()
MOVE = (
    update(table_of(Cluster))
    .where(Cluster.name == bindparam("of"))
    .values(revision=bindparam("to"))
)
NAMES = select(Cluster.name).where(Cluster.name != "test").order_by(Cluster.name)
COUNT = select(func.count(Cluster.name).label("clusters"))


Leg = tuple[Statement, dict[str, Any], Exception | None]


class Refusal(Exception):
    """What a trip raises when a row was not as it must be."""


def row(name: str) -> dict[str, Any]:
    return {"name": name, "revision": 0, "created_at": NOON}


REFUSED: Leg = (MOVE, {"of": "nobody", "to": 1}, Refusal())


def travel(session: Session, *legs: Leg) -> None:
    """Send the statements together."""
    with one_trip(session):
        for statement, values, otherwise in legs:
            send(session, statement, values, otherwise=otherwise)


def adding(name: str) -> Leg:
    """Return the leg that writes a row."""
    return ADD, row(name), None


def names(session: Session) -> list[str]:
    return list(session.scalars(NAMES))


def test_what_is_sent_in_a_block_runs_at_its_end_in_order(house: House) -> None:
    with house.database.write() as session:
        with one_trip(session):
            send(session, ADD, row("a"))
            moved = send(session, MOVE, {"of": "a", "to": 7})
            found = send(session, COUNT, {})
            assert names(session) == []
            assert not found.rows
        assert moved.changed == 1
        assert found.rows[0].clusters == 2
        assert names(session) == ["a"]


def test_without_an_open_trip_a_statement_runs_at_once(house: House) -> None:
    with house.database.write() as session:
        send(session, ADD, row("a"))
        assert names(session) == ["a"]
        with pytest.raises(Refusal):
            send(session, MOVE, {"of": "nobody", "to": 1}, otherwise=Refusal())


@pytest.mark.parametrize("ahead", [[], ["a"], ["a", "b"]])
def test_a_refused_trip_keeps_nothing_and_its_transaction_goes_on(
    house: House, ahead: list[str]
) -> None:
    with house.database.write() as session:
        with pytest.raises(Refusal):
            travel(session, *map(adding, ahead), REFUSED, adding("z"))
        assert names(session) == []
        send(session, ADD, row("later"))
    with house.database.read() as session:
        assert names(session) == ["later"]


def _add_and_call(session: Session, then: Callable[[], None], *more: Leg) -> None:
    with one_trip(session):
        send(session, ADD, row("a"), then=then)
        travel(session, *more)


def test_what_follows_is_called_once_the_whole_trip_went_well(house: House) -> None:
    called: list[str] = []
    with house.database.write() as session:
        with pytest.raises(Refusal):
            _add_and_call(session, lambda: called.append("refused"), REFUSED)
        _add_and_call(session, lambda: called.append("kept"), adding("b"))
    assert called == ["kept"]


def _fail_after_sending(session: Session) -> None:
    with one_trip(session):
        send(session, ADD, row("a"))
        raise Refusal


def test_an_error_in_the_block_sends_nothing(house: House) -> None:
    with house.database.write() as session:
        with pytest.raises(Refusal):
            _fail_after_sending(session)
        assert names(session) == []
        send(session, ADD, row("b"))  # and the next statement does not wait for a trip
        assert names(session) == ["b"]


def test_a_trip_within_a_trip_is_part_of_it(house: House) -> None:
    with house.database.write() as session, one_trip(session):
        with one_trip(session):
            send(session, ADD, row("a"))
        assert names(session) == []


def test_what_the_session_has_to_write_goes_ahead(house: House) -> None:
    with house.database.write() as session:
        with one_trip(session):
            session.add(Cluster(name="a", revision=0, created_at=NOON))
            with session.no_autoflush:
                moved = send(session, MOVE, {"of": "a", "to": 1})
        assert moved.changed == 1


def test_what_the_database_refuses_is_told_as_the_session_tells_it(house: House) -> None:
    with pytest.raises(IntegrityError), house.database.write() as session:
        travel(session, adding("a"), adding("a"))
    with house.database.read() as session:
        assert names(session) == []
