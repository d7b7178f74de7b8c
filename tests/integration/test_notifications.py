"""Notifications on PostgreSQL: two processes at once, events that commit out of order."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from gpu_management.events.filters import GAP_GRACE
from gpu_management.notifications import feed
from tests.support.channels import alert, alerts, channel, courier, deliveries, run
from tests.support.events import say
from tests.support.house import House
from tests.support.receivers import Receiver, receiving

pytestmark = pytest.mark.integration


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def test_two_processes_make_each_delivery_once_and_send_it_once(
    postgres_house: House, receiver: Receiver
) -> None:
    house = postgres_house
    carriers = [courier(house), courier(house)]
    channel(house, url=receiver.url)
    channel(house, "other", url=receiver.url)
    alerts(house, range(300))
    house.clock.forward(seconds=10)
    with ThreadPoolExecutor(2) as both:
        list(both.map(lambda carrier: carrier.take(house.now), carriers))
    assert len(deliveries(house)) == 600
    with ThreadPoolExecutor(2) as both:
        list(both.map(lambda carrier: carrier.tick(house.now), carriers))
    assert all(carrier.wait(seconds=60) for carrier in carriers)
    run(house, carriers[0])
    sent = Counter(got.headers["webhook-id"] for got in receiver.got)
    assert len(sent) == 600
    assert set(sent.values()) == {1}


def test_an_event_that_commits_late_is_not_passed_over(
    postgres_house: House, receiver: Receiver
) -> None:
    house = postgres_house
    carrier = courier(house)
    channel(house, url=receiver.url, events=["allocation.*"])
    drawn, written = Event(), Event()

    def slow() -> None:
        with house.database.write() as session:
            say(session, "allocation.created", subject_id="slow", now=house.now)
            session.flush()
            drawn.set()
            assert written.wait(30)

    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(slow)
        assert drawn.wait(30)
        with house.database.write() as session:
            say(session, "allocation.created", subject_id="fast", now=house.now)
        run(house, carrier)
        assert receiver.got == []
        written.set()
        waiting.result(30)
    run(house, carrier)
    assert [got.json["data"]["n"] for got in receiver.got] == ["slow", "fast"]


def test_a_number_that_was_never_committed_holds_the_rest_for_a_moment_only(
    postgres_house: House, receiver: Receiver
) -> None:
    house = postgres_house
    carrier = courier(house)
    channel(house, url=receiver.url)
    with house.database.writer() as session:
        say(session, "allocation.created", now=house.now)
        session.flush()
        session.rollback()
    alert(house)
    run(house, carrier)
    assert receiver.got == []
    house.clock.forward(seconds=GAP_GRACE.total_seconds())
    run(house, carrier)
    assert len(receiver.got) == 1


def test_a_flood_is_one_digest(postgres_house: House, receiver: Receiver) -> None:
    house = postgres_house
    carrier = courier(house)
    channel(house, kind="slack", url=receiver.url)
    alerts(house, range(5000))
    run(house, carrier)
    (got,) = receiver.got
    assert got.json["text"] == "5,000 notifications in one"
    with house.database.read() as session:
        assert not feed.is_behind(session)
