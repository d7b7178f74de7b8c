"""The schema: models and revisions agree, and revisions go up, down and up again with data."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, inspect, select, text

from gpu_management.allocations.models import Allocation
from gpu_management.cli.wiring import prepare
from gpu_management.core import schema
from gpu_management.core.database import Database, open_database
from gpu_management.devices.models import Cluster, Model
from gpu_management.migrations.tables import METADATA
from gpu_management.rates.models import Rate
from tests.support.apps import Hands
from tests.support.house import A100, CLUSTER, House
from tests.support.ledger import check_ledger

if TYPE_CHECKING:
    from tests.support.postgres import Postgres

ENGINES = ["sqlite", pytest.param("postgres", marks=pytest.mark.integration)]


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        opened = open_database(f"sqlite:///{tmp_path / 'schema.db'}")
    else:
        server: Postgres = request.getfixturevalue("postgres")
        opened = server.fresh_database()
    yield opened
    opened.close()


def _tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def test_the_revisions_make_exactly_the_tables_of_the_models(database: Database) -> None:
    schema.upgrade(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    assert _tables(database) == set(METADATA.tables)


def test_a_second_upgrade_changes_nothing(database: Database) -> None:
    assert schema.upgrade(database) == (None, schema.head())
    assert schema.upgrade(database) == (schema.head(), schema.head())


def test_with_data_it_goes_down_to_nothing_and_up_again(database: Database) -> None:
    _live_a_little(database)
    schema.downgrade(database, "base")
    assert _tables(database) == set()
    _live_a_little(database)


def _live_a_little(database: Database) -> None:
    prepare(database, CLUSTER, Hands())
    house = House(database)
    house.node("n1", model=A100, layout=[("3g.40gb", 0)])
    house.request(use_mig=True, required_memory_gb=40)
    house.node("n2", gpus=2)
    made = house.request(key="k")
    house.release(made.allocation_id)
    with database.read() as session:
        check_ledger(session)
        assert session.scalar(select(func.count()).select_from(Allocation)) == 2


def test_a_database_of_a_newer_version_is_left_alone(database: Database) -> None:
    schema.upgrade(database)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(schema.DatabaseTooNew, match="9999"):
        schema.upgrade(database)
    with pytest.raises(schema.DatabaseTooNew):
        prepare(database, CLUSTER, Hands())


def test_several_processes_that_start_at_once_prepare_the_database_once(
    database: Database,
) -> None:
    failures: list[Exception] = []

    def start() -> None:
        try:
            prepare(database, CLUSTER, Hands())
        except Exception as failure:
            failures.append(failure)

    threads = [Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as session:
        assert session.scalars(select(Cluster.name)).all() == [CLUSTER]
        models = session.scalar(select(func.count()).select_from(Model)) or 0
        rates = session.scalar(select(func.count()).select_from(Rate)) or 0
    prepare(database, CLUSTER, Hands())
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Model)) == models
        assert session.scalar(select(func.count()).select_from(Rate)) == rates


def test_every_table_is_declared_with_names_that_oracle_takes(database: Database) -> None:
    schema.upgrade(database)
    for table in METADATA.tables.values():
        assert len(table.name) <= 30
        for part in (*table.constraints, *table.indexes):
            assert part.name is not None
            assert len(str(part.name)) <= 63
