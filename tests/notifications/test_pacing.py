from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.notifications.digest import digest
from gpu_management.notifications.messages import Message, Severity, from_json, to_json
from gpu_management.notifications.pacing import Form, Pace, Retry, form_of

AT = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def message(number: int, severity: Severity = Severity.WARNING) -> Message:
    return Message(
        kind="alert.firing",
        severity=severity,
        title="GPU is hot",
        text=f"GPU {number} is at 87 °C",
        at=AT + number * SECOND,
        subject_kind="alert",
        subject_id=str(number),
    )


def test_three_attempts_a_second_and_two_apart_are_the_default() -> None:
    retry = Retry()
    assert retry.again_at(1, began=AT, now=AT) == AT + SECOND
    assert retry.again_at(2, began=AT, now=AT) == AT + 2 * SECOND
    assert retry.again_at(3, began=AT, now=AT) is None


def test_people_are_tried_once_a_minute_for_as_long_as_it_is_set() -> None:
    retry = Retry(keep_trying=timedelta(hours=6))
    now = AT + timedelta(hours=2)
    assert retry.again_at(130, began=AT, now=now) == now + timedelta(minutes=1)
    assert retry.again_at(131, began=AT, now=AT + timedelta(hours=6)) is None


def test_a_receiver_that_asks_for_patience_gets_it_but_not_for_days() -> None:
    retry = Retry()
    asked = timedelta(seconds=30)
    assert retry.again_at(1, began=AT, now=AT, asked=asked) == AT + asked
    assert retry.again_at(1, began=AT, now=AT, asked=timedelta(days=1)) == AT + timedelta(hours=1)


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_the_pause_is_never_shorter_than_the_first_nor_longer_than_a_minute(
    attempts: int, waited: int
) -> None:
    retry = Retry(max_attempts=10**7)
    now = AT + waited * SECOND
    again = retry.again_at(attempts, began=AT, now=now)
    assert again is not None
    assert SECOND <= again - now <= timedelta(minutes=1)


@pytest.mark.parametrize(
    ("waiting", "sent", "urgent", "form"),
    [
        (10, 0, False, Form.EACH),
        (11, 0, False, Form.TOGETHER),
        (1, 9, False, Form.EACH),
        (2, 9, False, Form.TOGETHER),
        (1, 10, False, Form.LATER),
        (1, 10, True, Form.TOGETHER),
        (5000, 19, True, Form.TOGETHER),
        (1, 20, True, Form.LATER),
    ],
)
def test_a_flood_is_told_together_and_a_second_one_later(
    waiting: int, sent: int, *, urgent: bool, form: Form
) -> None:
    assert form_of(Pace(), waiting=waiting, sent=sent, urgent=urgent) is form


def test_machines_get_everything_one_by_one() -> None:
    assert form_of(None, waiting=5000, sent=5000) is Form.EACH


def test_a_digest_counts_everything_and_tells_the_worst_first() -> None:
    many = [message(number) for number in range(30)]
    many.append(message(99, Severity.CRITICAL))
    told = digest(many)
    assert told.severity is Severity.CRITICAL
    assert told.title == "31 notifications in one"
    counts, worst, *rest = told.text.splitlines()
    assert counts == "1 critical, 30 warning"
    assert worst == "critical: GPU 99 is at 87 °C"
    assert rest[-1] == "and 21 more"
    assert told.details == {"GPU is hot": "31"}


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_a_message_is_kept_as_it_is(text: str, details: dict[str, str | int | None]) -> None:
    made = Message(
        kind="k",
        severity=Severity.ERROR,
        title=text,
        text=text,
        at=AT,
        subject_kind="device",
        subject_id="d",
        details=details,
        also="device.overheating",
        since=AT - SECOND,
    )
    assert from_json(to_json(made)) == made
