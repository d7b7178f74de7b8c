"""Whether an allocation's pods are over, and whether any came."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gpu_management.allocations.binding import (
    FINISHED,
    NEVER_BOUND,
    Patience,
    Reservation,
    SeenPod,
    Verdict,
    judge,
)

BEGAN = datetime(2026, 3, 2, 9, 0, 0, 400_000, tzinfo=UTC)
NEW = Reservation(BEGAN, None, None)
USED = replace(NEW, pod_uid="u1")
POD = SeenPod("train", "u1", BEGAN, is_placed=True, is_over=False, is_told=True)
OVER = replace(POD, is_over=True)


def after(kept: Reservation, *pods: SeenPod, seconds: float = 0, **patience: object) -> Verdict:
    now = BEGAN + timedelta(seconds=seconds)
    return judge(kept, pods, Patience(**patience), now=now)  # type: ignore[arg-type]


def test_a_pod_with_a_node_uses_it():
    assert after(NEW, POD) == Verdict((POD,), was_bound=True)


def test_a_pod_that_waits_for_a_node_keeps_it_without_using_it():
    waits = replace(POD, is_placed=False)
    assert after(NEW, waits, seconds=7200) == Verdict()
    assert after(USED, waits, seconds=7200) == Verdict(was_bound=True)


def test_after_its_last_pod_it_waits_for_another_and_then_ends():
    assert after(USED, OVER, seconds=10).is_deserted
    deserted = replace(USED, unbound_since=BEGAN + timedelta(seconds=10))
    assert after(deserted, OVER, seconds=69).ends is None
    assert after(deserted, OVER, seconds=70).ends == FINISHED
    assert after(deserted, seconds=70).ends == FINISHED
    again = replace(POD, uid="u2")
    assert after(deserted, OVER, again, seconds=500) == Verdict((again,), was_bound=True)


def test_a_pod_that_came_and_went_unseen_still_was_its_pod():
    assert after(NEW, OVER, seconds=1).is_deserted


@pytest.mark.parametrize(("seconds", "is_ours"), [(-60, False), (-0.4, True), (5, True)])
def test_a_run_of_yesterday_with_the_same_name_ends_nothing(seconds: float, is_ours: bool):
    started = BEGAN + timedelta(seconds=seconds)
    namesake = replace(OVER, is_told=False, uid="u0", started_at=started)
    assert after(NEW, namesake, seconds=600).is_deserted is is_ours


def test_one_for_whom_no_pod_came_ends_at_its_deadline():
    assert after(NEW, seconds=3599).ends is None
    assert after(NEW, seconds=3600).ends == NEVER_BOUND


def test_who_was_used_has_no_deadline_and_patience_may_be_endless():
    assert after(USED, POD, seconds=9999).ends is None
    assert after(NEW, seconds=9999, for_pod=None).ends is None
    deserted = replace(USED, unbound_since=BEGAN)
    assert after(deserted, seconds=9999, after_pod=None).ends is None
