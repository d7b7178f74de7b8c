import itertools
from collections.abc import Iterator

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from gpu_management.core.database import Database
from gpu_management.core.paging import Page
from gpu_management.events import service
from gpu_management.events.filters import Interest
from gpu_management.events.models import Event
from tests.support.apps import NOON
from tests.support.events import say

TYPES = [(), ("a.x",), ("a.*",), ("a.*", "b.y"), ("a_.*",)]
TEAMS = [None, "", "ml"]
INTERESTS = [Interest(*asked) for asked in itertools.product(TYPES, TEAMS)]


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.write() as opened:
        yield opened


def test_events_are_read_in_order_after_the_last_one_seen(session: Session) -> None:
    for kind in ("a.x", "b.y", "a.z"):
        say(session, kind)
    session.flush()
    assert [event.type for event in service.since(session, 1, limit=10)] == ["b.y", "a.z"]
    assert [event.id for event in service.since(session, 0, limit=2)] == [1, 2]
    assert [event.id for event in service.since(session, 0, limit=9, until_id=1)] == [1]
    assert service.newest_id(session) == 3


@pytest.mark.parametrize("interest", INTERESTS)
def test_the_database_and_the_stream_agree_on_what_is_wanted(
    session: Session, interest: Interest
) -> None:
    places = [(None, None), ("ml", "ml"), ("other", "o"), (None, "ml"), ("ml", None)]
    for kind, (team, namespace) in itertools.product(("a.x", "a.z", "b.y", "aa.x"), places):
        say(session, kind, team=team, namespace=namespace)
    session.flush()
    everything = service.since(session, 0, limit=100)
    wanted = [
        row.id
        for row in everything
        if interest.wants(row.type, team=row.team, namespace=row.namespace)
    ]
    found = service.since(session, 0, limit=100, interest=interest)
    assert [row.id for row in found] == wanted


def test_a_number_is_never_used_again(session: Session) -> None:
    say(session, "a.x")
    session.flush()
    session.execute(delete(Event))
    say(session, "a.y")
    session.flush()
    assert service.newest_id(session) == 2


def test_history_pages_from_the_newest(session: Session) -> None:
    for number in range(5):
        say(session, f"a.n{number}", subject_id=f"s{number % 2}")
    session.flush()
    asked = service.HistoryFilter(Interest(), subject_id="s0", since=NOON)
    first = service.list_history(session, asked, page=Page(limit=2))
    assert [row.type for row in first.rows] == ["a.n4", "a.n2"]
    assert first.total == 3
    rest = service.list_history(session, asked, page=Page(limit=2, cursor=first.next_cursor))
    assert [row.type for row in rest.rows] == ["a.n0"]
