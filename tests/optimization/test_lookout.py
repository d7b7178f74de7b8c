from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.fleet import Only
from gpu_management.metrics.models import MinuteUse
from gpu_management.metrics.questions import Point, Question
from gpu_management.optimization.idle import IdleRule
from gpu_management.optimization.lookout import busy_for_certain_pct, evidence, idle_now
from tests.support.house import House

UNTIL = 36_000


def points(*means: float, samples: float = 20) -> list[Point]:
    """Return five-minute buckets up to `UNTIL`, oldest first."""
    first = UNTIL - 300 * len(means)
    return [
        Point(1, -1, first + 300 * place, mean * samples, samples)
        for place, mean in enumerate(means)
    ]


def judged(told: list[Point]) -> Any:
    return evidence(told, until=UNTIL, interval_seconds=15, rule=IdleRule())


def test_hours_of_nothing_are_idle() -> None:
    why = judged(points(*[0.5] * 72))
    assert (round(why.recent_mean_pct, 6), why.last_hour_pct, why.samples) == (0.5, 0.5, 240)


def test_one_quiet_hour_of_a_busy_service_is_not() -> None:
    assert judged(points(*[60.0] * 60, *[0.0] * 12)) is None


def test_too_few_samples_of_the_last_hour_say_nothing() -> None:
    assert judged(points(*[0.0] * 72, samples=17)) is None
    assert judged(points(*[0.0] * 60) + points(*[0.0] * 10)[:0]) is not None
    assert judged([one for one in points(*[0.0] * 72) if one.at < UNTIL - 3000]) is None


def test_what_comes_after_the_moment_is_not_looked_at() -> None:
    later = Point(1, -1, UNTIL, 2000.0, 20)
    assert judged([*points(*[0.0] * 72), later]) == judged(points(*[0.0] * 72))


@given(st.lists(st.floats(0, 100), min_size=12, max_size=72), st.floats(0, 5))
def test_what_is_idle_was_quiet_in_the_last_hour(past: list[float], quiet: float) -> None:
    told = points(*past[:-12], *(min(pct, quiet) for pct in past[-12:]))
    why = judged(told)
    if why is not None:
        assert why.last_hour_pct < busy_for_certain_pct(IdleRule())


class Asked(Embedded):
    """The store, and what it was asked."""

    def __init__(self) -> None:
        self.questions: list[Question] = []

    def points(self, session: Session, question: Question) -> list[Point]:
        self.questions.append(question)
        return super().points(session, question)


def minutes(house: House, device: int, pct: float) -> None:
    now = int(house.now.timestamp())
    with house.database.write() as session:
        for at in range(now - 6 * 3600, now, 60):
            session.add(
                MinuteUse(
                    device_id=device,
                    gpu_instance_id=-1,
                    at_ts=at,
                    samples=4,
                    utilization_samples=4,
                    utilization_pct=pct,
                )
            )


def found(house: House, only: Only | None = None) -> list[dict[str, Any]]:
    with house.database.read() as session:
        return idle_now(
            session, Embedded(), only=only or Only(), interval_seconds=15, now=house.now
        )


def test_held_and_idle_gpus_are_named_with_their_holder(house: House) -> None:
    house.node(gpus=3)
    for pod, team in (("sleeps", "ml"), ("works", "nlp")):
        house.request(pod_name=pod, team_id=team)
    house.clock.forward(hours=7)
    for device, pct in ((1, 0.2), (2, 80.0), (3, 0.0)):
        minutes(house, device, pct)
    (row,) = found(house)
    assert (row["device_id"], row["pod_name"], row["team_id"]) == ("n1-GPU-00", "sleeps", "ml")
    assert row["last_hour_pct"] == 0.2
    assert row["cost_per_hour"] > 0
    assert row["judged_at"] <= house.now - timedelta(minutes=3)
    assert found(house, Only(team_id="nlp")) == []


def test_the_past_is_read_of_quiet_gpus_only(house: House) -> None:
    house.node(gpus=3)
    for _ in range(3):
        house.request()
    house.clock.forward(hours=7)
    for device, pct in ((1, 0.2), (2, 80.0), (3, 20.0)):
        minutes(house, device, pct)
    store = Asked()
    with house.database.read() as session:
        (row,) = idle_now(session, store, only=Only(), interval_seconds=15, now=house.now)
    assert row["device_id"] == "n1-GPU-00"
    assert [one.devices for one in store.questions] == [None, frozenset({1})]


def test_what_was_given_just_now_is_left_alone(house: House) -> None:
    house.node()
    house.clock.forward(hours=7)
    minutes(house, 1, 0.0)
    house.request()
    house.clock.forward(minutes=30)
    assert found(house) == []


def test_the_api_tells_them(house: House) -> None:
    house.node()
    house.request(team_id="ml")
    house.clock.forward(hours=7)
    minutes(house, 1, 0.0)
    with house.client() as caller:
        (row,) = caller.get("/api/v1/gpu/metrics/idle").json()
    assert (row["deviceId"], row["recentMeanPct"], row["gpuInstanceId"]) == ("n1-GPU-00", 0, None)
