"""The thread of a simulation goes on after a failure and stops when told."""

import time
from datetime import datetime
from threading import Event

from gpu_management.core.clock import utc_now
from gpu_management.simulate.runner import Runner


class Failing:
    """Fails at its first step."""

    seconds = 0.01

    def __init__(self) -> None:
        self.steps = 0
        self.went_on = Event()

    def step(self, now: datetime) -> None:
        """Count; fail the first time."""
        self.steps += 1
        if self.steps == 1:
            raise RuntimeError("broken")
        self.went_on.set()


def test_a_step_that_fails_is_not_the_last() -> None:
    failing = Failing()
    runner = Runner(failing, utc_now)
    runner.start()
    assert failing.went_on.wait(5)
    runner.stop()


def test_it_stops_within_two_seconds() -> None:
    failing = Failing()
    failing.seconds = 60.0
    runner = Runner(failing, utc_now)
    runner.start()
    began = time.monotonic()
    runner.stop()
    assert time.monotonic() - began < 2
    assert failing.steps == 0


def test_what_never_started_can_be_stopped() -> None:
    Runner(Failing(), utc_now).stop()
