"""Seconds since 1970 in SQL."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Column, MetaData, Table, insert, select
from sqlalchemy.engine import make_url

from gpu_management.core.database import UtcDateTime, open_database
from gpu_management.costs.sqltime import seconds_of

_MOMENTS = Table("moments", MetaData(), Column("at", UtcDateTime))


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC),
        datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
        datetime(2026, 11, 22, 12, tzinfo=UTC) + timedelta(microseconds=1),
    ],
)
def test_a_moment_is_its_whole_seconds(moment: datetime) -> None:
    database = open_database("sqlite://")
    with database.write() as session:
        _MOMENTS.create(session.connection())
        session.execute(insert(_MOMENTS), [{"at": moment}])
        assert session.scalar(select(seconds_of(_MOMENTS.c.at))) == int(moment.timestamp())
    database.close()


def test_no_moment_has_no_seconds() -> None:
    database = open_database("sqlite://")
    with database.write() as session:
        _MOMENTS.create(session.connection())
        session.execute(insert(_MOMENTS), [{"at": None}])
        assert session.scalar(select(seconds_of(_MOMENTS.c.at))) is None
    database.close()


@pytest.mark.parametrize(
    ("engine", "words"),
    [("postgresql", "EXTRACT(EPOCH FROM"), ("oracle", "DATE '1970-01-01'")],
)
def test_other_engines_are_asked_in_their_words(engine: str, words: str) -> None:
    dialect = make_url(f"{engine}://").get_dialect()()
    assert words in str(select(seconds_of(_MOMENTS.c.at)).compile(dialect=dialect))
