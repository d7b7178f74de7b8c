"""Whatever fails, dies or waits: every message is sent, in the order of its subject."""

import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_management.notifications import outbox
from gpu_management.notifications.models import Channel, DeliveryState
from gpu_management.notifications.outbox import Claimed, Result
from gpu_management.notifications.pacing import Retry
from gpu_management.notifications.sender import ARRIVED, Outcome
from tests.support.channels import alert, channel, courier, deliveries
from tests.support.house import House, prepared_database

LEASE = timedelta(seconds=25)
FOREVER = Retry(keep_trying=timedelta(days=30))
FAILED = Outcome("the receiver answered 500")

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fire"), st.integers(0, 3)),
        st.tuples(st.just("resolve"), st.integers(0, 3)),
        st.tuples(st.just("send"), st.integers(0, 7)),
        st.tuples(st.just("die"), st.integers(0, 7)),
        st.tuples(st.just("wait"), st.integers(1, 40)),
    ),
    max_size=25,
)


class World:
    """One channel, a receiver that can be wrong, and what it got."""

    def __init__(self, house: House, *, people: bool) -> None:
        self.house = house
        self.carrier = courier(house)
        self.channel_id = channel(
            house, kind="slack" if people else "webhook", url="https://hooks.test/x"
        )
        self.pace = None
        if people:
            self.pace = self.carrier._terms.pace
        self.got: list[int] = []
        self.deaths = 0

    def claim(self) -> Claimed:
        with self.house.database.write() as session:
            row = session.get_one(Channel, self.channel_id)
            return outbox.claim(session, row, pace=self.pace, lease=LEASE, now=self.house.now)

    def send(self, failures: int, *, dies: bool = False) -> int:
        """Claim and send; bit n of `failures` is whether the nth attempt fails."""
        claimed = self.claim()
        results = []
        held = set()
        for place, row in enumerate(claimed.rows):
            fails = bool(failures >> (0 if claimed.together else place) & 1)
            subject = row.subject_id
            if subject in held and not claimed.together:
                results.append(Result(row.id, row.attempts, None))
                continue
            if fails:
                held.add(subject)
            else:
                self.got.append(row.id)
            results.append(Result(row.id, row.attempts, FAILED if fails else ARRIVED))
        if claimed.together:
            first = claimed.rows[0]
            results = [Result(first.id, first.attempts, results[0].outcome, together=True)]
        if dies:
            self.deaths += 1
            return len(claimed.rows)
        with self.house.database.write() as session:
            row = session.get_one(Channel, self.channel_id)
            outbox.settle(session, row, results, retry=FOREVER, now=self.house.now)
        return len(claimed.rows)

    def drain(self) -> None:
        """Let the receiver be well until nothing waits."""
        for _ in range(400):
            self.carrier.take(self.house.now)
            self.send(0)
            if all(row.state is not DeliveryState.WAITING for row in deliveries(self.house)):
                return
            self.house.clock.forward(seconds=10)
        raise AssertionError("something waits for ever")


@settings(max_examples=20)
@given(STEPS, st.booleans())
def test_every_message_arrives_in_the_order_of_its_subject_and_twice_only_after_a_death(
    steps: list[tuple[str, int]],
    people: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = House(prepared_database(Path(folder)))
        try:
            world = World(house, people=people)
            for what, number in steps:
                if what in {"fire", "resolve"}:
                    kind = "alert.firing" if what == "fire" else "alert.resolved"
                    alert(house, number, kind=kind)
                    world.carrier.take(house.now)
                elif what == "wait":
                    house.clock.forward(seconds=number)
                else:
                    world.send(number, dies=what == "die")
            world.drain()
            check(world)
        finally:
            house.database.close()


def check(world: World) -> None:
    rows = deliveries(world.house)
    assert {row.id for row in rows} == set(world.got)
    counts = Counter(world.got)
    if not world.deaths:
        assert set(counts.values()) <= {1}
    first_seen: dict[int, int] = {}
    for place, number in enumerate(world.got):
        first_seen.setdefault(number, place)
    subjects: dict[str, list[int]] = {}
    for row in rows:
        subjects.setdefault(row.subject_id, []).append(first_seen[row.id])
    assert all(places == sorted(places) for places in subjects.values())
