"""Trips on PostgreSQL, where they really are one; and connections that died meanwhile."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from sqlalchemy import bindparam, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Phase
from gpu_management.core.database import Database, open_database, table_of
from gpu_management.core.trips import one_trip, send
from gpu_management.devices.models import Device, DeviceState
from tests.core import test_trips as shared
from tests.core.test_trips import (  # noqa: F401 - the same must hold on PostgreSQL
    test_a_refused_trip_keeps_nothing_and_its_transaction_goes_on,
    test_a_trip_within_a_trip_is_part_of_it,
    test_an_error_in_the_block_sends_nothing,
    test_what_follows_is_called_once_the_whole_trip_went_well,
    test_what_is_sent_in_a_block_runs_at_its_end_in_order,
    test_what_the_session_has_to_write_goes_ahead,
    test_without_an_open_trip_a_statement_runs_at_once,
)
from tests.support.house import House
from tests.support.postgres import Postgres

pytestmark = pytest.mark.integration

ALLOCATIONS = select(*table_of(Allocation).columns).where(
    Allocation.allocation_id == bindparam("wanted")
)
READY = (
    update(table_of(Device))
    .where(Device.state == DeviceState.READY)
    .values(edition=Device.edition + 1)
    .returning(Device.device_id, Device.state, Device.registered_at)
)


@pytest.fixture
def house(postgres_house: House) -> House:
    return postgres_house


def test_values_go_in_and_rows_come_out_as_the_session_has_them(house: House) -> None:
    house.node()
    made = house.request(cost_limit=Decimal("1.25"), node_selector=())
    with house.database.read() as session, one_trip(session):
        found = send(session, ALLOCATIONS, {"wanted": made.allocation_id})
    with house.database.read() as session:
        known = session.get_one(Allocation, made.allocation_id)
        (row,) = found.rows
        assert row._asdict() == {name: getattr(known, name) for name in row._fields}
    assert row.phase is Phase.ALLOCATED
    assert row.cost_limit == Decimal("1.25")
    assert row.requested_at == house.now


def test_a_statement_brings_its_own_values_and_returns_rows(house: House) -> None:
    house.node(gpus=2)
    with house.database.write() as session, one_trip(session):
        moved = send(session, READY, {})
    assert [row.device_id for row in moved.rows] == ["n1-GPU-00", "n1-GPU-01"]
    assert {row.state for row in moved.rows} == {DeviceState.READY}
    assert {row.registered_at for row in moved.rows} == {house.now}


def test_what_the_database_refuses_is_told_as_ever_and_nothing_is_kept(house: House) -> None:
    twice = (shared.adding("a"), shared.adding("a"), shared.adding("b"))
    with pytest.raises(IntegrityError), house.database.write() as session:
        shared.travel(session, *twice)
    with house.database.write() as session:
        assert shared.names(session) == []


def _end_connections(database: Database) -> None:
    other = open_database(database.engine.url.render_as_string(hide_password=False))
    end = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with other.write() as session:
        session.execute(end)
    other.close()


@pytest.fixture
def suspicious(postgres: Postgres) -> Iterator[Database]:
    """A database whose connections are asked each time whether they live."""
    database = open_database(postgres.fresh_url(), pool_size=2, believed_seconds=0)
    yield database
    database.close()


def test_a_connection_that_died_while_idle_is_replaced_and_nobody_notices(
    suspicious: Database,
) -> None:
    with suspicious.read() as session:
        session.execute(text("SELECT 1"))
    _end_connections(suspicious)
    with suspicious.read() as session:
        assert session.scalar(text("SELECT 1")) == 1


def _lose_it_on_the_way(database: Database, session: Session) -> None:
    shared.travel(session, shared.adding("a"))
    _end_connections(database)
    shared.travel(session, shared.adding("b"))


def test_a_connection_that_dies_in_a_trip_is_an_operational_error_and_not_used_again(
    house: House,
) -> None:
    with pytest.raises(OperationalError), house.database.write() as session:
        _lose_it_on_the_way(house.database, session)
    with house.database.write() as session:
        assert shared.names(session) == []


PREPARED = text("SELECT count(*) FROM pg_prepared_statements WHERE NOT from_sql")


@pytest.fixture
def one_connection(house: House) -> Iterator[Database]:
    """The same database by a single connection."""
    address = house.database.engine.url.render_as_string(hide_password=False)
    database = open_database(address, pool_size=1, schema="gpu_admin")
    yield database
    database.close()


def test_a_statement_is_prepared_once_and_a_rollback_keeps_it(one_connection: Database) -> None:
    for _ in range(3):
        with one_connection.writer() as session:
            shared.travel(session, shared.adding("a"), shared.adding("b"))
    with one_connection.read() as session:
        assert session.scalar(PREPARED) == 1
        assert shared.names(session) == []


def test_a_statement_that_the_server_forgot_is_prepared_anew(one_connection: Database) -> None:
    with one_connection.write() as session:
        shared.travel(session, shared.adding("a"))
        session.execute(text("DEALLOCATE ALL"))
    with pytest.raises(DBAPIError), one_connection.write() as session:
        shared.travel(session, shared.adding("b"))
    with one_connection.write() as session:
        shared.travel(session, shared.adding("b"))
        assert shared.names(session) == ["a", "b"]
