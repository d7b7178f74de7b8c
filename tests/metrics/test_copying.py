"""The ledger's split from a Prometheus, with no sample of our own."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.metrics import copying
from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.models import HourUse, MinuteUse, Sample
from gpu_management.metrics.questions import Point, Question
from gpu_management.metrics.store import MetricsUnavailable
from gpu_management.metrics.use import uses
from tests.support.house import House


class Peer(Embedded):
    """A backend with samples of its own: GPU 1 is busy every second minute; GPU 2 is nobody's."""

    def __init__(self) -> None:
        self.is_away = False
        self.asked: list[Question] = []

    def points(self, _session: Session, question: Question) -> list[Point]:
        if self.is_away:
            raise MetricsUnavailable("it is away")
        self.asked.append(question)
        assert question.devices is not None
        return [
            Point(device, -1, at, 400.0 * (at // 60 % 2), 4.0)
            for device in question.devices
            for at in range(question.since, question.until, 60)
        ]


def copy(house: House, peer: Peer) -> int:
    made = 0
    while True:
        with house.database.read() as session:
            found = copying.fetch(session, peer, now=house.now)
        if found is None:
            return made
        with house.database.write() as session:
            made += copying.keep(session, found, now=house.now)


def count(house: House, table: type[Any]) -> int:
    with house.database.read() as session:
        return int(session.scalar(select(func.count()).select_from(table)) or 0)


@pytest.fixture
def held(house: House) -> House:
    house.clock.now = house.now.replace(minute=0, second=0, microsecond=0)
    house.node(gpus=2)
    house.request()
    return house


def test_the_split_needs_no_samples_of_our_own(held: House) -> None:
    since = held.now
    held.clock.forward(hours=2, minutes=2)
    peer = Peer()
    assert copy(held, peer) == 6 * 60 - 2
    assert count(held, Sample) == 0
    assert 2 * 60 <= count(held, MinuteUse) < 3 * 60
    assert count(held, HourUse) >= 2
    span = (int(since.timestamp()), int(since.timestamp()) + 7200)
    with held.database.read() as session:
        (use,) = uses(session, [span], interval_seconds=15).values()
    assert (use.used, use.idle, use.unattributed) == (3_600_000, 3_600_000, 0)
    assert max(one.until - one.since for one in peer.asked) <= 3600


def test_while_it_is_away_nothing_is_copied_and_afterwards_everything(held: House) -> None:
    held.clock.forward(hours=1)
    peer = Peer()
    copy(held, peer)
    before = count(held, MinuteUse)
    peer.is_away = True
    held.clock.forward(hours=3)
    with pytest.raises(MetricsUnavailable):
        copy(held, peer)
    assert count(held, MinuteUse) == before
    peer.is_away = False
    copy(held, peer)
    assert count(held, MinuteUse) == before + 180


def test_a_second_leader_that_asked_for_the_same_minutes_writes_nothing(held: House) -> None:
    held.clock.forward(minutes=30)
    with held.database.read() as session:
        found = copying.fetch(session, Peer(), now=held.now)
    assert found is not None
    for expected in (60, 0):
        with held.database.write() as session:
            assert copying.keep(session, found, now=held.now) == expected


def test_nothing_is_asked_while_nothing_was_held(house: House) -> None:
    house.clock.forward(hours=1)
    peer = Peer()
    assert copy(house, peer) > 0
    assert peer.asked == []
