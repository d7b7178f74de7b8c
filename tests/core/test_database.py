from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from gpu_management.core.database import JsonText, Money, UtcDateTime, in_parts, open_database
from gpu_management.devices.models import Cluster
from tests.support.apps import NOON
from tests.support.house import House

DIALECT = sqlite.dialect()


@given(st.integers(-(2**62), 2**62))
def test_money_is_written_and_read_to_the_millionth(micros: int) -> None:
    amount = Decimal(micros) / 1_000_000
    written = Money().process_bind_param(amount, DIALECT)
    assert written == micros
    assert Money().process_result_value(written, DIALECT) == amount


def test_money_finer_than_a_millionth_is_refused() -> None:
    with pytest.raises(ValueError, match="to the millionth"):
        Money().process_bind_param(Decimal("0.0000001"), DIALECT)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_is_written_and_read_in_utc(moment: datetime) -> None:
    kind = UtcDateTime()
    written = kind.process_bind_param(moment, DIALECT)
    assert kind.process_result_value(written, DIALECT) == moment


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    seoul = NOON.astimezone(timezone(timedelta(hours=9)))
    written = UtcDateTime().process_bind_param(seoul, DIALECT)
    assert UtcDateTime().process_result_value(written, DIALECT) == NOON


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), DIALECT)  # noqa: DTZ001


def test_documents_are_written_the_same_whatever_their_order() -> None:
    kind = JsonText()
    assert kind.process_bind_param({"b": 1, "a": "한"}, DIALECT) == '{"a":"한","b":1}'
    assert kind.process_result_value('{"a":[]}', DIALECT) == {"a": []}
    assert kind.process_bind_param(None, DIALECT) is kind.process_result_value(None, DIALECT)


def test_what_is_written_is_there_for_others_and_what_fails_is_not(house: House) -> None:
    with house.database.write() as session:
        session.add(Cluster(name="kept", revision=0, created_at=NOON))
    lost = [Cluster(name=name, revision=0, created_at=NOON) for name in ("lost", "kept")]
    with pytest.raises(IntegrityError), house.database.write() as session:
        session.add_all(lost)
    with house.database.read() as session:
        assert set(session.scalars(select(Cluster.name))) == {"test", "kept"}


def test_foreign_keys_hold_on_sqlite_and_an_answer_survives_a_power_cut(house: House) -> None:
    with pytest.raises(IntegrityError), house.database.write() as session:
        session.execute(text("UPDATE gpu_rates SET model_id = 'nobody'"))
    with house.database.read() as session:
        assert session.scalar(text("PRAGMA synchronous")) == 2
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"


def test_writers_wait_for_each_other_and_none_fails(house: House) -> None:

    failures: list[Exception] = []

    def write(number: int) -> None:
        try:
            for step in range(5):
                with house.database.write() as session:
                    name = f"c{number}-{step}"
                    session.add(Cluster(name=name, revision=0, created_at=NOON))
        except Exception as failure:
            failures.append(failure)

    threads = [Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with house.database.read() as session:
        assert len(session.scalars(select(Cluster.name)).all()) == 31


def test_a_reader_sees_the_moment_it_began_at(house: House, tmp_path: Path) -> None:
    with house.database.read() as session:
        before = session.scalars(select(Cluster.name)).all()
        with house.database.write() as writer:
            writer.add(Cluster(name="later", revision=0, created_at=NOON))
        assert session.scalars(select(Cluster.name)).all() == before
    other = open_database(f"sqlite:///{tmp_path / 'house.db'}")
    with other.read() as session:
        assert "later" in session.scalars(select(Cluster.name)).all()
    other.close()


@pytest.mark.parametrize("count", [0, 1, 500, 501, 1700])
def test_keys_are_asked_for_in_parts_that_fit_a_statement(count: int) -> None:
    parts = list(in_parts(range(count)))
    assert [key for part in parts for key in part] == list(range(count))
    assert all(0 < len(part) <= 500 for part in parts)
